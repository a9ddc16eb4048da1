// signaldb-writer: the command line. Exit codes: 0 done, 1 failed while running, 2 wrong usage or
// configuration.

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "adapters/local/posix_file_system.h"
#include "service/configuration.h"
#include "service/configuration_keys.h"
#include "service/configuration_sources.h"
#include "service/run.h"
#include "service/value_text.h"
#include "service/version.h"

namespace signaldb {
namespace {

enum ExitCode : int { kDone = 0, kWrongUsage = 2 };

Result<LoadedConfiguration> Load(const ConfigurationArguments& arguments) {
  PosixFileSystem files;
  return LoadForProcess(files, arguments, environ);
}

/// Prints the configuration in force, or that there is one.
int ShowConfiguration(const ConfigurationArguments& arguments, std::string_view instead) {
  const auto loaded = Load(arguments);
  if (!loaded.has_value()) {
    std::cerr << loaded.error().message << '\n';
    return kWrongUsage;
  }
  for (const std::string& warning : loaded->warnings) std::cerr << "warning: " << warning << '\n';
  std::cout << (instead.empty() ? ShowAsToml(loaded->shown) : instead);
  return kDone;
}

int Run(const ConfigurationArguments& arguments) {
  auto loaded = Load(arguments);
  if (loaded.has_value()) return RunUntilSignal(*std::move(loaded));
  std::cerr << loaded.error().message << '\n';
  return kWrongUsage;
}

/// Why the first argument is nothing that `app` knows; empty if it knows it. CLI11 would only say
/// that a subcommand is missing.
std::string WhyUnknown(std::string_view first, const CLI::App& app) {
  if (first.starts_with('-')) {
    if (app.get_option_no_throw(std::string(first)) != nullptr) return {};
    return fmt::format("There is no option \"{}\" in front of a command", first);
  }
  Nearest nearest(first);
  std::string_view longer;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    const std::string& name = command->get_name();
    if (name == first) return {};
    nearest.Consider(name);
    if (name.starts_with(first)) longer = name;
  }
  const std::string_view meant = nearest.best().empty() ? longer : nearest.best();
  return fmt::format("There is no command \"{}\"{}{}", first,
                     meant.empty() ? "" : ", did you mean ",
                     meant.empty() ? "" : fmt::format("{}?", meant));
}

int Main(int argc, const char* const* argv) {
  CLI::App app("Takes in OTLP and commits it to Iceberg tables, each message exactly once.",
               "signaldb-writer");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(Version()), "Print the version");
  app.footer("Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.");
  int exit_code = kDone;

  ConfigurationArguments arguments;
  const auto add_configuration = [&](CLI::App* command) {
    command->add_option("--config", arguments.file, "TOML file (default: ./signaldb.toml, if any)");
    command->add_option("--set", arguments.settings, "key=value, above file and environment");
  };

  auto* run = app.add_subcommand("run", "Run the service in the foreground");
  add_configuration(run);
  run->callback([&] { exit_code = Run(arguments); });

  auto* validate = app.add_subcommand("validate-config", "Check the configuration, change nothing");
  add_configuration(validate);
  validate->callback([&] { exit_code = ShowConfiguration(arguments, "configuration is valid\n"); });

  auto* config = app.add_subcommand("config", "Print the configuration in force, without secrets");
  add_configuration(config);
  auto* reference = config->add_flag("--reference")->description("Print the reference of all keys");
  config->callback([&] {
    if (reference->count() > 0) {
      std::cout << ConfigurationReference();
    } else {
      exit_code = ShowConfiguration(arguments, "");
    }
  });

  auto* version = app.add_subcommand("version", "Print the version");
  auto* json = version->add_flag("--json")->description("As a JSON object");
  version->callback(
      [&] { std::cout << (json->count() > 0 ? VersionJson() : std::string(Version())) << '\n'; });

  if (const std::string why = argc > 1 ? WhyUnknown(argv[1], app) : ""; !why.empty()) {
    std::cerr << why << "\nRun with --help for more information.\n";
    return kWrongUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e, std::cout, std::cerr) == 0 ? kDone : kWrongUsage;
  }
  return exit_code;
}

}  // namespace
}  // namespace signaldb

// NOLINTNEXTLINE(bugprone-exception-escape): only running out of memory throws here, and ends us.
int main(int argc, char** argv) { return signaldb::Main(argc, argv); }

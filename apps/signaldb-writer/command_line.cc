#include "command_line.h"

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "adapters/local/posix_file_system.h"
#include "dead_letter_command.h"
#include "service/configuration.h"
#include "service/configuration_keys.h"
#include "service/configuration_sources.h"
#include "service/run.h"
#include "service/version.h"
#include "unknown_argument.h"

namespace signaldb {
namespace {

enum ExitCode : int { kDone = 0, kWrongUsage = 2 };

Result<LoadedConfiguration> Load(const ConfigurationArguments& arguments) {
  PosixFileSystem files;
  return LoadToRun(files, arguments, environ);
}

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

}  // namespace

int RunCommandLine(int argc, const char* const* argv) {
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

  auto* validate = app.add_subcommand("validate-config", "Check the configuration, ask no server");
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

  AddDeadLetterCommands(app, exit_code);
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
}  // namespace signaldb

#include "dead_letter_command.h"

#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include <unistd.h>

#include "adapters/local/posix_file_system.h"
#include "service/configuration_sources.h"
#include "service/run_letter_command.h"
#include "service/value_text.h"

namespace signaldb {
namespace {

constexpr int kWrongUsage = 2;

/// What stands on the command line.
struct Options {
  ConfigurationArguments configuration;
  LetterFilter filter;
  std::string since;
  std::optional<std::string> to_tenant;
  std::optional<std::string> to_dataset;
  bool json = false;
  bool raw = false;
  bool yes = false;
};

Result<int> Run(LetterVerb verb, const Options& options) {
  LetterRequest request{.verb = verb, .filter = options.filter};
  if (!options.since.empty()) {
    SIGNALDB_ASSIGN(request.filter.since, ParseTimestamp(options.since));
  }
  if (options.to_tenant && options.to_dataset) {
    request.target = {*options.to_tenant, *options.to_dataset};
  }
  if (options.json) request.form = LetterForm::kJson;
  if (options.raw) request.form = LetterForm::kRaw;
  if (options.yes) request.consent = LetterConsent::kGiven;
  PosixFileSystem files;
  SIGNALDB_ASSIGN(const LoadedConfiguration loaded,
                  LoadForProcess(files, options.configuration, environ));
  return RunLetterCommand(loaded, request);
}

}  // namespace

void AddDeadLetterCommands(CLI::App& app, int& exit_code) {
  auto* dlq = app.add_subcommand("dlq", "Look at dead letters, replay or drop them");
  dlq->require_subcommand(1);
  dlq->footer(
      "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 letters are left, or none "
      "matches.");
  const auto options = std::make_shared<Options>();
  const auto add = [&](const char* name, const char* help, LetterVerb verb) {
    auto* command = dlq->add_subcommand(name, help);
    Options& with = *options;
    command->add_option("--config", with.configuration.file,
                        "TOML file (default: ./signaldb.toml, if any)");
    command->add_option("--set", with.configuration.settings,
                        "key=value, above file and environment");
    command->add_option("--tenant", with.filter.tenant, "Only of this tenant");
    command->add_option("--dataset", with.filter.dataset, "Only of this dataset");
    command->add_option("--reason", with.filter.reason, "Only with this text in the reason");
    command->add_option("--since", with.since, "Only received since, as 2026-01-31T12:00:00Z");
    command->add_option("--source", with.filter.source, "Only of this source");
    command->add_option("--position", with.filter.position, "Only of this position in its source");
    command->add_option("--part", with.filter.part, "Only of this part of the message");
    command->add_flag("--json", with.json, "Print JSON");
    command->callback([&exit_code, options, verb] {
      const Result<int> code = Run(verb, *options);
      if (!code) std::cerr << code.error().message << '\n';
      exit_code = code ? *code : kWrongUsage;
    });
    return command;
  };
  add("list", "Count letters by dataset and reason", LetterVerb::kList);
  add("show", "Print one letter with its message", LetterVerb::kShow)
      ->add_flag("--raw", options->raw, "Print the bytes of the message and nothing else");
  auto* replay = add("replay", "Decode letters again under today's limits and write their rows",
                     LetterVerb::kReplay);
  auto* to_tenant = replay->add_option("--to-tenant", options->to_tenant,
                                       "Whose rows they become, whoever they were meant for");
  auto* to_dataset =
      replay->add_option("--to-dataset", options->to_dataset, "The dataset of that tenant");
  to_tenant->needs(to_dataset);
  to_dataset->needs(to_tenant);
  add("drop", "Remove letters for good", LetterVerb::kDrop)
      ->add_flag("--yes", options->yes, "Do not ask");
}

}  // namespace signaldb

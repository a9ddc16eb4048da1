#include "service/run_letter_command.h"

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "adapters/local/posix_file_system.h"
#include "base/clock.h"
#include "base/random.h"
#include "service/event_log.h"
#include "service/quoted_text.h"
#include "telemetry/names.h"

namespace signaldb {

namespace {

enum ExitCode : int { kDone = 0, kFailed = 1, kWrongUsage = 2, kLettersLeft = 3 };

int ExitCodeOf(ErrorKind kind) {
  if (kind == ErrorKind::kNotFound) return kLettersLeft;
  return kind == ErrorKind::kInvalid ? kWrongUsage : kFailed;
}

Status CheckNames(const LetterRequest& request) {
  const auto check = [](std::string_view option, const std::optional<std::string>& name) -> Status {
    if (!name || IsValidTenantOrDataset(*name)) return {};
    return Fail(ErrorKind::kInvalid,
                fmt::format("expected 1 to 64 of the characters A-Z a-z 0-9 _ - {}={}", option,
                            Quoted(*name)));
  };
  SIGNALDB_TRY(check("--tenant", request.filter.tenant));
  SIGNALDB_TRY(check("--dataset", request.filter.dataset));
  if (!request.target) return {};
  SIGNALDB_TRY(check("--to-tenant", request.target->tenant));
  return check("--to-dataset", request.target->dataset);
}

Result<int> Print(const Result<std::string>& text) {
  if (!text) return std::unexpected(text.error());
  std::cout << *text;
  return kDone;
}

Result<int> Replay(LetterCommands& commands, const LetterRequest& request) {
  SIGNALDB_ASSIGN(const LetterCommands::Outcome done,
                  commands.Replay(request.filter, request.target, request.form));
  std::cout << done.text;
  return done.report.left + done.report.replaced > 0 ? kLettersLeft : kDone;
}

Result<int> Drop(LetterCommands& commands, const LetterRequest& request) {
  if (request.consent == LetterConsent::kAsk) {
    SIGNALDB_ASSIGN(const std::int64_t letters, commands.Count(request.filter));
    std::cerr << letters << " dead letters will be gone for good. Type yes to drop them: ";
    std::string answer;
    if (!std::getline(std::cin, answer) || answer != "yes") {
      std::cerr << "nothing was dropped\n";
      return kLettersLeft;
    }
  }
  SIGNALDB_ASSIGN(const LetterCommands::Outcome done, commands.Drop(request.filter, request.form));
  std::cout << done.text;
  return kDone;
}

Result<int> Do(LetterCommands& commands, const LetterRequest& request) {
  switch (request.verb) {
    case LetterVerb::kList:
      return Print(commands.List(request.filter, request.form));
    case LetterVerb::kShow:
      return Print(commands.Show(request.filter, request.form));
    case LetterVerb::kReplay:
      return Replay(commands, request);
    case LetterVerb::kDrop:
      return Drop(commands, request);
  }
  std::unreachable();
}

}  // namespace

int RunLetterCommand(const LoadedConfiguration& configuration, const LetterRequest& request) {
  if (const Status named = CheckNames(request); !named) {
    std::cerr << named.error().message << '\n';
    return kWrongUsage;
  }
  SystemClock clock;
  SystemRandom random;
  PosixFileSystem files;
  // What went well is said by the command itself.
  EventLog events(configuration.values.logging.format,
                  {.fallback = Severity::kWarning, .modules = {}}, clock, std::cerr);
  const auto commands = LetterCommands::Open(configuration.values, files, clock, random, events);
  const Result<int> done =
      commands ? Do(**commands, request) : Result<int>(std::unexpected(commands.error()));
  if (done) return *done;
  std::cerr << done.error().message << '\n';
  return ExitCodeOf(done.error().kind);
}

}  // namespace signaldb

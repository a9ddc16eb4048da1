#pragma once

#include <cstdint>
#include <optional>

#include "pipeline/letter_desk.h"
#include "service/configuration.h"
#include "service/letter_commands.h"

namespace signaldb {

enum class LetterVerb : std::uint8_t { kList, kShow, kReplay, kDrop };
/// Whether letters are dropped without a question on the terminal.
enum class LetterConsent : std::uint8_t { kAsk, kGiven };

struct LetterRequest {
  LetterVerb verb = LetterVerb::kList;
  LetterFilter filter;
  LetterForm form = LetterForm::kText;
  LetterConsent consent = LetterConsent::kAsk;
  std::optional<DatasetId> target =
      {};  ///< Where replayed rows go, instead of where they were meant for.
};

/// Does one `dlq` command, prints to the process's streams and returns its exit code: 0 done, 1
/// failed, 2 wrong usage or configuration, 3 letters are left, or none matches.
[[nodiscard]] int RunLetterCommand(const LoadedConfiguration& configuration,
                                   const LetterRequest& request);

}  // namespace signaldb

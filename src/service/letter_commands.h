#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/file_system.h"
#include "base/random.h"
#include "pipeline/letter_desk.h"
#include "service/configuration.h"
#include "service/storage.h"
#include "signaldb/result.h"

namespace signaldb {

/// How letters are shown.
enum class LetterForm : std::uint8_t {
  kText,
  kJson,
  kRaw,  ///< The bytes of one message, nothing else.
};

/// The commands `dlq list|show|replay|drop`: what they print, without a terminal.
///
/// Lifetime: borrows everything but the configuration.
/// Threads:  thread-compatible.
class LetterCommands {
 public:
  /// Errors: as OpenStorage; kUnavailable (there is no catalog yet; nothing is created), kInvalid
  /// (the catalog is in memory: another process's letters cannot be seen).
  [[nodiscard]] static Result<std::unique_ptr<LetterCommands>> Open(
      const ServiceConfiguration& values, FileSystem& files, Clock& clock, Random& random,
      EventListener& events);

  /// Counts by dataset and reason, oldest and newest. Digits of a reason count as alike.
  [[nodiscard]] Result<std::string> List(const LetterFilter& filter, LetterForm form);

  /// The one letter that matches, with its message: as text if it is JSON, else in hex.
  /// Errors: kNotFound (none), kInvalid (several; says how to name one).
  [[nodiscard]] Result<std::string> Show(const LetterFilter& filter, LetterForm form);

  struct Outcome {
    LetterReport report;  ///< Over all datasets.
    std::string text;
  };
  /// `target` as LetterDesk::Replay.
  /// Errors: as LetterDesk; datasets before the failing one are done, and named.
  [[nodiscard]] Result<Outcome> Replay(const LetterFilter& filter,
                                       const std::optional<DatasetId>& target, LetterForm form);
  [[nodiscard]] Result<Outcome> Drop(const LetterFilter& filter, LetterForm form);

  /// How many letters match. Errors: as LetterDesk::ForEach.
  [[nodiscard]] Result<std::int64_t> Count(const LetterFilter& filter);

 private:
  using Edit = std::function<Result<LetterReport>(const DatasetId&)>;

  LetterCommands(const ServiceConfiguration& values, Storage storage, Clock& clock, Random& random,
                 EventListener& events);
  [[nodiscard]] Result<Outcome> Change(const Edit& edit, const LetterFilter& filter,
                                       LetterForm form);

  Storage storage_;
  LetterDesk desk_;
};

}  // namespace signaldb

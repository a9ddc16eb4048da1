#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/event_listener.h"
#include "pipeline/cut.h"
#include "pipeline/letter_allowance.h"
#include "telemetry/dead_letter.h"
#include "telemetry/decode.h"
#include "telemetry/source.h"

namespace signaldb {

/// What one part of a queue's message becomes.
struct PartRows {
  DecodedMessage rows;     ///< Without their hold.
  std::int64_t bytes = 0;  ///< What the hold has to cover.
  /// The dataset's limit left no room for anything of the message: `rows` are empty, and this says
  /// why it can never become any.
  std::optional<std::string> reason_beyond_limit;
};

/// Makes rows of messages, and dead letters of what can never be rows; counts and logs these.
///
/// Lifetime: borrows everything.
/// Threads:  thread-safe.
class MessageDecoding {
 public:
  MessageDecoding(const DecodeOptions& decode, LetterAllowance& allowance, EventListener& events)
      : decode_(decode), allowance_(allowance), events_(events) {}

  /// Where a part's rows or letter go.
  struct Destination {
    SourceKey source;
    DatasetId dataset;
    /// Why nothing of it may become rows; the part's own dataset is then named in the letter.
    std::optional<std::string> refused;
  };

  [[nodiscard]] PartRows Decode(const SourceMessage& message, std::size_t part,
                                const Destination& destination) const;

  /// One row that stands for many messages that were kept in no other way.
  [[nodiscard]] static PartRows LetterForMany(const DeadLetter& letter);

 private:
  void Keep(const SourceMessage& message, DeadLetter letter, const Destination& destination,
            PartRows& rows) const;
  void Say(const DeadLetter& letter, const Destination& destination) const;

  const DecodeOptions& decode_;
  LetterAllowance& allowance_;
  EventListener& events_;
};

}  // namespace signaldb

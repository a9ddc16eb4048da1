#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "writer/positioned_rows.h"

namespace signaldb {

/// How much of what can never be rows is kept. Beyond it letters are counted, not filled.
struct DeadLetterLimits {
  std::int64_t message_bytes_max = 4LL << 20;  ///< Of a longer message the first bytes are kept.
  /// Of messages kept in the letters of one dataset within an hour, kLetterBytes added to each.
  /// Beyond it letters hold nothing of their message, and one may stand for many.
  std::int64_t bytes_max_per_hour = 64LL << 20;
};

/// What a letter costs beside the message in it, in memory and against the limit of an hour.
inline constexpr std::int64_t kLetterBytes = 4'096;
/// Lines logged for the letters of one dataset within a minute; the next one names how many were
/// left out.
inline constexpr int kLetterLinesPerMinute = 6;

/// Says how much of each dead letter may be kept and whether it may be logged, so that a flood of
/// poison fills neither the tables nor the log file.
///
/// Its memory is a few words for each dataset that had letters; the number of datasets of a process
/// is limited elsewhere. A restart begins anew.
///
/// Threads: thread-safe.
class LetterAllowance {
 public:
  LetterAllowance(DeadLetterLimits limits, Clock& clock) : limits_(limits), clock_(clock) {}

  /// How many bytes of a message of `bytes` may be kept now, and charges them: all, the first
  /// `message_bytes_max`, or none (nothing) because the dataset's hour is used up.
  [[nodiscard]] std::optional<std::size_t> Take(const DatasetId& dataset, std::size_t bytes);

  /// Whether a line may be logged now, and how many were left out before it.
  [[nodiscard]] std::optional<std::int64_t> TakeLine(const DatasetId& dataset);

 private:
  struct Spent {
    Nanos hour_begun{0};
    std::int64_t bytes = 0;
    Nanos minute_begun{0};
    int lines = 0;
    std::int64_t lines_left_out = 0;
  };
  [[nodiscard]] Spent& SpentBy(const DatasetId& dataset, Nanos now);

  const DeadLetterLimits limits_;
  Clock& clock_;
  std::mutex mutex_;
  std::map<DatasetId, Spent> spent_;
};

}  // namespace signaldb

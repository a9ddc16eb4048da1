#include "pipeline/letter_allowance.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace signaldb {

LetterAllowance::Spent& LetterAllowance::SpentBy(const DatasetId& dataset, Nanos now) {
  const auto [found, is_new] = spent_.try_emplace(dataset);
  Spent& spent = found->second;
  if (is_new || now - spent.hour_begun >= std::chrono::hours(1)) {
    spent.hour_begun = now;
    spent.bytes = 0;
  }
  if (is_new || now - spent.minute_begun >= std::chrono::minutes(1)) {
    spent.minute_begun = now;
    spent.lines = 0;
  }
  return spent;
}

std::optional<std::size_t> LetterAllowance::Take(const DatasetId& dataset, std::size_t bytes) {
  const auto kept = std::min(bytes, static_cast<std::size_t>(limits_.message_bytes_max));
  const std::int64_t cost = static_cast<std::int64_t>(kept) + kLetterBytes;
  const std::scoped_lock lock(mutex_);
  Spent& spent = SpentBy(dataset, clock_.MonotonicNow());
  if (spent.bytes + cost > limits_.bytes_max_per_hour) return std::nullopt;
  spent.bytes += cost;
  return kept;
}

std::optional<std::int64_t> LetterAllowance::TakeLine(const DatasetId& dataset) {
  const std::scoped_lock lock(mutex_);
  Spent& spent = SpentBy(dataset, clock_.MonotonicNow());
  if (spent.lines >= kLetterLinesPerMinute) {
    ++spent.lines_left_out;
    return std::nullopt;
  }
  ++spent.lines;
  return std::exchange(spent.lines_left_out, 0);
}

}  // namespace signaldb

#include "base/retry.h"

#include <algorithm>

namespace signaldb {

bool IsRetryable(ErrorKind kind) {
  return kind == ErrorKind::kConflict || kind == ErrorKind::kUnavailable ||
         kind == ErrorKind::kUnknownOutcome;
}

Backoff::Backoff(const RetryConfig& config, Clock& clock, Random& random)
    : config_(config),
      clock_(clock),
      random_(random),
      delay_ns_(static_cast<double>(Nanos(config.initial_delay).count())) {}

bool Backoff::Next(std::stop_token stop) {
  if (stop.stop_requested() || attempts_ >= config_.max_attempts) return false;
  if (attempts_++ == 0) return true;
  const double most = std::min(delay_ns_, static_cast<double>(Nanos(config_.max_delay).count()));
  delay_ns_ = most * config_.backoff_multiplier;
  const auto half = static_cast<std::uint64_t>(most / 2);
  const std::uint64_t wait = half + random_.Below(half + 1);
  return clock_.SleepFor(Nanos(static_cast<std::int64_t>(wait)), stop);
}

}  // namespace signaldb

#pragma once

#include <stop_token>

#include "base/clock.h"
#include "base/random.h"
#include "signaldb/result.h"
#include "signaldb/retry_config.h"

namespace signaldb {

/// True for kConflict, kUnavailable and kUnknownOutcome: trying again (after a look) may help.
[[nodiscard]] bool IsRetryable(ErrorKind kind);

/// The loop condition of every retry: `for (Backoff b(...); b.Next(stop);) { attempt }`.
///
/// Waits before each attempt but the first, by full jitter over the upper half of the delay, so
/// that writers who collided once do not collide again.
///
/// Threads: confined to the caller.
class Backoff {
 public:
  Backoff(const RetryConfig& config, Clock& clock, Random& random);

  /// True if another attempt is due now. Blocks for the delay; false after the last attempt or
  /// once `stop` is requested.
  [[nodiscard]] bool Next(std::stop_token stop);

  /// Attempts begun so far.
  [[nodiscard]] int attempts() const { return attempts_; }

 private:
  RetryConfig config_;
  Clock& clock_;
  Random& random_;
  int attempts_ = 0;
  double delay_ns_;
};

}  // namespace signaldb

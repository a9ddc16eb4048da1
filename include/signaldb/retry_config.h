#pragma once

#include <chrono>

namespace signaldb {

/// How long to insist on what may be retried: conflicts, outages and unknown outcomes (after a
/// look). Waits are drawn from the upper half of the delay, so that writers who collided once do
/// not collide again.
struct RetryConfig {
  int max_attempts = 3;                          ///< The first attempt counts.
  std::chrono::milliseconds initial_delay{100};  ///< Before the second attempt,
  std::chrono::milliseconds max_delay{5'000};    ///< growing up to this
  double backoff_multiplier = 2.0;               ///< by this factor.

  friend bool operator==(const RetryConfig&, const RetryConfig&) = default;
};

}  // namespace signaldb

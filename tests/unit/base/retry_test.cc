#include "base/retry.h"

#include <gtest/gtest.h>

#include "testing/fake_clock.h"

namespace signaldb {
namespace {

using std::chrono::milliseconds;
using testing::FakeClock;

TEST(Backoff, WaitsLongerEachTimeUpToTheLimit) {
  FakeClock clock;
  SeededRandom random(1);
  const RetryConfig config{.max_attempts = 6,
                           .initial_delay = milliseconds(100),
                           .max_delay = milliseconds(400),
                           .backoff_multiplier = 2.0};
  Backoff backoff(config, clock, random);
  ASSERT_TRUE(backoff.Next({}));
  EXPECT_EQ(clock.MonotonicNow(), Nanos(0));
  for (const int most : {100, 200, 400, 400, 400}) {
    const Nanos before = clock.MonotonicNow();
    ASSERT_TRUE(backoff.Next({}));
    const Nanos waited = clock.MonotonicNow() - before;
    EXPECT_GE(waited, milliseconds(most) / 2);
    EXPECT_LE(waited, milliseconds(most));
  }
  EXPECT_FALSE(backoff.Next({}));
  EXPECT_EQ(backoff.attempts(), 6);
}

TEST(Backoff, EndsWhenStopIsRequested) {
  FakeClock clock;
  SeededRandom random(1);
  std::stop_source stop;
  Backoff backoff(RetryConfig{}, clock, random);
  ASSERT_TRUE(backoff.Next(stop.get_token()));
  stop.request_stop();
  EXPECT_FALSE(backoff.Next(stop.get_token()));
}

TEST(IsRetryable, IsWhatAnotherAttemptMayMend) {
  EXPECT_TRUE(IsRetryable(ErrorKind::kConflict));
  EXPECT_TRUE(IsRetryable(ErrorKind::kUnavailable));
  EXPECT_TRUE(IsRetryable(ErrorKind::kUnknownOutcome));
  EXPECT_FALSE(IsRetryable(ErrorKind::kInvalid));
  EXPECT_FALSE(IsRetryable(ErrorKind::kNotFound));
  EXPECT_FALSE(IsRetryable(ErrorKind::kCorrupt));
  EXPECT_FALSE(IsRetryable(ErrorKind::kCancelled));
  EXPECT_FALSE(IsRetryable(ErrorKind::kInternal));
}

}  // namespace
}  // namespace signaldb

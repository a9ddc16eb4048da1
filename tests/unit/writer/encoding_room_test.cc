#include "writer/encoding_room.h"

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/recording_listener.h"

namespace signaldb {
namespace {

using std::chrono::milliseconds;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using WhenExhausted = MemoryConfig::WhenExhausted;

class EncodingRoomTest : public ::testing::Test {
 protected:
  EncodingShare Share(std::int64_t limit, WhenExhausted when) {
    return {room_,
            {.limit_bytes = limit, .when_exhausted = when, .wait_timeout = milliseconds(50)},
            clock_,
            events_};
  }
  [[nodiscard]] double Waits(const std::string& outcome) const {
    return events_.counter("signaldb_writer_encoding_waits_total{outcome=" + outcome + "}");
  }
  void WaitUntilWaiting(std::size_t count) const {
    while (room_.waiting() != count) std::this_thread::yield();
  }

  EncodingRoom room_;
  testing::FakeClock clock_;
  testing::RecordingListener events_;
};

TEST_F(EncodingRoomTest, FailingHoldsToTheLimitToTheByte) {
  EncodingShare share = Share(100, WhenExhausted::kFail);
  const auto first = share.Take(60);
  ASSERT_THAT(first, IsOk());
  EXPECT_FALSE(share.TookRefusal());
  EXPECT_THAT(share.Take(41), IsErrorSaying(ErrorKind::kUnavailable,
                                            "slice_bytes=41 in_encoding_bytes=60 limit_bytes=100"));
  EXPECT_TRUE(share.TookRefusal());
  EXPECT_FALSE(share.TookRefusal());
  EXPECT_THAT(share.Take(40), IsOk());
  EXPECT_EQ(Waits("refused"), 1);
  EXPECT_EQ(room_.used(), 60);
}

TEST_F(EncodingRoomTest, WhatCanNeverFitIsInvalidWhateverTheChoice) {
  for (const auto when : {WhenExhausted::kFail, WhenExhausted::kWait}) {
    EncodingShare share = Share(100, when);
    EXPECT_THAT(share.Take(101), IsErrorSaying(ErrorKind::kInvalid, "limit_bytes=100"));
    EXPECT_THAT(share.Take(100), IsOk());
  }
}

TEST_F(EncodingRoomTest, WithoutALimitNothingIsCounted) {
  EncodingShare share = Share(0, WhenExhausted::kFail);
  const auto hold = share.Take(std::int64_t{1} << 60);
  EXPECT_THAT(hold, IsOk());
  EXPECT_EQ(room_.used(), 0);
}

TEST_F(EncodingRoomTest, WaitingGetsTheRoomThatOthersGiveBack) {
  EncodingShare share = Share(100, WhenExhausted::kWait);
  std::optional<Result<EncodingShare::Hold>> first;
  first.emplace(share.Take(60));
  std::jthread waiter([&] { EXPECT_THAT(share.Take(41), IsOk()); });
  WaitUntilWaiting(1);
  EXPECT_EQ(room_.used(), 60);
  first.reset();
  waiter.join();
  EXPECT_EQ(Waits("waited"), 1);
  EXPECT_EQ(Waits("refused"), 0);
  EXPECT_EQ(room_.used(), 0);
  EXPECT_EQ(events_.gauge("signaldb_writer_encoding_bytes"), 0);
}

TEST_F(EncodingRoomTest, WaitingEndsAtItsTimeout) {
  EncodingShare share = Share(100, WhenExhausted::kWait);
  const auto hold = share.Take(100);
  std::jthread time([&] {
    WaitUntilWaiting(1);
    clock_.Advance(milliseconds(50));
  });
  EXPECT_THAT(share.Take(1), IsErrorSaying(ErrorKind::kUnavailable, "limit_bytes=100"));
  EXPECT_EQ(Waits("refused"), 1);
  EXPECT_EQ(room_.used(), 100);
}

TEST_F(EncodingRoomTest, ALargeSliceIsNotOvertakenBySmallOnes) {
  EncodingShare share = Share(100, WhenExhausted::kWait);
  std::optional<Result<EncodingShare::Hold>> first;
  first.emplace(share.Take(50));
  std::vector<int> order;
  std::mutex mutex;
  const auto take = [&](std::int64_t bytes, int number) {
    const auto hold = share.Take(bytes);
    const std::scoped_lock lock(mutex);
    order.push_back(number);
  };
  std::jthread large([&] { take(100, 1); });
  WaitUntilWaiting(1);
  std::jthread small([&] { take(10, 2); });
  WaitUntilWaiting(2);
  EXPECT_TRUE(order.empty());
  first.reset();
  large.join();
  small.join();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(EncodingRoomTest, WritersOfOneRoomAddUpEachUnderItsOwnLimit) {
  EncodingShare modest = Share(50, WhenExhausted::kFail);
  EncodingShare greedy = Share(100, WhenExhausted::kFail);
  const auto first = greedy.Take(60);
  EXPECT_THAT(modest.Take(1), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(greedy.Take(40), IsOk());
}

}  // namespace
}  // namespace signaldb

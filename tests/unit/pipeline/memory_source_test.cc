#include "adapters/memory/memory_source.h"

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/queue_intake.h"
#include "sim/otlp_bodies.h"
#include "testing/matchers.h"

namespace signaldb::testing {
namespace {

using ::testing::ElementsAre;

class MemorySourceTest : public ::testing::Test {
 protected:
  class ListedCommit final : public CutCommit {
   public:
    ListedCommit(MemorySourceTest& test, Cut cut) : test_(test), cut_(std::move(cut)) {}
    Status Attempt(std::stop_token) override {
      const std::scoped_lock lock(test_.mutex);
      if (test_.broken) return Fail(ErrorKind::kUnavailable, "catalog is away");
      for (const PositionedRows& rows : cut_.tables["logs"])
        test_.positions.push_back(rows.position);
      return {};
    }

   private:
    MemorySourceTest& test_;
    Cut cut_;
  };

  static MemorySource::Message Log(const std::string& name) {
    return {.tenant = "acme", .dataset = "prod", .body = LogsRequest({name})};
  }

  void Break(bool to) {
    const std::scoped_lock lock(mutex);
    broken = to;
  }

  bool Eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 1'000 && !holds(); ++i) clock.SleepFor(std::chrono::milliseconds(10), {});
    return holds();
  }

  std::mutex mutex;
  bool broken = false;
  std::vector<SourcePosition> positions;
  SystemClock clock;
  SystemRandom random;
  NullEventListener events;
  MemoryBudget budget{1'000'000};
  CommitScheduler scheduler{
      CutOptions{
          .interval = std::chrono::milliseconds(5),
          .pace = {.max_attempts = 1'000'000, .initial_delay = std::chrono::milliseconds(1)}},
      clock,
      random,
      events,
      budget,
      [this](Cut cut, CutReason) { return std::make_unique<ListedCommit>(*this, std::move(cut)); }};
  QueueIntake intake{{}, scheduler, clock, events, budget};
};

TEST_F(MemorySourceTest, KeepsMessagesUntilTheTablesHaveThem) {
  for (const LaneOrder order : {LaneOrder::kInOrder, LaneOrder::kAnyOrder}) {
    positions.clear();
    MemorySource source({.name = order == LaneOrder::kInOrder ? "a" : "b", .order = order}, clock);
    EXPECT_EQ(source.Name().substr(0, 7), "memory ");
    if (order == LaneOrder::kInOrder) scheduler.Start();
    ASSERT_THAT(source.Start(intake), IsOk());
    for (SourcePosition i = 1; i <= 3; ++i) EXPECT_THAT(source.Push(Log("x")), IsOkAnd(i));
    EXPECT_TRUE(Eventually([&] { return source.waiting() == 0; }));
    EXPECT_THAT(source.Close(clock.MonotonicNow()), IsOk());
    EXPECT_THAT(positions, ElementsAre(1, 2, 3));
  }
}

TEST_F(MemorySourceTest, DeliversAgainWhatWasNotAcknowledged) {
  Break(true);
  scheduler.Start();
  MemorySource source({.name = "a"}, clock);
  ASSERT_THAT(source.Push(Log("x")), IsOk());
  ASSERT_THAT(source.Start(intake), IsOk());
  EXPECT_TRUE(Eventually([&] { return !scheduler.Idle(); }));
  EXPECT_THAT(source.Close(clock.MonotonicNow()), IsOk());
  EXPECT_EQ(source.waiting(), 1U);
  ASSERT_THAT(source.Start(intake), IsOk());
  Break(false);
  EXPECT_TRUE(Eventually([&] { return source.waiting() == 0; }));
  EXPECT_THAT(source.Close(clock.MonotonicNow()), IsOk());
}

TEST_F(MemorySourceTest, RefusesMoreThanItMayKeep) {
  MemorySource source({.name = "a", .messages_max = 2}, clock);
  EXPECT_THAT(source.Push(Log("x")), IsOk());
  EXPECT_THAT(source.Push(Log("x")), IsOk());
  EXPECT_THAT(source.Push(Log("x")), IsErrorSaying(ErrorKind::kUnavailable, "messages_max=2"));
}

TEST_F(MemorySourceTest, SaysWhatKeepsItFromDelivering) {
  MemoryBudget::Hold all = budget.TryTake(1'000'000);
  scheduler.Start();
  MemorySource source({.name = "a"}, clock);
  ASSERT_THAT(source.Start(intake), IsOk());
  ASSERT_THAT(source.Push(Log("x")), IsOk());
  EXPECT_TRUE(Eventually([&] { return source.Trouble().contains("no room"); }));
  all.Release();
  EXPECT_TRUE(Eventually([&] { return source.waiting() == 0; }));
  EXPECT_EQ(source.Trouble(), "");
}

}  // namespace
}  // namespace signaldb::testing

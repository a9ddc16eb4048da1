#include "pipeline/commit_scheduler.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "testing/fake_clock.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::FakeClock;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;

constexpr std::int64_t kHourMicros = 3'600'000'000;

std::shared_ptr<arrow::RecordBatch> RowsAt(const std::vector<std::int64_t>& micros) {
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  EXPECT_TRUE(times.AppendValues(micros).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("timestamp", times.type())}),
                                  static_cast<std::int64_t>(micros.size()),
                                  {times.Finish().ValueOrDie()});
}

// Stands in for the tables: remembers what was committed, fails as told.
class CommitSchedulerTest : public ::testing::Test {
 protected:
  struct Committed {
    DatasetId dataset;
    SourcePosition first;
    SourcePosition last;
    CutReason reason;
  };

  class FakeCommit final : public CutCommit {
   public:
    FakeCommit(CommitSchedulerTest& test, Cut cut, CutReason reason)
        : test_(test), cut_(std::move(cut)), reason_(reason) {}
    Status Attempt(std::stop_token) override {
      if (test_.broken.contains(cut_.dataset))
        return Fail(ErrorKind::kUnavailable, "catalog is away");
      test_.committed.push_back({cut_.dataset, cut_.first, cut_.last, reason_});
      return {};
    }

   private:
    CommitSchedulerTest& test_;
    Cut cut_;
    CutReason reason_;
  };

  std::unique_ptr<CommitScheduler> Make(CutOptions options) {
    return std::make_unique<CommitScheduler>(
        options, clock, random, events, budget,
        [this](Cut cut, CutReason reason) {
          return std::make_unique<FakeCommit>(*this, std::move(cut), reason);
        },
        [this](SourcePosition through) -> Status {
          if (trims_failing-- > 0) return Fail(ErrorKind::kUnavailable, "disk is full");
          trimmed.push_back(through);
          return {};
        });
  }

  DecodedMessage Message(SourcePosition position, std::int64_t bytes = 100,
                         const std::vector<std::int64_t>& micros = {0}) {
    DecodedMessage message{
        .position = position, .received_at = clock.WallNow(), .hold = budget.TryTake(bytes)};
    message.rows[0] = RowsAt(micros);
    return message;
  }

  FakeClock clock;
  SeededRandom random{1};
  NullEventListener events;
  MemoryBudget budget{10'000};
  std::set<DatasetId> broken;
  std::vector<Committed> committed;
  std::vector<SourcePosition> trimmed;
  int trims_failing = 0;
  const DatasetId a{"acme", "prod"};
  const DatasetId b{"beta", "prod"};
};

TEST_F(CommitSchedulerTest, CutsADatasetWhenItsOldestMessageIsOldEnough) {
  auto scheduler = Make({.interval = std::chrono::seconds(5)});
  scheduler->Add(a, Message(1));
  clock.Advance(std::chrono::milliseconds(4'999));
  scheduler->Add(a, Message(2));
  EXPECT_FALSE(scheduler->CommitOneDue({}));
  clock.Advance(std::chrono::milliseconds(1));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].first, 1u);
  EXPECT_EQ(committed[0].last, 2u);
  EXPECT_EQ(committed[0].reason, CutReason::kAge);
  EXPECT_EQ(trimmed, std::vector<SourcePosition>{2});
  EXPECT_EQ(budget.used(), 0);
}

TEST_F(CommitSchedulerTest, CutsAtOnceByBytesRowsPartitionsAndMemory) {
  struct Case {
    std::string_view name;
    CutOptions options;
    std::vector<std::int64_t> below;
    std::vector<std::int64_t> at;
    CutReason reason;
  };
  const Case cases[] = {
      {"bytes", {.bytes_max = 200}, {0}, {0}, CutReason::kBytes},
      {"rows", {.rows_max = 3}, {0, 0}, {0}, CutReason::kRows},
      {"partitions", {.partitions_max = 2}, {0, kHourMicros}, {-1}, CutReason::kPartitions},
      {"memory", {.memory_pressure_bytes = 200}, {0}, {0}, CutReason::kMemory},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    committed.clear();
    auto scheduler = Make(c.options);
    scheduler->Add(a, Message(1, 100, c.below));
    EXPECT_FALSE(scheduler->CommitOneDue({}));
    scheduler->Add(a, Message(2, 100, c.at));
    EXPECT_TRUE(scheduler->CommitOneDue({}));
    ASSERT_EQ(committed.size(), 1u);
    EXPECT_EQ(committed[0].reason, c.reason);
  }
}

TEST_F(CommitSchedulerTest, CutsTheLargestDatasetUnderMemoryPressure) {
  auto scheduler = Make({.memory_pressure_bytes = 1'000});
  scheduler->Add(a, Message(1, 300));
  scheduler->Add(b, Message(2, 700));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(committed[0].dataset, b);
  EXPECT_FALSE(scheduler->CommitOneDue({}));
}

TEST_F(CommitSchedulerTest, NeverTrimsBeyondWhatAnyDatasetStillWaitsFor) {
  auto scheduler = Make({.bytes_max = 200});
  scheduler->Add(a, Message(1));
  scheduler->Add(b, Message(2, 200));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(committed[0].dataset, b);
  EXPECT_EQ(scheduler->committed(), 0u);
  scheduler->Add(a, Message(3));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(scheduler->committed(), 3u);
  EXPECT_EQ(trimmed, std::vector<SourcePosition>{3});
}

TEST_F(CommitSchedulerTest, KeepsAFailingCutAndLetsTheOthersGoOn) {
  broken.insert(a);
  auto scheduler = Make({.bytes_max = 100, .workers = 1});
  scheduler->Add(a, Message(1));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(scheduler->Stalled().size(), 1u);
  scheduler->Add(b, Message(2));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_FALSE(scheduler->CommitOneDue({})) << "the failing dataset must wait its pace";
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].dataset, b);
  EXPECT_EQ(scheduler->committed(), 0u);
  broken.clear();
  scheduler->Add(a, Message(3));
  clock.Advance(std::chrono::seconds(10));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  ASSERT_EQ(committed.size(), 3u);
  EXPECT_EQ(committed[1].last, 1u);
  EXPECT_EQ(committed[2].first, 3u);
  EXPECT_EQ(scheduler->committed(), 3u);
  EXPECT_TRUE(scheduler->Stalled().empty());
}

TEST_F(CommitSchedulerTest, RefusesAStalledDatasetOnceItsShareIsUsedUp) {
  broken.insert(a);
  auto scheduler = Make({.bytes_max = 100, .stalled_bytes_max = 250});
  scheduler->Add(a, Message(1, 150));
  EXPECT_THAT(scheduler->Admit(a), IsOk());
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_THAT(scheduler->Admit(a), IsOk());
  scheduler->Add(a, Message(2, 100));
  EXPECT_THAT(scheduler->Admit(a), IsErrorSaying(ErrorKind::kUnavailable, "catalog is away"));
  EXPECT_THAT(scheduler->Admit(b), IsOk());
}

TEST_F(CommitSchedulerTest, TakesInNoMoreDatasetsThanItsLimit) {
  auto scheduler = Make({.datasets_max = 2});
  scheduler->Add(a, Message(1));
  EXPECT_THAT(scheduler->Admit(b), IsOk());
  scheduler->Add(b, Message(2));
  EXPECT_THAT(scheduler->Admit({"c", "c"}), IsErrorSaying(ErrorKind::kInvalid, "limit=2"));
  EXPECT_THAT(scheduler->Admit(a), IsOk());
}

TEST_F(CommitSchedulerTest, CountsOnlyDatasetsThatBroughtRows) {
  // Else requests that turn out to be garbage could use up the names of everybody.
  auto scheduler = Make({.datasets_max = 2});
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(scheduler->Admit({"garbage", std::to_string(i)}), IsOk());
  }
  EXPECT_THAT(scheduler->Admit(a), IsOk());
}

TEST_F(CommitSchedulerTest, CountsAMessageWithoutRowsAsCommittedInItsTurn) {
  auto scheduler = Make({.bytes_max = 100});
  scheduler->Add(a, DecodedMessage{.position = 1});
  EXPECT_EQ(scheduler->committed(), 1u);
}

TEST_F(CommitSchedulerTest, TrimsWhatNeededNoCommit) {
  // A log that is full of messages that are in the tables already must become empty again.
  auto scheduler = Make({});
  scheduler->Add(a, DecodedMessage{.position = 1});
  scheduler->Add(a, DecodedMessage{.position = 2});
  EXPECT_FALSE(scheduler->CommitOneDue({}));
  EXPECT_EQ(trimmed, std::vector<SourcePosition>{2});
  EXPECT_FALSE(scheduler->CommitOneDue({}));
  EXPECT_EQ(trimmed.size(), 1u) << "once is enough";
}

TEST_F(CommitSchedulerTest, TriesAFailedTrimAgainWithoutWaitingForTheNextCommit) {
  auto scheduler = Make({.bytes_max = 100});
  scheduler->Add(a, Message(1));
  trims_failing = 2;
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_FALSE(scheduler->CommitOneDue({}));
  EXPECT_TRUE(trimmed.empty());
  EXPECT_FALSE(scheduler->CommitOneDue({}));
  EXPECT_EQ(trimmed, std::vector<SourcePosition>{1});
}

TEST_F(CommitSchedulerTest, DoesNotCutCrumbsWhileAStalledDatasetHoldsTheMemory) {
  broken.insert(a);
  auto scheduler = Make({.memory_pressure_bytes = 1'000, .stalled_bytes_max = 1'000});
  scheduler->Add(a, Message(1, 1'000));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  ASSERT_EQ(scheduler->Stalled().size(), 1u);
  scheduler->Add(b, Message(2, 100));
  EXPECT_FALSE(scheduler->CommitOneDue({})) << "a commit of its own for every small message";
  scheduler->Add(b, Message(3, 300));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].dataset, b);
  EXPECT_EQ(committed[0].reason, CutReason::kMemory);
}

TEST_F(CommitSchedulerTest, MakesEverythingVisibleOnFlush) {
  auto scheduler = Make({.interval = std::chrono::hours(1)});
  scheduler->Add(a, Message(1));
  scheduler->Add(b, Message(2));
  scheduler->Start();
  EXPECT_THAT(scheduler->Flush(std::chrono::seconds(60)), IsOk());
  EXPECT_EQ(committed.size(), 2u);
  EXPECT_EQ(committed[0].reason, CutReason::kFlush);
  EXPECT_EQ(scheduler->committed(), 2u);
}

TEST_F(CommitSchedulerTest, NamesTheDatasetThatKeepsAFlushWaiting) {
  broken.insert(a);
  auto scheduler = Make({.interval = std::chrono::hours(1)});
  scheduler->Add(a, Message(1));
  EXPECT_THAT(scheduler->Flush(Nanos(0)), IsErrorSaying(ErrorKind::kUnavailable, "tenant=acme"));
}

TEST_F(CommitSchedulerTest, CommitsWhatItHasWhenItCloses) {
  auto scheduler = Make({.interval = std::chrono::hours(1)});
  scheduler->Start();
  scheduler->Add(a, Message(1));
  EXPECT_THAT(scheduler->Close(std::chrono::seconds(60)), IsOk());
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].reason, CutReason::kShutdown);
  EXPECT_THAT(scheduler->Admit(a), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(scheduler->Close(Nanos(0)), IsOk());
}

TEST_F(CommitSchedulerTest, EndsAWaitingFlushWhenItCloses) {
  broken.insert(a);
  auto scheduler = Make({.interval = std::chrono::hours(1)});
  scheduler->Start();
  scheduler->Add(a, Message(1));
  Status flushed;
  {
    const std::jthread flusher(
        [&] { flushed = scheduler->Flush(clock.MonotonicNow() + std::chrono::hours(1)); });
    while (scheduler->Stalled().empty()) std::this_thread::yield();
    EXPECT_THAT(scheduler->Close(Nanos(0)), IsError(ErrorKind::kUnavailable));
  }
  EXPECT_THAT(flushed, IsError(ErrorKind::kCancelled));
  EXPECT_THAT(scheduler->Flush(clock.MonotonicNow() + std::chrono::hours(1)),
              IsError(ErrorKind::kCancelled));
}

}  // namespace
}  // namespace signaldb

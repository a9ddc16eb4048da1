#include "pipeline/commit_scheduler.h"

#include <arrow/api.h>
#include <gmock/gmock.h>

#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/recording_listener.h"

namespace signaldb {
namespace {

using testing::FakeClock;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::RecordingListener;

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
      if (test_.given_up-- > 0) return Fail(ErrorKind::kConflict, "others won every attempt");
      test_.committed.push_back({cut_.dataset, cut_.messages.front().origin.position,
                                 cut_.messages.back().origin.position, reason_});
      return {};
    }
    int lost_races() const override { return test_.lost_races; }

   private:
    CommitSchedulerTest& test_;
    Cut cut_;
    CutReason reason_;
  };

  std::unique_ptr<CommitScheduler> Make(CutOptions options) {
    auto scheduler = std::make_unique<CommitScheduler>(
        options, clock, random, events, budget, [this](Cut cut, CutReason reason) {
          return std::make_unique<FakeCommit>(*this, std::move(cut), reason);
        });
    lane = scheduler->OpenLane("log/test", LaneOrder::kInOrder,
                               [this](const LaneProgress& progress) -> Status {
                                 if (trims_failing-- > 0)
                                   return Fail(ErrorKind::kUnavailable, "disk is full");
                                 told = progress;
                                 if (progress.through > (trimmed.empty() ? 0 : trimmed.back()))
                                   trimmed.push_back(progress.through);
                                 return {};
                               });
    return scheduler;
  }

  void Add(CommitScheduler& scheduler, const DatasetId& dataset, SourcePosition position,
           DecodedMessage message) {
    AddTo(scheduler, lane, dataset, position, std::move(message));
  }

  static void AddTo(CommitScheduler& scheduler, const std::shared_ptr<SourceLane>& to,
                    const DatasetId& dataset, SourcePosition position, DecodedMessage message) {
    std::vector<std::pair<DatasetId, DecodedMessage>> parts;
    parts.emplace_back(dataset, std::move(message));
    scheduler.Add({to, position}, std::move(parts));
  }

  DecodedMessage Message(std::int64_t bytes = 100, const std::vector<std::int64_t>& micros = {0}) {
    DecodedMessage message{
        .received_at = clock.WallNow(), .tables = {}, .hold = budget.TryTake(bytes)};
    message.tables.push_back({"logs", RowsAt(micros)});
    return message;
  }

  FakeClock clock;
  SeededRandom random{1};
  RecordingListener events;
  MemoryBudget budget{10'000};
  std::set<DatasetId> broken;
  int lost_races = 0;
  int given_up = 0;
  std::vector<Committed> committed;
  std::vector<SourcePosition> trimmed;
  int trims_failing = 0;
  LaneProgress told;
  std::shared_ptr<SourceLane> lane;
  const DatasetId a{"acme", "prod"};
  const DatasetId b{"beta", "prod"};
};

TEST_F(CommitSchedulerTest, CutsLessOftenWhileCutsLoseRacesAndFindsBack) {
  constexpr auto kInterval = std::chrono::seconds(5);
  constexpr auto kLeast = std::chrono::milliseconds(1);
  auto scheduler = Make({.interval = kInterval});
  SourcePosition position = 0;
  // How many intervals the next cut of `dataset` is awaited; it loses so many races.
  const auto awaited = [&](const DatasetId& dataset, int races) {
    Add(*scheduler, dataset, ++position, Message());
    lost_races = races;
    for (int intervals = 1; intervals < 100; ++intervals) {
      clock.Advance(kInterval - kLeast);
      EXPECT_FALSE(scheduler->CommitOneDue({}));
      clock.Advance(kLeast);
      if (scheduler->CommitOneDue({})) return intervals;
    }
    return 0;
  };
  constexpr int kSome = CommitScheduler::kLostRacesMin;
  EXPECT_EQ(awaited(a, kSome - 1), 1);
  EXPECT_EQ(awaited(a, kSome), 1);
  EXPECT_EQ(awaited(a, kSome), 2);
  EXPECT_EQ(awaited(a, kSome), CommitScheduler::kStretchMax);
  EXPECT_EQ(awaited(a, kSome - 1), CommitScheduler::kStretchMax);
  EXPECT_EQ(awaited(b, 0), 1) << "another dataset has an interval of its own";
  EXPECT_EQ(awaited(a, 0), CommitScheduler::kStretchMax);
  EXPECT_EQ(awaited(a, 0), 3);
  EXPECT_EQ(awaited(a, 0), 2);
  EXPECT_EQ(awaited(a, 0), 1);
  EXPECT_EQ(awaited(a, 0), 1);
}

TEST_F(CommitSchedulerTest, CutsLessOftenAfterOthersWonEveryAttempt) {
  constexpr auto kInterval = std::chrono::seconds(5);
  constexpr auto kLeast = std::chrono::milliseconds(1);
  auto scheduler = Make({.interval = kInterval, .pace = {.initial_delay = kInterval}});
  given_up = 1;
  lost_races = CommitScheduler::kLostRacesMin - 1;
  Add(*scheduler, a, 1, Message());
  clock.Advance(kInterval);
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  ASSERT_TRUE(committed.empty());
  Add(*scheduler, a, 2, Message());
  clock.Advance(kInterval);
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  ASSERT_EQ(committed.size(), 1u);
  clock.Advance(kInterval - kLeast);
  EXPECT_FALSE(scheduler->CommitOneDue({}));
  clock.Advance(kLeast);
  EXPECT_TRUE(scheduler->CommitOneDue({}));
}

TEST_F(CommitSchedulerTest, CutsADatasetWhenItsOldestMessageIsOldEnough) {
  auto scheduler = Make({.interval = std::chrono::seconds(5)});
  Add(*scheduler, a, 1, Message());
  clock.Advance(std::chrono::milliseconds(4'999));
  Add(*scheduler, a, 2, Message());
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

TEST_F(CommitSchedulerTest, CutsInTimeWhenTheWallClockJumpsADay) {
  for (const Nanos jump : {std::chrono::hours(24), std::chrono::hours(-24)}) {
    auto scheduler = Make({.interval = std::chrono::seconds(5)});
    committed.clear();
    Add(*scheduler, a, 1, Message());
    clock.SetWall(clock.WallNow() + jump);
    clock.Advance(std::chrono::milliseconds(4'999));
    EXPECT_FALSE(scheduler->CommitOneDue({}));
    clock.Advance(std::chrono::milliseconds(1));
    EXPECT_TRUE(scheduler->CommitOneDue({}));
    ASSERT_EQ(committed.size(), 1u);
    EXPECT_EQ(committed[0].reason, CutReason::kAge);
  }
  EXPECT_THAT(events.observations("signaldb_writer_end_to_end_delay_seconds"),
              ::testing::ElementsAre(24 * 3'600 + 5, 0));
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
    Add(*scheduler, a, 1, Message(100, c.below));
    EXPECT_FALSE(scheduler->CommitOneDue({}));
    Add(*scheduler, a, 2, Message(100, c.at));
    EXPECT_TRUE(scheduler->CommitOneDue({}));
    ASSERT_EQ(committed.size(), 1u);
    EXPECT_EQ(committed[0].reason, c.reason);
  }
}

TEST_F(CommitSchedulerTest, CutsTheLargestDatasetUnderMemoryPressure) {
  auto scheduler = Make({.memory_pressure_bytes = 1'000});
  Add(*scheduler, a, 1, Message(300));
  Add(*scheduler, b, 2, Message(700));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(committed[0].dataset, b);
  EXPECT_FALSE(scheduler->CommitOneDue({}));
}

TEST_F(CommitSchedulerTest, NeverTrimsBeyondWhatAnyDatasetStillWaitsFor) {
  auto scheduler = Make({.bytes_max = 200});
  Add(*scheduler, a, 1, Message());
  Add(*scheduler, b, 2, Message(200));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(committed[0].dataset, b);
  EXPECT_EQ(told.through, 0u);
  Add(*scheduler, a, 3, Message());
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(told.through, 3u);
  EXPECT_EQ(trimmed, std::vector<SourcePosition>{3});
}

TEST_F(CommitSchedulerTest, KeepsAFailingCutAndLetsTheOthersGoOn) {
  broken.insert(a);
  auto scheduler = Make({.bytes_max = 100, .workers = 1});
  Add(*scheduler, a, 1, Message());
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(scheduler->Stalled().size(), 1u);
  Add(*scheduler, b, 2, Message());
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_FALSE(scheduler->CommitOneDue({})) << "the failing dataset must wait its pace";
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].dataset, b);
  EXPECT_EQ(told.through, 0u);
  broken.clear();
  Add(*scheduler, a, 3, Message());
  clock.Advance(std::chrono::seconds(10));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  ASSERT_EQ(committed.size(), 3u);
  EXPECT_EQ(committed[1].last, 1u);
  EXPECT_EQ(committed[2].first, 3u);
  EXPECT_EQ(told.through, 3u);
  EXPECT_TRUE(scheduler->Stalled().empty());
}

TEST_F(CommitSchedulerTest, RefusesAStalledDatasetOnceItsShareIsUsedUp) {
  broken.insert(a);
  auto scheduler = Make({.bytes_max = 100, .stalled_bytes_max = 250});
  Add(*scheduler, a, 1, Message(150));
  EXPECT_THAT(scheduler->Admit(a), IsOk());
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_THAT(scheduler->Admit(a), IsOk());
  Add(*scheduler, a, 2, Message(100));
  EXPECT_THAT(scheduler->Admit(a), IsErrorSaying(ErrorKind::kUnavailable, "catalog is away"));
  EXPECT_THAT(scheduler->Admit(b), IsOk());
}

TEST_F(CommitSchedulerTest, TakesInNoMoreDatasetsThanItsLimit) {
  auto scheduler = Make({.datasets_max = 2});
  Add(*scheduler, a, 1, Message());
  EXPECT_THAT(scheduler->Admit(b), IsOk());
  Add(*scheduler, b, 2, Message());
  EXPECT_THAT(scheduler->Admit({"c", "c"}),
              IsErrorSaying(ErrorKind::kInvalid, "raise commit.datasets_max"));
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
  Add(*scheduler, a, 1, {});
  EXPECT_FALSE(scheduler->CommitOneDue({}));
  EXPECT_EQ(told.through, 1u);
}

TEST_F(CommitSchedulerTest, TrimsWhatNeededNoCommit) {
  // A log that is full of messages that are in the tables already must become empty again.
  auto scheduler = Make({});
  Add(*scheduler, a, 1, {});
  Add(*scheduler, a, 2, {});
  EXPECT_FALSE(scheduler->CommitOneDue({}));
  EXPECT_EQ(trimmed, std::vector<SourcePosition>{2});
  EXPECT_FALSE(scheduler->CommitOneDue({}));
  EXPECT_EQ(trimmed.size(), 1u) << "once is enough";
}

TEST_F(CommitSchedulerTest, TriesAFailedTrimAgainWithoutWaitingForTheNextCommit) {
  auto scheduler = Make({.bytes_max = 100});
  Add(*scheduler, a, 1, Message());
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
  Add(*scheduler, a, 1, Message(1'000));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  ASSERT_EQ(scheduler->Stalled().size(), 1u);
  Add(*scheduler, b, 2, Message(100));
  EXPECT_FALSE(scheduler->CommitOneDue({})) << "a commit of its own for every small message";
  Add(*scheduler, b, 3, Message(300));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].dataset, b);
  EXPECT_EQ(committed[0].reason, CutReason::kMemory);
}

TEST_F(CommitSchedulerTest, TellsALaneInOrderWhatIsStillHeldBetweenWhatIsDone) {
  // So that the log can give back the space between two messages of a dataset that is stalled.
  broken.insert(a);
  auto scheduler = Make({.bytes_max = 100});
  Add(*scheduler, a, 1, Message());
  Add(*scheduler, b, 2, Message());
  Add(*scheduler, a, 7, Message());
  Add(*scheduler, b, 8, Message());
  while (scheduler->CommitOneDue({})) {
  }
  EXPECT_EQ(told.through, 0u);
  EXPECT_EQ(told.held, (std::vector<SourcePosition>{1, 7}));
  EXPECT_EQ(told.last_delivered, 8u);
  EXPECT_FALSE(scheduler->Idle());
}

TEST_F(CommitSchedulerTest, CommitsMessagesOfManyLanesInOneCut) {
  auto scheduler = Make({.bytes_max = 200});
  LaneProgress other_told;
  const auto other =
      scheduler->OpenLane("kafka/orders/0", LaneOrder::kInOrder, [&](const LaneProgress& progress) {
        other_told = progress;
        return Status();
      });
  AddTo(*scheduler, other, a, 100, Message());
  Add(*scheduler, a, 1, Message());
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(committed.size(), 1u);
  EXPECT_EQ(told.through, 1u);
  EXPECT_EQ(other_told.through, 100u);
}

TEST_F(CommitSchedulerTest, TellsALaneInAnyOrderWhichPositionsAreDone) {
  auto scheduler = Make({.bytes_max = 200});
  std::vector<SourcePosition> done;
  bool fails = true;
  const auto any =
      scheduler->OpenLane("nats/s/1/c", LaneOrder::kAnyOrder, [&](const LaneProgress& progress) {
        if (fails) return Status(Fail(ErrorKind::kUnavailable, "server is away"));
        done.insert(done.end(), progress.done.begin(), progress.done.end());
        return Status();
      });
  AddTo(*scheduler, any, a, 9, Message());
  AddTo(*scheduler, any, a, 9, Message());  // Redelivered while it is held.
  AddTo(*scheduler, any, b, 4, {});
  EXPECT_FALSE(scheduler->CommitOneDue({})) << "the redelivery is not a second message";
  fails = false;
  AddTo(*scheduler, any, a, 5, Message());
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  std::ranges::sort(done);
  EXPECT_EQ(done, (std::vector<SourcePosition>{4, 5, 9}));
}

TEST_F(CommitSchedulerTest, CountsAMessageAsDoneOnlyOnceAllItsDatasetsAre) {
  broken.insert(b);
  auto scheduler = Make({.bytes_max = 100});
  std::vector<std::pair<DatasetId, DecodedMessage>> parts;
  parts.emplace_back(a, Message());
  parts.emplace_back(b, Message());
  scheduler->Add({lane, 1}, std::move(parts));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(committed.size(), 1u);
  EXPECT_EQ(told.through, 0u);
  broken.clear();
  clock.Advance(std::chrono::seconds(10));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_EQ(told.through, 1u);
}

TEST_F(CommitSchedulerTest, DropsWhatAClosedLaneBrought) {
  auto scheduler = Make({.bytes_max = 250});
  int calls = 0;
  const auto other =
      scheduler->OpenLane("kafka/orders/0", LaneOrder::kInOrder, [&](const LaneProgress&) {
        ++calls;
        return Status();
      });
  AddTo(*scheduler, other, a, 100, Message());
  AddTo(*scheduler, other, b, 101, Message());
  Add(*scheduler, a, 1, Message());
  scheduler->CloseLane(*other);
  EXPECT_EQ(budget.used(), 100);
  Add(*scheduler, a, 2, Message(150));
  EXPECT_TRUE(scheduler->CommitOneDue({}));
  EXPECT_FALSE(scheduler->CommitOneDue({}));
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].first, 1u);
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(scheduler->Idle());
  // It may be given to us again, from where it was acknowledged.
  const auto again = scheduler->OpenLane("kafka/orders/0", LaneOrder::kInOrder,
                                         [](const LaneProgress&) { return Status(); });
  AddTo(*scheduler, again, a, 100, Message());
  EXPECT_FALSE(scheduler->Idle());
}

TEST_F(CommitSchedulerTest, OpensALaneOnceAtATime) {
  auto scheduler = Make({});
  const auto open = [&] {
    return scheduler->OpenLane("kafka/orders/0", LaneOrder::kInOrder,
                               [](const LaneProgress&) { return Status(); });
  };
  const auto first = open();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(open(), nullptr);
  scheduler->CloseLane(*first);
  EXPECT_NE(open(), nullptr);
}

TEST_F(CommitSchedulerTest, FlushesOnlyWhatIsInScope) {
  auto scheduler = Make({.interval = std::chrono::hours(1)});
  Add(*scheduler, a, 1, Message());
  Add(*scheduler, b, 2, Message());
  scheduler->Start();
  EXPECT_THAT(scheduler->Flush(std::chrono::seconds(60), {.tenant = b.tenant, .dataset = {}}),
              IsOk());
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].dataset, b);
}

TEST_F(CommitSchedulerTest, MakesEverythingVisibleOnFlush) {
  auto scheduler = Make({.interval = std::chrono::hours(1)});
  Add(*scheduler, a, 1, Message());
  Add(*scheduler, b, 2, Message());
  scheduler->Start();
  EXPECT_THAT(scheduler->Flush(std::chrono::seconds(60)), IsOk());
  EXPECT_EQ(committed.size(), 2u);
  EXPECT_EQ(committed[0].reason, CutReason::kFlush);
  EXPECT_EQ(told.through, 2u);
}

TEST_F(CommitSchedulerTest, NamesTheDatasetThatKeepsAFlushWaiting) {
  broken.insert(a);
  auto scheduler = Make({.interval = std::chrono::hours(1)});
  Add(*scheduler, a, 1, Message());
  EXPECT_THAT(scheduler->Flush(Nanos(0)), IsErrorSaying(ErrorKind::kUnavailable, "tenant=acme"));
}

TEST_F(CommitSchedulerTest, CommitsWhatItHasWhenItCloses) {
  auto scheduler = Make({.interval = std::chrono::hours(1)});
  scheduler->Start();
  Add(*scheduler, a, 1, Message());
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
  Add(*scheduler, a, 1, Message());
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

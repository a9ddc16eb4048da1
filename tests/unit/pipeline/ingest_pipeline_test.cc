#include "pipeline/ingest_pipeline.h"

#include <algorithm>
#include <memory>
#include <semaphore>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "pipeline/decoded_rows.h"
#include "pipeline/log_entry.h"
#include "sim/otlp_bodies.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/recording_listener.h"
#include "testing/sim_file_system.h"

namespace signaldb::testing {
namespace {

constexpr const char* kLogDir = "/log";

// One life of a pipeline over a log; the tables are a list of what was committed.
class IngestPipelineTest : public ::testing::Test {
 protected:
  class ListedCommit final : public CutCommit {
   public:
    ListedCommit(IngestPipelineTest& test, Cut cut) : test_(test), cut_(std::move(cut)) {}
    Status Attempt(std::stop_token) override {
      for (const auto& [name, table] : cut_.tables) {
        for (const PositionedRows& rows : table) {
          test_.committed.emplace_back(cut_.dataset.tenant, rows.position);
        }
      }
      return {};
    }

   private:
    IngestPipelineTest& test_;
    Cut cut_;
  };

  void SetUp() override { Start(); }
  void TearDown() override { Stop(); }

  void Start() {
    ASSERT_THAT(disk.MakeDirs(kLogDir), IsOk());
    auto opened =
        DurableLog::Open(disk, clock, random, events,
                         {.dir = kLogDir, .segment_bytes = 2'000, .bytes_max = 2'000'000});
    ASSERT_THAT(opened, IsOk());
    log = *std::move(opened);
    scheduler = std::make_unique<CommitScheduler>(
        CutOptions{}, clock, random, events, budget, [this](Cut cut, CutReason) {
          return std::make_unique<ListedCommit>(*this, std::move(cut));
        });
    const auto lane = scheduler->OpenLane(
        "log/test", LaneOrder::kInOrder,
        [this](const LaneProgress& progress) { return log->Trim(progress.through); });
    pipeline = std::make_unique<IngestPipeline>(DecodeOptions{}, *log, lane, *scheduler, clock,
                                                events, budget);
  }

  void Stop() {
    if (log != nullptr) log->Close();
    pipeline.reset();
    scheduler.reset();
    log.reset();
  }

  void Restart() {
    Stop();
    committed.clear();
    Start();
  }

  IngestAnswer Send(const std::string& tenant, const std::string& body,
                    MessageEncoding encoding = MessageEncoding::kProtobuf) {
    auto owner = std::make_shared<std::string>(body);
    IngestRequest request{.tenant = tenant,
                          .dataset = "prod",
                          .signal = Signal::kLogs,
                          .encoding = encoding,
                          .owner = owner,
                          .body = std::as_bytes(std::span(*owner)),
                          .received_at = clock.WallNow(),
                          .request_id = "request",
                          .hold = budget.TryTake(static_cast<std::int64_t>(body.size()))};
    IngestAnswer answer;
    std::binary_semaphore answered(0);
    pipeline->Accept(std::move(request), [&](IngestAnswer a) {
      answer = std::move(a);
      answered.release();
    });
    answered.acquire();
    return answer;
  }

  Status Recover(const IngestPipeline::CoverageLookup& coverage) {
    PoisonShelf poison(disk, events, std::string(kLogDir) + "/poison");
    return pipeline->Recover(coverage, poison, {});
  }
  static Result<Coverage> Nothing(const DatasetId&, const std::string&) { return Coverage{}; }

  void CommitAll() {
    clock.Advance(std::chrono::seconds(10));
    while (scheduler->CommitOneDue({})) {
    }
  }

  using Committed = std::vector<std::pair<std::string, SourcePosition>>;

  SimFileSystem disk;
  FakeClock clock;
  SeededRandom random{7};
  RecordingListener events;
  MemoryBudget budget{100 << 20};
  Committed committed;
  std::unique_ptr<DurableLog> log;
  std::unique_ptr<CommitScheduler> scheduler;
  std::unique_ptr<IngestPipeline> pipeline;
};

TEST_F(IngestPipelineTest, AnswersOnceTheLogHasItAndTrimsOnceTheTablesHaveIt) {
  EXPECT_FALSE(Send("acme", LogsRequest({"one"})).error.has_value());
  EXPECT_EQ(log->last_durable(), 1u);
  EXPECT_TRUE(committed.empty());
  CommitAll();
  EXPECT_EQ(committed, (Committed{{"acme", 1}}));
  EXPECT_EQ(log->trimmed(), 1u);
  EXPECT_EQ(budget.used(), 0) << "nothing of the request is kept";
}

TEST_F(IngestPipelineTest, RefusesForGoodWhatIsMalformedAndStoresNothing) {
  const IngestAnswer answer = Send("acme", "\xff\xff\xff");
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_EQ(answer.error->kind, ErrorKind::kInvalid);
  EXPECT_EQ(log->last_durable(), 0u);
  EXPECT_EQ(budget.used(), 0);
}

TEST_F(IngestPipelineTest, RefusesARequestThatWouldMakeAFileOfEveryRecord) {
  const auto over_hours = [](std::size_t hours) {
    std::string json = R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[)";
    for (std::size_t i = 0; i < hours; ++i) {
      json += (i == 0 ? "" : ",") + std::string(R"({"timeUnixNano":")") +
              std::to_string((400'000 + i) * 3'600'000'000'000) + "\"}";
    }
    return json + "]}]}]}";
  };
  EXPECT_FALSE(Send("acme", over_hours(kHoursMax), MessageEncoding::kJson).error);
  const auto refused = Send("acme", over_hours(kHoursMax + 1), MessageEncoding::kJson).error;
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->kind, ErrorKind::kInvalid);
  EXPECT_EQ(log->last_durable(), 1u);
}

TEST_F(IngestPipelineTest, AsksToRetryWhenTheLogIsFullOrClosed) {
  const std::string body = LogsRequest({std::string(200'000, 'x')});
  std::set<ErrorKind> kinds;
  for (int i = 0; i < 20; ++i) {
    if (const auto error = Send("acme", body).error) kinds.insert(error->kind);
  }
  EXPECT_EQ(kinds, std::set{ErrorKind::kUnavailable});
  CommitAll();
  EXPECT_FALSE(Send("acme", LogsRequest({"fits again"})).error.has_value());
  log->Close();
  EXPECT_EQ(Send("acme", LogsRequest({"late"})).error->kind, ErrorKind::kUnavailable);
}

TEST_F(IngestPipelineTest, BringsBackWhatTheTablesLackAndNothingElse) {
  for (const char* name : {"one", "two", "three"}) std::ignore = Send("acme", LogsRequest({name}));
  Restart();
  EXPECT_THAT(Recover([](const DatasetId&, const std::string&) {
                return Result<Coverage>(Coverage{.low = 1, .above = {{3, 3}}});
              }),
              IsOk());
  CommitAll();
  EXPECT_EQ(committed, (Committed{{"acme", 2}}));
  EXPECT_EQ(log->trimmed(), 3u);
  EXPECT_EQ(events.counter("signaldb_writer_dedupe_hits_total"), 2);
}

TEST_F(IngestPipelineTest, EmptiesAFullLogThatTheTablesHaveAlready) {
  const std::string body = LogsRequest({std::string(200'000, 'x')});
  while (!Send("acme", body).error) {
  }
  Restart();
  EXPECT_THAT(Recover([](const DatasetId&, const std::string&) {
                return Result<Coverage>(Coverage{.low = 1'000});
              }),
              IsOk());
  CommitAll();
  EXPECT_TRUE(committed.empty());
  EXPECT_FALSE(Send("acme", body).error.has_value()) << "no commit will ever make room";
}

TEST_F(IngestPipelineTest, GoesOnWhereAnOutageOfTheCatalogStoppedIt) {
  std::ignore = Send("acme", LogsRequest({"one"}));
  std::ignore = Send("beta", LogsRequest({"two"}));
  Restart();
  bool away = true;
  const auto coverage = [&](const DatasetId& dataset, const std::string&) -> Result<Coverage> {
    if (away && dataset.tenant == "beta") return Fail(ErrorKind::kUnavailable, "catalog is away");
    return Coverage{};
  };
  EXPECT_THAT(Recover(coverage), IsErrorSaying(ErrorKind::kUnavailable, "catalog is away"));
  away = false;
  EXPECT_THAT(Recover(coverage), IsOk());
  EXPECT_THAT(Recover(coverage), IsOk());
  CommitAll();
  EXPECT_EQ(committed, (Committed{{"acme", 1}, {"beta", 2}}));
}

TEST_F(IngestPipelineTest, LetsOneBrokenTableKeepNobodyElseFromRecovering) {
  std::ignore = Send("broken", LogsRequest({"one"}));
  std::ignore = Send("acme", LogsRequest({"two"}));
  Restart();
  EXPECT_THAT(Recover([](const DatasetId& dataset, const std::string&) -> Result<Coverage> {
                if (dataset.tenant == "broken")
                  return Fail(ErrorKind::kCorrupt, "metadata is gone");
                return Coverage{};
              }),
              IsOk());
  CommitAll();
  EXPECT_EQ(committed, (Committed{{"acme", 2}, {"broken", 1}})) << "its commit says what is wrong";
  EXPECT_TRUE(events.Said(Severity::kError, "table cannot be read"));
}

TEST_F(IngestPipelineTest, SetsAsideWhatCannotBeReadAndTrimsIt) {
  const std::string body = LogsRequest({"body"});
  std::binary_semaphore durable(0);
  log->Append({.header = "no header of ours", .body = std::as_bytes(std::span(body))},
              [&](const Result<Position>&) { durable.release(); });
  durable.acquire();
  log->Append({.header = EncodeLogEntryHeader({.tenant = "acme", .dataset = "prod"}),
               .body = std::as_bytes(std::span("\xff\xff", 2))},
              [&](const Result<Position>&) { durable.release(); });
  durable.acquire();
  Restart();
  EXPECT_THAT(Recover(Nothing), IsOk());
  CommitAll();
  EXPECT_EQ(log->trimmed(), 2u) << "what is on the shelf need not stay in the log";
  const auto shelf = disk.List(std::string(kLogDir) + "/poison");
  ASSERT_THAT(shelf, IsOk());
  EXPECT_EQ(shelf->size(), 2u);
  Restart();
  EXPECT_THAT(Recover(Nothing), IsOk());
  EXPECT_EQ(events.counter("signaldb_writer_poison_messages_total{reason=undecodable}"), 2)
      << "counted once each, not at every start";
}

TEST_F(IngestPipelineTest, StopsWhenAsked) {
  std::ignore = Send("acme", LogsRequest({"one"}));
  Restart();
  PoisonShelf poison(disk, events, std::string(kLogDir) + "/poison");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(pipeline->Recover(Nothing, poison, stop.get_token()), IsError(ErrorKind::kCancelled));
}

TEST_F(IngestPipelineTest, CommitsInTimeWhateverTheWallClockDoes) {
  for (const Nanos wall : {Nanos(0), Nanos(std::chrono::hours(-24 * 365)),
                           Nanos(std::chrono::hours(24 * 365 * 100))}) {
    clock.SetWall(wall);
    EXPECT_FALSE(Send("acme", LogsRequest({"now"})).error.has_value());
    clock.SetWall(std::chrono::seconds(1'790'000'000));
    committed.clear();
    CommitAll();
    EXPECT_EQ(committed.size(), 1u);
  }
}

}  // namespace
}  // namespace signaldb::testing

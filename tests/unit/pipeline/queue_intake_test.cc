#include "pipeline/queue_intake.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "sim/otlp_bodies.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/recording_listener.h"

namespace signaldb::testing {
namespace {

// The tables are lists of what was committed to them.
class QueueIntakeTest : public ::testing::Test {
 protected:
  class ListedCommit final : public CutCommit {
   public:
    ListedCommit(QueueIntakeTest& test, Cut cut) : test_(test), cut_(std::move(cut)) {}
    Status Attempt(std::stop_token) override {
      if (test_.broken) return Fail(ErrorKind::kUnavailable, "catalog is away");
      for (const auto& [name, table] : cut_.tables) {
        for (const PositionedRows& rows : table)
          test_.tables[cut_.dataset.tenant + "." + name].push_back(rows);
      }
      return {};
    }

   private:
    QueueIntakeTest& test_;
    Cut cut_;
  };

  std::unique_ptr<MessageLane> Open(LaneOrder order = LaneOrder::kInOrder) {
    return intake.OpenLane({.key = "kafka/cluster/topic/0",
                            .order = order,
                            .on_progress = [this](const auto& progress) {
                              told = progress;
                              return Status();
                            }});
  }

  SourceMessage Message(SourcePosition position, const std::string& body,
                        const std::string& tenant = "acme") {
    auto owner = std::make_shared<std::string>(body);
    SourceMessage message{.position = position, .received_at = clock.WallNow(), .parts = {}};
    message.parts.push_back({.tenant = tenant,
                             .dataset = "prod",
                             .body = std::as_bytes(std::span(*owner)),
                             .owner = owner});
    return message;
  }

  void CommitAll() {
    clock.Advance(std::chrono::seconds(10));
    while (scheduler.CommitOneDue({})) {
    }
  }

  std::string Text(const std::string& table, std::size_t message, const char* column) {
    const auto& rows = *tables.at(table).at(message).rows;
    const auto scalar = rows.GetColumnByName(column)->GetScalar(0);
    return scalar.ok() ? (*scalar)->ToString() : "?";
  }

  FakeClock clock;
  SeededRandom random{7};
  RecordingListener events;
  MemoryBudget budget{100'000};
  bool broken = false;
  std::map<std::string, std::vector<PositionedRows>> tables;
  LaneProgress told;
  CommitScheduler scheduler{
      CutOptions{.stalled_bytes_max = 1},
      clock,
      random,
      events,
      budget,
      [this](Cut cut, CutReason) { return std::make_unique<ListedCommit>(*this, std::move(cut)); }};
  QueueIntake intake{DecodeOptions{}, scheduler, events, budget};
};

TEST_F(QueueIntakeTest, AcknowledgesWhatTheTablesHave) {
  const auto lane = Open();
  EXPECT_THAT(lane->Deliver(Message(5, LogsRequest({"one"}))), IsOk());
  EXPECT_THAT(lane->Deliver(Message(9, LogsRequest({"two"}))), IsOk());
  EXPECT_EQ(told.through, 0u);
  CommitAll();
  EXPECT_EQ(told.through, 9u);
  ASSERT_EQ(tables["acme.logs"].size(), 2u);
  EXPECT_EQ(tables["acme.logs"][0].position, 5u);
  EXPECT_EQ(tables["acme.logs"][0].lane->key(), "kafka/cluster/topic/0");
  EXPECT_EQ(budget.used(), 0);
}

TEST_F(QueueIntakeTest, KeepsWhatCanNeverBeRowsBesideItsNeighbours) {
  const auto lane = Open();
  SourceMessage unfit = Message(2, "whatever");
  unfit.unfit = "message format otap is not read here";
  EXPECT_THAT(lane->Deliver(Message(1, "\xff\xff\xff")), IsOk());
  EXPECT_THAT(lane->Deliver(unfit), IsOk());
  EXPECT_THAT(lane->Deliver(Message(3, LogsRequest({"good"}))), IsOk());
  CommitAll();
  EXPECT_EQ(told.through, 3u);
  EXPECT_EQ(tables["acme.logs"].size(), 1u);
  ASSERT_EQ(tables["acme.dead_letters"].size(), 2u);
  EXPECT_EQ(Text("acme.dead_letters", 0, "message"), "\xFF\xFF\xFF");
  EXPECT_EQ(Text("acme.dead_letters", 0, "position"), "1");
  EXPECT_EQ(Text("acme.dead_letters", 0, "rejected_records"), "null");
  EXPECT_THAT(Text("acme.dead_letters", 1, "reason"), ::testing::HasSubstr("otap"));
  EXPECT_EQ(events.counter("signaldb_writer_dead_letters_total{signal=logs}"), 2);
  EXPECT_TRUE(events.Said(Severity::kWarning, "dead letters"));
}

TEST_F(QueueIntakeTest, KeepsAMessageOfWhichARecordIsRejected) {
  const auto lane = Open();
  std::string nested = R"({"stringValue":"x"})";
  for (int i = 0; i < 40; ++i) nested = R"({"arrayValue":{"values":[)" + nested + "]}}";
  SourceMessage message = Message(
      1,
      R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"good"}},{"body":)" +
          nested + "}]}]}]}");
  message.encoding = MessageEncoding::kJson;
  EXPECT_THAT(lane->Deliver(message), IsOk());
  CommitAll();
  ASSERT_EQ(tables["acme.logs"].size(), 1u);
  EXPECT_EQ(tables["acme.logs"][0].rows->num_rows(), 1);
  ASSERT_EQ(tables["acme.dead_letters"].size(), 1u);
  EXPECT_EQ(Text("acme.dead_letters", 0, "rejected_records"), "1");
  EXPECT_THAT(Text("acme.dead_letters", 0, "encoding"), ::testing::HasSubstr("json"));
}

TEST_F(QueueIntakeTest, LeavesAMessageWithItsSourceWhileThereIsNoRoom) {
  const auto lane = Open();
  {
    const MemoryBudget::Hold others = budget.TryTake(99'999);
    EXPECT_THAT(lane->Deliver(Message(1, LogsRequest({"one"}))),
                IsErrorSaying(ErrorKind::kUnavailable, "no room"));
  }
  EXPECT_THAT(lane->Deliver(Message(1, LogsRequest({"one"}))), IsOk());
  broken = true;
  CommitAll();
  EXPECT_THAT(lane->Deliver(Message(2, LogsRequest({"two"}))),
              IsErrorSaying(ErrorKind::kUnavailable, "catalog is away"));
  broken = false;
  CommitAll();
  EXPECT_THAT(lane->Deliver(Message(2, LogsRequest({"two"}))), IsOk());
  CommitAll();
  EXPECT_EQ(told.through, 2u);
  EXPECT_EQ(tables["acme.logs"].size(), 2u);
}

TEST_F(QueueIntakeTest, FindsRoomForTheLargestMessageSomeDay) {
  const auto lane = Open();
  EXPECT_THAT(lane->Deliver(Message(1, LogsRequest({std::string(300'000, 'x')}))), IsOk());
  EXPECT_GT(budget.used(), budget.bytes_max()) << "and it is accounted for";
  CommitAll();
  EXPECT_EQ(told.through, 1u);
  EXPECT_EQ(budget.used(), 0);
}

TEST_F(QueueIntakeTest, FeedsManyDatasetsFromOneMessage) {
  const auto lane = Open();
  SourceMessage message = Message(1, LogsRequest({"a"}), "acme");
  message.parts.push_back(Message(1, LogsRequest({"b"}), "beta").parts.front());
  EXPECT_THAT(lane->Deliver(message), IsOk());
  CommitAll();
  EXPECT_EQ(tables["acme.logs"].size(), 1u);
  EXPECT_EQ(tables["beta.logs"].size(), 1u);
  EXPECT_EQ(told.through, 1u);
  EXPECT_EQ(budget.used(), 0);
}

TEST_F(QueueIntakeTest, ReportsThePartitionThatIsTakenAwayBeforeItGoes) {
  scheduler.Start();
  auto lane = Open();
  EXPECT_THAT(lane->Deliver(Message(1, LogsRequest({"one"}))), IsOk());
  EXPECT_THAT(lane->Flush(clock.MonotonicNow() + std::chrono::seconds(60)), IsOk());
  EXPECT_EQ(told.through, 1u);
  lane.reset();
  lane = Open();
  EXPECT_THAT(lane->Deliver(Message(1, LogsRequest({"again"}))), IsOk());
  std::ignore = scheduler.Close(Nanos(0));
}

}  // namespace
}  // namespace signaldb::testing

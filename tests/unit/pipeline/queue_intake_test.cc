#include "pipeline/queue_intake.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "sim/otlp_bodies.h"
#include "telemetry/dead_letter.h"
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
    return OpenIn(intake, order);
  }

  std::unique_ptr<MessageLane> OpenIn(QueueIntake& in, LaneOrder order = LaneOrder::kInOrder) {
    return *in.OpenLane({.key = "kafka/cluster/topic/0",
                         .order = order,
                         .on_progress = [this](const auto& progress) {
                           if (deaf) return Status(Fail(ErrorKind::kUnavailable, "away"));
                           told = progress;
                           acked.insert(progress.done.begin(), progress.done.end());
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

  std::vector<DeadLetter> Letters(const std::string& tenant = "acme") {
    std::vector<DeadLetter> letters;
    for (const PositionedRows& rows : tables[tenant + ".dead_letters"]) {
      auto letter = LetterIn(*rows.rows, 0);
      EXPECT_THAT(letter, IsOk());
      if (letter) letters.push_back(*letter);
    }
    return letters;
  }

  // Messages that the letters stand for.
  std::int64_t MessagesInLetters() {
    std::int64_t messages = 0;
    for (const DeadLetter& letter : Letters()) messages += letter.messages;
    return messages;
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
  std::multiset<SourcePosition> acked;
  bool deaf = false;
  CommitScheduler scheduler{
      CutOptions{.stalled_bytes_max = 1},
      clock,
      random,
      events,
      budget,
      [this](Cut cut, CutReason) { return std::make_unique<ListedCommit>(*this, std::move(cut)); }};
  QueueIntake intake{QueueIntakeOptions{}, scheduler, clock, events, budget};
};

TEST_F(QueueIntakeTest, RefusesASecondLaneOfTheSameSource) {
  auto lane = Open();
  const auto second = intake.OpenLane({.key = "kafka/cluster/topic/0",
                                       .order = LaneOrder::kInOrder,
                                       .on_progress = [](const auto&) { return Status(); }});
  EXPECT_THAT(second, IsErrorSaying(ErrorKind::kConflict,
                                    "another block of this process reads the same messages; name "
                                    "them in one block only key=kafka/cluster/topic/0"));
  ASSERT_THAT(lane->Deliver(Message(1, LogsRequest({"good"}))), IsOk());
  CommitAll();
  EXPECT_EQ(told.through, 1u) << "the first one is not harmed";
  lane.reset();
  EXPECT_NE(Open(), nullptr);
}

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

// A request with a good record and one that is nested too deeply.
std::string HalfGoodJson() {
  std::string nested = R"({"stringValue":"x"})";
  for (int i = 0; i < 40; ++i) nested = R"({"arrayValue":{"values":[)" + nested + "]}}";
  return R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[)"
         R"({"body":{"stringValue":"good"}},{"body":)" +
         nested + "}]}]}]}";
}

TEST_F(QueueIntakeTest, KeepsOfAGoodMessageOnlyTheRecordThatIsRejected) {
  const auto lane = Open();
  SourceMessage message = Message(1, HalfGoodJson());
  message.encoding = MessageEncoding::kJson;
  EXPECT_THAT(lane->Deliver(message), IsOk());
  CommitAll();
  ASSERT_EQ(tables["acme.logs"].size(), 1u);
  EXPECT_EQ(tables["acme.logs"][0].rows->num_rows(), 1);
  const std::vector<DeadLetter> letters = Letters();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].rejected_records, 1);
  EXPECT_EQ(letters[0].content, LetterContent::kRecords);
  EXPECT_EQ(letters[0].message_bytes, static_cast<std::int64_t>(HalfGoodJson().size()));
  const auto again =
      DecodeMessage(letters[0].signal, letters[0].encoding, letters[0].message, {.depth_max = 64});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->accepted, 1) << "the good one is not in it";
}

TEST_F(QueueIntakeTest, KeepsTheStartOfALongMessageWithItsChecksum) {
  QueueIntake strict({.dead_letters = {.message_bytes_max = 3}}, scheduler, clock, events, budget);
  const auto lane = OpenIn(strict);
  EXPECT_THAT(lane->Deliver(Message(1, "\xff\xff\xff")), IsOk());
  EXPECT_THAT(lane->Deliver(Message(2, "\xff\xff\xff\xff")), IsOk());
  CommitAll();
  const std::vector<DeadLetter> letters = Letters();
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(letters[0].content, LetterContent::kWhole);
  EXPECT_EQ(letters[0].message_xxh64, "");
  EXPECT_EQ(letters[1].content, LetterContent::kStart);
  EXPECT_EQ(letters[1].message.size(), 3u);
  EXPECT_EQ(letters[1].message_bytes, 4);
  const std::string whole = "\xff\xff\xff\xff";
  EXPECT_EQ(letters[1].message_xxh64, Xxh64Text(std::as_bytes(std::span(whole))));
}

TEST_F(QueueIntakeTest, KeepsMessagesForDatasetsThatCannotBeMadeInTheDefaultOne) {
  CommitScheduler full{
      CutOptions{.datasets_max = 1}, clock, random, events, budget, [this](Cut cut, CutReason) {
        return std::make_unique<ListedCommit>(*this, std::move(cut));
      }};
  QueueIntake narrow({}, full, clock, events, budget);
  const auto lane = OpenIn(narrow);
  EXPECT_THAT(lane->Deliver(Message(1, LogsRequest({"one"}), "acme")), IsOk());
  EXPECT_THAT(lane->Deliver(Message(2, LogsRequest({"two"}), "newcomer")), IsOk());
  EXPECT_THAT(lane->Deliver(Message(3, LogsRequest({"three"}), "acme")), IsOk());
  EXPECT_THAT(full.Flush(clock.MonotonicNow()), IsError(ErrorKind::kUnavailable));
  while (full.CommitOneDue({})) {
  }
  EXPECT_EQ(told.through, 3u);
  EXPECT_EQ(tables["acme.logs"].size(), 2u);
  const std::vector<DeadLetter> letters = Letters("default");
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].position, 2u);
  EXPECT_EQ(letters[0].for_tenant, "newcomer");
  EXPECT_EQ(letters[0].for_dataset, "prod");
  EXPECT_THAT(letters[0].reason, ::testing::HasSubstr("too many datasets"));
  EXPECT_TRUE(letters[0].IsReplayable());
}

constexpr DeadLetterLimits kOneLetter{.bytes_max_per_hour = kLetterBytes + 1};

TEST_F(QueueIntakeTest, MakesOneLetterOfMessagesBeyondTheLimitWhileOneIsOnItsWay) {
  QueueIntake strict({.dead_letters = kOneLetter}, scheduler, clock, events, budget);
  const auto lane = OpenIn(strict);
  for (SourcePosition position = 1; position <= 9; ++position)
    EXPECT_THAT(lane->Deliver(Message(position, "\xff")), IsOk());
  EXPECT_EQ(told.through, 0u);
  clock.Advance(std::chrono::seconds(10));
  EXPECT_TRUE(scheduler.CommitOneDue({}));
  EXPECT_EQ(told.through, 2u) << "one with its message, the first without";
  ASSERT_EQ(Letters().size(), 2u);
  EXPECT_EQ(Letters()[0].content, LetterContent::kWhole);
  EXPECT_EQ(Letters()[1].content, LetterContent::kNone);
  CommitAll();
  EXPECT_EQ(told.through, 9u);
  const std::vector<DeadLetter> letters = Letters();
  ASSERT_EQ(letters.size(), 3u);
  EXPECT_EQ(letters[2].messages, 7);
  EXPECT_EQ(letters[2].first_position, 3u);
  EXPECT_EQ(letters[2].position, 9u);
  EXPECT_EQ(letters[2].message_bytes, 7);
  EXPECT_EQ(letters[2].content, LetterContent::kNone);
  EXPECT_THAT(letters[2].reason, ::testing::HasSubstr("well-formed"));
  EXPECT_EQ(events.counter("signaldb_writer_dead_letters_total{signal=logs}"), 9);
  EXPECT_EQ(events.counter("signaldb_writer_dead_letters_shortened_total{content=none}"), 8);
  EXPECT_EQ(budget.used(), 0);
}

TEST_F(QueueIntakeTest, AcknowledgesMessagesInAnyOrderWithTheLetterThatSpeaksForThem) {
  QueueIntake strict({.dead_letters = kOneLetter}, scheduler, clock, events, budget);
  const auto lane = OpenIn(strict, LaneOrder::kAnyOrder);
  for (const SourcePosition position : {9, 3, 7, 5, 2})
    EXPECT_THAT(lane->Deliver(Message(position, "\xff")), IsOk());
  EXPECT_THAT(lane->Deliver(Message(6, LogsRequest({"good"}))), IsOk());
  EXPECT_THAT(lane->Deliver(Message(5, "\xff")), IsOk()) << "delivered again while it waits";
  deaf = true;
  clock.Advance(std::chrono::seconds(10));
  EXPECT_TRUE(scheduler.CommitOneDue({}));
  EXPECT_THAT(acked, ::testing::IsEmpty());
  deaf = false;
  EXPECT_FALSE(scheduler.CommitOneDue({}));
  EXPECT_THAT(acked, ::testing::ElementsAre(3, 6, 9)) << "not those that wait";
  deaf = true;
  CommitAll();
  deaf = false;
  EXPECT_FALSE(scheduler.CommitOneDue({}));
  EXPECT_THAT(acked, ::testing::ElementsAre(2, 3, 5, 6, 7, 9));
  EXPECT_EQ(MessagesInLetters(), 5);
  EXPECT_THAT(lane->Deliver(Message(10, "\xff")), IsOk());
  CommitAll();
  EXPECT_EQ(acked.count(10), 1u) << "and so it goes on";
}

TEST_F(QueueIntakeTest, FlushesMessagesThatWait) {
  QueueIntake strict({.dead_letters = kOneLetter}, scheduler, clock, events, budget);
  scheduler.Start();
  const auto lane = OpenIn(strict);
  for (SourcePosition position = 1; position <= 5; ++position)
    EXPECT_THAT(lane->Deliver(Message(position, "\xff")), IsOk());
  EXPECT_THAT(lane->Flush(clock.MonotonicNow() + std::chrono::seconds(60)), IsOk());
  EXPECT_EQ(told.through, 5u);
  std::ignore = scheduler.Close(Nanos(0));
}

TEST_F(QueueIntakeTest, KeepsEveryGoodRowBesideAFloodAndBoundsWhatTheFloodTakes) {
  constexpr SourcePosition kPoison = 100'000;
  constexpr SourcePosition kPoisonPerGood = 1'000;
  constexpr std::int64_t kLimit = 100 * (kLetterBytes + 1'000);
  for (const LaneOrder order : {LaneOrder::kInOrder, LaneOrder::kAnyOrder}) {
    tables.clear();
    acked.clear();
    const std::size_t lines = events.events().size();
    QueueIntake strict({.dead_letters = {.bytes_max_per_hour = kLimit}}, scheduler, clock, events,
                       budget);
    const auto lane = OpenIn(strict, order);
    const std::string poison(1'000, '\xff');
    SourcePosition position = 0;
    const auto deliver = [&](const std::string& body) {
      ++position;
      while (!lane->Deliver(Message(position, body))) CommitAll();
    };
    for (SourcePosition i = 1; i <= kPoison; ++i) {
      deliver(poison);
      if (i % kPoisonPerGood == 0) deliver(LogsRequest({"good"}));
    }
    CommitAll();
    CommitAll();  // Those that waited for the last letter.
    EXPECT_EQ(tables["acme.logs"].size(), kPoison / kPoisonPerGood);
    EXPECT_EQ(MessagesInLetters(), static_cast<std::int64_t>(kPoison));
    std::int64_t bytes = 0;
    for (const DeadLetter& letter : Letters())
      bytes += static_cast<std::int64_t>(letter.message.size());
    EXPECT_EQ(bytes, 100 * 1'000);
    EXPECT_LE(Letters().size(), 100 + 2 * kPoison / kPoisonPerGood);
    EXPECT_LE(events.events().size() - lines, 30u);
    if (order == LaneOrder::kInOrder) {
      EXPECT_EQ(told.through, position);
    } else {
      EXPECT_EQ(acked.size(), position);
    }
    EXPECT_EQ(budget.used(), 0);
  }
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

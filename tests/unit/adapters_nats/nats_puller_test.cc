#include "adapters/nats/nats_puller.h"

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_nats.h"
#include "testing/matchers.h"
#include "testing/recording_listener.h"

namespace signaldb::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kBody = "\x0a\x02hi";

class NatsPullerTest : public ::testing::Test {
 protected:
  NatsPullerTest() {
    options.name = "orders";
    options.stream = "OTEL";
    options.consumer = "writer";
    options.subjects = DefaultNatsSubjects("default", "default");
    options.fetch_messages = 4;
    options.fetch_bytes = 1000;
  }

  NatsPuller& Puller() {
    if (!puller) {
      puller.emplace(
          NatsPuller::Collaborators{link, inbox, held, waiting, lane, budget, clock, events},
          options, consumer);
    }
    return *puller;
  }

  std::string LastAsked() { return link.published.empty() ? "" : link.published.back().body; }

  FakeClock clock;
  FakeLink link;
  FakeInbox inbox{clock};
  FakeLane lane;
  HeldMessages held;
  WaitingMessages waiting;
  MemoryBudget budget{1 << 20};
  RecordingListener events;
  NatsSourceOptions options;
  ConsumerState consumer{.ack_wait = seconds(30)};
  std::optional<NatsPuller> puller;
};

TEST_F(NatsPullerTest, AsksWithinItsLimitsAndDeliversInOrder) {
  inbox.to_come = {Delivery(5, kBody), Delivery(9, kBody)};
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  ASSERT_EQ(link.published.size(), 1U);
  EXPECT_EQ(link.published[0].subject, "$JS.API.CONSUMER.MSG.NEXT.OTEL.writer");
  EXPECT_EQ(link.published[0].body,
            R"({"batch":4,"expires":30000000000,"idle_heartbeat":5000000000,"max_bytes":1000})");
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  EXPECT_THAT(lane.delivered, ElementsAre(5, 9));
  EXPECT_EQ(held.held(), 2U);
  EXPECT_EQ(link.published.size(), 1U) << "two of four are still to come";
}

TEST_F(NatsPullerTest, AsksAgainWhenAllCameOrTheServerSaysItIsOver) {
  inbox.to_come = {Delivery(1, kBody), Delivery(2, kBody), Delivery(3, kBody), Delivery(4, kBody)};
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  EXPECT_EQ(link.published.size(), 2U);
  for (const NatsMessage& over :
       {StatusOf(408, "Request Timeout"), StatusOf(404, "No Messages"),
        StatusOf(409, "Batch Completed"), StatusOf(409, "Message Size Exceeds MaxBytes")}) {
    const std::size_t asked = link.published.size();
    inbox.to_come = {Delivery(10 + asked, kBody), over};
    ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
    ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
    EXPECT_EQ(link.published.size(), asked + 1);
    EXPECT_THAT(LastAsked(), HasSubstr(R"("max_bytes":1000)"));
  }
}

TEST_F(NatsPullerTest, AsksForOneAloneThatIsLargerThanTheLimit) {
  inbox.to_come = {StatusOf(409, "Message Size Exceeds MaxBytes")};
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  inbox.to_come = {Delivery(1, std::string(5000, '\x0a'))};
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  EXPECT_EQ(LastAsked(), R"({"batch":1,"expires":30000000000,"idle_heartbeat":5000000000})");
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  EXPECT_THAT(LastAsked(), HasSubstr("max_bytes"));
}

TEST_F(NatsPullerTest, StaysWithinTheConsumersOwnLimits) {
  consumer.max_batch = 3;
  consumer.max_bytes = 500;
  consumer.max_expires = seconds(6);
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  EXPECT_EQ(LastAsked(),
            R"({"batch":3,"expires":6000000000,"idle_heartbeat":2000000000,"max_bytes":500})");
}

TEST_F(NatsPullerTest, EndsWhenTwoHeartbeatsAreMissing) {
  for (int i = 0; i < 10; ++i) ASSERT_THAT(Puller().Step(seconds(1)), IsOk()) << i;
  EXPECT_THAT(Puller().Step(seconds(1)), IsErrorSaying(ErrorKind::kUnavailable, "heartbeats"));
}

TEST_F(NatsPullerTest, LivesOnHeartbeats) {
  for (int i = 0; i < 100; ++i) {
    if (i % 5 == 0) inbox.to_come.push_back(StatusOf(100, "Idle Heartbeat"));
    ASSERT_THAT(Puller().Step(seconds(1)), IsOk()) << i;
  }
}

TEST_F(NatsPullerTest, BelievesHeartbeatsThatCameWhileTheProcessSlept) {
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  clock.Advance(std::chrono::hours(1));
  inbox.to_come.push_back(StatusOf(100, "Idle Heartbeat"));
  EXPECT_THAT(Puller().Step(seconds(1)), IsOk());
}

TEST_F(NatsPullerTest, EndsWhenTheServerRefuses) {
  for (const NatsMessage& refusal :
       {StatusOf(409, "Consumer Deleted"), StatusOf(409, "Leadership Change"),
        StatusOf(400, "Bad Request")}) {
    inbox.to_come = {refusal};
    EXPECT_THAT(Puller().Step(seconds(1)), IsError(ErrorKind::kUnavailable));
  }
}

TEST_F(NatsPullerTest, HoldsARefusedMessageAndAsksForNothingMeanwhile) {
  options.fetch_messages = 2;
  lane.refuses = true;
  inbox.to_come = {Delivery(1, kBody), Delivery(2, kBody)};
  for (int i = 0; i < 50; ++i) ASSERT_THAT(Puller().Step(milliseconds(100)), IsOk());
  EXPECT_EQ(link.published.size(), 1U);
  EXPECT_EQ(held.held(), 2U) << "so that the server hears that work goes on";
  EXPECT_LT(lane.attempts, 10) << "it is tried at a pace";
  lane.refuses = false;
  for (int i = 0; i < 25; ++i) ASSERT_THAT(Puller().Step(milliseconds(100)), IsOk());
  EXPECT_THAT(lane.delivered, ElementsAre(1, 2));
  EXPECT_EQ(link.published.size(), 2U);
}

TEST_F(NatsPullerTest, KeepsTheNewestReplyOfWhatIsHeldAndDeliversItOnce) {
  inbox.to_come = {Delivery(1, kBody), Delivery(1, kBody, {}, "otel.logs", 2)};
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  EXPECT_THAT(lane.delivered, ElementsAre(1));
  held.Done(std::vector<SourcePosition>{1});
  EXPECT_THAT(held.TakeAcks(2), ElementsAre(HasSubstr("writer.2.1.1")));
  EXPECT_EQ(events.counter("signaldb_writer_nats_redelivered_messages_total{source=orders}"), 1);
}

TEST_F(NatsPullerTest, AsksForNoMoreThanMayBeHeld) {
  options.held_messages_max = 5;
  inbox.to_come = {Delivery(1, kBody), Delivery(2, kBody), Delivery(3, kBody), Delivery(4, kBody)};
  for (int i = 0; i < 5; ++i) ASSERT_THAT(Puller().Step(milliseconds(10)), IsOk());
  EXPECT_THAT(LastAsked(), HasSubstr(R"("batch":1,)"));
  inbox.to_come = {Delivery(5, kBody)};
  const std::size_t asked = link.published.size();
  for (int i = 0; i < 5; ++i) ASSERT_THAT(Puller().Step(milliseconds(10)), IsOk());
  EXPECT_EQ(link.published.size(), asked);
  held.Done(std::vector<SourcePosition>{1});
  ASSERT_THAT(Puller().Step(milliseconds(10)), IsOk());
  EXPECT_EQ(link.published.size(), asked + 1);
}

TEST_F(NatsPullerTest, GivesBackWhatThePipelineWasNotGiven) {
  lane.refuses = true;
  inbox.to_come = {Delivery(1, kBody)};
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  inbox.to_come = {Delivery(2, kBody)};
  link.published.clear();
  Puller().GiveBack();
  ASSERT_EQ(link.published.size(), 2U);
  EXPECT_THAT(link.published[0].subject, HasSubstr("writer.1.1.1"));
  EXPECT_EQ(link.published[0].body, "-NAK");
  EXPECT_EQ(link.published[1].body, "-NAK");
  EXPECT_EQ(held.held(), 0U);
}

TEST_F(NatsPullerTest, CarriesWhatWaitsOverToTheNextConnection) {
  lane.refuses = true;
  inbox.to_come = {Delivery(1, kBody)};
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  puller.reset();
  lane.refuses = false;
  ASSERT_THAT(Puller().Step(seconds(1)), IsOk());
  EXPECT_THAT(lane.delivered, ElementsAre(1));
}

}  // namespace
}  // namespace signaldb::testing

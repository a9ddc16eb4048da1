#include "adapters/nats/nats_source.h"

#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/nats/cnats_link.h"
#include "recording_intake.h"
#include "testing/matchers.h"
#include "testing/nats_server.h"
#include "testing/recording_listener.h"
#include "testing/sim_file_system.h"
#include "testing/temp_dir.h"

namespace signaldb::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr Nanos kTimeout = seconds(5);

bool Eventually(const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + seconds(30);
  while (std::chrono::steady_clock::now() < until) {
    if (holds()) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

class NatsSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = NatsServer::Start();
    ASSERT_THAT(started, IsOk());
    server = std::move(*started);
    options.servers = {server->Url()};
    options.name = "orders";
    options.stream = "OTEL";
    options.consumer = "writer";
    options.subjects = DefaultNatsSubjects("default", "default");
    options.create = NatsCreate::kIfMissing;
    options.ack_wait = seconds(2);
    options.poll_interval = milliseconds(50);
    options.state_file = "/data/nats.json";
    Connect();
  }
  void TearDown() override {
    if (source == nullptr) return;
    EXPECT_THAT(source->Close(clock.MonotonicNow() + kTimeout), IsOk());
  }

  void Connect() {
    auto connected = ConnectToNats(server->Url(), {}, kTimeout);
    ASSERT_THAT(connected, IsOk());
    link = std::move(*connected);
  }
  void Begin() {
    source = MakeSource();
    ASSERT_THAT(source->Start(intake), IsOk());
  }
  std::unique_ptr<NatsSource> MakeSource() {
    return std::make_unique<NatsSource>(
        options, NatsSource::Collaborators{files, clock, random, events, budget});
  }
  void BeginAndWait() {
    Begin();
    ASSERT_TRUE(Eventually([&] { return source->Trouble().empty(); })) << source->Trouble();
  }
  void Publish(const std::string& subject, const std::string& body) {
    const auto answer = link->Request(subject, body, kTimeout);
    ASSERT_THAT(answer, IsOk());
    ASSERT_THAT(*answer, HasSubstr("\"seq\"")) << *answer;
  }
  ConsumerState Consumer() {
    auto consumer = AskForConsumer(*link, "OTEL", "writer", kTimeout);
    EXPECT_THAT(consumer, IsOk());
    return consumer.value_or(ConsumerState());
  }
  std::string Api(const std::string& subject, const std::string& body) {
    return link->Request("$JS.API." + subject, body, kTimeout).value_or("no answer");
  }

  SystemClock clock;
  SystemRandom random;
  SimFileSystem files;
  MemoryBudget budget{64 << 20};
  RecordingListener events;
  RecordingIntake intake;
  RecordingIntake other;
  std::unique_ptr<NatsServer> server;
  NatsSourceOptions options;
  std::unique_ptr<NatsLink> link;
  std::unique_ptr<NatsSource> source;
};

TEST_F(NatsSourceTest, CreatesStreamAndConsumerWhenAskedTo) {
  BeginAndWait();
  const ConsumerState consumer = Consumer();
  EXPECT_EQ(consumer.durable_name, "writer");
  EXPECT_EQ(consumer.ack_policy, "explicit");
  EXPECT_EQ(consumer.ack_wait, seconds(2));
  EXPECT_EQ(consumer.max_deliver, -1);
  EXPECT_EQ(consumer.max_ack_pending, 50'000);
  EXPECT_EQ(consumer.filters.size(), 6U);
}

TEST_F(NatsSourceTest, CreatesNothingSilently) {
  options.create = NatsCreate::kNever;
  Begin();
  EXPECT_TRUE(Eventually([&] {
    return source->Trouble().find("no such stream") != std::string::npos;
  })) << source->Trouble();
  Api("STREAM.CREATE.OTEL", R"({"name":"OTEL","subjects":["otel.>"]})");
  EXPECT_TRUE(Eventually([&] {
    return source->Trouble().find("no such durable consumer") != std::string::npos;
  })) << source->Trouble();
}

TEST_F(NatsSourceTest, DeliversAtOnceAndAcknowledgesWhatIsInTheTables) {
  BeginAndWait();
  for (int i = 0; i < 3; ++i) Publish("otel.logs", "{\"n\":" + std::to_string(i) + "}");
  const auto began = std::chrono::steady_clock::now();
  const auto delivered = intake.WaitFor(3);
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(5)) << "not when a batch is full";
  ASSERT_EQ(delivered.size(), 3U);
  EXPECT_EQ(delivered[2].position, 3U);
  EXPECT_EQ(delivered[2].body, "{\"n\":2}");
  EXPECT_NEAR(static_cast<double>(delivered[2].received_at.count()),
              static_cast<double>(clock.WallNow().count()), 60e9);
  EXPECT_EQ(Consumer().ack_floor, 0U);
  intake.Commit();
  EXPECT_TRUE(Eventually([&] { return Consumer().ack_floor == 3 && intake.floor() == 3; }));
  ASSERT_EQ(intake.keys.size(), 1U);
  EXPECT_THAT(intake.keys[0], ::testing::MatchesRegex("nats/OTEL/2.*Z/writer"));
}

TEST_F(NatsSourceTest, SaysThatWorkGoesOnForAsLongAsACommitTakes) {
  options.ack_wait = milliseconds(500);
  BeginAndWait();
  Publish("otel.logs", "{}");
  intake.WaitFor(1);
  std::this_thread::sleep_for(milliseconds(2000));
  EXPECT_EQ(Consumer().redelivered, 0U);
  intake.Commit();
  EXPECT_TRUE(Eventually([&] { return Consumer().ack_floor == 1; }));
  EXPECT_EQ(intake.WaitFor(1).size(), 1U);
}

TEST_F(NatsSourceTest, HoldsWhatThePipelineRefusesWithoutRedelivery) {
  options.ack_wait = milliseconds(500);
  intake.SetRefuses(true);
  BeginAndWait();
  for (int i = 0; i < 20; ++i) Publish("otel.logs", "{}");
  std::this_thread::sleep_for(milliseconds(1500));
  EXPECT_EQ(Consumer().redelivered, 0U);
  intake.SetRefuses(false);
  EXPECT_EQ(intake.WaitFor(20).size(), 20U);
}

TEST_F(NatsSourceTest, GoesOnAfterTheServerWasKilled) {
  BeginAndWait();
  Publish("otel.logs", "{\"n\":1}");
  intake.WaitFor(1);
  server->Kill();
  EXPECT_TRUE(Eventually([&] { return !source->Trouble().empty(); }));
  ASSERT_THAT(server->Launch(), IsOk());
  Connect();
  EXPECT_TRUE(Eventually([&] { return source->Trouble().empty(); })) << source->Trouble();
  Publish("otel.logs", "{\"n\":2}");
  EXPECT_TRUE(Eventually([&] {
    std::set<SourcePosition> positions;
    for (const auto& one : intake.WaitFor(2)) positions.insert(one.position);
    return positions == std::set<SourcePosition>{1, 2};
  }));
  intake.Commit();
  EXPECT_TRUE(Eventually([&] { return Consumer().ack_floor == 2; }))
      << "also what the dead connection delivered";
}

TEST_F(NatsSourceTest, NoticesAServerThatIsSilent) {
  options.heartbeat = milliseconds(300);
  options.request_timeout = milliseconds(300);
  BeginAndWait();
  server->Pause();
  EXPECT_TRUE(Eventually([&] { return !source->Trouble().empty(); }));
  server->Continue();
  EXPECT_TRUE(Eventually([&] { return source->Trouble().empty(); })) << source->Trouble();
  Publish("otel.logs", "{}");
  EXPECT_EQ(intake.WaitFor(1).size(), 1U);
}

TEST_F(NatsSourceTest, GivesBackAtItsEndWhatIsNotInTheTables) {
  options.ack_wait = seconds(60);
  BeginAndWait();
  for (int i = 0; i < 10; ++i) Publish("otel.logs", "{}");
  intake.WaitFor(10);
  source->StopDelivering();
  ASSERT_THAT(source->Close(clock.MonotonicNow() + kTimeout), IsOk());
  source = MakeSource();
  ASSERT_THAT(source->Start(other), IsOk());
  EXPECT_EQ(other.WaitFor(10).size(), 10U);
  EXPECT_EQ(Consumer().redelivered, 10U);
}

TEST_F(NatsSourceTest, AcknowledgesBeforeItEnds) {
  BeginAndWait();
  for (int i = 0; i < 2500; ++i) {
    ASSERT_THAT(link->Publish("otel.logs", "{}", ""), IsOk());
  }
  ASSERT_EQ(intake.WaitFor(2500).size(), 2500U);
  source->StopDelivering();
  intake.Commit();
  ASSERT_THAT(source->Close(clock.MonotonicNow() + kTimeout), IsOk());
  source.reset();
  EXPECT_EQ(Consumer().ack_floor, 2500U);
}

TEST_F(NatsSourceTest, TwoShareAConsumer) {
  BeginAndWait();
  options.state_file = "/data/other.json";
  std::unique_ptr<NatsSource> second = MakeSource();
  ASSERT_THAT(second->Start(other), IsOk());
  ASSERT_TRUE(Eventually([&] { return second->Trouble().empty(); }));
  for (int i = 0; i < 3000; ++i) ASSERT_THAT(link->Publish("otel.logs", "{}", ""), IsOk());
  EXPECT_TRUE(
      Eventually([&] { return intake.WaitFor(0).size() + other.WaitFor(0).size() >= 3000; }));
  std::set<SourcePosition> positions;
  for (const auto& one : intake.WaitFor(0)) positions.insert(one.position);
  for (const auto& one : other.WaitFor(0)) positions.insert(one.position);
  EXPECT_EQ(positions.size(), 3000U);
  intake.Commit();
  other.Commit();
  EXPECT_TRUE(Eventually([&] { return Consumer().ack_floor == 3000; }));
  EXPECT_THAT(second->Close(clock.MonotonicNow() + kTimeout), IsOk());
}

TEST_F(NatsSourceTest, StopsLoudlyWhenTheStreamIsCreatedAnew) {
  BeginAndWait();
  Publish("otel.logs", "{\"n\":1}");
  intake.WaitFor(1);
  Api("STREAM.DELETE.OTEL", "");
  EXPECT_TRUE(Eventually([&] { return source->Trouble().find("is gone") != std::string::npos; }))
      << source->Trouble();
  Api("STREAM.CREATE.OTEL", R"({"name":"OTEL","subjects":["otel.>"]})");
  EXPECT_TRUE(Eventually([&] {
    return source->Trouble().find("created anew") != std::string::npos;
  })) << source->Trouble();
  EXPECT_TRUE(events.Said(Severity::kError, "nothing is read"));
  const auto stream = AskForStream(*link, "OTEL", kTimeout);
  ASSERT_THAT(stream, IsOk());
  EXPECT_THAT(source->Trouble(), HasSubstr("accept_new_incarnation = \"" + stream->created + "\""));
  Publish("otel.logs", "{\"n\":2}");
  ASSERT_THAT(source->Close(clock.MonotonicNow() + kTimeout), IsOk());
  source.reset();

  // The next process knows it too, and goes on once it is told to.
  Begin();
  EXPECT_TRUE(
      Eventually([&] { return source->Trouble().find("created anew") != std::string::npos; }));
  EXPECT_EQ(intake.WaitFor(1).size(), 1U);
  ASSERT_THAT(source->Close(clock.MonotonicNow() + kTimeout), IsOk());
  options.accept_new_incarnation = stream->created;
  BeginAndWait();
  EXPECT_EQ(intake.WaitFor(2).size(), 2U);
  ASSERT_EQ(intake.keys.size(), 2U);
  EXPECT_NE(intake.keys[0], intake.keys[1]);
}

TEST_F(NatsSourceTest, RefusesAConsumerThatGivesUpMessages) {
  options.create = NatsCreate::kNever;
  Api("STREAM.CREATE.OTEL", R"({"name":"OTEL","subjects":["otel.>"]})");
  Api("CONSUMER.DURABLE.CREATE.OTEL.writer",
      R"({"stream_name":"OTEL",
          "config":{"durable_name":"writer","ack_policy":"explicit","max_deliver":5}})");
  Begin();
  EXPECT_TRUE(Eventually([&] {
    return source->Trouble().find("max_deliver=5") != std::string::npos;
  })) << source->Trouble();
}

TEST_F(NatsSourceTest, CountsWhatRetentionDropped) {
  options.create = NatsCreate::kNever;
  Api("STREAM.CREATE.OTEL", R"({"name":"OTEL","subjects":["otel.>"],"max_msgs":5})");
  Api("CONSUMER.DURABLE.CREATE.OTEL.writer",
      R"({"stream_name":"OTEL","config":{"durable_name":"writer","ack_policy":"explicit"}})");
  for (int i = 0; i < 12; ++i) Publish("otel.logs", "{}");
  BeginAndWait();
  EXPECT_EQ(intake.WaitFor(5).size(), 5U);
  EXPECT_EQ(events.counter("signaldb_writer_nats_gap_messages_total{source=orders}"), 7);
  EXPECT_TRUE(events.Said(Severity::kError, "dropped messages"));
}

TEST_F(NatsSourceTest, NeedsNoMoreRightsThanTheDocumentationNames) {
  const TempDir folder;
  std::ofstream(folder / "server.conf") << R"(authorization { users = [
    { user: admin, password: a },
    { user: writer, password: w, permissions: {
        publish: ["$JS.API.STREAM.INFO.OTEL", "$JS.API.CONSUMER.INFO.OTEL.writer",
                  "$JS.API.CONSUMER.MSG.NEXT.OTEL.writer", "$JS.ACK.OTEL.writer.>"],
        subscribe: ["_INBOX.>"] } } ] })";
  auto restricted = NatsServer::Start({"-c", folder / "server.conf"});
  ASSERT_THAT(restricted, IsOk());
  server = std::move(*restricted);
  auto connected = ConnectToNats(server->Url(), {.user = "admin", .password = "a"}, kTimeout);
  ASSERT_THAT(connected, IsOk());
  link = std::move(*connected);
  ASSERT_THAT(CreateStream(*link, options), IsOk());
  ASSERT_THAT(CreateConsumer(*link, options), IsOk());
  options.servers = {server->Url()};
  options.access = {.user = "writer", .password = "w"};
  options.create = NatsCreate::kNever;
  BeginAndWait();
  Publish("otel.logs", "{}");
  EXPECT_EQ(intake.WaitFor(1).size(), 1U);
  intake.Commit();
  EXPECT_TRUE(Eventually([&] { return Consumer().ack_floor == 1; }));
}

TEST_F(NatsSourceTest, TakesAMessageLargerThanARequestMayBring) {
  options.fetch_bytes = 1000;
  BeginAndWait();
  Publish("otel.logs", "{" + std::string(50'000, ' ') + "}");
  Publish("otel.logs", "{}");
  EXPECT_EQ(intake.WaitFor(2).size(), 2U);
}

}  // namespace
}  // namespace signaldb::testing

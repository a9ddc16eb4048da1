#include "adapters/kafka/kafka_source.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "adapters/kafka/kafka_configuration.h"
#include "testing/matchers.h"
#include "testing/recording_listener.h"
#include "unit/adapters_kafka/fake_intake.h"
#include "unit/adapters_kafka/mock_kafka.h"

namespace signaldb {
namespace {

using testing::FakeIntake;
using ::testing::HasSubstr;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::MockKafka;

constexpr const char* kTopic = "otlp_logs";
constexpr std::string_view kBody = "{}";

class KafkaSourceTest : public ::testing::Test {
 protected:
  KafkaSourceOptions Options() {
    return {.name = "k",
            .connection = {.brokers = kafka_.brokers()},
            .group_id = "g",
            .topics = {{.topic = kTopic,
                        .signal = Signal::kLogs,
                        .tenant = {.otherwise = "acme"},
                        .dataset = {.otherwise = "main"}}},
            .session_timeout = std::chrono::seconds(6),
            .max_poll_interval = std::chrono::seconds(10)};
  }

  std::unique_ptr<KafkaSource> Start(KafkaSourceOptions options, FakeIntake& intake) {
    auto source = KafkaSource::Make(std::move(options), clock_, events_);
    EXPECT_THAT(source, IsOk());
    EXPECT_THAT((*source)->Start(intake), IsOk());
    return std::move(*source);
  }

  void Produce(int count, int partition = 0) {
    for (int i = 0; i < count; ++i) kafka_.Produce(kTopic, partition, kBody);
  }

  bool Eventually(const std::function<bool()>& holds, Nanos within = std::chrono::seconds(90)) {
    const Nanos deadline = clock_.MonotonicNow() + within;
    while (!holds()) {
      if (clock_.MonotonicNow() > deadline) return false;
      clock_.SleepFor(std::chrono::milliseconds(10), {});
    }
    return true;
  }

  Status Close(KafkaSource& source, Nanos within = std::chrono::seconds(10)) {
    source.StopDelivering();
    return source.Close(clock_.MonotonicNow() + within);
  }

  static std::vector<SourcePosition> Positions(const FakeIntake& intake) {
    std::vector<SourcePosition> positions;
    for (const auto& delivery : intake.deliveries()) positions.push_back(delivery.position);
    return positions;
  }

  SystemClock clock_;
  testing::RecordingListener events_;
  MockKafka kafka_;
};

TEST_F(KafkaSourceTest, DeliversFromTheFirstMessageAndResumesBehindWhatWasAcknowledged) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(3);
  {
    FakeIntake intake;
    const auto source = Start(Options(), intake);
    ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() == 3; })) << source->Trouble();
    const auto first = intake.deliveries()[0];
    EXPECT_EQ(first.position, 1);
    EXPECT_EQ(first.body, kBody);
    EXPECT_TRUE(first.key.starts_with("kafka/")) << first.key;
    EXPECT_TRUE(first.key.ends_with("/otlp_logs/0/0")) << first.key;
    EXPECT_GT(first.received_at, clock_.WallNow() - std::chrono::minutes(1));
    EXPECT_TRUE(events_.Said(Severity::kInfo, "the group has no offset"));
    intake.CommitAll();
    EXPECT_THAT(Close(*source), IsOk());
    EXPECT_EQ(intake.open_lanes(), 0);
  }
  Produce(1);
  FakeIntake intake;
  const auto source = Start(Options(), intake);
  ASSERT_TRUE(Eventually([&] { return !intake.deliveries().empty(); })) << source->Trouble();
  EXPECT_THAT(Positions(intake), ::testing::ElementsAre(4));
  EXPECT_EQ(source->Name(), "kafka k");
  EXPECT_TRUE(Eventually([&] { return source->Trouble().empty(); })) << source->Trouble();
}

TEST_F(KafkaSourceTest, GivesAgainWhatWasNotAcknowledged) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(3);
  {
    FakeIntake intake;
    intake.SetFlushWorks(false);
    const auto source = Start(Options(), intake);
    ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() == 3; })) << source->Trouble();
    EXPECT_THAT(Close(*source), IsOk()) << "nothing was known to be in the tables";
  }
  FakeIntake intake;
  const auto source = Start(Options(), intake);
  ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() == 3; })) << source->Trouble();
  EXPECT_THAT(Positions(intake), ::testing::ElementsAre(1, 2, 3));
}

TEST_F(KafkaSourceTest, WaitsForRoomAndDeliversEachOnceInOrder) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(50);
  FakeIntake intake;
  intake.SetFull(true);
  const auto source = Start(Options(), intake);
  ASSERT_TRUE(Eventually([&] { return intake.refusals() > 2; })) << source->Trouble();
  ASSERT_TRUE(Eventually(
      [&] { return events_.gauge("signaldb_writer_kafka_paused_partitions{source=k}") == 1; }));
  Produce(50);
  intake.SetFull(false);
  ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() >= 100; }));
  const std::vector<SourcePosition> positions = Positions(intake);
  for (std::size_t i = 0; i < positions.size(); ++i) EXPECT_EQ(positions[i], i + 1);
  EXPECT_TRUE(Eventually(
      [&] { return events_.gauge("signaldb_writer_kafka_paused_partitions{source=k}") == 0; }));
}

TEST_F(KafkaSourceTest, ReportsLag) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(5);
  FakeIntake intake;
  const auto source = Start(Options(), intake);
  const std::string lag =
      "signaldb_writer_kafka_lag_messages{source=k}topic=otlp_logs}partition=0}";
  ASSERT_TRUE(Eventually([&] { return events_.gauge(lag) == 5; }));
  intake.CommitAll();
  ASSERT_TRUE(Eventually([&] { return events_.gauge(lag) == 0; }));
  const std::string taken = "signaldb_writer_kafka_messages_total{source=k}topic=otlp_logs}";
  EXPECT_EQ(events_.counter(taken), 5);
}

TEST_F(KafkaSourceTest, CommitsAgainAfterACommitThatFailed) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(2);
  FakeIntake intake;
  const auto source = Start(Options(), intake);
  ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() == 2; }));
  rd_kafka_mock_push_request_errors(kafka_.cluster(), 8 /* OffsetCommit */, 1,
                                    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  intake.CommitAll();
  ASSERT_TRUE(Eventually([&] {
    return events_.counter("signaldb_writer_kafka_commit_failures_total{source=k}") == 1;
  }));
  EXPECT_THAT(Close(*source), IsOk());
  FakeIntake again;
  Produce(1);
  const auto next = Start(Options(), again);
  ASSERT_TRUE(Eventually([&] { return !again.deliveries().empty(); }));
  EXPECT_THAT(Positions(again), ::testing::ElementsAre(3));
}

TEST_F(KafkaSourceTest, SharesPartitionsWithOthersAndHandsThemOverCommitted) {
  kafka_.CreateTopic(kTopic, 4);
  for (int p = 0; p < 4; ++p) Produce(5, p);
  // Whoever is taken for dead on a busy machine hands nothing over.
  KafkaSourceOptions options = Options();
  options.session_timeout = std::chrono::seconds(15);
  options.max_poll_interval = std::chrono::seconds(60);
  FakeIntake first;
  FakeIntake second;
  const auto one = Start(options, first);
  ASSERT_TRUE(Eventually([&] { return first.deliveries().size() == 20; })) << one->Trouble();
  const auto two = Start(options, second);
  ASSERT_TRUE(Eventually([&] { return first.open_lanes() == 2 && second.open_lanes() == 2; }))
      << two->Trouble();
  EXPECT_EQ(first.flushes(), 2);
  for (int p = 0; p < 4; ++p) Produce(1, p);
  ASSERT_TRUE(
      Eventually([&] { return first.deliveries().size() + second.deliveries().size() >= 24; }));
  EXPECT_THAT(Positions(second), ::testing::ElementsAre(6, 6)) << "the rest was committed";
}

TEST_F(KafkaSourceTest, StopsAPartitionWhoseOffsetIsGone) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(3);
  KafkaSourceOptions options = Options();
  options.group_id = "behind-the-end";
  kafka_.CommitOffset(options.group_id.c_str(), kTopic, 100);
  FakeIntake intake;
  const auto source = Start(options, intake);
  ASSERT_TRUE(Eventually([&] {
    return source->Trouble().find("the topic ends before the group's offset") != std::string::npos;
  })) << source->Trouble();
  EXPECT_THAT(source->Trouble(), HasSubstr("offset=100 first_offset=0 end_offset=3"));
  EXPECT_TRUE(intake.deliveries().empty());
  ASSERT_THAT(Close(*source), IsOk());

  options.on_out_of_range = OutOfRange::kEarliest;
  FakeIntake earliest;
  const auto goes_on = Start(options, earliest);
  ASSERT_TRUE(Eventually([&] { return earliest.deliveries().size() == 3; })) << goes_on->Trouble();
  // Where it went on is the group's offset by now, though no message has got into a table.
  earliest.SetFlushWorks(false);
  ASSERT_THAT(Close(*goes_on), IsOk());
  options.on_out_of_range = OutOfRange::kStop;
  FakeIntake after;
  const auto next = Start(options, after);
  ASSERT_TRUE(Eventually([&] { return after.deliveries().size() == 3; })) << next->Trouble();
}

TEST_F(KafkaSourceTest, SaysThatATopicIsGoneUntilItIsBack) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(1);
  FakeIntake intake;
  const auto source = Start(Options(), intake);
  ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() == 1; })) << source->Trouble();
  ASSERT_TRUE(Eventually([&] { return source->Trouble().empty(); })) << source->Trouble();
  const auto set_error = [&](rd_kafka_resp_err_t error) {
    rd_kafka_mock_topic_set_error(kafka_.cluster(), kTopic, error);
  };
  set_error(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  const auto names_topic = [&] {
    return source->Trouble().find("topic=otlp_logs") != std::string::npos;
  };
  ASSERT_TRUE(Eventually(names_topic)) << source->Trouble();
  rd_kafka_mock_broker_set_down(kafka_.cluster(), -1);
  ASSERT_TRUE(Eventually([&] { return source->Trouble().find("code=") != std::string::npos; }))
      << source->Trouble();
  rd_kafka_mock_broker_set_up(kafka_.cluster(), -1);
  ASSERT_TRUE(Eventually([&] { return source->Trouble().find("code=") == std::string::npos; }))
      << source->Trouble();
  EXPECT_TRUE(names_topic()) << "that brokers answer says nothing of the topic";
  set_error(RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_TRUE(Eventually([&] { return source->Trouble().empty(); })) << source->Trouble();
}

TEST_F(KafkaSourceTest, LeavesAPartitionAloneThatAnotherReaderOfTheProcessHas) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(1);
  FakeIntake intake;
  intake.SetTaken(true);
  const auto source = Start(Options(), intake);
  ASSERT_TRUE(Eventually([&] {
    return source->Trouble().find("the partition is not read topic=otlp_logs partition=0") !=
           std::string::npos;
  })) << source->Trouble();
  EXPECT_TRUE(intake.deliveries().empty());
  EXPECT_THAT(Close(*source), IsOk());
}

TEST_F(KafkaSourceTest, StopsAPartitionThatTheTablesAreAheadOf) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(3);
  KafkaSourceOptions options = Options();
  SourcePosition covered = 4;
  options.highest_covered = [&](const SourceKey& key, std::string_view tenant,
                                std::string_view dataset) -> Result<SourcePosition> {
    EXPECT_THAT(key, HasSubstr("/otlp_logs/0/0"));
    EXPECT_EQ(tenant, "acme");
    EXPECT_EQ(dataset, "main");
    return covered;
  };
  {
    FakeIntake intake;
    const auto source = Start(options, intake);
    ASSERT_TRUE(Eventually([&] {
      return source->Trouble().find("beyond the end of the topic") != std::string::npos;
    })) << source->Trouble();
    EXPECT_TRUE(intake.deliveries().empty());
  }
  covered = 3;
  FakeIntake intake;
  const auto source = Start(options, intake);
  ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() == 3; })) << source->Trouble();
}

TEST_F(KafkaSourceTest, ComesBackWithTheBrokers) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(1);
  FakeIntake intake;
  const auto source = Start(Options(), intake);
  ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() == 1; }));
  ASSERT_TRUE(Eventually([&] { return source->Trouble().empty(); })) << source->Trouble();
  rd_kafka_mock_broker_set_down(kafka_.cluster(), -1);
  EXPECT_TRUE(Eventually([&] { return !source->Trouble().empty(); }));
  rd_kafka_mock_broker_set_up(kafka_.cluster(), -1);
  Produce(1);
  ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() >= 2; })) << source->Trouble();
  EXPECT_THAT(Positions(intake), ::testing::ElementsAre(1, 2));
  EXPECT_TRUE(Eventually([&] { return source->Trouble().empty(); })) << source->Trouble();
}

constexpr std::int16_t kListOffsets = 2;

TEST_F(KafkaSourceTest, JoinsAgainUntilItKnowsWhereToRead) {
  kafka_.CreateTopic(kTopic, 4);
  for (int p = 0; p < 4; ++p) Produce(3, p);
  KafkaSourceOptions options = Options();
  options.session_timeout = std::chrono::seconds(15);
  options.max_poll_interval = std::chrono::seconds(60);
  // Two members, of which one leads the group when it joins again.
  rd_kafka_mock_push_request_errors(
      kafka_.cluster(), kListOffsets, 3, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  std::array<FakeIntake, 2> intakes;
  std::vector<std::unique_ptr<KafkaSource>> sources;
  for (FakeIntake& intake : intakes) sources.push_back(Start(options, intake));
  ASSERT_TRUE(Eventually([&] {
    std::size_t lanes = 0;
    for (const FakeIntake& intake : intakes) lanes += intake.open_lanes();
    return lanes == 4 && std::ranges::all_of(
                             sources, [](const auto& source) { return source->Trouble().empty(); });
  })) << sources[0]->Trouble();
  EXPECT_GE(events_.counter("signaldb_writer_kafka_rebalances_total{source=k}kind=assigned}"), 3)
      << "one at least was refused, and came again";
  for (const auto& source : sources) EXPECT_THAT(Close(*source), IsOk());
}

TEST_F(KafkaSourceTest, ClosesInTimeWhenNoBrokerAnswers) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(1);
  FakeIntake intake;
  const auto source = Start(Options(), intake);
  ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() == 1; }));
  rd_kafka_mock_broker_set_down(kafka_.cluster(), -1);
  intake.CommitAll();
  const Nanos begin = clock_.MonotonicNow();
  EXPECT_THAT(Close(*source, std::chrono::seconds(1)), IsError(ErrorKind::kUnavailable));
  EXPECT_LT(clock_.MonotonicNow() - begin, std::chrono::seconds(8));
}

TEST_F(KafkaSourceTest, DeliversNothingAfterStop) {
  kafka_.CreateTopic(kTopic, 1);
  Produce(1);
  FakeIntake intake;
  const auto source = Start(Options(), intake);
  ASSERT_TRUE(Eventually([&] { return intake.deliveries().size() == 1; }));
  source->StopDelivering();
  Produce(3);
  clock_.SleepFor(std::chrono::milliseconds(500), {});
  EXPECT_EQ(intake.deliveries().size(), 1);
  intake.CommitAll();
  EXPECT_THAT(source->Close(clock_.MonotonicNow() + std::chrono::seconds(10)), IsOk());
}

TEST_F(KafkaSourceTest, RefusesWhatLibrdkafkaRefuses) {
  KafkaSourceOptions options = Options();
  options.session_timeout = options.max_poll_interval * 2;
  auto source = KafkaSource::Make(options, clock_, events_);
  ASSERT_THAT(source, IsOk());
  FakeIntake intake;
  EXPECT_THAT((*source)->Start(intake), IsErrorSaying(ErrorKind::kInvalid, "max.poll.interval.ms"));
  options = Options();
  options.connection.security_protocol = "rot13";
  EXPECT_THAT(KafkaSource::Make(options, clock_, events_),
              IsErrorSaying(ErrorKind::kInvalid, "security.protocol"));
}

TEST(KafkaFeatures, NeedEveryCompression) {
  EXPECT_THAT(CheckKafkaFeatures("gzip,snappy,lz4,zstd", "plaintext"), IsOk());
  EXPECT_THAT(CheckKafkaFeatures("gzip,snappy,lz4", "plaintext"),
              IsErrorSaying(ErrorKind::kInvalid, "feature=zstd"));
  EXPECT_THAT(CheckKafkaFeatures("gzip,snappy,zstd", "plaintext"),
              IsErrorSaying(ErrorKind::kInvalid, "feature=lz4"));
  EXPECT_THAT(CheckKafkaFeatures("gzip,snappy,lz4,zstd", "sasl_ssl"),
              IsErrorSaying(ErrorKind::kInvalid, "feature=ssl"));
}

}  // namespace
}  // namespace signaldb

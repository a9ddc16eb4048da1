#include "adapters/nats/jetstream_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_nats.h"
#include "testing/matchers.h"

namespace signaldb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ReadStreamState, TakesWhatIdentifiesAStream) {
  const auto stream = ReadStreamState(
      R"({"type":"io.nats.jetstream.api.v1.stream_info_response","config":{"name":"OTEL"},
          "created":"2026-11-22T17:00:00.123456789Z",
          "state":{"messages":5,"bytes":500,"first_seq":3,"last_seq":18446744073709551615}})");
  ASSERT_THAT(stream, IsOk());
  EXPECT_EQ(stream->created, "2026-11-22T17:00:00.123456789Z");
  EXPECT_EQ(stream->first_sequence, 3U);
  EXPECT_EQ(stream->last_sequence, 18446744073709551615U);
  EXPECT_EQ(stream->messages, 5U);
}

TEST(ReadConsumerState, TakesSettingsAndPlace) {
  const auto consumer = ReadConsumerState(
      R"({"created":"t","config":{"durable_name":"writer","ack_policy":"explicit",
          "ack_wait":120000000000,"backoff":[30000000000,60000000000],"max_deliver":-1,
          "max_ack_pending":50000,"max_batch":100,"max_expires":5000000000,"max_bytes":4096,
          "filter_subjects":["b","a"]},
          "delivered":{"consumer_seq":9,"stream_seq":12},
          "ack_floor":{"consumer_seq":4,"stream_seq":7},
          "num_ack_pending":5,"num_redelivered":1,"num_pending":33})");
  ASSERT_THAT(consumer, IsOk());
  EXPECT_EQ(consumer->durable_name, "writer");
  EXPECT_EQ(consumer->ack_policy, "explicit");
  EXPECT_EQ(consumer->ack_wait, std::chrono::seconds(30)) << "a backoff overrides ack_wait";
  EXPECT_EQ(consumer->max_deliver, -1);
  EXPECT_EQ(consumer->max_ack_pending, 50'000);
  EXPECT_EQ(consumer->max_batch, 100);
  EXPECT_EQ(consumer->max_bytes, 4096);
  EXPECT_EQ(consumer->max_expires, std::chrono::seconds(5));
  EXPECT_THAT(consumer->filters, ElementsAre("a", "b"));
  EXPECT_EQ(consumer->delivered, 12U);
  EXPECT_EQ(consumer->ack_floor, 7U);
  EXPECT_EQ(consumer->ack_pending, 5U);
  EXPECT_EQ(consumer->pending, 33U);
}

TEST(ReadConsumerState, ReadsASingleFilter) {
  const auto consumer =
      ReadConsumerState(R"({"config":{"filter_subject":"otel.>"},"delivered":{},"ack_floor":{}})");
  ASSERT_THAT(consumer, IsOk());
  EXPECT_THAT(consumer->filters, ElementsAre("otel.>"));
}

TEST(JetStreamAnswers, SayWhatAnErrorMeans) {
  const auto error = [](int code) {
    return ReadStreamState(fmt::format(
        R"({{"error":{{"code":{},"err_code":10059,"description":"it said so"}}}})", code));
  };
  EXPECT_THAT(error(404), IsErrorSaying(ErrorKind::kNotFound, "it said so"));
  EXPECT_THAT(error(503), IsErrorSaying(ErrorKind::kUnavailable, "it said so"));
  EXPECT_THAT(error(408), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(error(400), IsErrorSaying(ErrorKind::kInvalid, "err_code=10059"));
}

TEST(JetStreamAnswers, ThatAreNoneAreCorrupt) {
  for (const char* text : {"", "[]", "{", "{}", R"({"created":"t"})", R"({"state":{}})"}) {
    EXPECT_THAT(ReadStreamState(text), IsError(ErrorKind::kCorrupt)) << text;
    EXPECT_THAT(ReadConsumerState(text), IsError(ErrorKind::kCorrupt)) << text;
  }
}

TEST(CreateConsumer, AsksForWhatTheRulesDemand) {
  FakeLink link;
  link.answers["$JS.API.CONSUMER.DURABLE.CREATE.OTEL.writer"] = R"({"config":{}})";
  const NatsSourceOptions options{.stream = "OTEL",
                                  .consumer = "writer",
                                  .subjects = {{.pattern = "a"}, {.pattern = "b"}},
                                  .ack_wait = std::chrono::seconds(7),
                                  .max_ack_pending = 99};
  ASSERT_THAT(CreateConsumer(link, options), IsOk());
  ASSERT_EQ(link.requests.size(), 1U);
  for (const char* part :
       {R"("ack_policy":"explicit")", R"("max_deliver":-1)", R"("ack_wait":7000000000)",
        R"("max_ack_pending":99)", R"("filter_subjects":["a","b"])", R"("deliver_policy":"all")"}) {
    EXPECT_THAT(link.requests[0].body, HasSubstr(part));
  }
}

TEST(PullRequest, NamesBytesOnlyIfLimited) {
  PullRequest request{.messages = 5,
                      .bytes = 100,
                      .expires = std::chrono::seconds(30),
                      .heartbeat = std::chrono::seconds(5)};
  EXPECT_EQ(ToJson(request),
            R"({"batch":5,"expires":30000000000,"idle_heartbeat":5000000000,"max_bytes":100})");
  request.bytes = 0;
  EXPECT_EQ(ToJson(request), R"({"batch":5,"expires":30000000000,"idle_heartbeat":5000000000})");
}

}  // namespace
}  // namespace signaldb::testing

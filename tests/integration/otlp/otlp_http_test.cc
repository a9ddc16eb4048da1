#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/otlp/stack.h"
#include "testing/compression.h"

namespace signaldb::testing {
namespace {

using ::testing::HasSubstr;

TEST(OtlpHttp, HandsOverWhatItReceivesAndAnswersInKind) {
  struct Case {
    std::string_view name;
    std::string_view path;
    std::string_view content_type;
    Signal signal;
    MessageEncoding encoding;
    std::string_view answer_type;
    std::string_view answer;
  };
  static constexpr Case kCases[] = {
      {"traces", "/v1/traces", "application/x-protobuf", Signal::kTraces,
       MessageEncoding::kProtobuf, "application/x-protobuf", ""},
      {"logs", "/v1/logs", "application/x-protobuf", Signal::kLogs, MessageEncoding::kProtobuf,
       "application/x-protobuf", ""},
      {"metrics", "/v1/metrics", "application/x-protobuf", Signal::kMetrics,
       MessageEncoding::kProtobuf, "application/x-protobuf", ""},
      {"json", "/v1/logs", "application/json", Signal::kLogs, MessageEncoding::kJson,
       "application/json", "{}"},
      {"json with charset", "/v1/logs", "Application/JSON ; charset=utf-8", Signal::kLogs,
       MessageEncoding::kJson, "application/json", "{}"},
      {"query ignored", "/v1/logs?x=%00", "application/json", Signal::kLogs, MessageEncoding::kJson,
       "application/json", "{}"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Stack stack;
    RawClient client = stack.Connect();
    client.Send(Post(c.path, "payload", "Content-Type: " + std::string(c.content_type) + "\r\n"));
    const auto response = client.Receive();
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->headers.at("content-type"), c.answer_type);
    EXPECT_EQ(response->body, c.answer);
    const auto seen = stack.ingest.seen();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].body, "payload");
    EXPECT_EQ(seen[0].held, 7);
    EXPECT_EQ(seen[0].signal, c.signal);
    EXPECT_EQ(seen[0].encoding, c.encoding);
    EXPECT_EQ(seen[0].tenant, "default");
    EXPECT_EQ(seen[0].dataset, "default");
    EXPECT_EQ(seen[0].request_id.size(), 36U);
    EXPECT_EQ(seen[0].request_id, response->headers.at("x-request-id"));
  }
}

/// Small limits: 10,000 bytes per request.
Stack::Settings Small() {
  Stack::Settings settings;
  settings.receiver.request_bytes_max = 10'000;
  return settings;
}

constexpr std::string_view kProtobufGzip =
    "Content-Type: application/x-protobuf\r\nContent-Encoding: gzip\r\n";
constexpr std::string_view kProtobufZstd =
    "Content-Type: application/x-protobuf\r\nContent-Encoding: zstd\r\n";

std::optional<RawResponse> Ask(const Stack& stack, const std::string& bytes) {
  RawClient client = stack.Connect();
  client.Send(bytes);
  return client.Receive();
}

TEST(OtlpHttp, TakesRequestsExactlyUpToTheLimitHoweverCompressed) {
  Stack stack(Small());
  struct Case {
    std::size_t size;
    int status;
  };
  static constexpr Case kCases[] = {
      {0, 200}, {9'999, 200}, {10'000, 200}, {10'001, 413}, {10'000'000, 413}};
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.size);
    const std::string body(c.size, 'x');
    for (const std::string& request :
         {Post("/v1/logs", body), Post("/v1/logs", Gzip(body), kProtobufGzip),
          Post("/v1/logs", Zstd(body), kProtobufZstd)}) {
      const auto response = Ask(stack, request);
      ASSERT_TRUE(response.has_value());
      EXPECT_EQ(response->status, c.status);
      EXPECT_EQ(response->headers.contains("retry-after"), false);
      if (c.status != 200) continue;
      EXPECT_TRUE(stack.ingest.seen().back().body == body);
    }
  }
  EXPECT_EQ(stack.events.requests("otlp_http/logs/too_large"), 6);
  EXPECT_EQ(stack.events.requests("otlp_http/logs/accepted"), 9);
}

TEST(OtlpHttp, TakesTheDefaultLimitOf64MebibytesExactly) {
  Stack stack;
  constexpr std::size_t kLimit = 64 << 20;
  for (const std::size_t size : {kLimit - 1, kLimit, kLimit + 1}) {
    SCOPED_TRACE(size);
    const std::string body(size, 'x');
    const int expected = size > kLimit ? 413 : 200;
    EXPECT_EQ(Ask(stack, Post("/v1/logs", body))->status, expected);
    EXPECT_EQ(Ask(stack, Post("/v1/logs", Gzip(body), kProtobufGzip))->status, expected);
  }
}

TEST(OtlpHttp, ReadsEveryGzipMember) {
  Stack stack;
  const auto response = Ask(stack, Post("/v1/logs", Gzip("first") + Gzip("second"), kProtobufGzip));
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(stack.ingest.seen().at(0).body, "firstsecond");
}

TEST(OtlpHttp, RefusesBombsWithinTheBudget) {
  Stack::Settings settings;
  settings.budget_bytes = 80 << 20;
  Stack stack(settings);
  const std::string bomb(1 << 30, '\0');
  EXPECT_EQ(Ask(stack, Post("/v1/logs", Gzip(bomb), kProtobufGzip))->status, 413);
  EXPECT_EQ(Ask(stack, Post("/v1/logs", Zstd(bomb), kProtobufZstd))->status, 413);
  EXPECT_TRUE(stack.ingest.seen().empty());
}

TEST(OtlpHttp, CallsDamagedCompressionMalformed) {
  Stack stack;
  const std::string whole = Gzip("resource logs");
  EXPECT_EQ(Ask(stack, Post("/v1/logs", whole.substr(0, whole.size() - 3), kProtobufGzip))->status,
            400);
  EXPECT_EQ(Ask(stack, Post("/v1/logs", "plain", kProtobufZstd))->status, 400);
  EXPECT_EQ(stack.events.requests("otlp_http/logs/invalid"), 2);
}

TEST(OtlpHttp, PushesBackWhenTheBudgetIsExhausted) {
  Stack stack;
  auto all = stack.budget.TryTake(stack.budget.bytes_max());
  const auto refused = Ask(stack, Post("/v1/logs", "body"));
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->headers.at("retry-after"), "1");
  all.Release();
  EXPECT_EQ(Ask(stack, Post("/v1/logs", "body"))->status, 200);
}

TEST(OtlpHttp, RendersWhatTheIngestAnswers) {
  struct Case {
    std::string_view name;
    std::optional<Error> error;
    int status;
    std::string_view outcome;
  };
  const Case cases[] = {
      {"invalid", Error{ErrorKind::kInvalid, "bad"}, 400, "invalid"},
      {"unavailable", Error{ErrorKind::kUnavailable, "full"}, 503, "unavailable"},
      {"internal", Error{ErrorKind::kInternal, "bug"}, 500, "internal"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Stack stack;
    IngestAnswer answer;
    answer.error = c.error;
    answer.retry_after = std::chrono::seconds(30);
    stack.ingest.AnswerWith(answer);
    auto response = Ask(stack, Post("/v1/traces", "body"));
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, c.status);
    EXPECT_EQ(response->headers["retry-after"], c.status == 503 ? "30" : "");
    EXPECT_THAT(response->body, HasSubstr(c.error->message));
    EXPECT_EQ(stack.events.requests("otlp_http/traces/" + std::string(c.outcome)), 1);
  }
}

TEST(OtlpHttp, RefusesEvilTenantNamesAndNeverHandsThemOver) {
  Stack stack;
  const std::string evil[] = {".",
                              "..",
                              "../../etc",
                              "a/b",
                              "%2e%2e",
                              "a\\b",
                              "\xff",
                              "a b",
                              "a.b",
                              "a;b",
                              "'--",
                              "$(x)",
                              "\xc3\xa4",
                              "a,b",
                              std::string(65, 'a'),
                              std::string(30'000, 'a')};
  for (const std::string& name : evil) {
    SCOPED_TRACE(name.substr(0, 70));
    for (const char* header : {"X-Tenant-Id", "X-Dataset-Id", "X-Scope-OrgID"}) {
      const auto response = Ask(stack, Post("/v1/logs", "body",
                                            "Content-Type: application/json\r\n" +
                                                std::string(header) + ": " + name + "\r\n"));
      ASSERT_TRUE(response.has_value());
      EXPECT_EQ(response->status, 400);
    }
  }
  EXPECT_TRUE(stack.ingest.seen().empty());
  const auto good = Ask(stack, Post("/v1/logs", "body",
                                    "Content-Type: application/json\r\nX-Scope-OrgID: Acme_1\r\n"
                                    "x-dataset-id: prod-2\r\n"));
  EXPECT_EQ(good->status, 200);
  EXPECT_EQ(stack.ingest.seen().at(0).tenant, "Acme_1");
  EXPECT_EQ(stack.ingest.seen().at(0).dataset, "prod-2");
}

TEST(OtlpHttp, SurvivesClientsThatLeaveBeforeTheAnswer) {
  Stack stack;
  stack.ingest.SetMode(FakeIngest::Mode::kHoldBack);
  for (int i = 0; i < 20; ++i) {
    RawClient client = stack.Connect();
    client.Send(Post("/v1/logs", "body"));
  }
  ASSERT_TRUE(stack.ingest.WaitForRequests(20));
  stack.ingest.ReleaseHeld();
  stack.ingest.SetMode(FakeIngest::Mode::kAnswerAtOnce);
  EXPECT_EQ(Ask(stack, Post("/v1/logs", "body"))->status, 200);
}

TEST(OtlpHttp, AnswersAfterTheShutdownBegan) {
  Stack stack;
  stack.ingest.SetMode(FakeIngest::Mode::kHoldBack);
  RawClient before = stack.Connect();
  RawClient later = stack.Connect();
  before.Send(Post("/v1/logs", "body"));
  ASSERT_TRUE(stack.ingest.WaitForRequests(1));
  stack.receiver.Drain();
  later.Send(Post("/v1/logs", "body"));
  const auto refused = later.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->headers.at("retry-after"), "1");
  std::jthread stopper([&] { stack.http->Stop(std::chrono::seconds(20)); });
  stack.clock.SleepFor(std::chrono::milliseconds(50), {});
  stack.ingest.ReleaseHeld();
  const auto answered = before.Receive();
  ASSERT_TRUE(answered.has_value());
  EXPECT_EQ(answered->status, 200);
}

TEST(OtlpHttp, ServesAThousandRequestsOnOneConnection) {
  Stack stack;
  RawClient client = stack.Connect();
  const std::string request = Post("/v1/logs", Gzip(std::string(1000, 'x')), kProtobufGzip);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(client.Send(request));
    const auto response = client.Receive();
    ASSERT_TRUE(response.has_value());
    ASSERT_EQ(response->status, 200);
  }
}

}  // namespace
}  // namespace signaldb::testing

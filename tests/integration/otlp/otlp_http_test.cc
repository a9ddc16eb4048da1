#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/otlp/stack.h"

namespace signaldb::testing {
namespace {

using ::testing::HasSubstr;

TEST(OtlpHttp, HandsOverWhatItReceivesAndAnswersInKind) {
  struct Case {
    std::string_view name;
    std::string_view path;
    std::string_view content_type;
    Signal signal;
    OtlpEncoding encoding;
    std::string_view answer_type;
    std::string_view answer;
  };
  static constexpr Case kCases[] = {
      {"traces", "/v1/traces", "application/x-protobuf", Signal::kTraces, OtlpEncoding::kProtobuf,
       "application/x-protobuf", ""},
      {"logs", "/v1/logs", "application/x-protobuf", Signal::kLogs, OtlpEncoding::kProtobuf,
       "application/x-protobuf", ""},
      {"metrics", "/v1/metrics", "application/x-protobuf", Signal::kMetrics,
       OtlpEncoding::kProtobuf, "application/x-protobuf", ""},
      {"json", "/v1/logs", "application/json", Signal::kLogs, OtlpEncoding::kJson,
       "application/json", "{}"},
      {"json with charset", "/v1/logs", "Application/JSON ; charset=utf-8", Signal::kLogs,
       OtlpEncoding::kJson, "application/json", "{}"},
      {"query ignored", "/v1/logs?x=%00", "application/json", Signal::kLogs, OtlpEncoding::kJson,
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

}  // namespace
}  // namespace signaldb::testing

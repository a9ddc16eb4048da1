#include "adapters/otlp/otlp_response.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace signaldb {
namespace {

using namespace std::string_literals;

OtlpAnswer Partial(std::int64_t rejected, std::string message) {
  OtlpAnswer answer;
  answer.rejected = rejected;
  answer.message = std::move(message);
  return answer;
}

// The expected bytes were written by hand from the .proto files.
TEST(OtlpResponse, RendersExportResponses) {
  struct Case {
    std::string_view name;
    Signal signal;
    OtlpAnswer answer;
    std::string protobuf;
    std::string json;
  };
  const Case cases[] = {
      {"success", Signal::kLogs, {}, "", "{}"},
      {"traces", Signal::kTraces, Partial(3, "bad"), "\x0a\x07\x08\x03\x12\x03"s + "bad",
       R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"bad"}})"},
      {"logs", Signal::kLogs, Partial(300, "b"), "\x0a\x06\x08\xac\x02\x12\x01"s + "b",
       R"({"partialSuccess":{"rejectedLogRecords":"300","errorMessage":"b"}})"},
      {"metrics", Signal::kMetrics, Partial(1, ""), "\x0a\x02\x08\x01"s,
       R"({"partialSuccess":{"rejectedDataPoints":"1","errorMessage":""}})"},
      {"warning", Signal::kLogs, Partial(0, "odd"), "\x0a\x05\x12\x03"s + "odd",
       R"({"partialSuccess":{"errorMessage":"odd"}})"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(RenderExportResponse(MessageEncoding::kProtobuf, c.signal, c.answer), c.protobuf);
    EXPECT_EQ(RenderExportResponse(MessageEncoding::kJson, c.signal, c.answer), c.json);
  }
}

TEST(OtlpResponse, RendersErrorsWithWhenToRetry) {
  OtlpAnswer answer;
  answer.message = "full";
  EXPECT_EQ(RenderRpcStatus(MessageEncoding::kProtobuf, RpcCode::kInvalidArgument, answer),
            "\x08\x03\x12\x04"s + "full");
  EXPECT_EQ(RenderRpcStatus(MessageEncoding::kJson, RpcCode::kInvalidArgument, answer),
            R"({"code":3,"message":"full"})");
  answer.retry_after = std::chrono::seconds(7);
  const std::string type = "type.googleapis.com/google.rpc.RetryInfo";
  EXPECT_EQ(RenderRpcStatus(MessageEncoding::kProtobuf, RpcCode::kUnavailable, answer),
            "\x08\x0e\x12\x04"s + "full" + "\x1a\x30\x0a\x28" + type + "\x12\x04\x0a\x02\x08\x07");
  EXPECT_EQ(
      RenderRpcStatus(MessageEncoding::kJson, RpcCode::kUnavailable, answer),
      R"({"code":14,"message":"full","details":[{"@type":")" + type + R"(","retryDelay":"7s"}]})");
}

TEST(OtlpResponse, KeepsForeignBytesOutOfMessages) {
  EXPECT_EQ(SafeMessage("a\xff\xc3\nb\"c"), "a???b\"c");
  EXPECT_EQ(SafeMessage(std::string(4095, 'x')).size(), 4095U);
  EXPECT_EQ(SafeMessage(std::string(4096, 'x')).size(), 4096U);
  EXPECT_EQ(SafeMessage(std::string(4097, 'x')).size(), 4096U);
  EXPECT_EQ(RenderRpcStatus(MessageEncoding::kJson, RpcCode::kInternal, Partial(0, "say \"\x80\"")),
            R"({"code":13,"message":"say \"?\""})");
}

}  // namespace
}  // namespace signaldb

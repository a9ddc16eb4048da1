#include "adapters/otlp/otlp_http_handler.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_clock.h"

namespace signaldb {
namespace {

using signaldb::testing::FakeClock;
using ::testing::HasSubstr;

class ScriptedIngest final : public Ingest {
 public:
  void Accept(IngestRequest, Done done) override { done(answer); }
  IngestAnswer answer;
};

class OtlpHttpHandlerTest : public ::testing::Test {
 protected:
  static HttpRequestHead Head(
      std::string method, std::string path,
      const std::vector<std::pair<std::string_view, std::string_view>>& headers) {
    HttpRequestHead head;
    head.method = std::move(method);
    head.path = std::move(path);
    for (const auto& [name, value] : headers) head.headers.Add(name, value);
    return head;
  }

  HttpResponse Answer(HttpRequestHead head, const std::string& body) {
    auto admission = handler_.Admit(head);
    if (!admission) return std::move(admission).error();
    HttpRequest request;
    request.head = std::move(head);
    request.body = std::as_bytes(std::span(body));
    std::optional<HttpResponse> answer;
    handler_.Handle(std::move(request),
                    [&](HttpResponse response) { answer = std::move(response); });
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(HttpResponse{});
  }

  ScriptedIngest ingest_;
  MemoryBudget budget_{1 << 20};
  FakeClock clock_;
  SeededRandom random_{1};
  NullEventListener events_;
  OtlpReceiver receiver_{ingest_, budget_, clock_, random_, events_, {}};
  OtlpHttpHandler handler_{receiver_};
};

TEST_F(OtlpHttpHandlerTest, RefusesByTheHeadAlone) {
  struct Case {
    std::string_view name;
    std::string method;
    std::string path;
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    int status;
    int code;
  };
  constexpr std::pair<std::string_view, std::string_view> kJson{"Content-Type", "application/json"};
  const Case cases[] = {
      {"unknown path", "POST", "/v1/profiles", {kJson}, 404, 5},
      {"longer path", "POST", "/v1/logs/", {kJson}, 404, 5},
      {"escaped path", "POST", "/v1/logs%00", {kJson}, 404, 5},
      {"other case", "POST", "/V1/logs", {kJson}, 404, 5},
      {"no path", "POST", "", {kJson}, 404, 5},
      {"get", "GET", "/v1/logs", {kJson}, 405, 12},
      {"put", "PUT", "/v1/logs", {kJson}, 405, 12},
      {"lower case method", "post", "/v1/logs", {kJson}, 405, 12},
      {"no content type", "POST", "/v1/logs", {}, 415, 12},
      {"text", "POST", "/v1/logs", {{"content-type", "text/plain"}}, 415, 12},
      {"similar type", "POST", "/v1/logs", {{"content-type", "application/jsonx"}}, 415, 12},
      {"grpc type", "POST", "/v1/logs", {{"content-type", "application/grpc"}}, 415, 12},
      {"deflate", "POST", "/v1/logs", {kJson, {"content-encoding", "deflate"}}, 415, 12},
      {"two codings", "POST", "/v1/logs", {kJson, {"content-encoding", "gzip, gzip"}}, 415, 12},
      {"two coding headers",
       "POST",
       "/v1/logs",
       {kJson, {"content-encoding", "gzip"}, {"content-encoding", "gzip"}},
       415,
       12},
      {"evil tenant", "POST", "/v1/logs", {kJson, {"x-tenant-id", "../.."}}, 400, 3},
      {"evil dataset", "POST", "/v1/logs", {kJson, {"x-dataset-id", "a.b"}}, 400, 3},
      {"two tenants",
       "POST",
       "/v1/logs",
       {kJson, {"x-tenant-id", "a"}, {"x-scope-orgid", "b"}},
       400,
       3},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto admission = handler_.Admit(Head(c.method, c.path, c.headers));
    ASSERT_FALSE(admission.has_value());
    const HttpResponse& response = admission.error();
    EXPECT_EQ(response.status, c.status);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_THAT(response.body, HasSubstr("{\"code\":" + std::to_string(c.code) + ","));
    EXPECT_EQ(response.headers.Find("allow").has_value(), c.status == 405);
    EXPECT_EQ(response.headers.Find("x-request-id").has_value(), c.status != 404);
    EXPECT_FALSE(response.headers.Find("retry-after").has_value());
  }
}

TEST_F(OtlpHttpHandlerTest, AdmitsUpToTheLimitAtTheCostOfTheBudget) {
  for (const std::string_view coding : {"", "identity", "none", "gzip", "GZIP", " zstd "}) {
    const auto admission = handler_.Admit(
        Head("POST", "/v1/logs",
             {{"content-type", "application/x-protobuf"}, {"content-encoding", coding}}));
    ASSERT_TRUE(admission.has_value()) << coding;
    EXPECT_EQ(admission->body_bytes_max, 64U << 20);
    EXPECT_EQ(admission->budget, &budget_);
  }
}

TEST_F(OtlpHttpHandlerTest, RendersEveryOutcomeInTheEncodingOfTheRequest) {
  struct Case {
    std::string_view name;
    std::optional<Error> error;
    int status;
    std::string_view json;
    std::string_view protobuf_start;
    std::optional<std::string_view> retry_after;
  };
  const Case cases[] = {
      {"accepted", std::nullopt, 200, "{}", "", std::nullopt},
      {"invalid", Error{ErrorKind::kInvalid, "m"}, 400, "{\"code\":3,\"message\":\"m\"}",
       "\x08\x03\x12\x01m", std::nullopt},
      {"unavailable", Error{ErrorKind::kUnavailable, "m"}, 503, "\"retryDelay\":\"9s\"",
       "\x08\x0e\x12\x01m", "9"},
      {"internal", Error{ErrorKind::kInternal, "m"}, 500, "{\"code\":13,\"message\":\"m\"}",
       "\x08\x0d\x12\x01m", std::nullopt},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ingest_.answer.error = c.error;
    ingest_.answer.retry_after = std::chrono::seconds(9);
    const HttpResponse json =
        Answer(Head("POST", "/v1/logs", {{"content-type", "application/json"}}), "{}");
    EXPECT_EQ(json.status, c.status);
    EXPECT_EQ(json.content_type, "application/json");
    EXPECT_THAT(json.body, HasSubstr(std::string(c.json)));
    EXPECT_EQ(json.headers.Find("Retry-After"), c.retry_after);
    const HttpResponse protobuf =
        Answer(Head("POST", "/v1/logs", {{"content-type", "application/x-protobuf"}}), "");
    EXPECT_EQ(protobuf.status, c.status);
    EXPECT_EQ(protobuf.content_type, "application/x-protobuf");
    EXPECT_TRUE(protobuf.body.starts_with(c.protobuf_start));
  }
}

TEST_F(OtlpHttpHandlerTest, RefusesEverythingWhileDraining) {
  receiver_.Drain();
  const auto admission =
      handler_.Admit(Head("POST", "/v1/logs", {{"content-type", "application/json"}}));
  ASSERT_FALSE(admission.has_value());
  EXPECT_EQ(admission.error().status, 503);
  EXPECT_EQ(admission.error().headers.Find("retry-after"), "1");
}

TEST_F(OtlpHttpHandlerTest, TellsTooLargeFromOutOfMemory) {
  const HttpRequestHead head = Head("POST", "/v1/logs", {{"content-type", "application/json"}});
  const HttpResponse large = handler_.Refuse(head, BufferRefusal::kTooLarge);
  EXPECT_EQ(large.status, 413);
  EXPECT_FALSE(large.headers.Find("retry-after").has_value());
  const HttpResponse full = handler_.Refuse(head, BufferRefusal::kBudgetExhausted);
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.headers.Find("retry-after"), "1");
}

TEST_F(OtlpHttpHandlerTest, CallsABodyThatIsNotCompressedAsItSaysMalformed) {
  const HttpResponse response =
      Answer(Head("POST", "/v1/logs",
                  {{"content-type", "application/json"}, {"content-encoding", "gzip"}}),
             "not gzip");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("cannot be decompressed"));
}

}  // namespace
}  // namespace signaldb

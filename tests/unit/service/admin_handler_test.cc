#include "service/admin_handler.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/version.h"

namespace signaldb {
namespace {

using ::testing::HasSubstr;

/// A service whose every answer the test sets.
class FakeState final : public ServiceState {
 public:
  std::vector<ReadinessCheck> checks;
  std::optional<Nanos> flush_wait;
  FlushDone flush_done;

  std::vector<ReadinessCheck> CheckReadiness() override { return checks; }
  void Flush(Nanos wait, FlushDone done) override {
    flush_wait = wait;
    flush_done = std::move(done);
  }
  std::string MetricsText() override { return "metric 1\n"; }
  std::string ConfigurationText() override { return "[a]\nb = 1\n"; }
};

class AdminHandlerTest : public ::testing::Test {
 protected:
  /// The answer to a request, if it was answered at once.
  std::optional<HttpResponse> Send(std::string method, std::string path, std::string query = "") {
    HttpRequest request;
    request.head.method = std::move(method);
    request.head.path = std::move(path);
    request.head.query = std::move(query);
    auto admission = handler_.Admit(request.head);
    if (!admission.has_value()) return std::move(admission).error();
    EXPECT_EQ(admission->body_bytes_max, AdminHandler::kBodyBytesMax);
    std::optional<HttpResponse> answer;
    later_ = &answer;
    handler_.Handle(std::move(request), [this](HttpResponse response) {
      (later_ == nullptr ? answered_later_ : *later_) = std::move(response);
    });
    later_ = nullptr;
    return answer;
  }

  FakeState state_;
  AdminHandler handler_{state_};
  std::optional<HttpResponse> answered_later_;

 private:
  std::optional<HttpResponse>* later_ = nullptr;
};

TEST_F(AdminHandlerTest, IsAliveWhateverElseIsWrong) {
  state_.checks = {{.name = "catalog", .passes = false, .detail = "away"}};
  EXPECT_EQ(Send("GET", "/livez")->status, 200);
}

TEST_F(AdminHandlerTest, IsReadyWhenEveryCheckPasses) {
  state_.checks = {{.name = "log", .passes = true, .detail = "12 bytes"}, {.name = "catalog"}};
  for (const char* path : {"/readyz", "/healthz"}) {
    const auto answer = Send("GET", path);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "ready\n");
    EXPECT_EQ(answer->headers.Find("cache-control"), "no-store");
  }
  EXPECT_EQ(Send("GET", "/readyz", "verbose")->body, "ready\n[+] log: 12 bytes\n[+] catalog\n");
}

TEST_F(AdminHandlerTest, SaysWhyItIsNotReady) {
  state_.checks = {{.name = "log"},
                   {.name = "catalog", .passes = false, .detail = "database is locked"}};
  auto answer = Send("GET", "/readyz");
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->body, "not ready\n[-] catalog: database is locked\n");
  answer = Send("GET", "/readyz", "a=b&verbose=1");
  EXPECT_EQ(answer->body, "not ready\n[+] log\n[-] catalog: database is locked\n");
}

TEST_F(AdminHandlerTest, GivesMetricsVersionAndConfiguration) {
  auto answer = Send("GET", "/metrics");
  EXPECT_EQ(answer->body, "metric 1\n");
  EXPECT_EQ(answer->content_type, "text/plain; version=0.0.4; charset=utf-8");
  answer = Send("GET", "/version");
  EXPECT_THAT(answer->body, HasSubstr("\"version\":\"" + std::string(Version()) + "\""));
  EXPECT_EQ(answer->content_type, "application/json");
  answer = Send("GET", "/config");
  EXPECT_EQ(answer->body, "[a]\nb = 1\n");
  EXPECT_EQ(Send("HEAD", "/metrics")->status, 200);
}

TEST_F(AdminHandlerTest, AnswersAFlushWhenTheRowsAreVisible) {
  EXPECT_EQ(Send("POST", "/flush"), std::nullopt);
  EXPECT_EQ(state_.flush_wait, Nanos(AdminHandler::kFlushWaitDefault));
  state_.flush_done({});
  ASSERT_TRUE(answered_later_.has_value());
  EXPECT_EQ(answered_later_->status, 200);
  EXPECT_EQ(answered_later_->body, "{\"status\":\"visible\"}\n");
}

TEST_F(AdminHandlerTest, SaysWhyAFlushFailed) {
  const std::pair<ErrorKind, int> cases[] = {{ErrorKind::kUnavailable, 503},
                                             {ErrorKind::kCancelled, 503},
                                             {ErrorKind::kUnknownOutcome, 503},
                                             {ErrorKind::kCorrupt, 500},
                                             {ErrorKind::kInternal, 500}};
  for (const auto& [kind, status] : cases) {
    EXPECT_EQ(Send("POST", "/flush"), std::nullopt);
    state_.flush_done(Fail(kind, "say \"why\""));
    EXPECT_EQ(answered_later_->status, status);
    EXPECT_EQ(answered_later_->body, "{\"error\":\"say \\\"why\\\"\"}\n");
  }
}

TEST_F(AdminHandlerTest, BoundsTheWaitOfAFlush) {
  EXPECT_EQ(Send("POST", "/flush", "timeout=300s"), std::nullopt);
  EXPECT_EQ(state_.flush_wait, Nanos(AdminHandler::kFlushWaitMax));
  state_.flush_wait.reset();
  for (const char* wrong : {"timeout=301s", "timeout=", "timeout", "timeout=5", "timeout=-1s"}) {
    const auto answer = Send("POST", "/flush", wrong);
    ASSERT_TRUE(answer.has_value()) << wrong;
    EXPECT_EQ(answer->status, 400) << wrong;
  }
  EXPECT_EQ(state_.flush_wait, std::nullopt);
}

TEST_F(AdminHandlerTest, RefusesOtherPathsAndMethods) {
  auto answer = Send("GET", "/nothing");
  EXPECT_EQ(answer->status, 404);
  EXPECT_THAT(answer->body, HasSubstr("POST /flush"));
  answer = Send("GET", "/flush");
  EXPECT_EQ(answer->status, 405);
  EXPECT_EQ(answer->headers.Find("Allow"), "POST");
  answer = Send("POST", "/metrics");
  EXPECT_EQ(answer->status, 405);
  EXPECT_EQ(answer->headers.Find("Allow"), "GET, HEAD");
  EXPECT_EQ(Send("HEAD", "/flush")->status, 405);
  EXPECT_EQ(handler_.Refuse({}, BufferRefusal::kTooLarge).status, 413);
}

}  // namespace
}  // namespace signaldb

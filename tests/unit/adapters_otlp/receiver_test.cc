#include "adapters/otlp/receiver.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_clock.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using signaldb::testing::FakeClock;
using signaldb::testing::IsErrorSaying;
using signaldb::testing::IsOk;

class ScriptedIngest final : public Ingest {
 public:
  void Accept(IngestRequest accepted, Done done) override {
    request = std::move(accepted);
    done(answer);
  }
  IngestRequest request;
  IngestAnswer answer;
};

class RecordingListener final : public EventListener {
 public:
  [[nodiscard]] bool Wants(std::string_view, Severity) const override { return true; }
  void Log(LogEvent event) override { logs.push_back(std::move(event)); }
  void Count(std::string_view metric, double, MetricLabels labels) override { Add(metric, labels); }
  void Gauge(std::string_view metric, double, MetricLabels labels) override { Add(metric, labels); }
  void Observe(std::string_view metric, double value, MetricLabels labels) override {
    Add(metric, labels);
    observed = value;
  }
  void Add(std::string_view metric, MetricLabels labels) {
    std::string line(metric);
    for (const auto& [name, value] : labels) {
      line += " " + std::string(name) + "=" + std::string(value);
    }
    metrics.push_back(std::move(line));
  }
  std::vector<LogEvent> logs;
  std::vector<std::string> metrics;
  double observed = -1;
};

class OtlpReceiverTest : public ::testing::Test {
 protected:
  ScriptedIngest ingest_;
  MemoryBudget budget_{1 << 20};
  FakeClock clock_;
  SeededRandom random_{1};
  RecordingListener events_;
  OtlpReceiver receiver_{ingest_, budget_, clock_, random_, events_, {}};
};

TEST_F(OtlpReceiverTest, TakesTheRouteFromTheHeaders) {
  struct Case {
    std::string_view name;
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    std::string_view tenant;
    std::string_view dataset;
  };
  const Case cases[] = {
      {"none", {}, "default", "default"},
      {"both", {{"x-tenant-id", "acme"}, {"x-dataset-id", "prod"}}, "acme", "prod"},
      {"any case", {{"X-Tenant-ID", "Acme"}, {"X-DATASET-ID", "_system"}}, "Acme", "_system"},
      {"alias", {{"X-Scope-OrgID", "acme"}}, "acme", "default"},
      {"alias repeats", {{"X-Scope-OrgID", "acme"}, {"x-tenant-id", "acme"}}, "acme", "default"},
      {"blank", {{"x-tenant-id", ""}, {"x-dataset-id", "  "}}, "default", "default"},
      {"blank beside a name", {{"x-tenant-id", ""}, {"x-scope-orgid", "a"}}, "a", "default"},
      {"others ignored", {{"x-tenant", "a"}, {"x", "b"}, {"tenant-id", "c"}}, "default", "default"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    OtlpRouteHeaders headers;
    for (const auto& [name, value] : c.headers) headers.Add(name, value);
    const auto route = receiver_.Route(headers);
    ASSERT_THAT(route, IsOk());
    EXPECT_EQ(route->tenant, c.tenant);
    EXPECT_EQ(route->dataset, c.dataset);
  }
}

TEST_F(OtlpReceiverTest, RefusesEvilAndContradictoryNames) {
  using namespace std::string_literals;
  const std::string evil[] = {".",
                              "..",
                              "../x",
                              "a/b",
                              "a\\b",
                              "%2e%2e",
                              "%2f",
                              "a.b",
                              "a b",
                              "a\0b"s,
                              "a\nb",
                              "a;b",
                              "a'b",
                              "a\"b",
                              "a,b",
                              "\xc3\xa4",
                              "\xd0\xb0"
                              "cme",
                              "\xff\xfe",
                              "acme.",
                              "~",
                              "$HOME",
                              "a:b",
                              "*",
                              "{a}",
                              "<a>",
                              "a|b",
                              "a&b",
                              "a\tb",
                              "\x7f",
                              "CON.txt",
                              "a@b",
                              "a+b",
                              "a=b",
                              "#",
                              std::string(65, 'a'),
                              std::string(100'000, 'a')};
  for (const std::string& name : evil) {
    SCOPED_TRACE(name.substr(0, 70));
    OtlpRouteHeaders tenant;
    tenant.Add("x-tenant-id", name);
    EXPECT_THAT(receiver_.Route(tenant), IsErrorSaying(ErrorKind::kInvalid, "header=x-tenant-id"));
    OtlpRouteHeaders dataset;
    dataset.Add("x-dataset-id", name);
    EXPECT_THAT(receiver_.Route(dataset),
                IsErrorSaying(ErrorKind::kInvalid, "header=x-dataset-id"));
  }
  OtlpRouteHeaders longest;
  const std::string of_64(64, 'a');
  longest.Add("x-tenant-id", of_64);
  EXPECT_THAT(receiver_.Route(longest), IsOk());
  const std::string a = "a";
  const std::string b = "b";
  for (const auto& [first, second] :
       {std::pair("x-tenant-id", "x-scope-orgid"), std::pair("x-scope-orgid", "x-tenant-id"),
        std::pair("x-tenant-id", "x-tenant-id"), std::pair("x-dataset-id", "x-dataset-id")}) {
    OtlpRouteHeaders twice;
    twice.Add(first, a);
    twice.Add(second, b);
    EXPECT_THAT(receiver_.Route(twice), IsErrorSaying(ErrorKind::kInvalid, "contradict"));
  }
}

TEST_F(OtlpReceiverTest, MapsEveryErrorKind) {
  struct Case {
    ErrorKind kind;
    OtlpOutcome outcome;
    RpcCode code;
  };
  static constexpr Case kCases[] = {
      {ErrorKind::kInvalid, OtlpOutcome::kInvalid, RpcCode::kInvalidArgument},
      {ErrorKind::kUnavailable, OtlpOutcome::kUnavailable, RpcCode::kUnavailable},
      {ErrorKind::kConflict, OtlpOutcome::kUnavailable, RpcCode::kUnavailable},
      {ErrorKind::kUnknownOutcome, OtlpOutcome::kUnavailable, RpcCode::kUnavailable},
      {ErrorKind::kCancelled, OtlpOutcome::kUnavailable, RpcCode::kUnavailable},
      {ErrorKind::kNotFound, OtlpOutcome::kInternal, RpcCode::kInternal},
      {ErrorKind::kCorrupt, OtlpOutcome::kInternal, RpcCode::kInternal},
      {ErrorKind::kInternal, OtlpOutcome::kInternal, RpcCode::kInternal},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(ToString(c.kind));
    IngestAnswer ingest_answer;
    ingest_answer.error = Error{c.kind, "why"};
    ingest_answer.retry_after = std::chrono::seconds(0);
    const OtlpAnswer answer = AnswerOf(ingest_answer);
    EXPECT_EQ(answer.outcome, c.outcome);
    EXPECT_EQ(RpcCodeOf(answer.outcome), c.code);
    EXPECT_EQ(answer.message, "why");
    // Zero would mean "never" to a gRPC client.
    EXPECT_EQ(answer.retry_after.count(), c.outcome == OtlpOutcome::kUnavailable ? 1 : 0);
  }
  EXPECT_EQ(RpcCodeOf(OtlpOutcome::kTooLarge), RpcCode::kResourceExhausted);
  EXPECT_EQ(RpcCodeOf(OtlpOutcome::kUnsupported), RpcCode::kUnimplemented);
  EXPECT_EQ(RpcCodeOf(OtlpOutcome::kAccepted), RpcCode::kOk);
}

TEST_F(OtlpReceiverTest, CountsAndTimesEveryRequest) {
  OtlpCall call = receiver_.Begin(OtlpTransport::kGrpc, Signal::kMetrics);
  const std::string id = call.request_id;
  clock_.Advance(std::chrono::milliseconds(250));
  ingest_.answer.error = Error{ErrorKind::kUnavailable, "log is full"};
  int replies = 0;
  receiver_.Submit(std::move(call), IngestRequest{}, [&](const OtlpAnswer& answer) {
    ++replies;
    EXPECT_EQ(answer.message, "log is full");
  });
  EXPECT_EQ(replies, 1);
  EXPECT_EQ(ingest_.request.request_id, id);
  EXPECT_EQ(ingest_.request.signal, Signal::kMetrics);
  EXPECT_EQ(ingest_.request.received_at, clock_.WallNow());
  EXPECT_THAT(events_.metrics, ::testing::ElementsAre(
                                   "signaldb_writer_requests_total source=otlp_grpc signal=metrics "
                                   "outcome=unavailable",
                                   "signaldb_writer_request_duration_seconds source=otlp_grpc"));
  EXPECT_DOUBLE_EQ(events_.observed, 0.25);
  ASSERT_EQ(events_.logs.size(), 1U);
  EXPECT_EQ(events_.logs[0].severity, Severity::kDebug);
}

TEST_F(OtlpReceiverTest, LogsOnlyItsOwnFaultsAsErrors) {
  const OtlpCall call = receiver_.Begin(OtlpTransport::kHttp, Signal::kLogs);
  receiver_.End(call, {});
  EXPECT_TRUE(events_.logs.empty());
  OtlpAnswer internal;
  internal.outcome = OtlpOutcome::kInternal;
  receiver_.End(call, internal);
  ASSERT_EQ(events_.logs.size(), 1U);
  EXPECT_EQ(events_.logs[0].severity, Severity::kError);
}

TEST_F(OtlpReceiverTest, GivesEveryCallItsOwnId) {
  EXPECT_NE(receiver_.Begin(OtlpTransport::kHttp, Signal::kLogs).request_id,
            receiver_.Begin(OtlpTransport::kHttp, Signal::kLogs).request_id);
}

}  // namespace
}  // namespace signaldb

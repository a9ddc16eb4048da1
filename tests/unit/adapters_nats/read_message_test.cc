#include "adapters/nats/read_message.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_nats.h"
#include "testing/compression.h"
#include "testing/matchers.h"

namespace signaldb::testing {
namespace {

using ::testing::HasSubstr;
using Headers = std::vector<std::pair<std::string, std::string>>;

const std::string kProtobuf = "\x0a\x02hi";
const std::vector<NatsSubject> kSubjects = DefaultNatsSubjects("default", "default");

Result<SourceMessage> ReadIt(const NatsMessage& message, std::int64_t budget_bytes = 1 << 20) {
  MemoryBudget budget(budget_bytes);
  auto read =
      ReadNatsMessage(message, {.subjects = kSubjects, .limits = {.bytes_max = 4096}}, budget);
  // The budget ends here, before what was paid from it: keep only what tests look at.
  if (read.has_value() && read->parts[0].owner != message.owner) {
    auto kept = std::make_shared<std::string>(
        reinterpret_cast<const char*>(read->parts[0].body.data()), read->parts[0].body.size());
    read->parts[0].body = std::as_bytes(std::span(*kept));
    read->parts[0].owner = kept;
  }
  return read;
}

std::string BodyOf(const SourceMessage& message) {
  return {reinterpret_cast<const char*>(message.parts[0].body.data()),
          message.parts[0].body.size()};
}

TEST(ReadNatsMessage, TakesPositionTimeSignalAndDefaults) {
  const auto read = ReadIt(Delivery(41, kProtobuf, {}, "otel.spans"));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->position, 41U);
  EXPECT_EQ(read->received_at, Nanos(1'790'000'000'000'000'000));
  EXPECT_EQ(read->signal, Signal::kTraces);
  EXPECT_EQ(read->encoding, MessageEncoding::kProtobuf);
  EXPECT_FALSE(read->unfit.has_value());
  ASSERT_EQ(read->parts.size(), 1U);
  EXPECT_EQ(read->parts[0].tenant, "default");
  EXPECT_EQ(read->parts[0].dataset, "default");
  EXPECT_EQ(BodyOf(*read), kProtobuf);
}

TEST(ReadNatsMessage, KnowsTheSubjectsOfBothStyles) {
  const std::vector<std::pair<std::string, Signal>> cases = {
      {"otel_logs", Signal::kLogs},       {"otel_metrics", Signal::kMetrics},
      {"otel_traces", Signal::kTraces},   {"otel.logs", Signal::kLogs},
      {"otel.metrics", Signal::kMetrics}, {"otel.spans", Signal::kTraces}};
  for (const auto& [subject, signal] : cases) {
    const auto read = ReadIt(Delivery(1, kProtobuf, {}, subject));
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(read->signal, signal) << subject;
    EXPECT_FALSE(read->unfit.has_value()) << subject;
  }
}

TEST(ReadNatsMessage, PicksTheEncoding) {
  struct Case {
    Headers headers;
    std::string body;
    MessageEncoding encoding;
  };
  const std::vector<Case> cases = {
      {{{"Content-Type", "application/x-protobuf"}}, "{", MessageEncoding::kProtobuf},
      {{{"content-type", "application/protobuf"}}, "{", MessageEncoding::kProtobuf},
      {{{"Content-Type", "application/json; charset=utf-8"}}, "\x0a", MessageEncoding::kJson},
      {{}, "\x0a", MessageEncoding::kProtobuf},
      {{}, "", MessageEncoding::kProtobuf},
      {{}, "{}", MessageEncoding::kJson},
      {{}, " \n{}", MessageEncoding::kJson},
      {{{"Content-Type", "text/plain"}}, "{}", MessageEncoding::kJson},
  };
  for (const Case& c : cases) {
    const auto read = ReadIt(Delivery(1, c.body, c.headers));
    ASSERT_THAT(read, IsOk());
    EXPECT_FALSE(read->unfit.has_value()) << c.body;
    EXPECT_EQ(read->encoding, c.encoding) << c.body;
  }
}

TEST(ReadNatsMessage, Decompresses) {
  for (const auto& [coding, body] :
       {std::pair("gzip", Gzip(kProtobuf)), std::pair("GZIP", Gzip(kProtobuf)),
        std::pair("zstd", Zstd(kProtobuf)), std::pair("identity", kProtobuf)}) {
    const auto read = ReadIt(Delivery(1, body, {{"Content-Encoding", coding}}));
    ASSERT_THAT(read, IsOk());
    EXPECT_FALSE(read->unfit.has_value()) << coding;
    EXPECT_EQ(BodyOf(*read), kProtobuf) << coding;
  }
}

TEST(ReadNatsMessage, WaitsForMemoryToDecompress) {
  EXPECT_THAT(
      ReadIt(Delivery(1, Gzip(std::string(4000, 'x')), {{"Content-Encoding", "gzip"}}), 100),
      IsError(ErrorKind::kUnavailable));
}

TEST(ReadNatsMessage, TakesTenantAndDatasetFromHeaders) {
  for (const char* name : {"x-tenant-id", "X-Tenant-Id", "X-Scope-OrgID"}) {
    const auto read = ReadIt(Delivery(1, kProtobuf, {{name, " acme "}, {"X-Dataset-Id", "prod"}}));
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(read->parts[0].tenant, "acme") << name;
    EXPECT_EQ(read->parts[0].dataset, "prod") << name;
  }
}

TEST(ReadNatsMessage, DoesAsItsSubjectSays) {
  const std::vector<NatsSubject> subjects = {{.pattern = "otel.>",
                                              .signal = Signal::kMetrics,
                                              .tenant = "acme",
                                              .dataset = "prod",
                                              .tenant_header = "team",
                                              .dataset_header = "",
                                              .encoding = MessageEncoding::kJson}};
  MemoryBudget budget(1 << 20);
  const auto read = ReadNatsMessage(
      Delivery(1, kProtobuf,
               {{"Team", "blue"}, {"x-scope-orgid", "red"}, {"x-dataset-id", "test"}}),
      {.subjects = subjects, .limits = {.bytes_max = 4096}}, budget);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->signal, Signal::kMetrics);
  EXPECT_EQ(read->encoding, MessageEncoding::kJson);
  EXPECT_EQ(read->parts[0].tenant, "blue");
  EXPECT_EQ(read->parts[0].dataset, "prod");
}

TEST(ReadNatsMessage, SetsAsideWhatCanNeverBeRowsWithItsBytes) {
  struct Case {
    Headers headers;
    std::string body;
    std::string subject;
    std::string why;
  };
  const std::vector<Case> cases = {
      {{{"x-tenant-id", "../evil"}}, kProtobuf, "otel.logs", "1 to 64"},
      {{{"x-dataset-id", std::string(65, 'a')}}, kProtobuf, "otel.logs", "1 to 64"},
      {{{"x-tenant-id", "a"}, {"X-Scope-OrgID", "b"}}, kProtobuf, "otel.logs", "contradict"},
      {{{"x-tenant-id", "a"}, {"x-tenant-id", "b"}}, kProtobuf, "otel.logs", "contradict"},
      {{{"Content-Type", "x-tenant-id: acme"}}, kProtobuf, "otel.logs", "empty header"},
      {{{"Content-Encoding", "snappy"}}, kProtobuf, "otel.logs", "content encoding"},
      {{{"Content-Encoding", "gzip"}}, kProtobuf, "otel.logs", "not compressed"},
      {{{"Content-Encoding", "gzip"}}, Gzip(std::string(4097, 'x')), "otel.logs", "too large"},
      {{}, "<xml/>", "otel.logs", "neither protobuf nor JSON"},
      {{}, kProtobuf, "orders.new", "no signal"},
  };
  for (const Case& c : cases) {
    const auto read = ReadIt(Delivery(7, c.body, c.headers, c.subject));
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(read->position, 7U);
    ASSERT_TRUE(read->unfit.has_value()) << c.why;
    EXPECT_THAT(*read->unfit, HasSubstr(c.why));
    ASSERT_EQ(read->parts.size(), 1U);
    EXPECT_EQ(BodyOf(*read), c.body);
    EXPECT_TRUE(read->parts[0].tenant == "default" || read->parts[0].tenant == "a");
  }
}

TEST(ReadNatsMessage, TakesTenantAndDatasetFromResources) {
  const std::vector<NatsSubject> subjects = {{.pattern = "otel.>",
                                              .signal = Signal::kLogs,
                                              .tenant = "other",
                                              .dataset = "prod",
                                              .tenant_header = "",
                                              .tenant_attribute = "team"}};
  const auto resource = [](std::string_view team) {
    const std::string attributes =
        team.empty() ? ""
                     : R"({"key":"team","value":{"stringValue":")" + std::string(team) + R"("}})";
    return R"({"resource":{"attributes":[)" + attributes + R"(]},"scopeLogs":[]})";
  };
  const auto read_it = [&](const std::string& body, const Headers& headers) {
    MemoryBudget budget(1 << 20);
    return ReadNatsMessage(Delivery(3, body, headers),
                           {.subjects = subjects, .limits = {.bytes_max = 4096}}, budget);
  };
  const std::string body = R"({"resourceLogs":[)" + resource("acme") + "," + resource("") + "," +
                           resource("acme") + "]}";
  const auto read = read_it(Gzip(body), {{"Content-Encoding", "gzip"}, {"X-Dataset-Id", "test"}});
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE(read->unfit.has_value());
  EXPECT_EQ(read->encoding, MessageEncoding::kProtobuf);
  ASSERT_EQ(read->parts.size(), 2U);
  EXPECT_EQ(read->parts[0].tenant, "acme");
  EXPECT_EQ(read->parts[1].tenant, "other");
  for (const auto& part : read->parts) EXPECT_EQ(part.dataset, "test");

  for (const auto& [wrong, why] :
       {std::pair(R"({"resourceLogs":[)" + resource("acme") + "," + resource("../etc") + "]}",
                  "a name in a resource must be 1 to 64"),
        std::pair(std::string("{\"resourceLogs\":["), "")}) {
    const auto unfit = read_it(wrong, {});
    ASSERT_THAT(unfit, IsOk());
    ASSERT_TRUE(unfit->unfit.has_value());
    EXPECT_THAT(*unfit->unfit, HasSubstr(why));
    ASSERT_EQ(unfit->parts.size(), 1U);
    EXPECT_EQ(unfit->parts[0].tenant, "other");
    EXPECT_EQ(BodyOf(*unfit), wrong);
  }
}

TEST(ReadNatsMessage, DecompressesUpToTheVeryLimit) {
  const auto read =
      ReadIt(Delivery(1, Gzip("{" + std::string(4095, ' ')), {{"Content-Encoding", "gzip"}}));
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE(read->unfit.has_value());
}

}  // namespace
}  // namespace signaldb::testing

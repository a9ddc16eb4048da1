#include "telemetry/split_by_resource.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "telemetry/decode.h"
#include "testing/matchers.h"
#include "testing/otlp_samples.h"

namespace signaldb {
namespace {

using testing::AsBytes;
using ::testing::ElementsAre;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using ::testing::SizeIs;

/// A length-delimited field of less than 128 bytes.
std::string Field(int number, const std::string& bytes) {
  std::string field;
  field += static_cast<char>(number << 3 | 2);
  field += static_cast<char>(bytes.size());
  return field + bytes;
}

std::string Attribute(const std::string& key, const std::string& any_value) {
  return Field(1, Field(1, key) + Field(2, any_value));
}

/// An element of a logs request: a resource with these attributes, one scope, one record.
std::string Resource(const std::string& attributes, const std::string& body = "x") {
  const std::string record = Field(5, Field(1, body));
  return Field(1, Field(1, attributes) + Field(2, Field(2, record)));
}

std::string TenantResource(const std::string& tenant, const std::string& body = "x") {
  return Resource(Attribute("tenant", Field(1, tenant)), body);
}

Result<SplitRequest> Split(const std::string& body, std::vector<std::string> by = {"tenant"}) {
  return SplitByResource(Signal::kLogs, MessageEncoding::kProtobuf, AsBytes(body), by);
}

TEST(SplitByResource, GathersResourcesOfTheSameValue) {
  const std::string a1 = TenantResource("a", "1");
  const std::string b = TenantResource("b", "2");
  const std::string a2 = TenantResource("a", "3");
  const std::string none = Resource("");
  const auto split = Split(a1 + b + none + a2);
  ASSERT_THAT(split, IsOk());
  ASSERT_THAT(split->groups, SizeIs(3));
  EXPECT_THAT(split->groups[0].values, ElementsAre("a"));
  EXPECT_EQ(split->groups[0].body, a1 + a2);
  EXPECT_THAT(split->groups[1].values, ElementsAre("b"));
  EXPECT_EQ(split->groups[1].body, b);
  EXPECT_THAT(split->groups[2].values, ElementsAre(std::nullopt));
  EXPECT_EQ(split->groups[2].body, none);
}

TEST(SplitByResource, TakesSeveralAttributesAndTheFirstOfATwin) {
  const std::string both =
      Resource(Attribute("tenant", Field(1, "a")) + Attribute("tenant", Field(1, "z")) +
               Attribute("env", Field(1, "p")));
  const auto split = Split(both + TenantResource("a"), {"tenant", "env"});
  ASSERT_THAT(split, IsOk());
  ASSERT_THAT(split->groups, SizeIs(2));
  EXPECT_THAT(split->groups[0].values, ElementsAre("a", "p"));
  EXPECT_THAT(split->groups[1].values, ElementsAre("a", std::nullopt));
}

TEST(SplitByResource, LeavesAnEmptyRequestWhole) {
  const auto split = Split("");
  ASSERT_THAT(split, IsOk());
  ASSERT_THAT(split->groups, SizeIs(1));
  EXPECT_EQ(split->groups[0].body, "");
}

TEST(SplitByResource, KeepsEveryRecord) {
  for (const Signal signal : {Signal::kTraces, Signal::kLogs, Signal::kMetrics}) {
    const std::string body = testing::MakeOtlpRequest(signal, {.resources = 7, .records = 350});
    const std::vector<std::string> by = {"host.name"};
    const auto split = SplitByResource(signal, MessageEncoding::kProtobuf, AsBytes(body), by);
    ASSERT_THAT(split, IsOk());
    std::int64_t records = 0;
    for (const ResourceGroup& group : split->groups) {
      const auto decoded =
          DecodeMessage(signal, split->encoding, AsBytes(group.body), DecodeOptions());
      ASSERT_THAT(decoded, IsOk());
      records += decoded->accepted;
    }
    EXPECT_EQ(records, 350) << ToString(signal);
  }
}

TEST(SplitByResource, ReadsJson) {
  const std::string json =
      R"({"resourceLogs":[{"resource":{"attributes":[)"
      R"({"key":"tenant","value":{"stringValue":"a"}}]},)"
      R"("scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]},{"scopeLogs":[]}]})";
  const std::vector<std::string> by = {"tenant"};
  const auto split = SplitByResource(Signal::kLogs, MessageEncoding::kJson, AsBytes(json), by);
  ASSERT_THAT(split, IsOk());
  ASSERT_THAT(split->groups, SizeIs(2));
  EXPECT_EQ(split->encoding, MessageEncoding::kProtobuf);
  EXPECT_THAT(split->groups[0].values, ElementsAre("a"));
  EXPECT_EQ(
      DecodeMessage(Signal::kLogs, split->encoding, AsBytes(split->groups[0].body), DecodeOptions())
          ->accepted,
      1);
  EXPECT_THAT(SplitByResource(Signal::kLogs, MessageEncoding::kJson, AsBytes("{"), by),
              IsError(ErrorKind::kInvalid));
}

TEST(SplitByResource, RefusesWhatItCannotTakeApart) {
  EXPECT_THAT(Split("\x0a"), IsErrorSaying(ErrorKind::kInvalid, "not a well-formed"));
  EXPECT_THAT(Split("\x0a\x05xx"), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(Split(Field(1, Field(1, "\x0a\x7f"))), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(Split(Resource(Attribute("tenant", std::string("\x18\x05", 2)))),
              IsErrorSaying(ErrorKind::kInvalid, "no text attribute=tenant"));
  EXPECT_THAT(Split(Resource(Attribute("tenant", ""))), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(Split(Resource(Attribute("tenant", "\x0a\x09z"))), IsError(ErrorKind::kInvalid));
}

TEST(SplitByResource, HasALimitInGroups) {
  std::string body;
  for (std::size_t i = 0; i < kResourceGroupsMax; ++i) body += TenantResource(fmt::format("{}", i));
  EXPECT_THAT(Split(body), IsOk());
  EXPECT_THAT(Split(body + TenantResource("more")),
              IsErrorSaying(ErrorKind::kInvalid, "groups_max=256"));
}

}  // namespace
}  // namespace signaldb

#include "adapters/kafka/message_parts.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using ::testing::HasSubstr;
using testing::IsError;
using testing::IsOk;
using ::testing::SizeIs;

constexpr std::string_view kJson = "{\"resourceLogs\":[]}";

NameRule Rule(std::string_view text, std::string otherwise = "acme") {
  auto rule = ParseNameRule(text, std::move(otherwise));
  EXPECT_THAT(rule, IsOk()) << text;
  return *rule;
}

KafkaTopic Topic(std::string_view tenant_from) {
  return {.topic = "t-1",
          .signal = Signal::kLogs,
          .tenant = Rule(tenant_from),
          .dataset = Rule("fixed", "main")};
}

KafkaRecord Record(std::string_view value) {
  return {.offset = 41,
          .received_at = std::chrono::seconds(7),
          .key = "key-1",
          .headers = {{"tenant", "old"}, {"tenant", "head"}, {"evil", "../x\n"}},
          .value = std::as_bytes(std::span(value))};
}

TEST(MessageParts, TakesPositionTimeAndBytesOver) {
  const SourceMessage message = ToSourceMessage(Topic("fixed"), Record(kJson));
  EXPECT_EQ(message.position, 42);
  EXPECT_EQ(message.received_at, std::chrono::seconds(7));
  EXPECT_EQ(message.signal, Signal::kLogs);
  EXPECT_EQ(message.encoding, MessageEncoding::kJson);
  EXPECT_EQ(message.unfit, std::nullopt);
  ASSERT_THAT(message.parts, SizeIs(1));
  EXPECT_EQ(message.parts[0].tenant, "acme");
  EXPECT_EQ(message.parts[0].dataset, "main");
  EXPECT_EQ(message.parts[0].body.size(), kJson.size());
}

TEST(MessageParts, FindsTheTenantWhereTheTopicSaysItIs) {
  const std::pair<const char*, const char*> cases[] = {
      {"fixed", "acme"},         {"topic", "t-1"},        {"key", "key-1"},
      {"header:tenant", "head"}, {"header:none", "acme"},
  };
  for (const auto& [from, tenant] : cases) {
    const SourceMessage message = ToSourceMessage(Topic(from), Record(kJson));
    EXPECT_EQ(message.unfit, std::nullopt) << from;
    EXPECT_EQ(message.parts.at(0).tenant, tenant) << from;
  }
  KafkaRecord without_key = Record(kJson);
  without_key.key = {};
  EXPECT_EQ(ToSourceMessage(Topic("key"), without_key).parts.at(0).tenant, "acme");
}

TEST(MessageParts, SplitsByAttributesOfResources) {
  constexpr std::string_view kTwo =
      R"({"resourceLogs":[{"resource":{"attributes":[{"key":"t","value":{"stringValue":"a"}},)"
      R"({"key":"d","value":{"stringValue":"x"}}]}},{"resource":{}}]})";
  KafkaTopic topic = Topic("resource:t");
  topic.dataset = Rule("resource:d", "main");
  const SourceMessage message = ToSourceMessage(topic, Record(kTwo));
  EXPECT_EQ(message.unfit, std::nullopt);
  EXPECT_EQ(message.encoding, MessageEncoding::kProtobuf);
  ASSERT_THAT(message.parts, SizeIs(2));
  EXPECT_EQ(message.parts[0].tenant, "a");
  EXPECT_EQ(message.parts[0].dataset, "x");
  EXPECT_EQ(message.parts[1].tenant, "acme");
  EXPECT_EQ(message.parts[1].dataset, "main");
  EXPECT_NE(message.parts[0].owner, nullptr);
}

TEST(MessageParts, TellsEncodingsApartByTheFirstByte) {
  using namespace std::string_view_literals;
  EXPECT_EQ(ToSourceMessage(Topic("fixed"), Record("\x0a\x00"sv)).encoding,
            MessageEncoding::kProtobuf);
  EXPECT_EQ(ToSourceMessage(Topic("fixed"), Record("")).encoding, MessageEncoding::kProtobuf);
  EXPECT_THAT(ToSourceMessage(Topic("fixed"), Record("<xml>")).unfit.value_or(""),
              HasSubstr("neither OTLP protobuf nor OTLP JSON by its first byte first_byte=0x3c"));
  KafkaTopic told = Topic("fixed");
  told.encoding = KafkaEncoding::kOtlpJson;
  EXPECT_EQ(ToSourceMessage(told, Record("<xml>")).unfit, std::nullopt) << "left to the decoder";
}

TEST(MessageParts, SetsAsideWhatCanNeverBeRows) {
  KafkaRecord arrow = Record(kJson);
  arrow.headers.emplace_back("MessageFormat", "OTAP");
  EXPECT_THAT(ToSourceMessage(Topic("fixed"), arrow).unfit.value_or(""),
              HasSubstr("only OTLP is read"));
  arrow.headers.back().second = "otlp";
  EXPECT_EQ(ToSourceMessage(Topic("fixed"), arrow).unfit, std::nullopt);

  const SourceMessage evil = ToSourceMessage(Topic("header:evil"), Record(kJson));
  EXPECT_THAT(evil.unfit.value_or(""), HasSubstr("not a tenant id"));
  EXPECT_THAT(evil.unfit.value_or(""), HasSubstr("id=\"../x?\""));
  ASSERT_THAT(evil.parts, SizeIs(1));
  EXPECT_EQ(evil.parts[0].tenant, "acme");
  EXPECT_EQ(evil.parts[0].body.size(), kJson.size());

  const SourceMessage broken = ToSourceMessage(Topic("resource:t"), Record("{"));
  EXPECT_TRUE(broken.unfit.has_value());
  ASSERT_THAT(broken.parts, SizeIs(1));
  EXPECT_EQ(broken.encoding, MessageEncoding::kJson);
  EXPECT_EQ(broken.parts[0].body.size(), 1);
}

TEST(MessageParts, RefusesARuleThatNobodyKnows) {
  for (const char* text : {"", "header:", "resource:", "Fixed", "value"}) {
    EXPECT_THAT(ParseNameRule(text, "x"), IsError(ErrorKind::kInvalid)) << text;
  }
}

}  // namespace
}  // namespace signaldb

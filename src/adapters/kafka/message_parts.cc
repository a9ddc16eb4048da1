#include "adapters/kafka/message_parts.h"

#include <algorithm>
#include <cctype>
#include <ranges>

#include <fmt/format.h>

#include "telemetry/names.h"
#include "telemetry/parts_by_resource.h"

namespace signaldb {
namespace {

using From = NameRule::From;

// otel-arrow's producers say how they write; the other form is `otlp`.
constexpr std::string_view kFormatHeader = "MessageFormat";
constexpr std::string_view kArrowFormat = "otap";
constexpr std::size_t kShownBytesMax = 64;

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// The last header of that name, as Kafka's own clients look headers up.
std::optional<std::string_view> HeaderOf(const KafkaRecord& record, std::string_view name) {
  for (const auto& [header, value] : record.headers | std::views::reverse) {
    if (header == name) return value;
  }
  return std::nullopt;
}

/// The name that a rule gives all of a record, valid or not; with kResource, that of a record which
/// cannot be taken apart.
std::string NameOf(const NameRule& rule, const KafkaTopic& topic, const KafkaRecord& record) {
  std::string_view named;
  switch (rule.from) {
    case From::kTopic:
      named = topic.topic;
      break;
    case From::kKey:
      named = record.key;
      break;
    case From::kHeader:
      named = HeaderOf(record, rule.of).value_or("");
      break;
    case From::kFixed:
    case From::kResource:
      break;
  }
  return named.empty() ? rule.otherwise : std::string(named);
}

/// Fit to stand in a log line: a name that was refused may be anything.
std::string Shown(std::string_view text) {
  std::string shown(text.substr(0, kShownBytesMax));
  std::ranges::replace_if(shown, [](unsigned char c) { return c < 0x20 || c > 0x7E; }, '?');
  return shown;
}

std::optional<std::string> WhyNoName(std::string_view what, std::string_view name) {
  if (IsValidTenantOrDataset(name)) return std::nullopt;
  return fmt::format("not a {} id, which is 1 to 64 of A-Z a-z 0-9 _ - id=\"{}\"", what,
                     Shown(name));
}

Result<MessageEncoding> EncodingOf(const KafkaTopic& topic, std::span<const std::byte> value) {
  if (topic.encoding == KafkaEncoding::kOtlpProtobuf) return MessageEncoding::kProtobuf;
  if (topic.encoding == KafkaEncoding::kOtlpJson) return MessageEncoding::kJson;
  if (value.empty() || value[0] == std::byte{0x0A}) return MessageEncoding::kProtobuf;
  if (value[0] == std::byte{'{'}) return MessageEncoding::kJson;
  return Fail(
      ErrorKind::kInvalid,
      fmt::format("neither OTLP protobuf nor OTLP JSON by its first byte first_byte=0x{:02x}",
                  std::to_integer<unsigned>(value[0])));
}

ResourceName ResourceNameOf(const NameRule& rule, const KafkaTopic& topic,
                            const KafkaRecord& record) {
  return {.attribute = rule.from == From::kResource ? rule.of : "",
          .otherwise = NameOf(rule, topic, record)};
}

/// Fills `message`, or says why it can never be rows.
std::optional<std::string> Read(const KafkaTopic& topic, const KafkaRecord& record,
                                SourceMessage& message) {
  if (EqualIgnoringCase(HeaderOf(record, kFormatHeader).value_or(""), kArrowFormat)) {
    return "the header MessageFormat says otap, and only OTLP is read; set the producer to otlp";
  }
  const Result<MessageEncoding> encoding = EncodingOf(topic, record.value);
  if (!encoding.has_value()) return encoding.error().message;
  message.encoding = *encoding;
  if (topic.tenant.from == From::kResource || topic.dataset.from == From::kResource) {
    const Status split =
        AppendPartsByResource(record.value, ResourceNameOf(topic.tenant, topic, record),
                              ResourceNameOf(topic.dataset, topic, record), message);
    if (!split.has_value()) return split.error().message;
  } else {
    message.parts.push_back({.tenant = NameOf(topic.tenant, topic, record),
                             .dataset = NameOf(topic.dataset, topic, record),
                             .body = record.value,
                             .owner = record.owner});
  }
  for (const SourceMessage::Part& part : message.parts) {
    if (auto why = WhyNoName("tenant", part.tenant)) return why;
    if (auto why = WhyNoName("dataset", part.dataset)) return why;
  }
  return std::nullopt;
}

}  // namespace

Result<NameRule> ParseNameRule(std::string_view text, std::string otherwise) {
  constexpr std::string_view kHeader = "header:";
  constexpr std::string_view kResource = "resource:";
  NameRule rule{.from = From::kFixed, .of = {}, .otherwise = std::move(otherwise)};
  if (text == "topic") {
    rule.from = From::kTopic;
  } else if (text == "key") {
    rule.from = From::kKey;
  } else if (text.starts_with(kHeader) && text.size() > kHeader.size()) {
    rule.from = From::kHeader;
    rule.of = text.substr(kHeader.size());
  } else if (text.starts_with(kResource) && text.size() > kResource.size()) {
    rule.from = From::kResource;
    rule.of = text.substr(kResource.size());
  } else if (text != "fixed") {
    return Fail(ErrorKind::kInvalid,
                fmt::format("expected fixed, topic, key, header:<name> or resource:<attribute> "
                            "rule=\"{}\"",
                            text));
  }
  return rule;
}

SourceMessage ToSourceMessage(const KafkaTopic& topic, const KafkaRecord& record) {
  SourceMessage message{.position = static_cast<SourcePosition>(record.offset) + 1,
                        .signal = topic.signal,
                        .received_at = record.received_at};
  message.unfit = Read(topic, record, message);
  if (!message.unfit.has_value()) return message;
  // As received, so that somebody can look at it; under a name that is surely valid.
  const auto valid = [&](const NameRule& rule) {
    const std::string name = NameOf(rule, topic, record);
    return IsValidTenantOrDataset(name) ? name : rule.otherwise;
  };
  message.encoding = EncodingOf(topic, record.value).value_or(MessageEncoding::kProtobuf);
  message.parts.clear();
  message.parts.push_back({.tenant = valid(topic.tenant),
                           .dataset = valid(topic.dataset),
                           .body = record.value,
                           .owner = record.owner});
  return message;
}

}  // namespace signaldb

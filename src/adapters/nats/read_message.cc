#include "adapters/nats/read_message.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "adapters/nats/ack_subject.h"
#include "telemetry/names.h"
#include "telemetry/parts_by_resource.h"

namespace signaldb {
namespace {

bool SameText(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// What the headers say, as far as it is understood here.
struct Told {
  std::string_view tenant;
  std::string_view dataset;
  std::string_view content_type;
  std::string_view content_encoding;
  std::string problem;  // Why the message is unfit; empty if it is not.
};

void Set(std::string_view& slot, std::string_view value, std::string_view name, Told& told) {
  if (value.empty()) return;
  if (!slot.empty() && slot != value) {
    told.problem = fmt::format("headers contradict each other header={}", name);
  }
  slot = value;
}

/// cnats 3.4.1 takes the line that follows an empty header for its value. Whoever reads on then
/// would file the message under the wrong tenant.
bool SwallowsAnother(std::string_view value, const NatsSubject& subject) {
  const auto names =
      std::to_array<std::string_view>({subject.tenant_header, "x-scope-orgid",
                                       subject.dataset_header, "content-type", "content-encoding"});
  return std::ranges::any_of(names, [value](std::string_view name) {
    return !name.empty() && value.size() > name.size() && value[name.size()] == ':' &&
           SameText(value.substr(0, name.size()), name);
  });
}

bool NamesTenant(std::string_view header, const NatsSubject& subject) {
  return SameText(header, subject.tenant_header) ||
         (SameText(subject.tenant_header, "x-tenant-id") && SameText(header, "x-scope-orgid"));
}

Told Listen(const NatsMessage& message, const NatsSubject& subject) {
  Told told;
  for (const auto& [name, raw] : message.headers) {
    const std::string_view value = Trim(raw);
    if (SwallowsAnother(value, subject)) {
      told.problem = "an empty header stands before one that matters";
    }
    if (NamesTenant(name, subject)) Set(told.tenant, value, subject.tenant_header, told);
    if (SameText(name, subject.dataset_header)) {
      Set(told.dataset, value, subject.dataset_header, told);
    }
    if (SameText(name, "content-type")) Set(told.content_type, value, "content-type", told);
    if (SameText(name, "content-encoding")) {
      Set(told.content_encoding, value, "content-encoding", told);
    }
  }
  for (const auto& [value, name] : {std::pair(told.tenant, subject.tenant_header),
                                    std::pair(told.dataset, subject.dataset_header)}) {
    // The name itself stays out of the reason: it may be anything.
    if (!value.empty() && !IsValidTenantOrDataset(value) && told.problem.empty()) {
      told.problem = fmt::format("a name must be 1 to 64 of [A-Za-z0-9_-] header={}", name);
    }
  }
  return told;
}

std::optional<ContentCoding> CodingOf(std::string_view content_encoding) {
  if (content_encoding.empty() || SameText(content_encoding, "identity")) {
    return ContentCoding::kIdentity;
  }
  if (SameText(content_encoding, "gzip")) return ContentCoding::kGzip;
  if (SameText(content_encoding, "zstd")) return ContentCoding::kZstd;
  return std::nullopt;
}

/// By the header, else by the first byte: every OTLP request of ours that holds anything begins
/// with field 1 as bytes (0x0a).
std::optional<MessageEncoding> EncodingOf(std::string_view content_type,
                                          std::span<const std::byte> body) {
  const std::string_view type = Trim(content_type.substr(0, content_type.find(';')));
  if (SameText(type, "application/x-protobuf") || SameText(type, "application/protobuf")) {
    return MessageEncoding::kProtobuf;
  }
  if (SameText(type, "application/json")) return MessageEncoding::kJson;
  const auto first = std::ranges::find_if(body, [](std::byte b) {
    return b != std::byte{' '} && b != std::byte{'\t'} && b != std::byte{'\r'} &&
           b != std::byte{'\n'};
  });
  if (body.empty() || body.front() == std::byte{0x0a}) return MessageEncoding::kProtobuf;
  if (first != body.end() && *first == std::byte{'{'}) return MessageEncoding::kJson;
  return std::nullopt;
}

SourceMessage Unfit(SourceMessage read, const NatsMessage& message, std::string why) {
  SourceMessage::Part& part = read.parts.front();
  part.body = message.body;
  part.owner = message.owner;
  // For whoever replays it one day.
  read.encoding = EncodingOf("", message.body).value_or(MessageEncoding::kProtobuf);
  read.unfit = std::move(why);
  return read;
}

/// Its one part becomes one for each dataset that resources name.
SourceMessage TakeApart(SourceMessage read, const NatsMessage& message,
                        const NatsSubject& subject) {
  const SourceMessage::Part whole = read.parts.front();
  SourceMessage apart = read;
  apart.parts.clear();
  const Status split = AppendPartsByResource(
      whole.body, {.attribute = subject.tenant_attribute, .otherwise = whole.tenant},
      {.attribute = subject.dataset_attribute, .otherwise = whole.dataset}, apart);
  if (!split.has_value()) return Unfit(std::move(read), message, split.error().message);
  const bool are_names_valid = std::ranges::all_of(apart.parts, [](const auto& part) {
    return IsValidTenantOrDataset(part.tenant) && IsValidTenantOrDataset(part.dataset);
  });
  if (!are_names_valid) {
    return Unfit(std::move(read), message, "a name in a resource must be 1 to 64 of [A-Za-z0-9_-]");
  }
  return apart;
}

}  // namespace

Result<SourceMessage> ReadNatsMessage(const NatsMessage& message, const NatsReading& reading,
                                      MemoryBudget& budget) {
  const std::optional<AckSubject> delivery = ParseAckSubject(message.reply);
  SIGNALDB_ASSERT(delivery.has_value() && !reading.subjects.empty());
  const auto rule = std::ranges::find_if(reading.subjects, [&](const NatsSubject& subject) {
    return MatchesSubject(subject.pattern, message.subject);
  });
  const NatsSubject& subject = rule == reading.subjects.end() ? reading.subjects.front() : *rule;
  SourceMessage read{.position = delivery->stream_sequence,
                     .signal = subject.signal,
                     .received_at = delivery->stored_at};
  read.parts.push_back({.tenant = subject.tenant, .dataset = subject.dataset});
  if (rule == reading.subjects.end()) {
    return Unfit(std::move(read), message, "no signal is configured for its subject");
  }
  Told told = Listen(message, subject);
  if (!told.problem.empty()) return Unfit(std::move(read), message, std::move(told.problem));
  SourceMessage::Part& part = read.parts.front();
  if (!told.tenant.empty()) part.tenant = told.tenant;
  if (!told.dataset.empty()) part.dataset = told.dataset;

  const std::optional<ContentCoding> coding = CodingOf(told.content_encoding);
  if (!coding) return Unfit(std::move(read), message, "its content encoding is not read here");
  part.body = message.body;
  part.owner = message.owner;
  if (*coding != ContentCoding::kIdentity) {
    auto contents = Decompress(*coding, message.body, reading.limits, budget);
    if (!contents.has_value() && contents.error() == DecompressFailure::kBudgetExhausted) {
      return Fail(ErrorKind::kUnavailable, "no memory to decompress a message now");
    }
    if (!contents.has_value()) {
      return Unfit(std::move(read), message,
                   contents.error() == DecompressFailure::kTooLarge
                       ? "it is too large when decompressed"
                       : "it is not compressed as its content encoding says");
    }
    part.body = contents->bytes;
    part.owner = std::make_shared<BudgetedBuffer::Contents>(std::move(*contents));
  }
  const std::optional<MessageEncoding> encoding =
      subject.encoding ? subject.encoding : EncodingOf(told.content_type, part.body);
  if (!encoding) return Unfit(std::move(read), message, "it is neither protobuf nor JSON");
  read.encoding = *encoding;
  if (!subject.tenant_attribute.empty() || !subject.dataset_attribute.empty()) {
    return TakeApart(std::move(read), message, subject);
  }
  return read;
}

}  // namespace signaldb

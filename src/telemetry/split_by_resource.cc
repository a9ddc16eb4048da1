#include "telemetry/split_by_resource.h"

#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "telemetry/otlp_json.h"
#include "telemetry/wire_reader.h"

namespace signaldb {
namespace {

using enum WireType;
using Values = std::vector<std::optional<std::string>>;

constexpr std::uint32_t kAnyValueMemberMax = 7;  // string_value to bytes_value.

std::unexpected<Error> Malformed() {
  return Fail(ErrorKind::kInvalid, "not a well-formed OTLP request");
}

void AppendVarint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

/// The text of an AnyValue; nothing if it is of another type or of none.
Result<std::optional<std::string>> TextOf(std::string_view any_value) {
  std::optional<std::string> text;
  WireReader reader(any_value);
  while (reader.Next()) {
    if (reader.tag() == Tag(1, kLength)) {
      text = reader.Bytes();
    } else {
      // The last member of a oneof is the one that is set.
      if ((reader.tag() >> 3) <= kAnyValueMemberMax) text.reset();
      reader.Skip();
    }
  }
  if (!reader.ok()) return Malformed();
  return text;
}

/// Sets the value that `attribute` has, if it is one of those asked for.
Status ReadAttribute(std::string_view attribute, std::span<const std::string> wanted,
                     Values& values) {
  std::string_view key;
  std::string_view value;
  WireReader reader(attribute);
  while (reader.Next()) {
    if (reader.tag() == Tag(1, kLength)) {
      key = reader.Bytes();
    } else if (reader.tag() == Tag(2, kLength)) {
      value = reader.Bytes();
    } else {
      reader.Skip();
    }
  }
  if (!reader.ok()) return Malformed();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] != key || values[i].has_value()) continue;
    SIGNALDB_ASSIGN(values[i], TextOf(value));
    if (!values[i].has_value()) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("the resource attribute is no text attribute={}", wanted[i]));
    }
  }
  return {};
}

/// The values of one Resource{Spans,Logs,Metrics}.
Result<Values> ValuesOf(std::string_view element, std::span<const std::string> wanted) {
  Values values(wanted.size());
  WireReader reader(element);
  while (reader.Next()) {
    if (reader.tag() != Tag(1, kLength)) {
      reader.Skip();
      continue;
    }
    WireReader resource(reader.Bytes());
    while (resource.Next()) {
      if (resource.tag() != Tag(1, kLength)) {
        resource.Skip();
        continue;
      }
      SIGNALDB_TRY(ReadAttribute(resource.Bytes(), wanted, values));
    }
    if (!resource.ok()) return Malformed();
  }
  if (!reader.ok()) return Malformed();
  return values;
}

Result<std::vector<ResourceGroup>> SplitProtobuf(std::string_view body,
                                                 std::span<const std::string> wanted) {
  std::vector<ResourceGroup> groups;
  std::map<Values, std::size_t> group_of;
  WireReader reader(body);
  while (reader.Next()) {
    if (reader.tag() != Tag(1, kLength)) {
      reader.Skip();
      continue;
    }
    const std::string_view element = reader.Bytes();
    SIGNALDB_ASSIGN(Values values, ValuesOf(element, wanted));
    const auto [found, is_new] = group_of.try_emplace(std::move(values), groups.size());
    if (is_new && groups.size() == kResourceGroupsMax) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a request names too many tenants or datasets groups_max={}",
                              kResourceGroupsMax));
    }
    if (is_new) groups.push_back({found->first, {}});
    std::string& group = groups[found->second].body;
    AppendVarint(group, Tag(1, kLength));
    AppendVarint(group, element.size());
    group += element;
  }
  if (!reader.ok()) return Malformed();
  if (groups.empty()) groups.push_back({Values(wanted.size()), {}});
  return groups;
}

}  // namespace

Result<SplitRequest> SplitByResource(Signal signal, MessageEncoding encoding,
                                     std::span<const std::byte> body,
                                     std::span<const std::string> attributes) {
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  SplitRequest split;
  if (encoding == MessageEncoding::kJson) {
    SIGNALDB_ASSIGN(const std::string protobuf, OtlpJsonToProtobuf(signal, text));
    SIGNALDB_ASSIGN(split.groups, SplitProtobuf(protobuf, attributes));
  } else {
    SIGNALDB_ASSIGN(split.groups, SplitProtobuf(text, attributes));
  }
  return split;
}

}  // namespace signaldb

#include "telemetry/json_any_value.h"

#include <cstdint>
#include <string_view>

#include "telemetry/scalar_text.h"

namespace signaldb {
namespace {

using protozero::pbf_writer;
using Kind = JsonTree::Kind;

bool AddNumber(std::string_view text, pbf_writer& value) {
  const bool whole = text.find_first_of(".eE") == std::string_view::npos;
  if (const auto integer = whole ? ParseInteger<std::int64_t>(text) : std::nullopt) {
    value.add_int64(3, *integer);
    return true;
  }
  const auto real = ParseDouble(text);
  if (real) value.add_double(4, *real);
  return real.has_value();
}

}  // namespace

std::size_t FindMember(const std::vector<JsonTree::Node>& nodes, std::size_t object,
                       std::string_view name) {
  std::size_t found = 0;
  for (std::size_t key = object + 1; key < nodes[object].next; key = nodes[key + 1].next) {
    if (nodes[key].text == name) found = key + 1;
  }
  return found;
}

bool JsonAnyValueWriter::Value(std::size_t at, std::uint32_t tag, pbf_writer& out) const {
  const std::size_t before = bytes_.size();
  {
    pbf_writer value(out, tag);
    if (!Fields(at, value)) return false;
  }
  // The writer takes back a message that stayed empty, but in an array a null has its place.
  if (bytes_.size() == before) out.add_message(tag, "", 0);
  return true;
}

bool JsonAnyValueWriter::Members(std::size_t at, std::uint32_t tag, pbf_writer& out) const {
  for (std::size_t key = at + 1; key < nodes_[at].next; key = nodes_[key + 1].next) {
    pbf_writer pair(out, tag);
    const std::string_view name = nodes_[key].text;
    pair.add_string(1, name.data(), name.size());
    if (!Value(key + 1, 2, pair)) return false;
  }
  return true;
}

bool JsonAnyValueWriter::Fields(std::size_t at, pbf_writer& value) const {
  const JsonTree::Node& node = nodes_[at];
  switch (node.kind) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      value.add_bool(2, node.text == "true");
      return true;
    case Kind::kNumber:
      return AddNumber(node.text, value);
    case Kind::kString:
      value.add_string(1, node.text.data(), node.text.size());
      return true;
    case Kind::kArray:
    case Kind::kObject:
      break;
  }
  if (node.kind == Kind::kObject && Bytes(at, value)) return true;
  const bool is_array = node.kind == Kind::kArray;
  const std::uint32_t tag = is_array ? 5 : 6;
  const std::size_t before = bytes_.size();
  {
    pbf_writer container(value, tag);
    if (is_array) {
      for (std::size_t item = at + 1; item < node.next; item = nodes_[item].next) {
        if (!Value(item, 1, container)) return false;
      }
    } else if (!Members(at, 1, container)) {
      return false;
    }
  }
  if (bytes_.size() == before) value.add_message(tag, "", 0);
  return true;
}

bool JsonAnyValueWriter::Bytes(std::size_t at, pbf_writer& value) const {
  // Two members of leaves: the object and four values.
  if (nodes_[at].next != at + 5) return false;
  const std::size_t type = FindMember(nodes_, at, "$otlp_type");
  const std::size_t text = FindMember(nodes_, at, "base64");
  if (type == 0 || text == 0 || nodes_[type].text != "bytes" ||
      nodes_[text].kind != Kind::kString) {
    return false;
  }
  const auto bytes = ParseBase64(nodes_[text].text);
  if (bytes) value.add_bytes(7, *bytes);
  return bytes.has_value();
}

}  // namespace signaldb

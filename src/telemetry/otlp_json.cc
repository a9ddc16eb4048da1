#include "telemetry/otlp_json.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

#include "telemetry/json_tree.h"
#include "telemetry/otlp_schema.h"
#include "telemetry/scalar_text.h"

namespace signaldb {
namespace {

using protozero::pbf_writer;
using Kind = JsonTree::Kind;
using Node = JsonTree::Node;

/// Writes one tree as protobuf. Recursion follows the tree, whose depth is bounded.
class Transcoder {
 public:
  /// `bytes` is what every writer writes to.
  Transcoder(const std::vector<Node>& nodes, const std::string& bytes)
      : nodes_(nodes), bytes_(bytes) {}

  [[nodiscard]] Status Message(std::size_t at, const OtlpMessage& message, pbf_writer& out);

 private:
  /// The value of each known name, the last one if it stands there twice.
  using Slots = std::array<std::uint32_t, 32>;

  [[nodiscard]] Status Field(std::size_t at, const OtlpField& field, pbf_writer& out);
  [[nodiscard]] Status Repeated(std::size_t at, const OtlpField& field, pbf_writer& out);
  [[nodiscard]] Status Scalar(const Node& node, const OtlpField& field, pbf_writer& out);
  [[nodiscard]] bool Text(const Node& node, const OtlpField& field, pbf_writer& out);
  [[nodiscard]] bool Number(const Node& node, const OtlpField& field, pbf_writer& out);

  [[nodiscard]] Status Nested(std::size_t at, const OtlpField& field, pbf_writer& out);

  const std::vector<Node>& nodes_;
  const std::string& bytes_;
};

Status WrongType(const OtlpField& field) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("request has a JSON field of the wrong type or out of range field={}",
                          field.json_name));
}

Status Transcoder::Message(std::size_t at, const OtlpMessage& message, pbf_writer& out) {
  Slots slots{};
  const std::size_t end = nodes_[at].next;
  const auto slot_of = [&](std::string_view name) -> std::uint32_t* {
    const auto field = std::ranges::find(message.fields, name, &OtlpField::json_name);
    return field == message.fields.end()
               ? nullptr
               : &slots[static_cast<std::size_t>(field - message.fields.begin())];
  };
  for (std::size_t key = at + 1; key < end; key = nodes_[key + 1].next) {
    if (auto* slot = slot_of(nodes_[key].text)) *slot = static_cast<std::uint32_t>(key + 1);
  }
  // In the order of the text, so that of a oneof's members the last one counts, as in protobuf.
  for (std::size_t key = at + 1; key < end; key = nodes_[key + 1].next) {
    const auto* slot = slot_of(nodes_[key].text);
    if (slot == nullptr || *slot != key + 1) continue;
    const auto& field = message.fields[static_cast<std::size_t>(slot - slots.data())];
    SIGNALDB_TRY(Field(key + 1, field, out));
  }
  return {};
}

Status Transcoder::Field(std::size_t at, const OtlpField& field, pbf_writer& out) {
  const Node& node = nodes_[at];
  if (node.kind == Kind::kNull) return {};
  if (field.repeated) return Repeated(at, field, out);
  if (field.type != OtlpType::kMessage) return Scalar(node, field, out);
  return Nested(at, field, out);
}

Status Transcoder::Nested(std::size_t at, const OtlpField& field, pbf_writer& out) {
  if (nodes_[at].kind != Kind::kObject) return WrongType(field);
  const std::size_t before = bytes_.size();
  {
    pbf_writer nested(out, field.number);
    SIGNALDB_TRY(Message(at, *field.message, nested));
  }
  // The writer takes back a message that stayed empty, but an empty array is not an absent one.
  if (bytes_.size() == before) out.add_message(field.number, "", 0);
  return {};
}

Status Transcoder::Repeated(std::size_t at, const OtlpField& field, pbf_writer& out) {
  if (nodes_[at].kind != Kind::kArray) return WrongType(field);
  for (std::size_t item = at + 1; item < nodes_[at].next; item = nodes_[item].next) {
    if (field.type != OtlpType::kMessage) {
      SIGNALDB_TRY(Scalar(nodes_[item], field, out));
      continue;
    }
    // A null is let pass as an empty message: in arrayValue, senders mean "no value" by it.
    if (nodes_[item].kind == Kind::kNull) {
      out.add_message(field.number, "", 0);
    } else {
      SIGNALDB_TRY(Nested(item, field, out));
    }
  }
  return {};
}

Status Transcoder::Scalar(const Node& node, const OtlpField& field, pbf_writer& out) {
  bool written = false;
  switch (field.type) {
    case OtlpType::kString:
    case OtlpType::kHexBytes:
    case OtlpType::kBase64Bytes:
      written = Text(node, field, out);
      break;
    case OtlpType::kBool:
      written = node.kind == Kind::kBool;
      if (written) out.add_bool(field.number, node.text == "true");
      break;
    default:
      written = Number(node, field, out);
  }
  if (!written) return WrongType(field);
  return {};
}

bool Transcoder::Text(const Node& node, const OtlpField& field, pbf_writer& out) {
  if (node.kind != Kind::kString) return false;
  if (field.type == OtlpType::kString) {
    out.add_string(field.number, node.text.data(), node.text.size());
    return true;
  }
  const auto bytes =
      field.type == OtlpType::kHexBytes ? ParseHex(node.text) : ParseBase64(node.text);
  if (!bytes) return false;
  out.add_bytes(field.number, *bytes);
  return true;
}

bool Transcoder::Number(const Node& node, const OtlpField& field, pbf_writer& out) {
  const bool number = node.kind == Kind::kNumber;
  if (!number && (node.kind != Kind::kString || field.type == OtlpType::kEnum)) return false;
  const auto add = [](const auto& value, auto write) {
    if (value) write(*value);
    return value.has_value();
  };
  const auto tag = field.number;
  switch (field.type) {
    case OtlpType::kInt32:
    case OtlpType::kEnum:
      return add(ParseInteger<std::int32_t>(node.text), [&](auto v) { out.add_int32(tag, v); });
    case OtlpType::kUint32:
      return add(ParseInteger<std::uint32_t>(node.text), [&](auto v) { out.add_uint32(tag, v); });
    case OtlpType::kSint32:
      return add(ParseInteger<std::int32_t>(node.text), [&](auto v) { out.add_sint32(tag, v); });
    case OtlpType::kInt64:
      return add(ParseInteger<std::int64_t>(node.text), [&](auto v) { out.add_int64(tag, v); });
    case OtlpType::kUint64:
      return add(ParseInteger<std::uint64_t>(node.text), [&](auto v) { out.add_uint64(tag, v); });
    case OtlpType::kFixed32:
      return add(ParseInteger<std::uint32_t>(node.text), [&](auto v) { out.add_fixed32(tag, v); });
    case OtlpType::kFixed64:
      return add(ParseInteger<std::uint64_t>(node.text), [&](auto v) { out.add_fixed64(tag, v); });
    case OtlpType::kSfixed64:
      return add(ParseInteger<std::int64_t>(node.text), [&](auto v) { out.add_sfixed64(tag, v); });
    case OtlpType::kDouble:
      return add(ParseDouble(node.text), [&](auto v) { out.add_double(tag, v); });
    default:
      return false;
  }
}

}  // namespace

Result<std::string> OtlpJsonToProtobuf(Signal signal, std::string_view json) {
  SIGNALDB_ASSIGN(const auto tree, JsonTree::Parse(json));
  if (tree.nodes().front().kind != Kind::kObject) {
    return Fail(ErrorKind::kInvalid, "request is not a JSON object");
  }
  std::string bytes;
  pbf_writer out(bytes);
  Transcoder transcoder(tree.nodes(), bytes);
  SIGNALDB_TRY(transcoder.Message(0, RequestMessageOf(signal), out));
  return bytes;
}

}  // namespace signaldb

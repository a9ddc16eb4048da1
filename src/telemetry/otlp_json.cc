#include "telemetry/otlp_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

#include "telemetry/json_tree.h"
#include "telemetry/otlp_schema.h"

namespace signaldb {
namespace {

using protozero::pbf_writer;
using Kind = JsonTree::Kind;
using Node = JsonTree::Node;

/// Characters of a number; more cannot come from any sender and would only cost time.
constexpr std::size_t kNumberCharsMax = 1'024;

std::optional<double> ParseDouble(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity" || text == "+Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity" || text == "-Inf") return -std::numeric_limits<double>::infinity();
  // from_chars knows "inf" and "nan" too, which no JSON rule allows.
  if (text.empty() || text.size() > kNumberCharsMax ||
      text.find_first_not_of("0123456789+-.eE") != std::string_view::npos) {
    return std::nullopt;
  }
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (stopped != end) return std::nullopt;
  if (error == std::errc()) return value;
  if (error != std::errc::result_out_of_range) return std::nullopt;
  // Too large is an error, too small is zero; from_chars does not say which it was.
  value = std::strtod(std::string(text).c_str(), nullptr);
  if (std::isinf(value)) return std::nullopt;
  return value;
}

/// An integer as digits, or as a number with a point or exponent whose value is one ("1e3").
template <typename T>
std::optional<T> ParseInteger(std::string_view text) {
  T value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stopped == end) return value;
  if (text.find_first_of(".eE") == std::string_view::npos) return std::nullopt;
  const auto real = ParseDouble(text);
  if (!real || std::trunc(*real) != *real) return std::nullopt;
  const double end_of_range = std::ldexp(1.0, std::numeric_limits<T>::digits);
  if (*real < static_cast<double>(std::numeric_limits<T>::min()) || *real >= end_of_range) {
    return std::nullopt;
  }
  return static_cast<T>(*real);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> ParseHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = HexDigit(text[i]);
    const int low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

/// Standard or URL-safe alphabet, with or without padding, as protobuf's JSON rules accept it.
std::optional<std::string> ParseBase64(std::string_view text) {
  const std::size_t padded = text.size();
  while (!text.empty() && text.back() == '=' && padded - text.size() < 2) text.remove_suffix(1);
  if (text.size() % 4 == 1 || (padded != text.size() && padded % 4 != 0)) return std::nullopt;
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int digit = Base64Digit(c);
    if (digit < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<char>(bits >> held));
    }
  }
  return bytes;
}

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

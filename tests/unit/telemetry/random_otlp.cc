#include "random_otlp.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>
#include <opentelemetry/proto/collector/logs/v1/logs_service.pb.h>
#include <opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.pb.h>

namespace signaldb::testing {
namespace {

namespace collector = opentelemetry::proto::collector;

constexpr int kRepeatedMax = 4;

bool IsId(const std::string& name) {
  return name == "trace_id" || name == "span_id" || name == "parent_span_id";
}

}  // namespace

std::unique_ptr<google::protobuf::Message> RandomOtlp::Request(Signal signal) {
  std::unique_ptr<Message> request;
  switch (signal) {
    case Signal::kLogs:
      request = std::make_unique<collector::logs::v1::ExportLogsServiceRequest>();
      break;
    case Signal::kTraces:
      request = std::make_unique<collector::trace::v1::ExportTraceServiceRequest>();
      break;
    case Signal::kMetrics:
      request = std::make_unique<collector::metrics::v1::ExportMetricsServiceRequest>();
      break;
  }
  Fill(*request, 0);
  return request;
}

void RandomOtlp::Fill(Message& message, int depth) {
  if (message.GetDescriptor()->name() == "AnyValue") return FillAnyValue(message, depth);
  const auto* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto& field = *descriptor->field(i);
    if (!field.is_repeated()) {
      const bool often = field.name() == "key" || field.name() == "value" || IsId(field.name()) ||
                         field.name() == "resource" || field.name() == "time_unix_nano";
      if (field.name() == "key_strindex" ? OneIn(200) : often ? !OneIn(30) : !OneIn(3)) {
        SetField(message, field, depth);
      }
      continue;
    }
    const bool container = depth < 3;  // Resources, scopes, records.
    const auto count = Below(kRepeatedMax) + (container && !OneIn(10) ? 1 : 0);
    for (std::uint64_t k = 0; k < count; ++k) SetField(message, field, depth);
  }
}

void RandomOtlp::FillAnyValue(Message& message, int depth) {
  const auto* descriptor = message.GetDescriptor();
  const auto field_named = [&](const char* name) { return descriptor->FindFieldByName(name); };
  if (deep_ > 0) {
    --deep_;
    SetField(message, *field_named(OneIn(2) ? "array_value" : "kvlist_value"), depth);
    return;
  }
  if (OneIn(300)) deep_ = static_cast<int>(28 + Below(9));
  if (OneIn(20)) return;
  if (!OneIn(3)) return SetField(message, *field_named("string_value"), depth);
  const auto* field = descriptor->field(static_cast<int>(Below(7)));
  const bool nested = field->message_type() != nullptr;
  if (nested && depth > 12) field = field_named("int_value");
  if (OneIn(100)) field = field_named("string_value_strindex");
  SetField(message, *field, depth);
}

void RandomOtlp::SetField(Message& message, const Field& field, int depth) {
  if (field.message_type() == nullptr) return SetScalar(message, field);
  const auto& reflection = *message.GetReflection();
  Message& nested = field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                        : *reflection.MutableMessage(&message, &field);
  Fill(nested, depth + 1);
  const bool must_nest = deep_ > 0 && (field.message_type()->name() == "ArrayValue" ||
                                       field.message_type()->name() == "KeyValueList");
  if (must_nest) SetField(nested, *nested.GetDescriptor()->field(0), depth + 1);
}

void RandomOtlp::SetScalar(Message& message, const Field& field) {
  const auto& r = *message.GetReflection();
  const auto put = [&](auto set, auto add, auto value) {
    if (field.is_repeated()) {
      (r.*add)(&message, &field, value);
    } else {
      (r.*set)(&message, &field, value);
    }
  };
  using R = google::protobuf::Reflection;
  const bool time = field.name().ends_with("_unix_nano");
  switch (field.cpp_type()) {
    case Field::CPPTYPE_STRING:
      return put(&R::SetString, &R::AddString, Bytes(field));
    case Field::CPPTYPE_BOOL:
      return put(&R::SetBool, &R::AddBool, OneIn(2));
    case Field::CPPTYPE_DOUBLE:
      return put(&R::SetDouble, &R::AddDouble, Real());
    case Field::CPPTYPE_ENUM: {
      const auto number = static_cast<int>(OneIn(20) ? Bits64() : Below(7));
      return put(&R::SetEnumValue, &R::AddEnumValue, number);
    }
    case Field::CPPTYPE_INT32:
      return put(&R::SetInt32, &R::AddInt32, static_cast<std::int32_t>(Bits64()));
    case Field::CPPTYPE_UINT32:
      return put(&R::SetUInt32, &R::AddUInt32, static_cast<std::uint32_t>(Bits64()));
    case Field::CPPTYPE_INT64:
      return put(&R::SetInt64, &R::AddInt64, static_cast<std::int64_t>(Bits64()));
    case Field::CPPTYPE_UINT64: {
      const bool count = field.name() == "count" || field.name() == "zero_count";
      const auto value = time ? Time() : count && !OneIn(20) ? Below(1'000) : Bits64();
      return put(&R::SetUInt64, &R::AddUInt64, value);
    }
    default:
      return;
  }
}

std::string RandomOtlp::Bytes(const Field& field) {
  if (field.name() == "trace_id") return Id(16);
  if (IsId(field.name())) return Id(8);
  if (field.name() == "key") {
    constexpr const char* kKeys[] = {"service.name", "a", "b",         "http.method",
                                     "k8s.pod.name", "",  "attributes"};
    return OneIn(5) ? Text() : kKeys[Below(std::size(kKeys))];
  }
  if (field.name() == "bytes_value") {
    std::string bytes(Below(20), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_());
    return bytes;
  }
  return Text();
}

std::string RandomOtlp::Text() {
  constexpr const char* kPieces[] = {"hello",
                                     "x",
                                     "\"",
                                     "\\",
                                     "\n",
                                     "\t",
                                     "ä",
                                     "€",
                                     "\xF0\x9F\x98\x80",
                                     "\x01",
                                     "\x7f",
                                     "/",
                                     "world of logs",
                                     "0123456789abcdef"};
  std::string text;
  for (auto pieces = Below(7); pieces > 0; --pieces) text += kPieces[Below(std::size(kPieces))];
  if (OneIn(30)) text += '\0';
  if (OneIn(100)) text += std::string(Below(300), 'y');
  if (options_.invalid_utf8 && OneIn(100)) {
    constexpr const char* kInvalid[] = {"\x80",     "\xc3",    "\xed\xa0\x80", "\xf5\x80\x80\x80",
                                        "\xc0\xaf", "\xe2\x82"};
    text.insert(Below(text.size() + 1), kInvalid[Below(std::size(kInvalid))]);
  }
  return text;
}

std::string RandomOtlp::Id(std::size_t size) {
  if (OneIn(20)) size = Below(20);
  std::string id(size, '\0');
  if (OneIn(20)) return id;
  for (char& byte : id) byte = static_cast<char>(random_());
  return id;
}

std::uint64_t RandomOtlp::Time() {
  const auto received = static_cast<std::uint64_t>(options_.received_at);
  constexpr std::uint64_t kDay = 86'400'000'000'000;
  switch (Below(12)) {
    case 0:
      return 0;
    case 1:
      return Below(1'000);
    case 2:
      return random_();
    case 3:
      return received + kDay + Below(3) - 1;
    case 4:
      return 946'684'800'000'000'000 + Below(3) - 1;
    case 5:
      return std::numeric_limits<std::int64_t>::max() + Below(3) - 1;
    default:
      return received - Below(40 * kDay);
  }
}

double RandomOtlp::Real() {
  using Limits = std::numeric_limits<double>;
  switch (Below(12)) {
    case 0:
      return Limits::quiet_NaN();
    case 1:
      return Limits::infinity();
    case 2:
      return -Limits::infinity();
    case 3:
      return -0.0;
    case 4:
      return Limits::max();
    case 5:
      return Limits::denorm_min();
    case 6:
      return static_cast<double>(Below(1'000'000));
    case 7:
      return std::bit_cast<double>(random_());
    default:
      return static_cast<double>(Below(1'000'000)) / 1'000;
  }
}

std::uint64_t RandomOtlp::Bits64() {
  switch (Below(5)) {
    case 0:
      return 0;
    case 1:
      return random_();
    case 2:
      return std::numeric_limits<std::uint64_t>::max() >> Below(64);
    default:
      return Below(1'000);
  }
}

std::string RandomOtlp::Varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
  if (bytes.size() < 5 && OneIn(50)) {  // Longer than necessary.
    bytes.back() = static_cast<char>(bytes.back() | '\x80');
    bytes += '\0';
  }
  return bytes;
}

std::string RandomOtlp::Tag(int number, int wire_type) {
  return Varint(static_cast<std::uint64_t>(number) * 8 + static_cast<std::uint64_t>(wire_type));
}

std::string RandomOtlp::UnknownField() {
  const int number = OneIn(4) ? 19'500 : static_cast<int>(100 + Below(1'000));
  switch (Below(5)) {
    case 0:
      return Tag(number, 0) + Varint(random_());
    case 1:
      return Tag(number, 1) + std::string(8, 'f');
    case 2:
      return Tag(number, 2) + Varint(5) + "bytes";
    case 3:
      return Tag(number, 3) + Tag(7, 3) + Tag(7, 4) + UnknownField() + Tag(number, 4);
    default:
      return Tag(number, 5) + std::string(4, 'f');
  }
}

std::string RandomOtlp::ScrambledValue(const Message& message, const Field& field, int index) {
  const auto& r = *message.GetReflection();
  const bool many = field.is_repeated();
  const auto fixed = [](auto value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const auto zigzag = [](std::int32_t v) {
    return (static_cast<std::uint32_t>(v) << 1) ^ static_cast<std::uint32_t>(v >> 31);
  };
  switch (field.type()) {
    case Field::TYPE_MESSAGE:
      return Scramble(many ? r.GetRepeatedMessage(message, &field, index)
                           : r.GetMessage(message, &field));
    case Field::TYPE_BYTES:
      return many ? r.GetRepeatedString(message, &field, index) : r.GetString(message, &field);
    case Field::TYPE_DOUBLE:
      return fixed(many ? r.GetRepeatedDouble(message, &field, index)
                        : r.GetDouble(message, &field));
    case Field::TYPE_FIXED64:
      return fixed(many ? r.GetRepeatedUInt64(message, &field, index)
                        : r.GetUInt64(message, &field));
    case Field::TYPE_UINT64:
      return Varint(many ? r.GetRepeatedUInt64(message, &field, index)
                         : r.GetUInt64(message, &field));
    case Field::TYPE_SFIXED64:
      return fixed(r.GetInt64(message, &field));
    case Field::TYPE_INT64:
      return Varint(static_cast<std::uint64_t>(r.GetInt64(message, &field)));
    case Field::TYPE_FIXED32:
      return fixed(r.GetUInt32(message, &field));
    case Field::TYPE_UINT32:
      return Varint(r.GetUInt32(message, &field));
    case Field::TYPE_SINT32:
      return Varint(zigzag(r.GetInt32(message, &field)));
    case Field::TYPE_INT32:
      return Varint(static_cast<std::uint64_t>(std::int64_t{r.GetInt32(message, &field)}));
    case Field::TYPE_ENUM:
      return Varint(static_cast<std::uint64_t>(std::int64_t{r.GetEnumValue(message, &field)}));
    case Field::TYPE_BOOL:
      return Varint(r.GetBool(message, &field) ? 1 : 0);
    default:
      return {};
  }
}

std::string RandomOtlp::Scramble(const Message& message) {
  std::vector<const Field*> fields;
  message.GetReflection()->ListFields(message, &fields);
  if (OneIn(3)) std::ranges::shuffle(fields, random_);
  std::vector<std::string> pieces;
  const auto delimited = [&](int number, const std::string& bytes) {
    return Tag(number, 2) + Varint(bytes.size()) + bytes;
  };
  for (const auto* field : fields) {
    const bool many = field->is_repeated();
    const int count = many ? message.GetReflection()->FieldSize(message, field) : 1;
    const int number = field->number();
    std::string packed;
    for (int i = 0; i < count; ++i) {
      const std::string value = ScrambledValue(message, *field, i);
      const bool length =
          field->type() == Field::TYPE_MESSAGE || field->type() == Field::TYPE_BYTES;
      if (length && !many && field->type() == Field::TYPE_MESSAGE && OneIn(15)) {
        // In two parts, which parsers have to merge; the first may be overwritten by the second.
        pieces.push_back(
            delimited(number, Scramble(message.GetReflection()->GetMessage(message, field))));
      }
      if (length) {
        pieces.push_back(delimited(number, value));
      } else if (many && !OneIn(4)) {
        packed += value;
      } else {
        const auto type = field->type();
        const bool fixed64 = type == Field::TYPE_DOUBLE || type == Field::TYPE_FIXED64 ||
                             type == Field::TYPE_SFIXED64;
        const int wire = fixed64 ? 1 : type == Field::TYPE_FIXED32 ? 5 : 0;
        pieces.push_back(Tag(number, wire) + value);
        if (OneIn(30)) pieces.push_back(pieces.back());
      }
    }
    if (!packed.empty()) pieces.push_back(delimited(number, packed));
  }
  if (message.GetDescriptor()->name() == "AnyValue" && OneIn(15)) {  // Another variant, too.
    google::protobuf::Message* other = message.New();
    const int deep = std::exchange(deep_, 0);
    FillAnyValue(*other, 100);
    deep_ = deep;
    pieces.insert(pieces.begin() + static_cast<std::ptrdiff_t>(Below(pieces.size() + 1)),
                  Scramble(*other));
    delete other;
  }
  if (OneIn(20)) {
    pieces.insert(pieces.begin() + static_cast<std::ptrdiff_t>(Below(pieces.size() + 1)),
                  UnknownField());
  }
  if (OneIn(20)) std::ranges::shuffle(pieces, random_);
  std::string bytes;
  for (const auto& piece : pieces) bytes += piece;
  return bytes;
}

std::string RandomOtlp::Blank() { return OneIn(20) ? " \n\t" : ""; }

std::string RandomOtlp::JsonString(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || c == '"' || c == '\\' || (byte < 0x80 && OneIn(50))) {
      json += fmt::format("\\u{:04X}", static_cast<int>(byte));
    } else {
      json += c;
    }
  }
  return json + '"';
}

std::string RandomOtlp::JsonValue(const Message& message, const Field& field, int index) {
  const auto& r = *message.GetReflection();
  const bool many = field.is_repeated();
  const auto number = [&](auto value) {
    return OneIn(2) ? fmt::format("\"{}\"", value) : fmt::format("{}", value);
  };
  switch (field.type()) {
    case Field::TYPE_MESSAGE:
      return Json(many ? r.GetRepeatedMessage(message, &field, index)
                       : r.GetMessage(message, &field));
    case Field::TYPE_BYTES: {
      const auto bytes =
          many ? r.GetRepeatedString(message, &field, index) : r.GetString(message, &field);
      if (IsId(field.name())) {
        std::string hex;
        for (const char c : bytes) {
          hex += OneIn(2) ? fmt::format("{:02x}", static_cast<unsigned char>(c))
                          : fmt::format("{:02X}", static_cast<unsigned char>(c));
        }
        return '"' + hex + '"';
      }
      if (field.name() != "bytes_value") return JsonString(bytes);
      constexpr const char* kDigits =
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
      std::string bits;
      for (const char byte : bytes) bits += fmt::format("{:08b}", static_cast<unsigned char>(byte));
      std::string base64;
      for (std::size_t i = 0; i < bits.size(); i += 6) {
        std::string group = bits.substr(i, 6);
        group.resize(6, '0');
        base64 += kDigits[std::stoi(group, nullptr, 2)];
      }
      const bool padding = OneIn(2);
      while (padding && base64.size() % 4 != 0) base64 += '=';
      return '"' + base64 + '"';
    }
    case Field::TYPE_DOUBLE: {
      const double v =
          many ? r.GetRepeatedDouble(message, &field, index) : r.GetDouble(message, &field);
      if (std::isnan(v)) return "\"NaN\"";
      if (std::isinf(v)) return v > 0 ? "\"Infinity\"" : "\"-Infinity\"";
      return fmt::format("{:.17g}", v);
    }
    case Field::TYPE_FIXED64:
    case Field::TYPE_UINT64:
      return number(many ? r.GetRepeatedUInt64(message, &field, index)
                         : r.GetUInt64(message, &field));
    case Field::TYPE_SFIXED64:
    case Field::TYPE_INT64:
      return number(r.GetInt64(message, &field));
    case Field::TYPE_FIXED32:
    case Field::TYPE_UINT32:
      return number(r.GetUInt32(message, &field));
    case Field::TYPE_SINT32:
    case Field::TYPE_INT32:
      return number(r.GetInt32(message, &field));
    case Field::TYPE_ENUM:
      return fmt::format("{}", r.GetEnumValue(message, &field));
    case Field::TYPE_BOOL:
      return r.GetBool(message, &field) ? "true" : "false";
    default:
      return "null";
  }
}

std::string RandomOtlp::Json(const Message& message) {
  std::vector<const Field*> fields;
  message.GetReflection()->ListFields(message, &fields);
  if (OneIn(3)) std::ranges::shuffle(fields, random_);
  std::vector<std::string> members;
  for (const auto* field : fields) {
    std::string value;
    if (field->is_repeated()) {
      const int count = message.GetReflection()->FieldSize(message, field);
      for (int i = 0; i < count; ++i) {
        value += (i > 0 ? "," : "") + Blank() + JsonValue(message, *field, i);
      }
      value = "[" + value + "]";
    } else {
      value = JsonValue(message, *field, 0);
    }
    if (OneIn(100)) members.push_back(JsonString(field->json_name()) + ":null");  // Overruled.
    members.push_back(Blank() + "\"" + field->json_name() + "\"" + Blank() + ":" + Blank() + value);
  }
  if (OneIn(20)) members.push_back(R"("unknownKey":{"deep":[1e5,{"a":null}],"x":"y"})");
  if (OneIn(20)) members.push_back(R"("trace_id":"not a known name")");
  std::string json = "{";
  for (std::size_t i = 0; i < members.size(); ++i) json += (i > 0 ? "," : "") + members[i];
  return json + Blank() + "}";
}

}  // namespace signaldb::testing

#include "iceberg/schema/type.h"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace signaldb {
namespace {

constexpr std::int32_t kDecimalPrecisionMax = 38;

struct NamedType {
  std::string_view text;
  TypeId id;
};

// Types whose text is their name alone.
constexpr std::array kPlainTypes = {
    NamedType{"boolean", TypeId::kBoolean},
    NamedType{"int", TypeId::kInt},
    NamedType{"long", TypeId::kLong},
    NamedType{"float", TypeId::kFloat},
    NamedType{"double", TypeId::kDouble},
    NamedType{"date", TypeId::kDate},
    NamedType{"time", TypeId::kTime},
    NamedType{"timestamp", TypeId::kTimestamp},
    NamedType{"timestamptz", TypeId::kTimestampTz},
    NamedType{"timestamp_ns", TypeId::kTimestampNs},
    NamedType{"timestamptz_ns", TypeId::kTimestampTzNs},
    NamedType{"string", TypeId::kString},
    NamedType{"uuid", TypeId::kUuid},
    NamedType{"binary", TypeId::kBinary},
    NamedType{"unknown", TypeId::kUnknown},
    NamedType{"variant", TypeId::kVariant},
    NamedType{"geometry", TypeId::kGeometry},
    NamedType{"geography", TypeId::kGeography},
};

std::string_view Trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<std::int32_t> ParseNumber(std::string_view text) {
  text = Trim(text);
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

// What stands between `open` (after `name`) and a final `close`; nullopt if `text` is not so built.
std::optional<std::string_view> Bracketed(std::string_view text, std::string_view name, char open,
                                          char close) {
  if (!text.starts_with(name) || !text.ends_with(close)) return std::nullopt;
  const std::string_view rest = Trim(text.substr(name.size()));
  if (rest.size() < 2 || rest.front() != open) return std::nullopt;
  return Trim(rest.substr(1, rest.size() - 2));
}

std::string_view PlainName(TypeId id) {
  for (const NamedType& named : kPlainTypes) {
    if (named.id == id) return named.text;
  }
  return "?";
}

std::string StructText(const std::vector<Field>& fields) {
  std::string text = "struct<";
  for (const Field& field : fields) {
    if (text.back() != '<') text += ", ";
    text += fmt::format("{}: {}: {} {}", field.id, field.name,
                        field.required ? "required" : "optional", field.type.ToText());
  }
  return text + ">";
}

}  // namespace

Type::Type(TypeId id) : id_(id) {
  SIGNALDB_ASSERT(id < TypeId::kStruct && id != TypeId::kDecimal && id != TypeId::kFixed);
}

Type Type::Decimal(std::int32_t precision, std::int32_t scale) {
  Type type(TypeId::kUnknown);
  type.id_ = TypeId::kDecimal;
  type.first_ = precision;
  type.second_ = scale;
  return type;
}

Type Type::Fixed(std::int32_t length) {
  Type type(TypeId::kUnknown);
  type.id_ = TypeId::kFixed;
  type.first_ = length;
  return type;
}

Type Type::Struct(std::vector<Field> fields) {
  Type type(TypeId::kUnknown);
  type.id_ = TypeId::kStruct;
  type.fields_ = std::make_shared<const std::vector<Field>>(std::move(fields));
  return type;
}

Type Type::List(std::int32_t element_id, Type element, bool element_required) {
  std::vector<Field> fields(1);
  fields[0].id = element_id;
  fields[0].name = "element";
  fields[0].required = element_required;
  fields[0].type = std::move(element);
  Type type = Struct(std::move(fields));
  type.id_ = TypeId::kList;
  return type;
}

Type Type::Map(std::int32_t key_id, Type key, std::int32_t value_id, Type value,
               bool value_required) {
  std::vector<Field> fields(2);
  fields[0].id = key_id;
  fields[0].name = "key";
  fields[0].required = true;
  fields[0].type = std::move(key);
  fields[1].id = value_id;
  fields[1].name = "value";
  fields[1].required = value_required;
  fields[1].type = std::move(value);
  Type type = Struct(std::move(fields));
  type.id_ = TypeId::kMap;
  return type;
}

Result<Type> Type::FromText(std::string_view text) {
  for (const NamedType& named : kPlainTypes) {
    if (named.text == text) return Type(named.id);
  }
  if (const auto inner = Bracketed(text, "fixed", '[', ']')) {
    const auto length = ParseNumber(*inner);
    if (length && *length > 0) return Fixed(*length);
  }
  if (const auto inner = Bracketed(text, "decimal", '(', ')')) {
    const auto comma = inner->find(',');
    if (comma != std::string_view::npos) {
      const auto precision = ParseNumber(inner->substr(0, comma));
      const auto scale = ParseNumber(inner->substr(comma + 1));
      if (precision && scale && *precision >= 1 && *precision <= kDecimalPrecisionMax &&
          *scale <= *precision) {
        return Decimal(*precision, *scale);
      }
    }
  }
  for (const TypeId id : {TypeId::kGeometry, TypeId::kGeography}) {
    if (const auto inner = Bracketed(text, PlainName(id), '(', ')')) {
      Type type(id);
      type.parameters_ = std::string(*inner);
      return type;
    }
  }
  return Fail(ErrorKind::kInvalid, fmt::format("no such iceberg type type={}", text));
}

const std::vector<Field>& Type::fields() const {
  static const std::vector<Field> kNone;
  return fields_ ? *fields_ : kNone;
}

std::string Type::ToText() const {
  switch (id_) {
    case TypeId::kDecimal:
      return fmt::format("decimal({}, {})", first_, second_);
    case TypeId::kFixed:
      return fmt::format("fixed[{}]", first_);
    case TypeId::kStruct:
      return StructText(fields());
    case TypeId::kList:
      return fmt::format("list<{}>", fields()[0].type.ToText());
    case TypeId::kMap:
      return fmt::format("map<{}, {}>", fields()[0].type.ToText(), fields()[1].type.ToText());
    default:
      return parameters_.empty() ? std::string(PlainName(id_))
                                 : fmt::format("{}({})", PlainName(id_), parameters_);
  }
}

bool operator==(const Type& a, const Type& b) {
  return a.id_ == b.id_ && a.first_ == b.first_ && a.second_ == b.second_ &&
         a.parameters_ == b.parameters_ && (a.fields_ == b.fields_ || a.fields() == b.fields());
}

}  // namespace signaldb

#include <charconv>
#include <optional>
#include <set>

#include <arrow/api.h>
#include <arrow/extension/uuid.h>
#include <fmt/format.h>

#include "iceberg/schema/schema.h"

namespace signaldb {
namespace {

constexpr const char* kFieldIdKey = "PARQUET:field_id";
constexpr std::int32_t kDecimalPrecisionMax = 38;

Result<std::shared_ptr<arrow::Field>> ToArrowField(const Field& field, const std::string& path);

std::string Join(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

Result<arrow::FieldVector> ToArrowChildren(const Type& type, const std::string& path) {
  arrow::FieldVector children;
  for (const Field& child : type.fields()) {
    SIGNALDB_ASSIGN(auto converted, ToArrowField(child, Join(path, child.name)));
    children.push_back(std::move(converted));
  }
  return children;
}

std::shared_ptr<arrow::DataType> ToArrowPrimitive(const Type& type) {
  switch (type.id()) {
    case TypeId::kBoolean:
      return arrow::boolean();
    case TypeId::kInt:
      return arrow::int32();
    case TypeId::kLong:
      return arrow::int64();
    case TypeId::kFloat:
      return arrow::float32();
    case TypeId::kDouble:
      return arrow::float64();
    case TypeId::kDecimal:
      return arrow::decimal128(type.precision(), type.scale());
    case TypeId::kDate:
      return arrow::date32();
    case TypeId::kTime:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case TypeId::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case TypeId::kTimestampTz:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case TypeId::kTimestampNs:
      return arrow::timestamp(arrow::TimeUnit::NANO);
    case TypeId::kTimestampTzNs:
      return arrow::timestamp(arrow::TimeUnit::NANO, "UTC");
    case TypeId::kString:
      return arrow::utf8();
    case TypeId::kUuid:
      return arrow::extension::uuid();
    case TypeId::kFixed:
      return arrow::fixed_size_binary(type.length());
    case TypeId::kBinary:
      return arrow::binary();
    case TypeId::kUnknown:
      return arrow::null();
    default:
      return nullptr;
  }
}

Result<std::shared_ptr<arrow::DataType>> ToArrowType(const Type& type, const std::string& path) {
  if (!type.is_primitive()) {
    SIGNALDB_ASSIGN(const arrow::FieldVector children, ToArrowChildren(type, path));
    if (type.id() == TypeId::kStruct) return arrow::struct_(children);
    if (type.id() == TypeId::kList) return arrow::list(children[0]);
    return std::make_shared<arrow::MapType>(children[0], children[1]);
  }
  auto converted = ToArrowPrimitive(type);
  if (converted == nullptr) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("cannot write columns of this type, leave the column out column={} "
                            "type={}",
                            path, type.ToText()));
  }
  return converted;
}

Result<std::shared_ptr<arrow::Field>> ToArrowField(const Field& field, const std::string& path) {
  SIGNALDB_ASSIGN(auto type, ToArrowType(field.type, path));
  return arrow::field(field.name, std::move(type), !field.required,
                      arrow::key_value_metadata({kFieldIdKey}, {std::to_string(field.id)}));
}

// Reads Arrow fields; ids are 0 where Arrow has none.
class FromArrow {
 public:
  [[nodiscard]] Result<Field> Convert(const arrow::Field& source, const std::string& path) {
    Field field;
    field.name = source.name();
    field.required = !source.nullable();
    SIGNALDB_ASSIGN(field.id, IdOf(source, path));
    SIGNALDB_ASSIGN(field.type, ConvertType(*source.type(), path));
    return field;
  }

  [[nodiscard]] bool some_ids() const { return with_id_ > 0; }
  [[nodiscard]] const std::string& first_without_id() const { return first_without_id_; }

 private:
  [[nodiscard]] Result<std::int32_t> IdOf(const arrow::Field& source, const std::string& path) {
    const auto& metadata = source.metadata();
    const int at = metadata ? metadata->FindKey(kFieldIdKey) : -1;
    if (at < 0) {
      if (first_without_id_.empty()) first_without_id_ = path;
      return 0;
    }
    const std::string& text = metadata->value(at);
    std::int32_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{} || end != text.data() + text.size() || id < 1) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("field id is not a positive number column={} id={}", path, text));
    }
    if (!seen_.insert(id).second) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("two columns have the same field id column={} id={}", path, id));
    }
    ++with_id_;
    return id;
  }

  [[nodiscard]] Result<Type> ConvertType(const arrow::DataType& type, const std::string& path) {
    switch (type.id()) {
      case arrow::Type::DICTIONARY:
        return ConvertType(*static_cast<const arrow::DictionaryType&>(type).value_type(), path);
      case arrow::Type::EXTENSION: {
        const auto& extension = static_cast<const arrow::ExtensionType&>(type);
        if (extension.extension_name() == "arrow.uuid") return Type(TypeId::kUuid);
        return ConvertType(*extension.storage_type(), path);
      }
      case arrow::Type::STRUCT: {
        if (type.num_fields() == 0) {
          return Fail(ErrorKind::kInvalid,
                      fmt::format("a struct without fields cannot be stored, leave the column out "
                                  "column={}",
                                  path));
        }
        std::vector<Field> fields;
        for (const auto& child : type.fields()) {
          SIGNALDB_ASSIGN(Field field, Convert(*child, Join(path, child->name())));
          fields.push_back(std::move(field));
        }
        return Type::Struct(std::move(fields));
      }
      case arrow::Type::LIST:
      case arrow::Type::LARGE_LIST:
      case arrow::Type::FIXED_SIZE_LIST: {
        SIGNALDB_ASSIGN(const Field element, Convert(*type.field(0), Join(path, "element")));
        return Type::List(element.id, element.type, element.required);
      }
      case arrow::Type::MAP: {
        const auto& map = static_cast<const arrow::MapType&>(type);
        SIGNALDB_ASSIGN(const Field key, Convert(*map.key_field(), Join(path, "key")));
        SIGNALDB_ASSIGN(const Field value, Convert(*map.item_field(), Join(path, "value")));
        return Type::Map(key.id, key.type, value.id, value.type, value.required);
      }
      default:
        return ConvertPrimitive(type, path);
    }
  }

  [[nodiscard]] static Result<Type> ConvertPrimitive(const arrow::DataType& type,
                                                     const std::string& path);

  std::set<std::int32_t> seen_;
  std::size_t with_id_ = 0;
  std::string first_without_id_;
};

std::optional<Type> TimestampType(const arrow::TimestampType& type) {
  const bool zoned = !type.timezone().empty();
  if (type.unit() == arrow::TimeUnit::NANO) {
    return Type(zoned ? TypeId::kTimestampTzNs : TypeId::kTimestampNs);
  }
  return Type(zoned ? TypeId::kTimestampTz : TypeId::kTimestamp);
}

std::optional<Type> DecimalType(const arrow::DecimalType& type) {
  if (type.precision() > kDecimalPrecisionMax || type.scale() < 0 ||
      type.scale() > type.precision()) {
    return std::nullopt;
  }
  return Type::Decimal(type.precision(), type.scale());
}

std::optional<Type> PrimitiveType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return Type(TypeId::kBoolean);
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
      return Type(TypeId::kInt);
    case arrow::Type::INT64:
    case arrow::Type::UINT32:
      return Type(TypeId::kLong);
    case arrow::Type::FLOAT:
      return Type(TypeId::kFloat);
    case arrow::Type::DOUBLE:
      return Type(TypeId::kDouble);
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256:
      return DecimalType(static_cast<const arrow::DecimalType&>(type));
    case arrow::Type::DATE32:
      return Type(TypeId::kDate);
    case arrow::Type::TIME32:
      return Type(TypeId::kTime);
    case arrow::Type::TIME64:
      // Nanoseconds would lose digits.
      if (static_cast<const arrow::Time64Type&>(type).unit() != arrow::TimeUnit::MICRO) break;
      return Type(TypeId::kTime);
    case arrow::Type::TIMESTAMP:
      return TimestampType(static_cast<const arrow::TimestampType&>(type));
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return Type(TypeId::kString);
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return Type(TypeId::kBinary);
    case arrow::Type::FIXED_SIZE_BINARY: {
      const int width = static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width();
      if (width < 1) break;
      return Type::Fixed(width);
    }
    case arrow::Type::NA:
      return Type(TypeId::kUnknown);
    default:
      break;
  }
  return std::nullopt;
}

Result<Type> FromArrow::ConvertPrimitive(const arrow::DataType& type, const std::string& path) {
  const auto converted = PrimitiveType(type);
  if (!converted) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("iceberg has no such type, cast the column column={} type={}", path,
                            type.ToString()));
  }
  return *converted;
}

std::vector<Field> WithFreshIds(std::vector<Field> fields, std::int32_t& last);

Type TypeWithFreshIds(const Type& type, std::int32_t& last) {
  if (type.is_primitive()) return type;
  const std::vector<Field> fields = WithFreshIds(type.fields(), last);
  if (type.id() == TypeId::kStruct) return Type::Struct(fields);
  if (type.id() == TypeId::kList) {
    return Type::List(fields[0].id, fields[0].type, fields[0].required);
  }
  return Type::Map(fields[0].id, fields[0].type, fields[1].id, fields[1].type, fields[1].required);
}

// A level is numbered whole before the levels inside it, as Java does.
std::vector<Field> WithFreshIds(std::vector<Field> fields, std::int32_t& last) {
  for (Field& field : fields) field.id = ++last;
  for (Field& field : fields) field.type = TypeWithFreshIds(field.type, last);
  return fields;
}

}  // namespace

Result<std::shared_ptr<arrow::Schema>> ToArrowSchema(const Schema& schema) {
  arrow::FieldVector fields;
  for (const Field& field : schema.fields) {
    SIGNALDB_ASSIGN(auto converted, ToArrowField(field, field.name));
    fields.push_back(std::move(converted));
  }
  return arrow::schema(std::move(fields));
}

Result<Schema> FromArrowSchema(const arrow::Schema& schema) {
  FromArrow reader;
  Schema converted;
  for (const auto& source : schema.fields()) {
    SIGNALDB_ASSIGN(Field field, reader.Convert(*source, source->name()));
    converted.fields.push_back(std::move(field));
  }
  if (reader.first_without_id().empty()) return converted;
  if (reader.some_ids()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("some columns have a field id and this one has none, give all or none "
                            "column={}",
                            reader.first_without_id()));
  }
  std::int32_t last = 0;
  converted.fields = WithFreshIds(std::move(converted.fields), last);
  return converted;
}

}  // namespace signaldb

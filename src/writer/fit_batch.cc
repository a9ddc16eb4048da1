#include "writer/fit_batch.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <arrow/extension_type.h>
#include <fmt/format.h>

namespace signaldb {

namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using arrow::TimeUnit;
using Id = arrow::Type::type;

std::unexpected<Error> Misfit(const Field& field, const std::string& path, const std::string& why) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("the batch does not fit the table: {} column={} want={}", why, path,
                          field.type.ToText()));
}

// No wider than `bits` as signed numbers.
bool IsIntegerWithin(Id id, int bits) {
  switch (id) {
    case Id::INT8:
    case Id::UINT8:
    case Id::INT16:
    case Id::UINT16:
    case Id::INT32:
      return true;
    case Id::UINT32:
    case Id::INT64:
      return bits == 64;
    default:
      return false;
  }
}

bool IsText(Id id) { return id == Id::STRING || id == Id::LARGE_STRING || id == Id::STRING_VIEW; }

bool IsBinary(Id id) { return id == Id::BINARY || id == Id::LARGE_BINARY || id == Id::BINARY_VIEW; }

// A unit that is no finer than `finest`, and a zone exactly where the table has one.
bool IsTimestampWithin(const arrow::DataType& type, TimeUnit::type finest, bool zone) {
  if (type.id() != Id::TIMESTAMP) return false;
  const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
  return timestamp.unit() <= finest && timestamp.timezone().empty() != zone;
}

bool IsTimeWithin(const arrow::DataType& type) {
  if (type.id() == Id::TIME32) return true;
  return type.id() == Id::TIME64 &&
         static_cast<const arrow::Time64Type&>(type).unit() == TimeUnit::MICRO;
}

bool IsDecimalWithin(const Type& want, const arrow::DataType& type) {
  if (!arrow::is_decimal(type.id())) return false;
  const auto& decimal = static_cast<const arrow::DecimalType&>(type);
  return decimal.scale() == want.scale() && decimal.precision() <= want.precision();
}

// The Arrow type that a column of `have` is brought to; null if it cannot be without loss.
std::shared_ptr<arrow::DataType> TargetType(const Type& want, const arrow::DataType& have) {
  const Id id = have.id();
  const auto when = [](bool fits, std::shared_ptr<arrow::DataType> type) {
    return fits ? std::move(type) : nullptr;
  };
  switch (want.id()) {
    case TypeId::kBoolean:
      return when(id == Id::BOOL, arrow::boolean());
    case TypeId::kInt:
      return when(IsIntegerWithin(id, 32), arrow::int32());
    case TypeId::kLong:
      return when(IsIntegerWithin(id, 64), arrow::int64());
    case TypeId::kFloat:
      return when(id == Id::FLOAT || id == Id::HALF_FLOAT, arrow::float32());
    case TypeId::kDouble:
      return when(id == Id::DOUBLE || id == Id::FLOAT || id == Id::HALF_FLOAT, arrow::float64());
    case TypeId::kDate:
      return when(id == Id::DATE32 || id == Id::DATE64, arrow::date32());
    case TypeId::kTime:
      return when(IsTimeWithin(have), arrow::time64(TimeUnit::MICRO));
    case TypeId::kTimestamp:
      return when(IsTimestampWithin(have, TimeUnit::MICRO, false),
                  arrow::timestamp(TimeUnit::MICRO));
    case TypeId::kTimestampTz:
      return when(IsTimestampWithin(have, TimeUnit::MICRO, true),
                  arrow::timestamp(TimeUnit::MICRO, "UTC"));
    case TypeId::kTimestampNs:
      return when(IsTimestampWithin(have, TimeUnit::NANO, false), arrow::timestamp(TimeUnit::NANO));
    case TypeId::kTimestampTzNs:
      return when(IsTimestampWithin(have, TimeUnit::NANO, true),
                  arrow::timestamp(TimeUnit::NANO, "UTC"));
    case TypeId::kString:
      return when(IsText(id), arrow::utf8());
    case TypeId::kBinary:
      return when(IsBinary(id), arrow::binary());
    case TypeId::kUuid:
    case TypeId::kFixed: {
      const std::int32_t width = want.id() == TypeId::kUuid ? 16 : want.length();
      return when(id == Id::FIXED_SIZE_BINARY &&
                      static_cast<const arrow::FixedSizeBinaryType&>(have).byte_width() == width,
                  have.GetSharedPtr());
    }
    case TypeId::kDecimal:
      return when(IsDecimalWithin(want, have), arrow::decimal128(want.precision(), want.scale()));
    default:
      return nullptr;
  }
}

Result<ArrayPtr> CastColumn(const Field& field, const ArrayPtr& column,
                            const std::shared_ptr<arrow::DataType>& type) {
  if (column->type()->Equals(*type)) return column;
  auto cast = arrow::compute::Cast(*column, type);
  if (cast.ok()) return cast.MoveValueUnsafe();
  if (cast.status().IsOutOfMemory()) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("no memory to convert a column column={}", field.name));
  }
  return Misfit(field, field.name, cast.status().message());
}

// dictionary<int32, utf8> is what the encoder wants; it is one type for strings of any origin.
bool IsPassedOn(const Field& field, const arrow::DataType& type) {
  if (type.id() != Id::DICTIONARY || field.type.id() != TypeId::kString) return false;
  const auto& dictionary = static_cast<const arrow::DictionaryType&>(type);
  return dictionary.index_type()->id() == Id::INT32 && dictionary.value_type()->id() == Id::STRING;
}

using TypeResult = Result<std::shared_ptr<arrow::DataType>>;

TypeResult FittedType(const Field& field, const std::string& path,
                      const std::shared_ptr<arrow::DataType>& have);

TypeResult FittedPrimitive(const Field& field, const std::string& path,
                           const std::shared_ptr<arrow::DataType>& have) {
  if (IsPassedOn(field, *have)) return have;
  const arrow::DataType* type = have.get();
  if (type->id() == Id::EXTENSION) {
    type = static_cast<const arrow::ExtensionType&>(*type).storage_type().get();
  }
  if (type->id() == Id::DICTIONARY) {
    type = static_cast<const arrow::DictionaryType&>(*type).value_type().get();
  }
  std::shared_ptr<arrow::DataType> target = TargetType(field.type, *type);
  // The same object where nothing changes, so that nothing around it is made anew either.
  if (target != nullptr) return target->Equals(*have) ? have : target;
  return Misfit(
      field, path,
      fmt::format("a type that cannot become the table's without loss have={}", have->ToString()));
}

// Fields are found by name, as columns are: one without a place to go to would be lost without a
// word.
TypeResult FittedStruct(const Field& field, const std::string& path,
                        const std::shared_ptr<arrow::DataType>& have) {
  std::set<std::string_view> seen;
  arrow::FieldVector children = have->fields();
  bool changed = false;
  for (auto& child : children) {
    const std::string name = path + "." + child->name();
    if (!seen.insert(child->name()).second) {
      return Fail(ErrorKind::kInvalid, fmt::format("the batch has a column twice column={}", name));
    }
    const auto& known = field.type.fields();
    const auto into = std::ranges::find(known, child->name(), &Field::name);
    if (into == known.end()) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("the batch has a column that the table has not; leave it out or add "
                              "it to the table column={}",
                              name));
    }
    SIGNALDB_ASSIGN(auto type, FittedType(*into, name, child->type()));
    if (type == child->type()) continue;
    changed = true;
    child = child->WithType(std::move(type));
  }
  return changed ? arrow::struct_(std::move(children)) : have;
}

// Not views: Arrow 26 makes broken arrays of those that have nulls.
bool IsList(Id id) { return id == Id::LIST || id == Id::LARGE_LIST || id == Id::FIXED_SIZE_LIST; }

// The Arrow type that a column is brought to, at any depth.
TypeResult FittedType(const Field& field, const std::string& path,
                      const std::shared_ptr<arrow::DataType>& have) {
  if (have->id() == Id::NA) return have;
  if (field.type.is_primitive()) return FittedPrimitive(field, path, have);
  const auto& inner = field.type.fields();
  if (field.type.id() == TypeId::kStruct && have->id() == Id::STRUCT) {
    return FittedStruct(field, path, have);
  }
  if (field.type.id() == TypeId::kList && IsList(have->id())) {
    SIGNALDB_ASSIGN(auto type, FittedType(inner[0], path + ".element", have->field(0)->type()));
    if (have->id() == Id::LIST && type == have->field(0)->type()) return have;
    return arrow::list(have->field(0)->WithType(std::move(type)));
  }
  if (field.type.id() == TypeId::kMap && have->id() == Id::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(*have);
    SIGNALDB_ASSIGN(auto key, FittedType(inner[0], path + ".key", map.key_type()));
    SIGNALDB_ASSIGN(auto value, FittedType(inner[1], path + ".value", map.item_type()));
    if (key == map.key_type() && value == map.item_type()) return have;
    return std::make_shared<arrow::MapType>(map.key_field()->WithType(std::move(key)),
                                            map.item_field()->WithType(std::move(value)));
  }
  return Misfit(field, path, fmt::format("another type have={}", have->ToString()));
}

Result<ArrayPtr> FitColumn(const Field& field, ArrayPtr column, std::int64_t rows) {
  if (column == nullptr || column->type_id() == Id::NA) {
    if (field.required) return Misfit(field, field.name, "a required column is missing or null");
    return std::make_shared<arrow::NullArray>(rows);
  }
  if (field.required && column->null_count() > 0) {
    return Misfit(field, field.name,
                  fmt::format("a required column has nulls nulls={}", column->null_count()));
  }
  SIGNALDB_ASSIGN(const auto type, FittedType(field, field.name, column->type()));
  if (column->type_id() == Id::EXTENSION) {
    column = static_cast<const arrow::ExtensionArray&>(*column).storage();
  }
  if (column->type_id() == Id::DICTIONARY && type->id() != Id::DICTIONARY) {
    const auto& dictionary = static_cast<const arrow::DictionaryType&>(*column->type());
    SIGNALDB_ASSIGN(column, CastColumn(field, column, dictionary.value_type()));
  }
  return CastColumn(field, column, type);
}

// Of the values that rows of `array` have; other programs cannot read a file with any other text.
arrow::Status ValidateTexts(const arrow::Array& array, std::string& path) {
  const std::size_t depth = path.size();
  switch (array.type_id()) {
    case Id::STRING:
      return static_cast<const arrow::StringArray&>(array).ValidateUTF8();
    case Id::DICTIONARY:
      // Once for each value, however many rows have it.
      return ValidateTexts(*static_cast<const arrow::DictionaryArray&>(array).dictionary(), path);
    case Id::STRUCT:
      for (int i = 0; i < array.num_fields(); ++i) {
        path += "." + array.type()->field(i)->name();
        ARROW_RETURN_NOT_OK(
            ValidateTexts(*static_cast<const arrow::StructArray&>(array).field(i), path));
        path.resize(depth);
      }
      return arrow::Status::OK();
    case Id::LIST:
    case Id::MAP: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      const std::int64_t first = list.value_offset(0);
      const auto values = list.values()->Slice(first, list.value_offset(list.length()) - first);
      if (array.type_id() == Id::LIST) {
        path += ".element";
        ARROW_RETURN_NOT_OK(ValidateTexts(*values, path));
      } else {
        ARROW_RETURN_NOT_OK(ValidateTexts(*values, path));
      }
      path.resize(depth);
      return arrow::Status::OK();
    }
    default:
      return arrow::Status::OK();
  }
}

Status CheckNames(const Schema& schema, const arrow::Schema& batch) {
  std::set<std::string_view> seen;
  for (const auto& column : batch.fields()) {
    if (!seen.insert(column->name()).second) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("the batch has a column twice column={}", column->name()));
    }
  }
  for (const Field& field : schema.fields) seen.erase(field.name);
  if (seen.empty()) return {};
  return Fail(
      ErrorKind::kInvalid,
      fmt::format("the batch has a column that the table has not; leave it out or add it to "
                  "the table column={}",
                  *seen.begin()));
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> FitBatch(
    const Schema& schema, const std::shared_ptr<arrow::RecordBatch>& batch) {
  SIGNALDB_TRY(CheckNames(schema, *batch->schema()));
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<ArrayPtr> columns;
  for (const Field& field : schema.fields) {
    SIGNALDB_ASSIGN(ArrayPtr column,
                    FitColumn(field, batch->GetColumnByName(field.name), batch->num_rows()));
    fields.push_back(arrow::field(field.name, column->type(), !field.required));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch->num_rows(),
                                  std::move(columns));
}

Status CheckTexts(const arrow::RecordBatch& fitted) {
  for (int i = 0; i < fitted.num_columns(); ++i) {
    std::string path = fitted.column_name(i);
    const arrow::Status valid = ValidateTexts(*fitted.column(i), path);
    if (valid.ok()) continue;
    return Fail(ErrorKind::kInvalid,
                fmt::format("a text is not UTF-8; other programs could not read the file, use a "
                            "binary column for other bytes column={}",
                            path));
  }
  return {};
}

std::vector<std::vector<std::shared_ptr<arrow::RecordBatch>>> GroupByEncoding(
    std::vector<std::shared_ptr<arrow::RecordBatch>> fitted) {
  std::vector<std::vector<std::shared_ptr<arrow::RecordBatch>>> groups;
  arrow::FieldVector known;  // Of the last group; of nulls as long as it has nothing else.
  const auto is_null = [](const auto& field) { return field->type()->id() == Id::NA; };
  const auto fits = [&](const auto& a, const auto& b) {
    return is_null(a) || is_null(b) || a->type()->Equals(b->type());
  };
  for (auto& batch : fitted) {
    const arrow::FieldVector& fields = batch->schema()->fields();
    if (groups.empty() || !std::ranges::equal(known, fields, fits)) {
      groups.emplace_back();
      known = fields;
    }
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (is_null(known[i])) known[i] = fields[i];
    }
    groups.back().push_back(std::move(batch));
  }
  return groups;
}

}  // namespace signaldb

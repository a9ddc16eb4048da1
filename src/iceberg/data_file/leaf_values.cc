#include "iceberg/data_file/leaf_values.h"

#include <cstring>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <fmt/format.h>

#include "iceberg/arrow_error.h"
#include "iceberg/data_file/parquet_layout.h"

namespace signaldb {

namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

std::unexpected<Error> Misfit(const Field& field, const std::string& name,
                              const arrow::DataType& have) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("the rows do not fit the table column={} want={} have={}", name,
                          field.type.ToText(), have.ToString()));
}

bool IsBytes(arrow::Type::type id) {
  switch (id) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return true;
    default:
      return false;
  }
}

bool IsText(arrow::Type::type id) {
  return id == arrow::Type::STRING || id == arrow::Type::LARGE_STRING ||
         id == arrow::Type::STRING_VIEW;
}

bool IsTimestamp(const arrow::DataType& type, arrow::TimeUnit::type unit, bool zone) {
  if (type.id() != arrow::Type::TIMESTAMP) return false;
  const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
  return timestamp.unit() == unit && timestamp.timezone().empty() != zone;
}

// True if a value of `type` can be stored in a column of `want` without loss.
bool Fits(const Type& want, const arrow::DataType& type) {
  const arrow::Type::type id = type.id();
  switch (want.id()) {
    case TypeId::kBoolean:
      return id == arrow::Type::BOOL;
    case TypeId::kInt:
      return id == arrow::Type::INT32 || id == arrow::Type::INT16 || id == arrow::Type::INT8;
    case TypeId::kLong:
      return id == arrow::Type::INT64 || id == arrow::Type::INT32 || id == arrow::Type::INT16 ||
             id == arrow::Type::INT8;
    case TypeId::kFloat:
      return id == arrow::Type::FLOAT;
    case TypeId::kDouble:
      return id == arrow::Type::DOUBLE || id == arrow::Type::FLOAT;
    case TypeId::kDate:
      return id == arrow::Type::DATE32;
    case TypeId::kTime:
      return id == arrow::Type::TIME64 &&
             static_cast<const arrow::Time64Type&>(type).unit() == arrow::TimeUnit::MICRO;
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
      return IsTimestamp(type, arrow::TimeUnit::MICRO, want.id() == TypeId::kTimestampTz);
    case TypeId::kTimestampNs:
    case TypeId::kTimestampTzNs:
      return IsTimestamp(type, arrow::TimeUnit::NANO, want.id() == TypeId::kTimestampTzNs);
    case TypeId::kString:
      return IsText(id);
    case TypeId::kBinary:
      return IsBytes(id) && !IsText(id);
    case TypeId::kUuid:
      return id == arrow::Type::FIXED_SIZE_BINARY &&
             static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width() == 16;
    case TypeId::kFixed:
      return id == arrow::Type::FIXED_SIZE_BINARY &&
             static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width() == want.length();
    case TypeId::kDecimal: {
      if (id != arrow::Type::DECIMAL128) return false;
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(type);
      return decimal.scale() == want.scale() && decimal.precision() <= want.precision();
    }
    default:
      return false;
  }
}

std::shared_ptr<arrow::DataType> CanonicalType(const Type& want, const arrow::DataType& type) {
  switch (want.id()) {
    case TypeId::kInt:
      return arrow::int32();
    case TypeId::kLong:
      return arrow::int64();
    case TypeId::kDouble:
      return arrow::float64();
    case TypeId::kString:
      return arrow::utf8();
    case TypeId::kBinary:
      return arrow::binary();
    default:
      return type.GetSharedPtr();
  }
}

Result<ArrayPtr> CastTo(const ArrayPtr& array, const std::shared_ptr<arrow::DataType>& type,
                        const std::string& name) {
  auto cast = arrow::compute::Cast(*array, type);
  if (!cast.ok()) {
    return std::unexpected(
        ErrorFromArrow(cast.status(), fmt::format("converting column={}", name)));
  }
  return cast.MoveValueUnsafe();
}

// Decimals as Parquet stores them: int32, int64 or big-endian bytes.
Result<ArrayPtr> StoredDecimal(const Type& want, const arrow::Decimal128Array& array,
                               std::int32_t width) {
  const std::int64_t count = array.length();
  auto allocated = arrow::AllocateBuffer(count * width);
  if (!allocated.ok()) {
    return std::unexpected(ErrorFromArrow(allocated.status(), "converting decimals"));
  }
  std::shared_ptr<arrow::Buffer> buffer = allocated.MoveValueUnsafe();
  std::uint8_t* out = buffer->mutable_data();
  for (std::int64_t i = 0; i < count; ++i, out += width) {
    const arrow::Decimal128 value(array.GetValue(i));
    if (want.precision() <= 18) {
      const auto low = static_cast<std::int64_t>(value.low_bits());
      std::memcpy(out, &low, static_cast<std::size_t>(width));
      continue;
    }
    const auto bytes = value.ToBytes();
    for (std::int32_t b = 0; b < width; ++b)
      out[b] = bytes[static_cast<std::size_t>(width - 1 - b)];
  }
  std::shared_ptr<arrow::DataType> type = arrow::fixed_size_binary(width);
  if (want.precision() <= 9)
    type = arrow::int32();
  else if (want.precision() <= 18)
    type = arrow::int64();
  // Same offset as the input, so that the validity bits can be shared.
  auto data = array.data()->Copy();
  if (array.offset() != 0) {
    auto shifted = arrow::AllocateBuffer((count + array.offset()) * width);
    if (!shifted.ok()) {
      return std::unexpected(ErrorFromArrow(shifted.status(), "converting decimals"));
    }
    std::shared_ptr<arrow::Buffer> whole = shifted.MoveValueUnsafe();
    std::memcpy(whole->mutable_data() + array.offset() * width, buffer->data(),
                static_cast<std::size_t>(count * width));
    buffer = std::move(whole);
  }
  data->type = std::move(type);
  data->buffers = {data->buffers[0], std::move(buffer)};
  return arrow::MakeArray(data);
}

std::int32_t StoredWidth(const Type& type) {
  if (type.precision() <= 9) return 4;
  return type.precision() <= 18 ? 8 : DecimalWidth(type.precision());
}

Result<ArrayPtr> ConformLeaf(const Field& field, const std::string& name, ArrayPtr array) {
  if (array->type_id() == arrow::Type::EXTENSION) {
    array = static_cast<const arrow::ExtensionArray&>(*array).storage();
  }
  if (array->type_id() == arrow::Type::DICTIONARY) {
    const auto& dictionary = static_cast<const arrow::DictionaryArray&>(*array);
    const auto& type = static_cast<const arrow::DictionaryType&>(*array->type());
    const auto value_id = type.value_type()->id();
    if (!Fits(field.type, *type.value_type())) return Misfit(field, name, *array->type());
    if (type.index_type()->id() == arrow::Type::INT32 &&
        (value_id == arrow::Type::STRING || value_id == arrow::Type::BINARY) &&
        dictionary.dictionary()->null_count() == 0) {
      return array;
    }
    SIGNALDB_ASSIGN(array, CastTo(array, type.value_type(), name));
  }
  if (!Fits(field.type, *array->type())) return Misfit(field, name, *array->type());
  if (field.type.id() == TypeId::kDecimal) {
    return StoredDecimal(field.type, static_cast<const arrow::Decimal128Array&>(*array),
                         StoredWidth(field.type));
  }
  const auto canonical = CanonicalType(field.type, *array->type());
  if (canonical->Equals(*array->type())) return array;
  return CastTo(array, canonical, name);
}

// The array with its child data replaced.
ArrayPtr WithChildren(const arrow::Array& array,
                      std::vector<std::shared_ptr<arrow::ArrayData>> children,
                      std::shared_ptr<arrow::DataType> type) {
  auto data = array.data()->Copy();
  data->child_data = std::move(children);
  data->type = std::move(type);
  return arrow::MakeArray(data);
}

Result<ArrayPtr> ConformStruct(const Field& field, const std::string& name, const ArrayPtr& array) {
  if (array->type_id() != arrow::Type::STRUCT) return Misfit(field, name, *array->type());
  auto children = array->data()->child_data;
  auto types = array->type()->fields();
  bool changed = false;
  for (const Field& child : field.type.fields()) {
    const int index =
        static_cast<const arrow::StructType&>(*array->type()).GetFieldIndex(child.name);
    if (index < 0) continue;
    const auto at = static_cast<std::size_t>(index);
    const ArrayPtr before = arrow::MakeArray(children[at]);
    SIGNALDB_ASSIGN(const ArrayPtr after, Conform(child, name + "." + child.name, before));
    if (after == before) continue;
    changed = true;
    children[at] = after->data();
    types[at] = types[at]->WithType(after->type());
  }
  if (!changed) return array;
  return WithChildren(*array, std::move(children), arrow::struct_(types));
}

Result<ArrayPtr> ConformList(const Field& field, const std::string& name, ArrayPtr array) {
  const Field& element = field.type.fields()[0];
  if (array->type_id() == arrow::Type::LARGE_LIST ||
      array->type_id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& value_field = array->type()->field(0);
    SIGNALDB_ASSIGN(array, CastTo(array, arrow::list(value_field), name));
  }
  if (array->type_id() != arrow::Type::LIST) return Misfit(field, name, *array->type());
  const ArrayPtr before = static_cast<const arrow::ListArray&>(*array).values();
  SIGNALDB_ASSIGN(const ArrayPtr after, Conform(element, name + "." + element.name, before));
  if (after == before) return array;
  const auto type = arrow::list(array->type()->field(0)->WithType(after->type()));
  return WithChildren(*array, {after->data()}, type);
}

Result<ArrayPtr> ConformMap(const Field& field, const std::string& name, const ArrayPtr& array) {
  if (array->type_id() != arrow::Type::MAP) return Misfit(field, name, *array->type());
  const auto& map = static_cast<const arrow::MapArray&>(*array);
  const Field& key = field.type.fields()[0];
  const Field& value = field.type.fields()[1];
  SIGNALDB_ASSIGN(const ArrayPtr keys, Conform(key, name + "." + key.name, map.keys()));
  SIGNALDB_ASSIGN(const ArrayPtr items, Conform(value, name + "." + value.name, map.items()));
  if (keys == map.keys() && items == map.items()) return array;
  const auto& type = static_cast<const arrow::MapType&>(*array->type());
  const auto key_field = type.key_field()->WithType(keys->type());
  const auto item_field = type.item_field()->WithType(items->type());
  auto entries = std::make_shared<arrow::StructArray>(
      arrow::struct_({key_field, item_field}), keys->length(), arrow::ArrayVector{keys, items});
  return WithChildren(*array, {entries->data()},
                      std::make_shared<arrow::MapType>(key_field, item_field));
}

}  // namespace

Physical PhysicalOf(const Type& type) {
  switch (type.id()) {
    case TypeId::kBoolean:
      return Physical::kBool;
    case TypeId::kInt:
    case TypeId::kDate:
      return Physical::kInt32;
    case TypeId::kFloat:
      return Physical::kFloat;
    case TypeId::kDouble:
      return Physical::kDouble;
    case TypeId::kString:
    case TypeId::kBinary:
      return Physical::kBytes;
    case TypeId::kUuid:
    case TypeId::kFixed:
      return Physical::kFixed;
    case TypeId::kDecimal:
      if (type.precision() > 18) return Physical::kFixed;
      return type.precision() <= 9 ? Physical::kInt32 : Physical::kInt64;
    default:
      return Physical::kInt64;
  }
}

Result<std::shared_ptr<arrow::Array>> Conform(const Field& field, const std::string& name,
                                              std::shared_ptr<arrow::Array> array) {
  if (array->type_id() == arrow::Type::NA) return array;
  switch (field.type.id()) {
    case TypeId::kUnknown:
      return array;
    case TypeId::kStruct:
      return ConformStruct(field, name, array);
    case TypeId::kList:
      return ConformList(field, name, std::move(array));
    case TypeId::kMap:
      return ConformMap(field, name, array);
    default:
      return ConformLeaf(field, name, std::move(array));
  }
}

LeafValues LeafValues::Of(const Type& type, const arrow::Array& array) {
  LeafValues values;
  values.physical = PhysicalOf(type);
  const arrow::ArrayData* data = array.data().get();
  if (data->dictionary != nullptr) {
    values.indices = data->GetValues<std::int32_t>(1);
    data = data->dictionary.get();
    values.dictionary_size = data->length;
  }
  switch (values.physical) {
    case Physical::kBool:
      values.data = data->buffers[1]->data();
      values.bit_offset = data->offset;
      return values;
    case Physical::kBytes:
      values.offsets = data->GetValues<std::int32_t>(1);
      values.data = data->buffers[2] == nullptr ? nullptr : data->buffers[2]->data();
      return values;
    case Physical::kInt32:
    case Physical::kFloat:
      values.width = 4;
      break;
    case Physical::kInt64:
    case Physical::kDouble:
      values.width = 8;
      break;
    case Physical::kFixed:
      values.width = static_cast<const arrow::FixedSizeBinaryType&>(*data->type).byte_width();
      break;
  }
  values.data = data->buffers[1]->data() + data->offset * values.width;
  return values;
}

}  // namespace signaldb

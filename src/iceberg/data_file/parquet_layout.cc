#include "iceberg/data_file/parquet_layout.h"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <parquet/types.h>

namespace signaldb {

namespace {

using parquet::LogicalType;
using parquet::Repetition;
using parquet::schema::GroupNode;
using parquet::schema::NodePtr;
using parquet::schema::NodeVector;
using parquet::schema::PrimitiveNode;

constexpr std::int32_t kNoFieldId = -1;

struct Storage {
  parquet::Type::type type;
  std::shared_ptr<const LogicalType> logical = LogicalType::None();
  int length = -1;
};

Storage DecimalStorage(const Type& type) {
  auto logical = LogicalType::Decimal(type.precision(), type.scale());
  if (type.precision() <= 9) return {parquet::Type::INT32, std::move(logical)};
  if (type.precision() <= 18) return {parquet::Type::INT64, std::move(logical)};
  return {parquet::Type::FIXED_LEN_BYTE_ARRAY, std::move(logical), DecimalWidth(type.precision())};
}

Result<Storage> StorageOf(const Type& type, const std::string& name) {
  switch (type.id()) {
    case TypeId::kBoolean:
      return Storage{parquet::Type::BOOLEAN};
    case TypeId::kInt:
      return Storage{parquet::Type::INT32};
    case TypeId::kLong:
      return Storage{parquet::Type::INT64};
    case TypeId::kFloat:
      return Storage{parquet::Type::FLOAT};
    case TypeId::kDouble:
      return Storage{parquet::Type::DOUBLE};
    case TypeId::kDecimal:
      return DecimalStorage(type);
    case TypeId::kDate:
      return Storage{parquet::Type::INT32, LogicalType::Date()};
    case TypeId::kTime:
      return Storage{parquet::Type::INT64, LogicalType::Time(false, LogicalType::TimeUnit::MICROS)};
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
      return Storage{parquet::Type::INT64, LogicalType::Timestamp(type.id() == TypeId::kTimestampTz,
                                                                  LogicalType::TimeUnit::MICROS)};
    case TypeId::kTimestampNs:
    case TypeId::kTimestampTzNs:
      return Storage{parquet::Type::INT64,
                     LogicalType::Timestamp(type.id() == TypeId::kTimestampTzNs,
                                            LogicalType::TimeUnit::NANOS)};
    case TypeId::kString:
      return Storage{parquet::Type::BYTE_ARRAY, LogicalType::String()};
    case TypeId::kBinary:
      return Storage{parquet::Type::BYTE_ARRAY};
    case TypeId::kUuid:
      return Storage{parquet::Type::FIXED_LEN_BYTE_ARRAY, LogicalType::UUID(), 16};
    case TypeId::kFixed:
      return Storage{parquet::Type::FIXED_LEN_BYTE_ARRAY, LogicalType::None(), type.length()};
    default:
      return Fail(ErrorKind::kInvalid, fmt::format("this column type cannot be written column={} "
                                                   "type={}",
                                                   name, type.ToText()));
  }
}

Repetition::type RepetitionOf(const Field& field) {
  return field.required ? Repetition::REQUIRED : Repetition::OPTIONAL;
}

class LayoutBuilder {
 public:
  // Null if the field is left out.
  Result<NodePtr> Build(const Field& field, const std::string& parent, bool repeated) {
    const std::string name = parent.empty() ? field.name : parent + "." + field.name;
    switch (field.type.id()) {
      case TypeId::kUnknown:
        return NodePtr{};
      case TypeId::kStruct:
        return Struct(field, name, repeated);
      case TypeId::kList:
        return List(field, name);
      case TypeId::kMap:
        return Map(field, name);
      default:
        return Primitive(field, name, repeated);
    }
  }

  std::vector<ParquetLeaf> leaves;

 private:
  Result<NodePtr> Primitive(const Field& field, const std::string& name, bool repeated) {
    SIGNALDB_ASSIGN(const Storage storage, StorageOf(field.type, name));
    leaves.push_back(ParquetLeaf{.ordinal = static_cast<int>(leaves.size()),
                                 .field = &field,
                                 .name = name,
                                 .repeated = repeated});
    return PrimitiveNode::Make(field.name, RepetitionOf(field), storage.logical, storage.type,
                               storage.length, field.id);
  }

  Result<NodePtr> Struct(const Field& field, const std::string& name, bool repeated) {
    NodeVector children;
    for (const Field& child : field.type.fields()) {
      SIGNALDB_ASSIGN(NodePtr node, Build(child, name, repeated));
      if (node != nullptr) children.push_back(std::move(node));
    }
    if (children.empty()) {
      return Fail(
          ErrorKind::kInvalid,
          fmt::format("a struct without columns cannot be written to Parquet column={}", name));
    }
    return GroupNode::Make(field.name, RepetitionOf(field), children, nullptr, field.id);
  }

  Result<NodePtr> List(const Field& field, const std::string& name) {
    SIGNALDB_ASSIGN(const NodePtr element, Build(field.type.fields()[0], name, true));
    if (element == nullptr) return Refuse(name);
    const NodePtr list =
        GroupNode::Make("list", Repetition::REPEATED, {element}, nullptr, kNoFieldId);
    return GroupNode::Make(field.name, RepetitionOf(field), {list}, LogicalType::List(), field.id);
  }

  Result<NodePtr> Map(const Field& field, const std::string& name) {
    SIGNALDB_ASSIGN(const NodePtr key, Build(field.type.fields()[0], name, true));
    SIGNALDB_ASSIGN(const NodePtr value, Build(field.type.fields()[1], name, true));
    if (key == nullptr || value == nullptr) return Refuse(name);
    const NodePtr entries =
        GroupNode::Make("key_value", Repetition::REPEATED, {key, value}, nullptr, kNoFieldId);
    return GroupNode::Make(field.name, RepetitionOf(field), {entries}, LogicalType::Map(),
                           field.id);
  }

  static std::unexpected<Error> Refuse(const std::string& name) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a list or map of type unknown cannot be written column={}", name));
  }
};

}  // namespace

std::int32_t DecimalWidth(std::int32_t precision) {
  constexpr std::array<std::int32_t, 39> kWidths = {
      0, 1, 1,  2,  2,  3,  3,  4,  4,  4,  5,  5,  6,  6,  6,  7,  7,  8,  8, 9,
      9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16};
  return kWidths.at(static_cast<std::size_t>(precision));
}

Result<std::shared_ptr<const ParquetLayout>> ParquetLayout::Make(const Schema& schema) {
  auto layout = std::make_shared<ParquetLayout>();
  layout->schema = schema;
  LayoutBuilder builder;
  NodeVector columns;
  for (const Field& field : layout->schema.fields) {
    SIGNALDB_ASSIGN(NodePtr node, builder.Build(field, "", false));
    if (node != nullptr) columns.push_back(std::move(node));
  }
  layout->descriptor.Init(GroupNode::Make("table", Repetition::REQUIRED, columns));
  layout->leaves = std::move(builder.leaves);
  for (ParquetLeaf& leaf : layout->leaves) {
    const parquet::ColumnDescriptor* column = layout->descriptor.Column(leaf.ordinal);
    leaf.definition_max = column->max_definition_level();
    leaf.repetition_max = column->max_repetition_level();
  }
  return std::shared_ptr<const ParquetLayout>(std::move(layout));
}

}  // namespace signaldb

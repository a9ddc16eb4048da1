#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "iceberg/metadata/metadata_properties.h"
#include "iceberg/metadata/schema_rules.h"
#include "iceberg/metadata/table_metadata.h"

namespace signaldb {
namespace {

constexpr std::int32_t kNewTableVersion = 2;
constexpr std::int32_t kNoPartitionId = 999;
constexpr std::size_t kUuidTextLength = 36;

// Sources must be reachable through structs alone: a row has one value there.
const Field* FindOutsideCollections(const std::vector<Field>& fields, std::int32_t id) {
  for (const Field& field : fields) {
    if (field.id == id) return &field;
    if (field.type.id() != TypeId::kStruct) continue;
    if (const Field* inner = FindOutsideCollections(field.type.fields(), id)) return inner;
  }
  return nullptr;
}

Status CheckSource(const Schema& schema, std::int32_t source_id, const Transform& transform,
                   std::string_view where) {
  const Field* source = FindOutsideCollections(schema.fields, source_id);
  if (source == nullptr || !source->type.is_primitive()) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("source is not a single-valued column in={} source_id={}", where, source_id));
  }
  if (transform.kind == TransformKind::kUnknown) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("no such transform in={} transform={}", where, transform.unknown_text));
  }
  if (const auto type = transform.ResultType(source->type); !type) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} in={} column={}", type.error().message, where, source->name));
  }
  return {};
}

Status CheckPartitionName(const Schema& schema, const PartitionField& field) {
  SIGNALDB_TRY(CheckUtf8(field.name, "a partition field's name"));
  const Field* column = schema.FindByName(field.name);
  const bool own_column = column != nullptr && column->id == field.source_id &&
                          field.transform.kind == TransformKind::kIdentity;
  if (field.name.empty() || (column != nullptr && !own_column)) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("partition field needs a name of its own partition_field={}", field.name));
  }
  return {};
}

Status NumberAndCheckSpec(const Schema& schema, PartitionSpec& spec, std::int32_t& last_id) {
  last_id = kNoPartitionId;
  for (const PartitionField& field : spec.fields) last_id = std::max(last_id, field.field_id);
  std::set<std::int32_t> ids;
  std::set<std::string> names;
  std::set<std::pair<std::int32_t, std::string>> meanings;
  for (PartitionField& field : spec.fields) {
    if (field.field_id == 0) field.field_id = ++last_id;
    SIGNALDB_TRY(CheckPartitionName(schema, field));
    SIGNALDB_TRY(CheckSource(schema, field.source_id, field.transform, field.name));
    if (field.field_id <= kNoPartitionId || !ids.insert(field.field_id).second) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("partition field ids start at 1000 and differ partition_field={} "
                              "field_id={}",
                              field.name, field.field_id));
    }
    if (!names.insert(field.name).second ||
        !meanings.emplace(field.source_id, field.transform.ToText()).second) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("partition field stands twice partition_field={}", field.name));
    }
  }
  spec.spec_id = 0;
  return {};
}

Status NumberAndCheckOrder(const Schema& schema, SortOrder& order) {
  for (const SortField& field : order.fields) {
    SIGNALDB_TRY(CheckSource(schema, field.source_id, field.transform, "sort order"));
  }
  if (order.fields.empty()) {
    order.order_id = 0;
  } else if (order.order_id < 1) {
    order.order_id = 1;
  }
  return {};
}

Status CheckIdentity(const NewTable& table) {
  if (table.table_uuid.size() != kUuidTextLength) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("table uuid is not a uuid uuid={}", table.table_uuid));
  }
  SIGNALDB_TRY(CheckUtf8(table.table_uuid, "uuid"));
  SIGNALDB_TRY(CheckUtf8(table.location, "location"));
  // Other engines resolve relative paths against their own folder, or not at all.
  if (!table.location.starts_with('/') && !table.location.contains(":/")) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("location must be absolute, such as file:///data/t location={}",
                            table.location));
  }
  return {};
}

}  // namespace

Result<TableMetadata> MakeTableMetadata(NewTable table) {
  SIGNALDB_TRY(CheckIdentity(table));
  SIGNALDB_TRY(CheckSchema(table.schema, kNewTableVersion));
  SIGNALDB_TRY(CheckProperties(table.properties));
  TableMetadata metadata;
  SIGNALDB_TRY(NumberAndCheckSpec(table.schema, table.spec, metadata.last_partition_id));
  SIGNALDB_TRY(NumberAndCheckOrder(table.schema, table.sort_order));

  metadata.format_version = kNewTableVersion;
  metadata.table_uuid = std::move(table.table_uuid);
  metadata.location = std::move(table.location);
  while (metadata.location.size() > 1 && metadata.location.ends_with('/')) {
    metadata.location.pop_back();
  }
  metadata.last_updated_ms = table.now_ms;
  metadata.last_column_id = table.schema.HighestId();
  table.schema.schema_id = 0;
  metadata.default_sort_order_id = table.sort_order.order_id;
  metadata.schemas.push_back(std::make_shared<const Schema>(std::move(table.schema)));
  metadata.partition_specs.push_back(std::make_shared<const PartitionSpec>(std::move(table.spec)));
  metadata.sort_orders.push_back(std::make_shared<const SortOrder>(std::move(table.sort_order)));
  metadata.properties = std::move(table.properties);
  return metadata;
}

}  // namespace signaldb

#include "writer/telemetry_tables.h"

#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "iceberg/schema/partition_spec.h"
#include "iceberg/schema/schema.h"
#include "telemetry/table_definition.h"

namespace signaldb {

namespace {

Result<std::int32_t> IdOf(const Schema& schema, std::string_view column) {
  const Field* field = schema.FindByName(column);
  if (field == nullptr) {
    return Fail(ErrorKind::kInternal,
                fmt::format("table definition names a column it has not column={}", column));
  }
  return field->id;
}

}  // namespace

TableIdentifier TableInDataset(const DatasetId& dataset, std::string_view table) {
  return {.levels = {dataset.tenant, dataset.dataset}, .name = std::string(table)};
}

Result<NewTable> MakeTelemetryTable(const DatasetId& dataset, TableKind kind,
                                    const TelemetryTableOptions& options, std::string table_uuid,
                                    std::int64_t now_ms) {
  const TableDefinition& definition = DefinitionOf(kind);
  NewTable table;
  table.table_uuid = std::move(table_uuid);
  table.location = fmt::format("{}/{}/{}/{}", options.warehouse, dataset.tenant, dataset.dataset,
                               definition.name);
  SIGNALDB_ASSIGN(table.schema, FromArrowSchema(*definition.schema));
  SIGNALDB_ASSIGN(const std::int32_t partition_source,
                  IdOf(table.schema, definition.partition_column));
  table.spec.fields.push_back({.source_id = partition_source,
                               .field_id = 0,
                               .name = fmt::format("{}_hour", definition.partition_column),
                               .transform = {.kind = TransformKind::kHour}});
  for (const std::string_view column : definition.sort_columns) {
    SIGNALDB_ASSIGN(const std::int32_t id, IdOf(table.schema, column));
    table.sort_order.fields.push_back(
        {.transform = {}, .source_id = id, .ascending = true, .nulls_first = true});
  }
  for (const auto& [key, value] : definition.properties) table.properties[key] = value;
  for (const auto& [key, value] : options.properties) table.properties[key] = value;
  table.now_ms = now_ms;
  return table;
}

}  // namespace signaldb

#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "iceberg/schema/partition_spec.h"
#include "iceberg/schema/schema.h"
#include "library/check_config.h"
#include "library/line_listener.h"
#include "library/writer_parts.h"
#include "signaldb/iceberg_table_writer.h"
#include "telemetry/names.h"
#include "telemetry/table_definition.h"
#include "writer/telemetry_tables.h"

namespace signaldb {

namespace {

std::optional<TableKind> TelemetryKind(std::string_view table) {
  for (std::size_t i = 0; i < kTableKinds; ++i) {
    const auto kind = static_cast<TableKind>(i);
    if (DefinitionOf(kind).name == table) return kind;
  }
  return std::nullopt;
}

Result<std::int32_t> ColumnId(const Schema& schema, const std::string& column) {
  const Field* field = schema.FindByName(column);
  if (field != nullptr) return field->id;
  return Fail(
      ErrorKind::kInvalid,
      fmt::format("the table is to be divided or sorted by a column it has not column={}", column));
}

// As Iceberg's own writers name partition fields.
std::string PartitionFieldName(const TableOptions::PartitionField& field) {
  if (!field.name.empty()) return field.name;
  std::string transform = field.transform.substr(0, field.transform.find('['));
  if (transform == "identity") return field.column;
  if (transform == "truncate") transform = "trunc";
  return field.column + "_" + transform;
}

Result<NewTable> MakeTable(const TableOptions& options, const std::string& location) {
  if (options.schema == nullptr) return Fail(ErrorKind::kInvalid, "a new table needs a schema");
  NewTable table;
  table.location = location;
  SIGNALDB_ASSIGN(table.schema, FromArrowSchema(*options.schema));
  for (const TableOptions::PartitionField& field : options.partition_by) {
    SIGNALDB_ASSIGN(const std::int32_t id, ColumnId(table.schema, field.column));
    table.spec.fields.push_back({.source_id = id,
                                 .field_id = 0,
                                 .name = PartitionFieldName(field),
                                 .transform = Transform::FromText(field.transform)});
  }
  for (const TableOptions::SortField& field : options.sort_by) {
    SIGNALDB_ASSIGN(const std::int32_t id, ColumnId(table.schema, field.column));
    table.sort_order.fields.push_back({.transform = {},
                                       .source_id = id,
                                       .ascending = field.ascending,
                                       .nulls_first = field.nulls_first});
  }
  table.properties.insert(options.properties.begin(), options.properties.end());
  return table;
}

Result<TableIdentifier> IdentifierOf(std::string_view tenant, std::string_view dataset,
                                     std::string_view table) {
  for (const std::string_view name : {tenant, dataset, table}) {
    if (IsValidTenantOrDataset(name)) continue;
    return Fail(ErrorKind::kInvalid,
                fmt::format("tenant, dataset and table have 1 to 64 letters, digits, _ or - "
                            "name=\"{}\"",
                            name));
  }
  return TableIdentifier{.levels = {std::string(tenant), std::string(dataset)},
                         .name = std::string(table)};
}

Result<std::unique_ptr<IcebergTableWriter::Parts>> OpenParts(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, TableIdentifier table) {
  if (object_store == nullptr) return Fail(ErrorKind::kInvalid, "the object store is null");
  SIGNALDB_TRY(CheckConfig(config.batch));
  SIGNALDB_TRY(CheckConfig(config.retry));
  SIGNALDB_TRY(CheckConfig(config.catalog_pool));
  auto parts = std::make_unique<IcebergTableWriter::Parts>();
  ObjectStore::Parts& store = object_store->parts();
  parts->store = std::move(object_store);
  parts->events = std::make_unique<LineListener>(config.on_log);
  parts->config = config;
  parts->table_name = table.ToText();
  parts->table = std::move(table);
  SIGNALDB_ASSIGN(parts->catalog, OpenCatalog(store, config.schema, config.catalog_pool));
  parts->Connect();
  if (store.folder.empty() || parts->catalog.life == CatalogLife::kProcess) return parts;
  const std::string journals = JournalFolder(store.folder, parts->catalog.key);
  SIGNALDB_TRY(RecoverFilesInFlight(*store.files, *parts->events, journals, *parts->committer,
                                    *store.io, {}));
  SIGNALDB_ASSIGN(parts->in_flight,
                  FilesInFlight::Open(*store.files, *store.random, *parts->events, journals));
  return parts;
}

Status OpenExisting(IcebergTableWriter::Parts& parts) {
  const Result<LoadedTable> loaded = parts.committer->Load(parts.table);
  if (loaded.has_value()) return {};
  if (loaded.error().kind != ErrorKind::kNotFound) return std::unexpected(loaded.error());
  return Fail(ErrorKind::kNotFound,
              fmt::format("there is no such table, and it is not one of telemetry; create it with "
                          "CreateIcebergWriterForTable table={}",
                          parts.table_name));
}

}  // namespace

Result<std::unique_ptr<IcebergTableWriter>> CreateIcebergWriter(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, std::string_view tenant,
    std::string_view dataset, std::string_view table) {
  SIGNALDB_ASSIGN(TableIdentifier identifier, IdentifierOf(tenant, dataset, table));
  SIGNALDB_ASSIGN(auto parts, OpenParts(config, std::move(object_store), std::move(identifier)));
  if (const std::optional<TableKind> kind = TelemetryKind(table)) {
    SIGNALDB_ASSIGN(
        const NewTable definition,
        MakeTelemetryTable({std::string(tenant), std::string(dataset)}, *kind,
                           {.warehouse = parts->store->warehouse(), .properties = {}}, "", 0));
    SIGNALDB_TRY(parts->committer->LoadOrCreate(parts->table, definition));
  } else {
    SIGNALDB_TRY(OpenExisting(*parts));
  }
  return std::make_unique<IcebergTableWriter>(std::move(parts));
}

Result<std::unique_ptr<IcebergTableWriter>> CreateIcebergWriterWithPool(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, std::string_view tenant,
    std::string_view dataset, std::string_view table, const CatalogPoolConfig& pool_config) {
  Configuration with_pool = config;
  with_pool.catalog_pool = pool_config;
  return CreateIcebergWriter(with_pool, std::move(object_store), tenant, dataset, table);
}

Result<std::unique_ptr<IcebergTableWriter>> CreateIcebergWriterForTable(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, std::string_view tenant,
    std::string_view dataset, std::string_view table, const TableOptions& options) {
  SIGNALDB_ASSIGN(TableIdentifier identifier, IdentifierOf(tenant, dataset, table));
  SIGNALDB_ASSIGN(auto parts, OpenParts(config, std::move(object_store), std::move(identifier)));
  const std::string location =
      options.location.empty()
          ? fmt::format("{}/{}/{}/{}", parts->store->warehouse(), tenant, dataset, table)
          : options.location;
  SIGNALDB_ASSIGN(const NewTable definition, MakeTable(options, location));
  SIGNALDB_TRY(parts->committer->LoadOrCreate(parts->table, definition));
  return std::make_unique<IcebergTableWriter>(std::move(parts));
}

}  // namespace signaldb

#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "library/check_config.h"
#include "library/make_table.h"
#include "library/writer_parts.h"
#include "signaldb/iceberg_table_writer.h"
#include "telemetry/names.h"
#include "telemetry/table_definition.h"
#include "writer/telemetry_tables.h"

namespace signaldb {

namespace {

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

std::string JournalsOf(const IcebergTableWriter::Parts& parts) {
  const ObjectStore::Parts& store = parts.store->parts();
  return JournalFolder(store.folder, store.key + parts.catalog.key);
}

Result<std::unique_ptr<IcebergTableWriter::Parts>> OpenParts(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, TableIdentifier table,
    PoolChange change = PoolChange::kJoin) {
  if (object_store == nullptr) return Fail(ErrorKind::kInvalid, "the object store is null");
  SIGNALDB_TRY(CheckConfig(config));
  auto parts = std::make_unique<IcebergTableWriter::Parts>();
  ObjectStore::Parts& store = object_store->parts();
  parts->store = std::move(object_store);
  parts->events = std::make_shared<ProgramListener>(config.on_log, config.metrics);
  parts->config = config;
  parts->table_name = table.ToText();
  parts->table = std::move(table);
  SIGNALDB_ASSIGN(parts->catalog, OpenCatalog(store, config, change, parts->events));
  parts->encoding = std::make_unique<EncodingShare>(store.encoding_room, config.memory,
                                                    *store.clock, *parts->events);
  if (!store.folder.empty() && parts->catalog.life == CatalogLife::kDurable) {
    SIGNALDB_ASSIGN(parts->in_flight, FilesInFlight::Open(*store.files, *store.random,
                                                          *parts->events, JournalsOf(*parts)));
  }
  parts->Connect();
  return parts;
}

/// The writer over `parts`, whose table is there by now: what became of it is known.
Result<std::unique_ptr<IcebergTableWriter>> Finish(
    std::unique_ptr<IcebergTableWriter::Parts> parts) {
  ObjectStore::Parts& store = parts->store->parts();
  SIGNALDB_ASSIGN(const LoadedTable table, parts->committer->LoadForReading(parts->table));
  SIGNALDB_TRY(CheckTableCanBeWritten(*table.metadata));
  if (parts->in_flight != nullptr) {
    SIGNALDB_TRY(RecoverFilesInFlight(*store.files, *parts->events, JournalsOf(*parts),
                                      *parts->committer, *store.io, {}));
  }
  return std::make_unique<IcebergTableWriter>(std::move(parts));
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

Result<std::unique_ptr<IcebergTableWriter>> OpenWriter(const Configuration& config,
                                                       std::shared_ptr<ObjectStore> object_store,
                                                       TableIdentifier identifier,
                                                       PoolChange change) {
  SIGNALDB_ASSIGN(auto parts,
                  OpenParts(config, std::move(object_store), std::move(identifier), change));
  const TableIdentifier& table = parts->table;
  if (const TableDefinition* ours = FindDefinition(table.name)) {
    SIGNALDB_ASSIGN(
        const NewTable definition,
        MakeTelemetryTable({table.levels[0], table.levels[1]}, ours->kind,
                           {.warehouse = parts->store->warehouse(), .properties = {}}, "", 0));
    SIGNALDB_TRY(parts->committer->LoadOrCreate(parts->table, definition));
  } else {
    SIGNALDB_TRY(OpenExisting(*parts));
  }
  return Finish(std::move(parts));
}

}  // namespace

Result<std::unique_ptr<IcebergTableWriter>> CreateIcebergWriter(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, std::string_view tenant,
    std::string_view dataset, std::string_view table) {
  SIGNALDB_ASSIGN(TableIdentifier identifier, IdentifierOf(tenant, dataset, table));
  return OpenWriter(config, std::move(object_store), std::move(identifier), PoolChange::kJoin);
}

// NOLINTNEXTLINE(readability-function-size): a public signature.
Result<std::unique_ptr<IcebergTableWriter>> CreateIcebergWriterWithPool(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, std::string_view tenant,
    std::string_view dataset, std::string_view table, const CatalogPoolConfig& pool_config) {
  Configuration with_pool = config;
  with_pool.catalog_pool = pool_config;
  SIGNALDB_ASSIGN(TableIdentifier identifier, IdentifierOf(tenant, dataset, table));
  return OpenWriter(with_pool, std::move(object_store), std::move(identifier), PoolChange::kSet);
}

// NOLINTNEXTLINE(readability-function-size): a public signature.
Result<std::unique_ptr<IcebergTableWriter>> CreateIcebergWriterForTable(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, std::string_view tenant,
    std::string_view dataset, std::string_view table, const TableOptions& options) {
  SIGNALDB_ASSIGN(TableIdentifier identifier, IdentifierOf(tenant, dataset, table));
  SIGNALDB_ASSIGN(auto parts, OpenParts(config, std::move(object_store), std::move(identifier)));
  if (options.schema == nullptr) {
    SIGNALDB_TRY(OpenExisting(*parts));
    return Finish(std::move(parts));
  }
  std::string location = options.location;
  if (location.empty()) {
    ObjectStore::Parts& store = parts->store->parts();
    location = fmt::format("{}/{}/{}/{}", parts->store->warehouse(), tenant, dataset, table);
    const Result<LoadedTable> there = parts->committer->Load(parts->table);
    if (!there.has_value() && there.error().kind == ErrorKind::kNotFound) {
      SIGNALDB_ASSIGN(location, FreeLocation(*store.io, *store.random, location));
    }
  }
  SIGNALDB_ASSIGN(const NewTable definition, MakeTable(options, location));
  SIGNALDB_TRY(parts->committer->LoadOrCreate(parts->table, definition));
  return Finish(std::move(parts));
}

}  // namespace signaldb

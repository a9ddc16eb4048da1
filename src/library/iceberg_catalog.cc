#include "signaldb/iceberg_catalog.h"

#include <charconv>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "base/retry.h"
#include "iceberg/schema/schema.h"
#include "library/catalog_parts.h"
#include "library/check_config.h"
#include "library/make_table.h"

namespace signaldb {

namespace {

Result<TableIdentifier> IdentifierOf(const TableName& table) {
  SIGNALDB_ASSIGN(Namespace levels, SplitLevels(table.levels));
  TableIdentifier identifier{.levels = std::move(levels), .name = table.name};
  SIGNALDB_TRY(CheckTableIdentifier(identifier));
  return identifier;
}

Properties AsProperties(const StringMap& map) { return {map.begin(), map.end()}; }

std::optional<std::int64_t> RowsOf(const TableMetadata& metadata) {
  const Snapshot* const snapshot = metadata.current_snapshot();
  if (snapshot == nullptr) return 0;
  const auto found = snapshot->summary.find("total-records");
  if (found == snapshot->summary.end()) return std::nullopt;
  std::int64_t rows = 0;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rows);
  if (error != std::errc{}) return std::nullopt;
  return rows;
}

Result<TableInfo> InfoOf(const LoadedTable& loaded) {
  const TableMetadata& metadata = *loaded.metadata;
  TableInfo info{.uuid = metadata.table_uuid,
                 .location = metadata.location,
                 .metadata_location = loaded.metadata_location,
                 .current_snapshot_id = metadata.current_snapshot_id,
                 .snapshots = metadata.snapshots.size(),
                 .rows = RowsOf(metadata)};
  SIGNALDB_ASSIGN(info.schema, ToArrowSchema(metadata.schema()));
  info.properties.insert(metadata.properties.begin(), metadata.properties.end());
  return info;
}

std::unexpected<Error> Exists(const TableIdentifier& table) {
  return Fail(ErrorKind::kConflict,
              fmt::format("a table or view of this name exists table={}", table.ToText()));
}

Status EnsureNamespace(Catalog& catalog, const Namespace& levels) {
  SIGNALDB_ASSIGN(const bool exists, catalog.NamespaceExists(levels));
  if (exists) return {};
  Status created = catalog.CreateNamespace(levels, {});
  // Somebody else was faster.
  if (!created.has_value() && created.error().kind == ErrorKind::kConflict) return {};
  return created;
}

}  // namespace

IcebergCatalog::IcebergCatalog(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
IcebergCatalog::~IcebergCatalog() = default;

Result<std::unique_ptr<IcebergCatalog>> IcebergCatalog::Open(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store) {
  if (object_store == nullptr) return Fail(ErrorKind::kInvalid, "the object store is null");
  SIGNALDB_TRY(CheckConfig(config));
  auto parts = std::make_unique<Parts>();
  ObjectStore::Parts& store = object_store->parts();
  parts->store = std::move(object_store);
  parts->events = std::make_shared<ProgramListener>(config.on_log, config.metrics);
  SIGNALDB_ASSIGN(parts->catalog, OpenCatalog(store, config, PoolChange::kJoin, parts->events));
  parts->cache =
      std::make_unique<MetadataCache>(*store.clock, *parts->events, MetadataCacheOptions{});
  parts->committer = std::make_unique<TableCommitter>(
      TableCommitter::Collaborators{*parts->catalog.catalog, *store.io, *store.clock, *store.random,
                                    *parts->events, *parts->cache},
      TableCommitterOptions{.retry = config.retry, .engine_version = SIGNALDB_VERSION});
  return std::make_unique<IcebergCatalog>(std::move(parts));
}

Status IcebergCatalog::CreateNamespace(std::string_view levels, const StringMap& properties) {
  SIGNALDB_ASSIGN(const Namespace split, SplitLevels(levels));
  return parts_->catalog.catalog->CreateNamespace(split, AsProperties(properties));
}

Result<std::vector<std::string>> IcebergCatalog::ListNamespaces() {
  SIGNALDB_ASSIGN(const std::vector<Namespace> all, parts_->catalog.catalog->ListNamespaces());
  std::vector<std::string> joined;
  joined.reserve(all.size());
  for (const Namespace& levels : all) joined.push_back(JoinLevels(levels));
  return joined;
}

Result<StringMap> IcebergCatalog::NamespaceProperties(std::string_view levels) {
  SIGNALDB_ASSIGN(const Namespace split, SplitLevels(levels));
  SIGNALDB_ASSIGN(const Properties found, parts_->catalog.catalog->NamespaceProperties(split));
  return StringMap(found.begin(), found.end());
}

Status IcebergCatalog::UpdateNamespaceProperties(std::string_view levels, const StringMap& set,
                                                 const std::vector<std::string>& removed) {
  SIGNALDB_ASSIGN(const Namespace split, SplitLevels(levels));
  return parts_->catalog.catalog->UpdateNamespaceProperties(split, AsProperties(set), removed);
}

Status IcebergCatalog::DropNamespace(std::string_view levels) {
  SIGNALDB_ASSIGN(const Namespace split, SplitLevels(levels));
  return parts_->catalog.catalog->DropNamespace(split);
}

Result<TableInfo> IcebergCatalog::CreateTable(const TableName& table, const TableOptions& options) {
  SIGNALDB_ASSIGN(const TableIdentifier identifier, IdentifierOf(table));
  std::string location = options.location;
  if (location.empty()) {
    location = parts_->store->warehouse();
    for (const std::string& level : identifier.levels) location += "/" + level;
    location += "/" + table.name;
    ObjectStore::Parts& with = parts_->store->parts();
    SIGNALDB_ASSIGN(location, FreeLocation(*with.io, *with.random, location));
  }
  SIGNALDB_ASSIGN(NewTable definition, MakeTable(options, location));
  definition.table_uuid = ToString(UuidV4(*parts_->store->parts().random));
  SIGNALDB_ASSIGN(const LoadedTable loaded,
                  parts_->committer->LoadOrCreate(identifier, definition));
  if (loaded.metadata->table_uuid != definition.table_uuid) return Exists(identifier);
  return InfoOf(loaded);
}

Result<std::vector<TableName>> IcebergCatalog::ListTables(std::string_view levels) {
  SIGNALDB_ASSIGN(const Namespace split, SplitLevels(levels));
  SIGNALDB_ASSIGN(const auto tables, parts_->catalog.catalog->ListTables(split));
  std::vector<TableName> names;
  names.reserve(tables.size());
  for (const TableIdentifier& table : tables) {
    names.push_back({.levels = std::string(levels), .name = table.name});
  }
  return names;
}

Result<TableInfo> IcebergCatalog::LoadTable(const TableName& table) {
  SIGNALDB_ASSIGN(const TableIdentifier identifier, IdentifierOf(table));
  SIGNALDB_ASSIGN(const LoadedTable loaded, parts_->committer->Load(identifier));
  return InfoOf(loaded);
}

Status IcebergCatalog::SetTableProperties(const TableName& table, const StringMap& properties,
                                          const std::vector<std::string>& removed) {
  SIGNALDB_ASSIGN(TableIdentifier identifier, IdentifierOf(table));
  TableChange change;
  change.table = std::move(identifier);
  change.on_base = [wanted = AsProperties(properties)](const TableMetadata&) -> Result<Properties> {
    return wanted;
  };
  change.removed_properties = removed;
  std::vector<TableChange> changes;
  changes.push_back(std::move(change));
  ObjectStore::Parts& with = parts_->store->parts();
  SIGNALDB_TRY(parts_->committer->Commit(ToString(UuidV7(*with.clock, *with.random)),
                                         std::move(changes), {}));
  ++with.table_changes;
  return {};
}

Status IcebergCatalog::RenameTable(const TableName& from, const TableName& to) {
  SIGNALDB_ASSIGN(const TableIdentifier old_name, IdentifierOf(from));
  SIGNALDB_ASSIGN(const TableIdentifier new_name, IdentifierOf(to));
  SIGNALDB_TRY(parts_->catalog.catalog->RenameTable(old_name, new_name));
  parts_->cache->ForgetTable(old_name);
  ++parts_->store->parts().table_changes;
  return {};
}

Result<TableInfo> IcebergCatalog::RegisterTable(const TableName& table,
                                                const std::string& metadata_location) {
  SIGNALDB_ASSIGN(const TableIdentifier identifier, IdentifierOf(table));
  Catalog& catalog = *parts_->catalog.catalog;
  FileIo& io = *parts_->store->parts().io;
  LoadedTable loaded{.table = identifier, .metadata_location = metadata_location, .metadata = {}};
  SIGNALDB_ASSIGN(loaded.metadata, parts_->cache->Metadata(io, metadata_location));
  SIGNALDB_TRY(EnsureNamespace(catalog, identifier.levels));
  const PointerUpdate update{
      .table = identifier, .expected = std::nullopt, .next = metadata_location};
  const Status registered = catalog.Commit({&update, 1});
  if (registered.has_value()) return InfoOf(loaded);
  if (registered.error().kind == ErrorKind::kConflict) return Exists(identifier);
  if (registered.error().kind != ErrorKind::kUnknownOutcome) {
    return std::unexpected(registered.error());
  }
  // Whoever made the pointer show this file: it is what was asked for.
  const Result<std::string> now = catalog.MetadataLocation(identifier);
  if (now.has_value() && *now == metadata_location) return InfoOf(loaded);
  return std::unexpected(registered.error());
}

Status IcebergCatalog::DropTable(const TableName& table) {
  SIGNALDB_ASSIGN(const TableIdentifier identifier, IdentifierOf(table));
  SIGNALDB_TRY(parts_->catalog.catalog->DropTable(identifier));
  parts_->cache->ForgetTable(identifier);
  ++parts_->store->parts().table_changes;
  return {};
}

Result<PurgeReport> IcebergCatalog::PurgeTable(const TableName& table) {
  SIGNALDB_ASSIGN(const TableIdentifier identifier, IdentifierOf(table));
  return signaldb::PurgeTable(*parts_, identifier);
}

}  // namespace signaldb

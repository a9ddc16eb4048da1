#include "service/storage.h"

#include <chrono>
#include <string>
#include <utility>

#include "adapters/local/local_file_io.h"
#include "adapters/memory/memory_catalog.h"
#include "adapters/memory/memory_file_io.h"
#include "adapters/object_store/s3_dsn.h"
#include "adapters/object_store/s3_file_io.h"
#include "adapters/postgres/postgres_catalog.h"
#include "adapters/postgres/postgres_uri.h"
#include "adapters/sqlite/sqlite_catalog.h"
#include "service/locations.h"
#include "service/version.h"

namespace signaldb {

namespace {

constexpr std::string_view kModule = "service";

/// The folder of the journals; empty: none is kept.
Result<std::string> JournalsOf(const ServiceConfiguration& values) {
  const bool durable = values.schema.catalog_type == CatalogType::kSql &&
                       values.schema.sqlite_path != ":memory:" &&
                       !values.storage.warehouse.starts_with("memory://");
  if (!durable) return std::string();
  // A journal is of this machine: beside the tables if these are, else beside the log.
  std::string root = values.log.dir;
  if (!IsS3Dsn(values.storage.warehouse)) {
    SIGNALDB_ASSIGN(root, PathOfFileLocation(values.storage.warehouse));
  }
  std::string key = SqliteCatalogKey(values.schema.sqlite_path, values.schema.catalog_name);
  if (values.schema.sqlite_path.empty()) {
    SIGNALDB_ASSIGN(const PostgresTarget target, ParsePostgresUri(values.schema.catalog_uri));
    key = PostgresCatalogKey(target, values.schema.catalog_name);
  }
  return JournalFolder(root, key);
}

void RemoveLeftovers(const std::string& journals, FileSystem& files, EventListener& events,
                     Storage& storage) {
  const Status recovered =
      RecoverFilesInFlight(files, events, journals, *storage.committer, *storage.io, {});
  if (recovered.has_value()) return;
  // They only take space; what keeps us from removing them stops commits more loudly.
  events.Log({.severity = Severity::kWarning,
              .module = kModule,
              .message = "files that a crash left are still there; the next start "
                         "looks again",
              .fields = {{"error", recovered.error().message}}});
}

}  // namespace

Result<Storage> OpenStorage(const ServiceConfiguration& values, FileSystem& files, Clock& clock,
                            Random& random, EventListener& events) {
  Storage storage;
  if (values.storage.warehouse.starts_with("memory://")) {
    storage.io = std::make_unique<MemoryFileIo>();
  } else if (IsS3Dsn(values.storage.warehouse)) {
    SIGNALDB_ASSIGN(storage.io,
                    S3FileIo::Make({.endpoint = values.storage.endpoint,
                                    .region = values.storage.region,
                                    .path_style = values.storage.path_style,
                                    .access_key_id = values.storage.access_key_id,
                                    .secret_access_key = values.storage.secret_access_key}));
  } else {
    SIGNALDB_ASSIGN(const std::string root, PathOfFileLocation(values.storage.warehouse));
    SIGNALDB_TRY(files.MakeDirs(root));
    storage.io = std::make_unique<LocalFileIo>(files, random, root);
  }
  if (values.schema.catalog_type == CatalogType::kMemory) {
    storage.catalog = std::make_unique<MemoryCatalog>();
  } else if (values.schema.sqlite_path.empty()) {
    const ServiceConfiguration::CatalogPool& pool = values.catalog_pool;
    SIGNALDB_ASSIGN(storage.catalog,
                    PostgresCatalog::Open(
                        values.schema.catalog_uri,
                        {.catalog_name = values.schema.catalog_name,
                         .pool = {.min_connections = static_cast<std::size_t>(pool.min_connections),
                                  .max_connections = static_cast<std::size_t>(pool.max_connections),
                                  .acquire_timeout = pool.connection_timeout,
                                  .idle_timeout = pool.idle_timeout,
                                  .max_lifetime = pool.max_lifetime}},
                        clock, events));
  } else {
    const std::string& path = values.schema.sqlite_path;
    if (path != ":memory:") SIGNALDB_TRY(files.MakeDirs(ParentDir(path)));
    SIGNALDB_ASSIGN(storage.catalog,
                    SqliteCatalog::Open(path == ":memory:" ? "sqlite::memory:" : "sqlite://" + path,
                                        {.catalog_name = values.schema.catalog_name,
                                         .busy_timeout = values.catalog_pool.connection_timeout}));
  }
  storage.cache = std::make_unique<MetadataCache>(
      clock, events,
      MetadataCacheOptions{.read_ttl = values.batch.enable_catalog_caching
                                           ? values.batch.catalog_cache_ttl
                                           : std::chrono::milliseconds(0)});
  SIGNALDB_ASSIGN(const std::string journals, JournalsOf(values));
  if (!journals.empty()) {
    SIGNALDB_ASSIGN(storage.in_flight, FilesInFlight::Open(files, random, events, journals));
  }
  storage.committer = std::make_unique<TableCommitter>(
      TableCommitter::Collaborators{*storage.catalog, *storage.io, clock, random, events,
                                    *storage.cache, storage.in_flight.get()},
      TableCommitterOptions{.retry = values.retry, .engine_version = std::string(Version())});
  if (!journals.empty()) RemoveLeftovers(journals, files, events, storage);
  return storage;
}

FileOptions FilesOf(const ServiceConfiguration& values) {
  return {.max_rows_per_batch = values.batch.max_rows_per_batch,
          .max_memory_per_batch_bytes = values.batch.max_memory_per_batch_bytes,
          .enable_auto_split = values.batch.enable_auto_split,
          .target_concurrent_batches = values.batch.target_concurrent_batches};
}

TelemetryTableOptions TablesOf(const ServiceConfiguration& values) {
  return {.warehouse = values.storage.warehouse,
          .properties = {{"write.metadata.previous-versions-max",
                          std::to_string(values.commit.metadata_previous_versions_max)}}};
}

DecodeOptions DecodingOf(const ServiceConfiguration& values) {
  const ServiceConfiguration::IngestLimits& limits = values.ingest;
  return {.timestamp_min = limits.timestamp_min,
          .timestamp_future_max = limits.timestamp_future_max,
          .records_max = limits.records_max,
          .depth_max = limits.depth_max,
          .attributes_max = limits.attributes_max};
}

}  // namespace signaldb

#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "adapters/memory/memory_catalog.h"
#include "adapters/postgres/postgres_catalog.h"
#include "adapters/postgres/postgres_uri.h"
#include "adapters/sqlite/sqlite_catalog.h"
#include "library/store_parts.h"
#include "writer/files_in_flight.h"

namespace signaldb {

namespace {

constexpr std::string_view kSqliteMemory = ":memory:";

ConnectionPoolOptions PoolOptions(const CatalogPoolConfig& config) {
  return {.min_connections = static_cast<std::size_t>(config.min_connections),
          .max_connections = static_cast<std::size_t>(config.max_connections),
          .acquire_timeout = std::chrono::milliseconds(config.connection_timeout_ms),
          .idle_timeout = std::chrono::seconds(config.idle_timeout_seconds),
          .max_lifetime = std::chrono::seconds(config.max_lifetime_seconds)};
}

Result<std::unique_ptr<Catalog>> OpenSqlite(ObjectStore::Parts& store, const std::string& path,
                                            const std::string& name,
                                            const CatalogPoolConfig& pool) {
  if (path != kSqliteMemory) SIGNALDB_TRY(store.files->MakeDirs(ParentDir(path)));
  return SqliteCatalog::Open(
      path == kSqliteMemory ? "sqlite::memory:" : "sqlite://" + path,
      {.catalog_name = name,
       .busy_timeout = std::chrono::milliseconds(pool.connection_timeout_ms)});
}

Result<OpenedCatalog> OpenPostgres(ObjectStore::Parts& store, const Configuration& config,
                                   PoolChange change,
                                   const std::shared_ptr<ProgramListener>& events) {
  const Configuration::Schema& schema = config.schema;
  SIGNALDB_ASSIGN(const PostgresTarget target, ParsePostgresUri(schema.catalog_uri));
  OpenedCatalog opened;
  opened.key = PostgresCatalogKey(target, schema.catalog_name);
  opened.life = CatalogLife::kDurable;
  const std::scoped_lock lock(store.mutex);
  // By the whole URI: another password may lead to other rights.
  std::weak_ptr<SharedPostgres>& known =
      store.postgres[fmt::format("{} {}", schema.catalog_uri, schema.catalog_name)];
  opened.postgres = known.lock();
  if (opened.postgres != nullptr) {
    opened.seat = SharedListener::Seat(opened.postgres->events, events);
    if (change == PoolChange::kSet) SIGNALDB_TRY(SetPool(*opened.postgres, config.catalog_pool));
  } else {
    opened.postgres = std::make_shared<SharedPostgres>();
    opened.seat = SharedListener::Seat(opened.postgres->events, events);
    SIGNALDB_ASSIGN(opened.postgres->catalog,
                    PostgresCatalog::Open(schema.catalog_uri,
                                          {.catalog_name = schema.catalog_name,
                                           .pool = PoolOptions(config.catalog_pool)},
                                          *store.clock, *opened.postgres->events));
    known = opened.postgres;
  }
  opened.catalog = {opened.postgres, opened.postgres->catalog.get()};
  return opened;
}

}  // namespace

SharedPostgres::SharedPostgres() = default;
SharedPostgres::~SharedPostgres() = default;

namespace {

Result<OpenedCatalog> OpenCatalogOfType(ObjectStore::Parts& store, const Configuration& config,
                                        PoolChange change,
                                        const std::shared_ptr<ProgramListener>& events) {
  const Configuration::Schema& schema = config.schema;
  const bool memory = schema.catalog_type == "memory";
  if (!memory && schema.catalog_type != "sql") {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a catalog type is \"sql\" or \"memory\" catalog_type={}",
                            schema.catalog_type));
  }
  if (!memory && IsPostgresUri(schema.catalog_uri)) {
    return OpenPostgres(store, config, change, events);
  }
  if (!memory && !schema.catalog_uri.starts_with("sqlite:")) {
    // Not repeated: a password may be in it.
    return Fail(ErrorKind::kInvalid,
                "a catalog uri is \"sqlite:///absolute/path.db\", \"sqlite::memory:\" or "
                "\"postgres://user:password@host:5432/database\"");
  }
  std::string path(kSqliteMemory);
  if (!memory) {
    SIGNALDB_ASSIGN(path, PathOfSqliteUri(schema.catalog_uri));
    if (path != kSqliteMemory) path = std::filesystem::absolute(path).lexically_normal().string();
  }
  OpenedCatalog opened;
  opened.key =
      memory ? "memory:" + schema.catalog_name : SqliteCatalogKey(path, schema.catalog_name);
  const std::scoped_lock lock(store.mutex);
  if (path == kSqliteMemory) {
    std::shared_ptr<Catalog>& known = store.memory_catalogs[opened.key];
    if (known == nullptr && memory) known = std::make_shared<MemoryCatalog>();
    if (known == nullptr) {
      SIGNALDB_ASSIGN(known, OpenSqlite(store, path, schema.catalog_name, config.catalog_pool));
    }
    opened.catalog = known;
    return opened;
  }
  opened.life = CatalogLife::kDurable;
  std::weak_ptr<Catalog>& known = store.catalogs[fmt::format(
      "{} timeout={}", opened.key, config.catalog_pool.connection_timeout_ms)];
  opened.catalog = known.lock();
  if (opened.catalog == nullptr) {
    SIGNALDB_ASSIGN(opened.catalog,
                    OpenSqlite(store, path, schema.catalog_name, config.catalog_pool));
    known = opened.catalog;
  }
  return opened;
}

}  // namespace

Result<OpenedCatalog> OpenCatalog(ObjectStore::Parts& store, const Configuration& config,
                                  PoolChange change,
                                  const std::shared_ptr<ProgramListener>& events) {
  SIGNALDB_ASSIGN(OpenedCatalog opened, OpenCatalogOfType(store, config, change, events));
  if (opened.life == CatalogLife::kDurable && store.warehouse.starts_with("memory:")) {
    events->Log({.severity = Severity::kWarning,
                 .module = "library",
                 .message = "the catalog outlives the process and the files of its tables do not: "
                            "they cannot be read after it ends; use a catalog in memory, or a "
                            "store on disk",
                 .fields = {{"catalog_name", config.schema.catalog_name}}});
  }
  return opened;
}

Status SetPool(SharedPostgres& postgres, const CatalogPoolConfig& config) {
  return postgres.catalog->pool().SetOptions(PoolOptions(config));
}

CatalogPoolConfig PoolConfigOf(const SharedPostgres& postgres) {
  const ConnectionPoolOptions options = postgres.catalog->pool().options();
  return {.min_connections = static_cast<int>(options.min_connections),
          .max_connections = static_cast<int>(options.max_connections),
          .connection_timeout_ms = options.acquire_timeout / std::chrono::milliseconds(1),
          .idle_timeout_seconds = options.idle_timeout / std::chrono::seconds(1),
          .max_lifetime_seconds = options.max_lifetime / std::chrono::seconds(1)};
}

}  // namespace signaldb

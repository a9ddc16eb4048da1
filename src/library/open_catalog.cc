#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "adapters/memory/memory_catalog.h"
#include "adapters/sqlite/sqlite_catalog.h"
#include "library/store_parts.h"
#include "writer/files_in_flight.h"

namespace signaldb {

namespace {

constexpr std::string_view kSqliteMemory = ":memory:";

Result<std::unique_ptr<Catalog>> OpenSqlite(ObjectStore::Parts& store, const std::string& path,
                                            const std::string& name,
                                            const CatalogPoolConfig& pool) {
  if (path != kSqliteMemory) SIGNALDB_TRY(store.files->MakeDirs(ParentDir(path)));
  return SqliteCatalog::Open(
      path == kSqliteMemory ? "sqlite::memory:" : "sqlite://" + path,
      {.catalog_name = name,
       .busy_timeout = std::chrono::milliseconds(pool.connection_timeout_ms)});
}

}  // namespace

Result<OpenedCatalog> OpenCatalog(ObjectStore::Parts& store, const Configuration::Schema& schema,
                                  const CatalogPoolConfig& pool) {
  const bool memory = schema.catalog_type == "memory";
  if (!memory && schema.catalog_type != "sql") {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a catalog type is \"sql\" or \"memory\" catalog_type={}",
                            schema.catalog_type));
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
      SIGNALDB_ASSIGN(known, OpenSqlite(store, path, schema.catalog_name, pool));
    }
    opened.catalog = known;
    return opened;
  }
  opened.life = CatalogLife::kDurable;
  std::weak_ptr<Catalog>& known =
      store.catalogs[fmt::format("{} timeout={}", opened.key, pool.connection_timeout_ms)];
  opened.catalog = known.lock();
  if (opened.catalog == nullptr) {
    SIGNALDB_ASSIGN(opened.catalog, OpenSqlite(store, path, schema.catalog_name, pool));
    known = opened.catalog;
  }
  return opened;
}

}  // namespace signaldb

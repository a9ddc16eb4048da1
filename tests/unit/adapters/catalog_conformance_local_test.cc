#include "adapters/memory/memory_catalog.h"
#include "adapters/sqlite/sqlite_catalog.h"
#include "catalog_conformance.h"

namespace signaldb::testing {
namespace {

std::shared_ptr<Catalog> OpenSqlite(const std::string& uri) {
  Result<std::unique_ptr<SqliteCatalog>> catalog = SqliteCatalog::Open(uri, {});
  EXPECT_THAT(catalog, IsOk());
  return catalog.has_value() ? std::move(*catalog) : nullptr;
}

const CatalogBackend kMemory = {
    .name = "Memory", .open = [](const std::string&) { return std::make_shared<MemoryCatalog>(); }};
const CatalogBackend kSqliteFile = {
    .name = "SqliteFile",
    .open = [](const std::string& folder) { return OpenSqlite("sqlite://" + folder + "/c.db"); },
    .handles = CatalogBackend::Handles::kMany};
const CatalogBackend kSqliteMemory = {.name = "SqliteMemory", .open = [](const std::string&) {
                                        return OpenSqlite("sqlite::memory:");
                                      }};

INSTANTIATE_TEST_SUITE_P(, CatalogConformance,
                         ::testing::Values(kMemory, kSqliteFile, kSqliteMemory),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace signaldb::testing

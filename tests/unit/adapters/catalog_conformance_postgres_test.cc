#include "adapters/postgres/postgres_catalog.h"
#include "catalog_conformance.h"
#include "testing/postgres_server.h"

namespace signaldb::testing {
namespace {

/// A server of the process, and as its catalog name the folder: every test has a catalog of its own
/// among the rows of all others.
std::shared_ptr<Catalog> OpenPostgres(const std::string& folder) {
  static SystemClock clock;
  static NullEventListener events;
  Result<std::unique_ptr<PostgresCatalog>> catalog = PostgresCatalog::Open(
      (*PostgresServer::OfThisProcess())->Uri(),
      {.catalog_name = folder, .pool = {.max_connections = 4}}, clock, events);
  EXPECT_THAT(catalog, IsOk());
  return catalog.has_value() ? std::move(*catalog) : nullptr;
}

std::string WhyNoPostgres() {
  const auto& server = PostgresServer::OfThisProcess();
  return server.has_value() ? "" : server.error().message;
}

const CatalogBackend kPostgres = {.name = "Postgres",
                                  .open = &OpenPostgres,
                                  .handles = CatalogBackend::Handles::kMany,
                                  .missing = &WhyNoPostgres};

INSTANTIATE_TEST_SUITE_P(, CatalogConformance, ::testing::Values(kPostgres),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace signaldb::testing

#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "signaldb/iceberg_catalog.h"
#include "suites/writer_world.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace signaldb::testing {

/// The library on real files and a catalog of the test's choice, as a program uses it.
class LibraryWorld {
 public:
  /// `catalog`: "memory", "sqlite" or "postgres". Nothing works if `why_not` says why.
  explicit LibraryWorld(const std::string& catalog) {
    config.on_log = [this](const std::string& line) {
      const std::scoped_lock lock(mutex_);
      lines_.push_back(line);
    };
    totals = std::make_shared<MetricTotals>();
    config.metrics = totals;
    if (catalog == "memory") config.schema.catalog_type = "memory";
    if (catalog == "sqlite") config.schema.catalog_uri = "sqlite://" + (dir / "catalog.db");
    if (catalog == "postgres") UsePostgres();
    store = OpenStore();
  }

  [[nodiscard]] std::shared_ptr<ObjectStore> OpenStore() {
    return ObjectStore::Open("file://" + (dir / "tables")).value_or(nullptr);
  }

  [[nodiscard]] std::unique_ptr<IcebergTableWriter> OpenWriter(
      const std::string& table = "events") {
    TableOptions options;
    options.schema = EventSchema();
    auto writer = CreateIcebergWriterForTable(config, store, "acme", "prod", table, options);
    EXPECT_THAT(writer, IsOk());
    return writer.has_value() ? *std::move(writer) : nullptr;
  }

  [[nodiscard]] std::unique_ptr<IcebergCatalog> OpenCatalog() {
    auto catalog = IcebergCatalog::Open(config, store);
    EXPECT_THAT(catalog, IsOk());
    return catalog.has_value() ? *std::move(catalog) : nullptr;
  }

  /// Files of all tables, whoever names them.
  [[nodiscard]] std::vector<std::string> Files() {
    return store->List().value_or(std::vector<std::string>{});
  }

  [[nodiscard]] std::vector<std::string> lines() const {
    const std::scoped_lock lock(mutex_);
    return lines_;
  }

  TempDir dir;
  Configuration config;
  std::shared_ptr<MetricTotals> totals;
  std::shared_ptr<ObjectStore> store;
  PostgresServer* server = nullptr;
  std::string database;
  std::string why_not;

 private:
  void UsePostgres() {
    const auto& started = PostgresServer::OfThisProcess();
    if (!started.has_value()) {
      why_not = started.error().message;
      return;
    }
    server = started->get();
    database = server->NewDatabase();
    config.schema.catalog_uri = server->Uri(database);
  }

  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

}  // namespace signaldb::testing

// A writer configured by its environment, what it tells in numbers, and its tables from the
// outside. Runs on whatever SIGNALDB_SCHEMA_CATALOG_URI and SIGNALDB_STORAGE_DSN name; in memory
// without.

#include <cstdio>
#include <memory>

#include <arrow/api.h>

#include "gauge_batch.h"
#include "signaldb/iceberg_catalog.h"
#include "signaldb/iceberg_table_writer.h"

signaldb::Status Run() {
  // snippet: environment
  SIGNALDB_ASSIGN(signaldb::Configuration config, signaldb::Configuration::FromEnvironment());
  SIGNALDB_ASSIGN(const auto object_store, signaldb::ObjectStore::Open(config.storage));
  // end of snippet

  // snippet: memory
  config.memory.limit_bytes = 256 << 20;
  config.memory.when_exhausted = signaldb::MemoryConfig::WhenExhausted::kFail;
  // end of snippet

  // snippet: metrics
  const auto totals = std::make_shared<signaldb::MetricTotals>();
  config.metrics = totals;
  // end of snippet

  SIGNALDB_ASSIGN(const auto writer,
                  signaldb::CreateIcebergWriter(config, object_store, "my_tenant", "my_dataset",
                                                "metrics_gauge"));
  SIGNALDB_TRY(writer->WriteBatch(MakeGaugeBatch(1'000)));

  // snippet: export
  for (const signaldb::MetricSample& sample : totals->Snapshot()) {
    std::printf("%s", sample.name.c_str());
    for (const auto& [name, value] : sample.labels) {
      std::printf(" %s=%s", name.c_str(), value.c_str());
    }
    if (sample.kind == signaldb::MetricSample::Kind::kHistogram) {
      std::printf(" count=%llu sum=%g\n", static_cast<unsigned long long>(sample.count),
                  sample.value);
    } else {
      std::printf(" %g\n", sample.value);
    }
  }
  // end of snippet

  // snippet: catalog
  SIGNALDB_ASSIGN(const auto catalog, signaldb::IcebergCatalog::Open(config, object_store));
  SIGNALDB_ASSIGN(const auto tables, catalog->ListTables("my_tenant.my_dataset"));
  for (const signaldb::TableName& table : tables) {
    SIGNALDB_ASSIGN(const signaldb::TableInfo info, catalog->LoadTable(table));
    std::printf("%s.%s: %lld rows under %s\n", table.levels.c_str(), table.name.c_str(),
                static_cast<long long>(info.rows.value_or(0)), info.location.c_str());
  }
  SIGNALDB_ASSIGN(const signaldb::PurgeReport purged,
                  catalog->PurgeTable({"my_tenant.my_dataset", "metrics_gauge"}));
  // end of snippet
  std::printf("purged %llu data files\n", static_cast<unsigned long long>(purged.data_files));
  return {};
}

int main() {
  const signaldb::Status status = Run();
  if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  signaldb::ObjectStore::EndProcess();
  return status.has_value() ? 0 : 1;
}

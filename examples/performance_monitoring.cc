// What a writer tells about its cache and configuration.

#include <cstdio>
#include <memory>

#include <arrow/api.h>

#include "gauge_batch.h"
#include "signaldb/iceberg_table_writer.h"

signaldb::Status Run() {
  const auto object_store = std::make_shared<signaldb::InMemory>();
  SIGNALDB_ASSIGN(const auto writer,
                  signaldb::CreateIcebergWriter(signaldb::Configuration(), object_store,
                                                "my_tenant", "my_dataset", "metrics_gauge"));
  SIGNALDB_TRY(writer->WriteBatch(MakeGaugeBatch(1'000)));

  // snippet: cache
  // Check catalog cache status
  if (const auto info = writer->CatalogCacheInfo()) {
    const auto& [age_seconds, is_expired] = *info;
    std::printf("Catalog cache age: %llus, expired: %s\n",
                static_cast<unsigned long long>(age_seconds), is_expired ? "true" : "false");
  }

  // Get current configuration
  const signaldb::BatchOptimizationConfig& batch_config = writer->batch_config();
  std::printf("Max rows per batch: %lld\n",
              static_cast<long long>(batch_config.max_rows_per_batch));
  std::printf("Catalog caching: %s\n", batch_config.enable_catalog_caching ? "true" : "false");

  const signaldb::CatalogPoolConfig& pool_config = writer->pool_config();
  std::printf("Max connections: %d\n", pool_config.max_connections);

  // Clear cache if needed
  writer->ClearCatalogCache();
  // end of snippet
  return {};
}

int main() {
  const signaldb::Status status = Run();
  if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status.has_value() ? 0 : 1;
}

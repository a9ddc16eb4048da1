// A writer on files that stay, with its own pool, batch and retry configuration.

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include <arrow/api.h>

#include "gauge_batch.h"
#include "signaldb/iceberg_table_writer.h"

signaldb::Status Run(const std::string& folder) {
  signaldb::Configuration config;
  config.schema.catalog_uri = "sqlite://" + folder + "/catalog.db";
  SIGNALDB_ASSIGN(const auto object_store,
                  signaldb::ObjectStore::Open("file://" + folder + "/tables"));

  // snippet: pool
  // Configure connection pooling
  const signaldb::CatalogPoolConfig pool_config = {
      .min_connections = 5,
      .max_connections = 20,
      .connection_timeout_ms = 3'000,
      .idle_timeout_seconds = 600,
      .max_lifetime_seconds = 3'600,
  };

  // Create writer with custom pool
  SIGNALDB_ASSIGN(const auto writer, signaldb::CreateIcebergWriterWithPool(
                                         config, object_store, "my_tenant", "my_dataset",
                                         "metrics_gauge", pool_config));
  // end of snippet

  // snippet: tuning
  // Configure batch optimization
  const signaldb::BatchOptimizationConfig batch_config = {
      .max_rows_per_batch = 100'000,                    // Larger batches
      .max_memory_per_batch_bytes = 256 * 1024 * 1024,  // 256MB
      .enable_auto_split = true,
      .target_concurrent_batches = 8,  // More concurrency
      .enable_catalog_caching = true,
      .catalog_cache_ttl_seconds = 600,  // 10 minute cache
  };
  SIGNALDB_TRY(writer->SetBatchConfig(batch_config));

  // Configure retry behavior
  const signaldb::RetryConfig retry_config = {
      .max_attempts = 5,
      .initial_delay = std::chrono::milliseconds(200),
      .max_delay = std::chrono::seconds(10),
      .backoff_multiplier = 2.5,
  };
  SIGNALDB_TRY(writer->SetRetryConfig(retry_config));
  // end of snippet

  SIGNALDB_TRY(writer->WriteBatch(MakeGaugeBatch(250'000)));
  std::printf("wrote 250000 rows to %s under %s\n", writer->table_name().c_str(), folder.c_str());
  return {};
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s /absolute/folder\n", argv[0]);
    return 2;
  }
  const signaldb::Status status = Run(argv[1]);
  if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status.has_value() ? 0 : 1;
}

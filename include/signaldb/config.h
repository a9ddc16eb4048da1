#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "signaldb/retry_config.h"

namespace signaldb {

/// How batches are split, encoded and looked up. Smaller batches cost less memory and more files'
/// row groups; the defaults suit telemetry on machines with a few GiB.
struct BatchOptimizationConfig {
  std::int64_t max_rows_per_batch = 50'000;  ///< Rows sorted and encoded at once: a row group.
  /// The same in bytes of Arrow memory. A single row above it is written alone.
  std::int64_t max_memory_per_batch_bytes = std::int64_t{128} << 20;
  bool enable_auto_split = true;  ///< Off: one row group a batch and partition, whatever its size.
  int target_concurrent_batches = 4;   ///< Slices encoded and stored at the same time, at most.
  bool enable_catalog_caching = true;  ///< Off: every write reads the table's pointer anew.
  /// How old a table may be that a batch is written for. Commits never rest on the cache: a table
  /// that changed meanwhile is noticed when the transaction commits.
  std::int64_t catalog_cache_ttl_seconds = 300;

  friend bool operator==(const BatchOptimizationConfig&, const BatchOptimizationConfig&) = default;
};

/// Connections to the SQL catalog. SQLite has one connection and one writer at a time: there only
/// `connection_timeout_ms` counts, as the wait for another process's lock.
struct CatalogPoolConfig {
  int min_connections = 2;
  int max_connections = 10;
  std::int64_t connection_timeout_ms = 5'000;
  std::int64_t idle_timeout_seconds = 300;
  std::int64_t max_lifetime_seconds = 1'800;

  friend bool operator==(const CatalogPoolConfig&, const CatalogPoolConfig&) = default;
};

/// What a writer is made from, beside the object store. The default keeps the catalog in memory.
struct Configuration {
  struct Schema {
    std::string catalog_type = "sql";             ///< "sql" or "memory".
    std::string catalog_uri = "sqlite::memory:";  ///< Or "sqlite:///absolute/path.db".
    std::string catalog_name = "signaldb";        ///< Other tools must use the same one.
  } schema;
  BatchOptimizationConfig batch;
  CatalogPoolConfig catalog_pool;
  RetryConfig retry;
  /// After this a transaction is rolled back by the next call that touches it.
  std::chrono::milliseconds transaction_timeout{3'600'000};
  /// Gets every log line, as `level=info module=writer message="..." transaction_id=...`, without a
  /// line end. Called from any thread, one call at a time. Empty: no log.
  std::function<void(const std::string& line)> on_log;
};

}  // namespace signaldb

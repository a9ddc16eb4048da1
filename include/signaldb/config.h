#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "signaldb/metrics.h"
#include "signaldb/object_store.h"
#include "signaldb/result.h"
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

/// Connections to a PostgreSQL catalog. SQLite has one connection and one writer at a time: there
/// only `connection_timeout_ms` counts, as the wait for another process's lock.
///
/// All writers of one object store and one catalog share a pool. The first of them makes it as its
/// configuration says; CreateIcebergWriterWithPool and SetPoolConfig change it for all.
struct CatalogPoolConfig {
  int min_connections = 2;                     ///< Kept open, also when nobody needs them.
  int max_connections = 10;                    ///< Never more; who finds none free waits its turn.
  std::int64_t connection_timeout_ms = 5'000;  ///< How long to wait for one, opening included.
  std::int64_t idle_timeout_seconds = 300;     ///< Unused as long: closed, down to the minimum.
  std::int64_t max_lifetime_seconds = 1'800;   ///< Older ones are closed when not in use.

  friend bool operator==(const CatalogPoolConfig&, const CatalogPoolConfig&) = default;
};

/// Room for the slices that are being sorted out, encoded and stored: that of
/// `target_concurrent_batches` slices of each writer. Batches that a program holds do not count.
///
/// The slices of all writers of one object store are added up, and each writer keeps the sum within
/// its own limit. Slices are made no larger than the limit, as far as `enable_auto_split` and
/// single rows allow it.
struct MemoryConfig {
  enum class WhenExhausted : std::uint8_t {
    kWait,  ///< For other slices to be done, up to `wait_timeout`; then as kFail.
    kFail,  ///< The write fails at once with kUnavailable, and nothing of the batch is left.
  };

  std::int64_t limit_bytes = 0;  ///< Of Arrow memory; 0: no limit.
  WhenExhausted when_exhausted = WhenExhausted::kWait;
  std::chrono::milliseconds wait_timeout{30'000};

  friend bool operator==(const MemoryConfig&, const MemoryConfig&) = default;
};

/// What a writer is made from, beside the object store. The default keeps the catalog in memory.
struct Configuration {
  struct Schema {
    std::string catalog_type = "sql";  ///< "sql" or "memory".
    /// Or "sqlite:///absolute/path.db", or "postgres://user:password@host:5432/database" with
    /// special characters percent-encoded and options of libpq, such as "?sslmode=verify-full".
    std::string catalog_uri = "sqlite::memory:";
    std::string catalog_name = "signaldb";  ///< Other tools must use the same one.
  } schema;
  StorageConfig storage;  ///< For ObjectStore::Open, which the program calls.
  BatchOptimizationConfig batch;
  MemoryConfig memory;
  CatalogPoolConfig catalog_pool;
  RetryConfig retry;
  /// After this a transaction is rolled back by the next call that touches it.
  std::chrono::milliseconds transaction_timeout{3'600'000};
  /// Gets every log line, as `level=info module=writer message="..." transaction_id=...`, without a
  /// line end. Called from any thread, one call at a time. Empty: no log.
  std::function<void(const std::string& line)> on_log;
  /// Gets every metric. Null: none are kept. Writers may share one.
  std::shared_ptr<MetricListener> metrics;

  /// The defaults, changed by environment variables: SIGNALDB_SCHEMA_CATALOG_TYPE,
  /// SIGNALDB_SCHEMA_CATALOG_URI, SIGNALDB_STORAGE_DSN, and for every field here
  /// SIGNALDB__SECTION__FIELD, which is stronger: SIGNALDB__RETRY__MAX_DELAY=10s,
  /// SIGNALDB__MEMORY__LIMIT_BYTES=256MiB, SIGNALDB__MEMORY__WHEN_EXHAUSTED=fail. With _FILE behind
  /// it, the value is the path of a file that has it, of 64 KiB at most, as secrets are mounted:
  /// SIGNALDB__SCHEMA__CATALOG_URI_FILE=/run/secrets/catalog. A line end there is no part of it.
  /// `environment` is a list as `environ` is; null: that of the process.
  ///
  /// Errors: kInvalid (a value that cannot be; a file that cannot be read; a variable beside its
  /// _FILE; a SIGNALDB__ variable that the library does not have, those of the service among them;
  /// names it).
  [[nodiscard]] static Result<Configuration> FromEnvironment(
      const char* const* environment = nullptr);
};

}  // namespace signaldb

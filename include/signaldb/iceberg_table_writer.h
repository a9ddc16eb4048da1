#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "signaldb/config.h"
#include "signaldb/object_store.h"
#include "signaldb/result.h"
#include "signaldb/row_filter.h"
#include "signaldb/table_options.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace signaldb {

/// What deleting or overwriting rows did.
struct EditCounts {
  std::int64_t rows_deleted = 0;
  std::int64_t rows_added = 0;
  std::int64_t files_removed = 0;    ///< Those rewritten are among them.
  std::int64_t files_rewritten = 0;  ///< Some of their rows stay, in new files.
};

/// Writes Arrow batches to one Iceberg table, in transactions.
///
///   auto writer = CreateIcebergWriter(config, store, "my_tenant", "my_dataset", "metrics_gauge");
///   auto id = (*writer)->BeginTransaction();
///   (*writer)->WriteBatch(batch);               // data files now, visible to nobody
///   (*writer)->CommitTransaction(*id);          // one snapshot, all or nothing
///
/// Batches: columns are found by name, in any order. Optional columns may be missing; whole
/// numbers, floats, decimals and times are widened to the table's type without loss. Strings may be
/// plain, large, views or dictionaries. Anything else is refused with the column named.
///
/// Rows become Parquet files while the transaction is open, so memory stays bounded however long it
/// lasts. Batches are split by rows and bytes (BatchOptimizationConfig) into row groups.
///
/// Rolled back, dropped, failed: no snapshot and no file is left. After a crash, the next writer of
/// the same store and catalog removes what was left, by name (a small journal beside the tables
/// says which files were being written).
///
/// Threads: thread-compatible: one thread at a time. Several writers, in threads or processes, may
/// write the same table.
class IcebergTableWriter {
 public:
  struct Parts;

  explicit IcebergTableWriter(std::unique_ptr<Parts> parts);
  /// Rolls an open transaction back.
  ~IcebergTableWriter();
  IcebergTableWriter(const IcebergTableWriter&) = delete;
  IcebergTableWriter& operator=(const IcebergTableWriter&) = delete;

  /// Writes the rows of `batch`: into the active transaction, else as a transaction of its own,
  /// which makes one snapshot. A batch without rows is checked and skipped. Blocks until the files,
  /// and the commit if there is one, are durable.
  ///
  /// Errors:
  ///   kInvalid         The batch does not fit; the column is named. An active transaction is as
  ///                    before, and so after all that follow but kCancelled.
  ///   kCancelled       The active transaction timed out and was rolled back.
  ///   kUnavailable, kConflict, kNotFound, kCorrupt
  ///                    As CommitTransaction; nothing of the batch is left behind.
  ///   kUnknownOutcome  Outside a transaction only: see CommitTransaction. The writer has then an
  ///                    active transaction in doubt, by CurrentTransactionId().
  [[nodiscard]] Status WriteBatch(const std::shared_ptr<arrow::RecordBatch>& batch);

  /// The same for several batches: all of them or none, in the active transaction or in one of
  /// their own. Errors: as WriteBatch.
  [[nodiscard]] Status WriteBatches(
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);

  /// Starts a transaction and returns its id, a UUID. Nothing is written yet.
  /// Errors: kInvalid (one is active; names it).
  [[nodiscard]] Result<std::string> BeginTransaction();

  /// Makes every batch since BeginTransaction visible in one snapshot, durable on return. Without
  /// rows no snapshot is made.
  ///
  /// Errors:
  ///   kInvalid         No transaction is active, or another one: nothing happens. Or the table has
  ///                    changed so that the rows do not fit any more: rolled back.
  ///   kConflict        Others won every attempt: rolled back.
  ///   kUnavailable     Catalog or store were away: rolled back.
  ///   kCancelled       The transaction timed out: rolled back.
  ///   kNotFound        The table is gone: rolled back.
  ///   kCorrupt         The table's metadata is damaged: rolled back.
  ///   kUnknownOutcome  The catalog's reply was lost, and asking it again failed as well. The
  ///                    transaction stays active; commit (or roll back) again to find out.
  [[nodiscard]] Status CommitTransaction(std::string_view transaction_id);

  /// Leaves table and store as before the transaction: no snapshot, no file.
  /// Errors: kInvalid (no transaction is active, or another one), kConflict (its outcome was
  /// unknown, and it turns out to be committed), kUnknownOutcome (that cannot be found out now).
  [[nodiscard]] Status RollbackTransaction(std::string_view transaction_id);

  /// Removes the rows that match, in a snapshot of its own; none if no row does. Files whose rows
  /// all match go unread; of the others the remaining rows are written anew. In memory are, beside
  /// a row group of the file, as many of them as are encoded at a time: `target_concurrent_batches`
  /// slices, or `memory.limit_bytes` if that is less; what remains of a larger file becomes
  /// several. Older snapshots still read what they had.
  ///
  /// If somebody adds rows that may match between the reading and the commit, it fails with
  /// kConflict, unless the table says `write.delete.isolation-level = snapshot`: then they stay.
  ///
  /// Errors: kInvalid (a transaction is active; a filter that does not fit, names the column; a
  /// table with delete files), kConflict (names table, file and snapshot; nothing is changed, try
  /// again), kUnknownOutcome (the catalog's reply was lost: read the table to find out), and as
  /// CommitTransaction, with nothing changed.
  [[nodiscard]] Result<EditCounts> DeleteWhere(const RowFilter& filter);
  /// The same, and adds the rows of `batches`, which need not match, in the same snapshot. The
  /// isolation is `write.update.isolation-level`. Errors: as DeleteWhere and WriteBatch.
  [[nodiscard]] Result<EditCounts> OverwriteWhere(
      const RowFilter& filter, const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);
  /// Replaces the partitions that `batches` have rows for; the whole table if it is not
  /// partitioned. Without rows nothing is replaced. Errors: as OverwriteWhere.
  [[nodiscard]] Result<EditCounts> ReplacePartitions(
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);

  [[nodiscard]] bool HasActiveTransaction() const;
  [[nodiscard]] std::optional<std::string> CurrentTransactionId() const;

  /// For the batches that follow.
  /// Errors: kInvalid (a limit that is not positive; names the field).
  [[nodiscard]] Status SetBatchConfig(const BatchOptimizationConfig& config);
  /// For the commits that follow; not while a transaction is active.
  /// Errors: kInvalid (fewer than one attempt, a negative delay, a multiplier below 1; an active
  /// transaction).
  [[nodiscard]] Status SetRetryConfig(const RetryConfig& config);
  /// Changes the pool of a PostgreSQL catalog at once, for all writers that share it; SQLite is
  /// connected to anew. Not while a transaction is active. A catalog in memory has no connections
  /// and only keeps the values.
  /// Errors: kInvalid (a value out of range, an active transaction); for SQLite kUnavailable and
  /// kCorrupt.
  [[nodiscard]] Status SetPoolConfig(const CatalogPoolConfig& config);
  [[nodiscard]] const BatchOptimizationConfig& batch_config() const;
  [[nodiscard]] const RetryConfig& retry_config() const;
  /// As it is in force: another writer of the same pool may have changed it.
  [[nodiscard]] CatalogPoolConfig pool_config() const;

  /// How many seconds ago the table was read from the catalog, and whether that is past the time to
  /// live. Nothing if it was not read since ClearCatalogCache, or if caching is off.
  [[nodiscard]] std::optional<std::pair<std::uint64_t, bool>> CatalogCacheInfo() const;
  void ClearCatalogCache();

  /// "tenant.dataset.table".
  [[nodiscard]] const std::string& table_name() const;
  /// The table's columns now, as its files have them. Errors: kNotFound, kUnavailable, kCorrupt.
  [[nodiscard]] Result<std::shared_ptr<arrow::Schema>> TableSchema();

  /// What the library itself needs of it; no part of the API.
  [[nodiscard]] Parts& parts() { return *parts_; }

 private:
  std::unique_ptr<Parts> parts_;
};

/// A writer for `<tenant>.<dataset>.<table>`. Telemetry tables ("traces", "logs", "metrics_gauge",
/// "metrics_sum", "metrics_histogram", "metrics_exponential_histogram", "metrics_summary") are
/// created from their definition if missing; any other must exist. First removes what writers that
/// crashed have left in this store and catalog.
///
/// Errors: kInvalid (a bad configuration or name), kNotFound (no such table, and it is not one of
/// telemetry), kUnavailable, kUnknownOutcome (creating it; try again), kCorrupt.
[[nodiscard]] Result<std::unique_ptr<IcebergTableWriter>> CreateIcebergWriter(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, std::string_view tenant,
    std::string_view dataset, std::string_view table);

/// The same with `config.catalog_pool` replaced. A pool that other writers use already is changed
/// for them too, as by SetPoolConfig; CreateIcebergWriter joins it as it is.
[[nodiscard]] Result<std::unique_ptr<IcebergTableWriter>> CreateIcebergWriterWithPool(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, std::string_view tenant,
    std::string_view dataset, std::string_view table, const CatalogPoolConfig& pool_config);

/// The same for any table: created as `options` say if there is none, opened as it is otherwise.
/// Errors: kInvalid also for options that contradict themselves (names the column).
[[nodiscard]] Result<std::unique_ptr<IcebergTableWriter>> CreateIcebergWriterForTable(
    const Configuration& config, std::shared_ptr<ObjectStore> object_store, std::string_view tenant,
    std::string_view dataset, std::string_view table, const TableOptions& options);

}  // namespace signaldb

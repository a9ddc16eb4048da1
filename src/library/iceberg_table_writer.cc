#include "signaldb/iceberg_table_writer.h"

#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "base/retry.h"
#include "library/check_config.h"
#include "library/writer_parts.h"

namespace signaldb {

namespace {

std::chrono::milliseconds ReadTtl(const BatchOptimizationConfig& batch) {
  if (!batch.enable_catalog_caching) return std::chrono::milliseconds(0);
  return std::chrono::seconds(batch.catalog_cache_ttl_seconds);
}

/// A table may change between the look at its columns and the commit; more often is no chance.
constexpr int kWritesOfABatchMax = 3;

/// Which table, and which of its schemas, the writer saw last.
std::pair<std::string, std::int32_t> ColumnsSeen(const IcebergTableWriter::Parts& parts) {
  const std::optional<LoadedTable> seen = parts.cache->LastSeen(parts.table);
  if (!seen.has_value()) return {};
  return {seen->metadata->table_uuid, seen->metadata->current_schema_id};
}

std::unexpected<Error> NotWhileActive(std::string_view what, const std::string& id) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("{} cannot change while a transaction is active; end it first "
                          "transaction_id={}",
                          what, id));
}

}  // namespace

void IcebergTableWriter::Parts::Connect() {
  ObjectStore::Parts& with = store->parts();
  committer.reset();
  cache = std::make_unique<MetadataCache>(*with.clock, *events,
                                          MetadataCacheOptions{.read_ttl = ReadTtl(config.batch)});
  committer = std::make_unique<TableCommitter>(
      TableCommitter::Collaborators{*catalog.catalog, *with.io, *with.clock, *with.random, *events,
                                    *cache, in_flight.get()},
      TableCommitterOptions{.retry = config.retry, .engine_version = SIGNALDB_VERSION});
}

std::unique_ptr<Transaction> IcebergTableWriter::Parts::NewTransaction() {
  ObjectStore::Parts& with = store->parts();
  return std::make_unique<Transaction>(
      Transaction::Collaborators{*committer, *with.io, *with.clock, *with.random, *events,
                                 in_flight.get(), encoding.get()},
      config.transaction_timeout);
}

Transaction* IcebergTableWriter::Parts::Active() {
  if (transaction != nullptr && transaction->RollBackIfTimedOut()) transaction.reset();
  return transaction.get();
}

FileOptions IcebergTableWriter::Parts::file_options() const {
  return {.max_rows_per_batch = config.batch.max_rows_per_batch,
          .max_memory_per_batch_bytes = config.batch.max_memory_per_batch_bytes,
          .enable_auto_split = config.batch.enable_auto_split,
          .target_concurrent_batches = config.batch.target_concurrent_batches};
}

Status IcebergTableWriter::Parts::WriteInto(
    Transaction& into, const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  for (const auto& batch : batches) {
    if (batch == nullptr) return Fail(ErrorKind::kInvalid, "a batch is null");
  }
  const std::uint64_t changes = store->parts().table_changes;
  if (std::exchange(table_changes_seen, changes) != changes) cache->ForgetTable(table);
  Status status;
  Nanos failed{0};
  for (Backoff backoff(config.retry, *store->parts().clock, *store->parts().random);
       backoff.Next({});) {
    if (backoff.attempts() > 1) {
      const Nanos waited = store->parts().clock->MonotonicNow() - failed;
      events->Observe("signaldb_writer_retry_backoff_seconds",
                      std::chrono::duration<double>(waited).count(), {});
    }
    status = into.Write(table, batches, file_options());
    if (status.has_value()) {
      if (backoff.attempts() > 1) events->Count("signaldb_writer_retry_success_total", 1, {});
      return status;
    }
    // What to do without room was configured, and it was not to try again.
    if (!IsRetryable(status.error().kind) || encoding->TookRefusal()) return status;
    events->Count("signaldb_writer_write_retries_total", 1,
                  {{"reason", ToString(status.error().kind)}});
    events->Log({.severity = Severity::kWarning,
                 .module = "writer",
                 .message = "batch is written again",
                 .fields = {{"transaction_id", into.id()},
                            {"attempt", std::to_string(backoff.attempts())},
                            {"error", status.error().message}}});
    failed = store->parts().clock->MonotonicNow();
  }
  return status;
}

IcebergTableWriter::IcebergTableWriter(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
IcebergTableWriter::~IcebergTableWriter() = default;

Status IcebergTableWriter::WriteBatch(const std::shared_ptr<arrow::RecordBatch>& batch) {
  return WriteBatches({batch});
}

Status IcebergTableWriter::WriteBatches(
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  if (parts_->transaction != nullptr) {
    Status written = parts_->WriteInto(*parts_->transaction, batches);
    // Timed out.
    if (parts_->transaction->state() == Transaction::State::kRolledBack) {
      parts_->transaction.reset();
    }
    return written;
  }
  for (int writes = 1;; ++writes) {
    std::unique_ptr<Transaction> own = parts_->NewTransaction();
    if (Status written = parts_->WriteInto(*own, batches); !written.has_value()) {
      if (own->state() == Transaction::State::kOpen) SIGNALDB_TRY(own->Rollback("write failed"));
      return written;
    }
    const auto written_for = ColumnsSeen(*parts_);
    const Result<CommitReport> report = own->Commit({});
    if (report.has_value()) return {};
    if (own->state() == Transaction::State::kInDoubt) parts_->transaction = std::move(own);
    // Somebody changed the table since it was looked at: the rows are laid out for what it is now.
    if (report.error().kind == ErrorKind::kInvalid && writes < kWritesOfABatchMax &&
        ColumnsSeen(*parts_) != written_for) {
      continue;
    }
    return std::unexpected(report.error());
  }
}

Result<std::string> IcebergTableWriter::BeginTransaction() {
  if (parts_->Active() != nullptr) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a transaction is active already; commit it or roll it back first "
                            "table={} transaction_id={}",
                            parts_->table_name, parts_->transaction->id()));
  }
  parts_->transaction = parts_->NewTransaction();
  return parts_->transaction->id();
}

namespace {

Status CheckActive(const IcebergTableWriter::Parts& parts, std::string_view id,
                   std::string_view doing) {
  if (parts.transaction == nullptr) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("no transaction is active, there is nothing to {} table={} "
                            "transaction_id={}",
                            doing, parts.table_name, id));
  }
  if (parts.transaction->id() == id) return {};
  return Fail(ErrorKind::kInvalid,
              fmt::format("another transaction is active, that one cannot {} table={} "
                          "transaction_id={} active={}",
                          doing, parts.table_name, id, parts.transaction->id()));
}

bool IsOver(const Transaction& transaction) {
  return transaction.state() == Transaction::State::kCommitted ||
         transaction.state() == Transaction::State::kRolledBack;
}

}  // namespace

Status IcebergTableWriter::CommitTransaction(std::string_view transaction_id) {
  SIGNALDB_TRY(CheckActive(*parts_, transaction_id, "commit"));
  const Result<CommitReport> report = parts_->transaction->Commit({});
  if (IsOver(*parts_->transaction)) parts_->transaction.reset();
  if (!report.has_value()) return std::unexpected(report.error());
  return {};
}

Status IcebergTableWriter::RollbackTransaction(std::string_view transaction_id) {
  SIGNALDB_TRY(CheckActive(*parts_, transaction_id, "roll back"));
  Status done = parts_->transaction->Rollback("asked for");
  if (IsOver(*parts_->transaction)) parts_->transaction.reset();
  return done;
}

bool IcebergTableWriter::HasActiveTransaction() const { return parts_->Active() != nullptr; }

std::optional<std::string> IcebergTableWriter::CurrentTransactionId() const {
  const Transaction* const active = parts_->Active();
  if (active == nullptr) return std::nullopt;
  return active->id();
}

Status IcebergTableWriter::SetBatchConfig(const BatchOptimizationConfig& config) {
  SIGNALDB_TRY(CheckConfig(config));
  parts_->config.batch = config;
  parts_->cache->SetReadTtl(ReadTtl(config));
  return {};
}

Status IcebergTableWriter::SetRetryConfig(const RetryConfig& config) {
  SIGNALDB_TRY(CheckConfig(config));
  if (parts_->Active() != nullptr) {
    return NotWhileActive("the retry configuration", parts_->transaction->id());
  }
  parts_->config.retry = config;
  parts_->Connect();
  return {};
}

Status IcebergTableWriter::SetPoolConfig(const CatalogPoolConfig& config) {
  SIGNALDB_TRY(CheckConfig(config));
  if (parts_->Active() != nullptr) {
    return NotWhileActive("the pool configuration", parts_->transaction->id());
  }
  if (parts_->catalog.postgres != nullptr) return SetPool(*parts_->catalog.postgres, config);
  Configuration changed = parts_->config;
  changed.catalog_pool = config;
  SIGNALDB_ASSIGN(OpenedCatalog catalog,
                  OpenCatalog(parts_->store->parts(), changed, PoolChange::kSet, parts_->events));
  parts_->config = std::move(changed);
  // The committer borrows the catalog that it replaces.
  parts_->committer.reset();
  parts_->catalog = std::move(catalog);
  parts_->Connect();
  return {};
}

const BatchOptimizationConfig& IcebergTableWriter::batch_config() const {
  return parts_->config.batch;
}
const RetryConfig& IcebergTableWriter::retry_config() const { return parts_->config.retry; }
CatalogPoolConfig IcebergTableWriter::pool_config() const {
  if (parts_->catalog.postgres != nullptr) return PoolConfigOf(*parts_->catalog.postgres);
  return parts_->config.catalog_pool;
}

std::optional<std::pair<std::uint64_t, bool>> IcebergTableWriter::CatalogCacheInfo() const {
  if (!parts_->config.batch.enable_catalog_caching) return std::nullopt;
  const std::optional<CachedTableInfo> info = parts_->cache->InfoOf(parts_->table);
  if (!info.has_value()) return std::nullopt;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(info->age).count();
  return std::pair(static_cast<std::uint64_t>(seconds), info->expired);
}

void IcebergTableWriter::ClearCatalogCache() { parts_->cache->Clear(); }

const std::string& IcebergTableWriter::table_name() const { return parts_->table_name; }

Result<std::shared_ptr<arrow::Schema>> IcebergTableWriter::TableSchema() {
  SIGNALDB_ASSIGN(const LoadedTable table, parts_->committer->Load(parts_->table));
  return ToArrowSchema(table.metadata->schema());
}

}  // namespace signaldb

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "signaldb/iceberg_table_writer.h"
#include "signaldb/result.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// Rows of several tables that become visible together or not at all: one snapshot a table, one
/// atomic step of the catalog for all of them.
///
///   auto transaction = CatalogTransaction::Begin({*orders, *lines});
///   (*transaction)->WriteBatch(*orders, order_batch);
///   (*transaction)->WriteBatch(*lines, line_batch);
///   (*transaction)->Commit();
///
/// Lifetime: borrows the writers; all outlive it. They keep their own transactions.
/// Threads:  thread-compatible, writers included.
class CatalogTransaction {
 public:
  /// `writers` share one store and one catalog: made with the same object store and the same
  /// `Configuration::schema`. The first one's retries and timeout hold.
  /// Errors: kInvalid (no writer, one table twice, or another store or catalog; names the table).
  [[nodiscard]] static Result<std::unique_ptr<CatalogTransaction>> Begin(
      std::vector<std::reference_wrapper<IcebergTableWriter>> writers);
  /// Rolls back if it is not over.
  ~CatalogTransaction();
  CatalogTransaction(const CatalogTransaction&) = delete;
  CatalogTransaction& operator=(const CatalogTransaction&) = delete;

  /// A UUID; stands in every snapshot's summary as `signaldb.commit-id`.
  [[nodiscard]] const std::string& id() const;

  /// Writes the rows as data files of the writer's table. Errors: as IcebergTableWriter::WriteBatch
  /// inside a transaction; kInvalid also for a writer that Begin was not given.
  [[nodiscard]] Status WriteBatch(IcebergTableWriter& writer,
                                  const std::shared_ptr<arrow::RecordBatch>& batch);
  /// Errors: as IcebergTableWriter::CommitTransaction.
  [[nodiscard]] Status Commit();
  /// Errors: as IcebergTableWriter::RollbackTransaction.
  [[nodiscard]] Status Rollback();

 private:
  struct Parts;
  explicit CatalogTransaction(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace signaldb

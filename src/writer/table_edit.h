#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "iceberg/catalog.h"
#include "iceberg/commit/table_commit.h"
#include "signaldb/result.h"
#include "signaldb/row_filter.h"
#include "writer/table_files.h"
#include "writer/transaction.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// What an edit did.
struct EditReport {
  CommitReport commit;  ///< Without tables if nothing was to be done, and nothing was committed.
  std::int64_t rows_deleted = 0;
  std::int64_t rows_added = 0;
  std::int64_t files_removed = 0;    ///< Those rewritten are among them.
  std::int64_t files_rewritten = 0;  ///< Some of their rows stay, in new files.
};

/// Corrects what is in a table: each function is one snapshot, all of it or nothing.
///
///   plan     files that cannot hold a matching row stay, by partition, counts and bounds
///            files whose rows all match go, unread
///            the others are read, and their other rows written anew (copy on write): a row group
///            at a time, in several files if they are more than is encoded at a time
///   commit   in every attempt: the files are still there, nothing was added since that the edit
///            would have met (unless the table asks for snapshot isolation), no delete files came
///
/// The isolation is the table's `write.delete.isolation-level` for DeleteWhere, and
/// `write.update.isolation-level` for the others: `serializable` (default) or `snapshot`.
///
/// Errors of all:
///   kConflict        The table was changed meanwhile in a way that the edit must not miss; names
///                    table, file and snapshot. Or others won every attempt. Nothing is changed.
///   kInvalid         The filter or the batches do not fit the table (names the column), the table
///                    has delete files, a property has a value that is none of its. Nothing is
///                    changed.
///   kUnknownOutcome  The edit may be applied now or later; its new files stay.
///   kNotFound, kUnavailable, kCorrupt, kCancelled
///                    As TableCommitter::Commit. Nothing is changed.
///
/// Lifetime: borrows everything; all outlive it.
/// Threads:  thread-compatible.
class TableEditor {
 public:
  TableEditor(const Transaction::Collaborators& with, FileOptions options);

  /// Removes the rows that match.
  [[nodiscard]] Result<EditReport> DeleteWhere(const TableIdentifier& table,
                                               const RowFilter& filter, std::stop_token stop = {});
  /// Removes the rows that match and adds those of `batches`, which need not match.
  [[nodiscard]] Result<EditReport> OverwriteWhere(
      const TableIdentifier& table, const RowFilter& filter,
      std::vector<std::shared_ptr<arrow::RecordBatch>> batches, std::stop_token stop = {});
  /// Replaces the partitions that `batches` have rows for; all of the table if it is not
  /// partitioned. Files of older partition specs stay.
  [[nodiscard]] Result<EditReport> ReplacePartitions(
      const TableIdentifier& table, std::vector<std::shared_ptr<arrow::RecordBatch>> batches,
      std::stop_token stop = {});

 private:
  class Edit;

  const Transaction::Collaborators with_;
  const FileOptions options_;
};

}  // namespace signaldb

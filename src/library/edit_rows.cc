// Deleting and overwriting rows, of IcebergTableWriter.
#include <algorithm>

#include <arrow/api.h>
#include <fmt/format.h>

#include "library/writer_parts.h"
#include "signaldb/iceberg_table_writer.h"
#include "writer/table_edit.h"

namespace signaldb {

namespace {

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

Result<TableEditor> EditorOf(IcebergTableWriter::Parts& parts, const Batches& batches) {
  if (parts.Active() != nullptr) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("rows cannot be deleted or overwritten while a transaction is active; "
                            "end it first transaction_id={}",
                            parts.transaction->id()));
  }
  if (std::ranges::find(batches, nullptr) != batches.end()) {
    return Fail(ErrorKind::kInvalid, "a batch is null");
  }
  ObjectStore::Parts& with = parts.store->parts();
  return TableEditor({*parts.committer, *with.io, *with.clock, *with.random, *parts.events,
                      parts.in_flight.get(), parts.encoding.get()},
                     parts.file_options());
}

Result<EditCounts> CountsOf(const Result<EditReport>& report) {
  if (!report.has_value()) return std::unexpected(report.error());
  return EditCounts{.rows_deleted = report->rows_deleted,
                    .rows_added = report->rows_added,
                    .files_removed = report->files_removed,
                    .files_rewritten = report->files_rewritten};
}

}  // namespace

Result<EditCounts> IcebergTableWriter::DeleteWhere(const RowFilter& filter) {
  SIGNALDB_ASSIGN(TableEditor editor, EditorOf(*parts_, {}));
  return CountsOf(editor.DeleteWhere(parts_->table, filter));
}

Result<EditCounts> IcebergTableWriter::OverwriteWhere(const RowFilter& filter,
                                                      const Batches& batches) {
  SIGNALDB_ASSIGN(TableEditor editor, EditorOf(*parts_, batches));
  return CountsOf(editor.OverwriteWhere(parts_->table, filter, batches));
}

Result<EditCounts> IcebergTableWriter::ReplacePartitions(const Batches& batches) {
  SIGNALDB_ASSIGN(TableEditor editor, EditorOf(*parts_, batches));
  return CountsOf(editor.ReplacePartitions(parts_->table, batches));
}

}  // namespace signaldb

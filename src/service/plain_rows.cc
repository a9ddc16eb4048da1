#include "service/plain_rows.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include "writer/fit_batch.h"

namespace signaldb {

Status CheckPlainRows(TableCommitter& committer, const TableIdentifier& table,
                      const std::shared_ptr<arrow::RecordBatch>& rows) {
  SIGNALDB_ASSIGN(const LoadedTable loaded, committer.Load(table));
  for (const auto& column : rows->schema()->fields()) {
    if (!arrow::is_nested(column->type()->id())) continue;
    return Fail(ErrorKind::kInvalid,
                fmt::format("columns of lists, maps and structs are not taken column={} type={}",
                            column->name(), column->type()->ToString()));
  }
  SIGNALDB_ASSIGN(const auto fitted, FitBatch(loaded.metadata->schema(), rows));
  return CheckTexts(*fitted);
}

}  // namespace signaldb

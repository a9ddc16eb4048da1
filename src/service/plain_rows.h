#pragma once

#include <memory>

#include "iceberg/catalog.h"
#include "iceberg/commit/table_commit.h"
#include "signaldb/result.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// Whether rows can be committed to a table as it is now, seen before they are acknowledged: those
/// that cannot would keep their whole dataset from committing. Columns of lists, maps and structs
/// are refused, because what is in them shows only when they are encoded.
///
/// Errors: kNotFound (no such table), kInvalid (names the column), others as TableCommitter::Load.
[[nodiscard]] Status CheckPlainRows(TableCommitter& committer, const TableIdentifier& table,
                                    const std::shared_ptr<arrow::RecordBatch>& rows);

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"
#include "iceberg/schema/literal.h"
#include "signaldb/result.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// A condition on a top-level column: `column op literal`.
struct Predicate {
  enum class Op : std::uint8_t { kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
  std::string column;
  Op op = Op::kEqual;
  Literal literal;  ///< Of the column's type; not null.
};

/// The live data files of the current snapshot, in the order of the manifest list. Manifests and
/// files that cannot hold a row for which all of `predicates` are true are left out, by partition
/// summaries and column bounds. None if the table is empty.
///
/// Errors: kInvalid (the snapshot has delete files, names one: their rows would come back; a
/// predicate on a column that is not there), kNotFound, kUnavailable, kCorrupt (a manifest).
[[nodiscard]] Result<std::vector<DataFile>> PlanFiles(FileIo& io, const TableMetadata& metadata,
                                                      std::span<const Predicate> predicates = {});

/// Gives `each` the rows of one data file, a row group at a time, as the current schema has them:
/// columns are found by field id, so renamed ones keep their values, columns that the file lacks
/// are null, int, float and decimal columns are widened. Predicates are not applied to rows.
///
/// Errors: kInvalid (not a Parquet file, no field ids, a required column that the file lacks, or a
/// default value; names it), kCorrupt (a damaged file), kNotFound, kUnavailable, and what `each`
/// returns.
[[nodiscard]] Status ReadDataFile(
    FileIo& io, const TableMetadata& metadata, const DataFile& file,
    const std::function<Status(const std::shared_ptr<arrow::RecordBatch>&)>& each);

/// All rows of the current snapshot, file by file. For tests and small tables: nothing limits the
/// memory. Errors: as PlanFiles and ReadDataFile.
[[nodiscard]] Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> ReadTable(
    FileIo& io, const TableMetadata& metadata);

}  // namespace signaldb

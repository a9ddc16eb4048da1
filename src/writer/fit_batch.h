#pragma once

#include <memory>
#include <vector>

#include "iceberg/schema/schema.h"
#include "signaldb/result.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// The rows of `batch` with the top-level columns of `schema`, in its order, each of a type that
/// partitions, sort keys and files can be made from. Columns are found by name. Optional ones that
/// are missing are of Arrow's null type. Without loss only: whole numbers, floats and
/// decimals are widened, dates and times get the table's unit, large and view strings 32-bit
/// offsets; dictionary<int32, utf8> stays. What is inside lists, maps and structs is checked when
/// it is encoded.
///
/// Errors: kInvalid (a column the table has not, one that is missing or has nulls and is required,
/// a type or value that does not fit; names the column), kUnavailable (memory).
[[nodiscard]] Result<std::shared_ptr<arrow::RecordBatch>> FitBatch(
    const Schema& schema, const std::shared_ptr<arrow::RecordBatch>& batch);

/// Divides fitted batches, in their order, into groups whose columns are of the same Arrow types:
/// they may differ in their encoding, dictionaries here, plain strings there. A column of Arrow's
/// null type goes with any.
[[nodiscard]] std::vector<std::vector<std::shared_ptr<arrow::RecordBatch>>> GroupByEncoding(
    std::vector<std::shared_ptr<arrow::RecordBatch>> fitted);

}  // namespace signaldb

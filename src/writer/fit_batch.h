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
/// partitions, sort keys and files can be made from. Columns, and fields of structs at any depth,
/// are found by name. Optional columns that are missing are of Arrow's null type. Without loss
/// only: whole numbers, floats and decimals are widened, dates and times get the table's unit,
/// large and view strings and lists 32-bit offsets; dictionary<int32, utf8> stays. Required values
/// inside lists, maps and structs are looked at when they are encoded.
///
/// Errors: kInvalid (a column the table has not, one that is missing or has nulls and is required,
/// a type or value that does not fit; names the column, "a.b.element" inside others),
/// kUnavailable (memory).
[[nodiscard]] Result<std::shared_ptr<arrow::RecordBatch>> FitBatch(
    const Schema& schema, const std::shared_ptr<arrow::RecordBatch>& batch);

/// That all text of a fitted batch is UTF-8; a dictionary's values are looked at once, whatever the
/// rows. Errors: kInvalid (names the column).
[[nodiscard]] Status CheckTexts(const arrow::RecordBatch& fitted);

/// Divides fitted batches, in their order, into groups whose columns are of the same Arrow types:
/// they may differ in their encoding, dictionaries here, plain strings there. A column of Arrow's
/// null type goes with any.
[[nodiscard]] std::vector<std::vector<std::shared_ptr<arrow::RecordBatch>>> GroupByEncoding(
    std::vector<std::shared_ptr<arrow::RecordBatch>> fitted);

}  // namespace signaldb

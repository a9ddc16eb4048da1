#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "iceberg/data_file/leaf_values.h"
#include "iceberg/schema/literal.h"
#include "iceberg/schema/schema.h"
#include "signaldb/result.h"

namespace arrow {
class Array;
class DataType;
class RecordBatch;
}  // namespace arrow

namespace signaldb {

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

/// One top-level column of primitive type over all batches, as leaf values.
///
/// Lifetime: borrows the field, shares the arrays.
struct ColumnView {
  const Field* field = nullptr;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  std::vector<LeafValues> values;  ///< Of a column that is all null: nothing to look into.
  bool conformed = false;          ///< Arrays differ from what the batches have.

  [[nodiscard]] bool IsNull(std::size_t batch, std::int64_t row) const;
  [[nodiscard]] bool HasNulls() const;
  /// The Arrow type of the column, if it is one in all batches and values are looked at as they
  /// came; else null.
  [[nodiscard]] std::shared_ptr<arrow::DataType> OneType() const;
  /// The value of a row that is not null.
  [[nodiscard]] Literal LiteralAt(std::size_t batch, std::int64_t row) const;
};

/// The column of this name in every batch; an absent one is all null.
/// Errors: kInvalid (another type than the field's; names the column), kUnavailable (memory).
[[nodiscard]] Result<ColumnView> ViewColumn(const Field& field, const Batches& batches);

/// Nothing if the column is gone or nested.
[[nodiscard]] const Field* FindTopLevelField(const Schema& schema, std::int32_t id);

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "iceberg/schema/partition_spec.h"
#include "iceberg/schema/schema.h"
#include "signaldb/result.h"
#include "writer/column_view.h"

namespace arrow {
class ArrayData;
}

namespace signaldb {

/// A sort column whose values can be told from the keys, without a look at the rows.
struct KeyColumn {
  std::string name;
  /// From first words of keys, one a row, the column as the batches have it.
  /// Errors: kUnavailable (memory).
  std::function<Result<std::shared_ptr<arrow::ArrayData>>(std::span<const std::uint64_t>)> restore;
};

/// Sort keys as numbers: rows compare by their words, first word first, unsigned.
struct SortKeys {
  std::size_t words = 1;  ///< Of a row.
  int first_bits = 0;     ///< The first word is below 2^first_bits.
  /// The first word without its low `group_shift` bits is a number of few values: that of the
  /// leading columns, as far as they have few.
  int group_shift = 0;
  std::vector<std::vector<std::uint64_t>> rows;  ///< By batch: `words` numbers a row.
  /// Those sort columns that the first word holds whole.
  std::vector<KeyColumn> columns;

  [[nodiscard]] const std::uint64_t* Of(std::uint32_t batch, std::int64_t row) const {
    return rows[batch].data() + static_cast<std::size_t>(row) * words;
  }
};

/// Keys that order rows exactly as the sort order says: direction and place of nulls field by
/// field, values after their transform and as Compare(Type, Literal, Literal) has them.
///
/// Nothing if the order has a field we cannot sort by: an unknown transform, or one that does not
/// take its column; a column that is gone or nested; no field at all.
/// Errors: kInvalid (a column of another type than the schema says, or a value that a transform
/// does not take; names it), kUnavailable (memory).
[[nodiscard]] Result<std::optional<SortKeys>> FindSortKeys(const Schema& schema,
                                                           const SortOrder& order,
                                                           const Batches& batches);

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "iceberg/data_file/parquet_layout.h"
#include "signaldb/result.h"

namespace arrow {
class Array;
class RecordBatch;
}  // namespace arrow

namespace signaldb {

/// One byte a slot. Shared: the key and the value of a map have the same levels.
using Levels = std::shared_ptr<const std::vector<std::uint8_t>>;

/// The part of one Parquet column that goes into one page: where lists begin and nulls are, and
/// which values of the leaf array stand in between.
struct LeafPage {
  std::int64_t rows = 0;
  std::int64_t slots = 0;
  std::uint8_t definition = 0;  ///< Of every slot, if `definitions` is empty.
  Levels definitions;           ///< Or one each.
  Levels repetitions;           ///< Empty if the column is not inside a list or map.
  /// Values present, in order: `count` from `first` on, unless `positions` says where they are.
  std::int64_t count = 0;
  std::int64_t first = 0;
  std::shared_ptr<const std::vector<std::int64_t>> positions;

  [[nodiscard]] std::int64_t PositionOf(std::int64_t i) const {
    return positions == nullptr ? first + i : (*positions)[static_cast<std::size_t>(i)];
  }
};

/// A column of one row group: its values and its pages.
struct LeafColumn {
  const ParquetLeaf* leaf = nullptr;
  std::shared_ptr<arrow::Array> values;  ///< Null if the batch has no such column.
  std::vector<LeafPage> pages;
};

struct PageLimits {
  std::int64_t bytes_target = 0;
  std::int64_t rows_max = 0;
};

/// Takes the column of `field` in `rows` apart into its leaves, in the order of the layout. Pages
/// begin at rows. `column` is null for a missing column, which is then null in every row.
///
/// Errors: kInvalid (a null in a required column, a type that does not fit; names the column).
[[nodiscard]] Result<std::vector<LeafColumn>> SplitIntoLeaves(
    const Field& field, const std::shared_ptr<arrow::Array>& column, std::int64_t rows,
    const PageLimits& limits, const ParquetLeaf* leaves);

}  // namespace signaldb

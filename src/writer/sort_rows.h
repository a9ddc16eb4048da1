#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "iceberg/data_file/data_file_writer.h"
#include "iceberg/metadata/table_metadata.h"
#include "iceberg/schema/partition_spec.h"
#include "signaldb/result.h"
#include "writer/gather_rows.h"
#include "writer/order_rows.h"
#include "writer/sort_keys.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// How large a slice may be. A single row above `bytes_max` is a slice of its own.
struct SliceLimits {
  std::int64_t rows_max = 50'000;
  std::int64_t bytes_max = std::int64_t{64} << 20;  ///< Of Arrow memory.
};

/// Rows of many batches, divided by partition and sorted by the table's sort order, cut into slices
/// that each become a row group.
///
/// Rows of telemetry come in runs: those of one resource stand together and are mostly in time
/// order. So runs are found and merged, and a slice is put together from spans of rows; where runs
/// are short, row by row. Rows with equal keys keep the order in which they came.
///
/// Lifetime: shares the batches; slices look into this. Threads: thread-safe (immutable after
/// Make); slices may be gathered and encoded side by side.
class SortedRows {
 public:
  struct Slice {
    std::size_t partition = 0;  ///< Index into partitions().
    std::int64_t rows = 0;
    std::int64_t bytes = 0;  ///< Of Arrow memory; shared out by rows if no slice is near the limit.
    std::vector<RowSpan> spans;
    std::span<const RowPick> picks;  ///< Instead of `spans`, where these would be short.
    std::span<const std::uint64_t> first_words;  ///< Of the keys of `picks`, if at hand.
  };

  SortedRows(SortedRows&&) = default;
  SortedRows& operator=(SortedRows&&) = default;

  /// By the current schema, default spec and default sort order of `metadata`. `batches` have the
  /// same columns; each has its own dictionaries. Empty batches are welcome.
  /// Errors: kInvalid (batches with different columns; a partition column that does not fit; names
  /// it), kUnavailable (memory).
  [[nodiscard]] static Result<SortedRows> Make(
      const TableMetadata& metadata, std::vector<std::shared_ptr<arrow::RecordBatch>> batches,
      const SliceLimits& limits);

  /// In the order of first appearance.
  [[nodiscard]] const std::vector<PartitionValues>& partitions() const { return partitions_; }
  /// Partition by partition, each in sort order.
  [[nodiscard]] const std::vector<Slice>& slices() const { return slices_; }
  /// kUnsorted if the table has no sort order, or one we cannot sort by.
  [[nodiscard]] RowOrder row_order() const { return row_order_; }

  /// The rows of a slice as one batch with unified dictionaries.
  /// Errors: kInvalid (strings of a column above 2 GiB), kUnavailable (memory).
  [[nodiscard]] Result<std::shared_ptr<arrow::RecordBatch>> Gather(const Slice& slice) const;

 private:
  SortedRows() = default;

  std::vector<PartitionValues> partitions_;
  std::vector<Slice> slices_;
  RowOrder row_order_ = RowOrder::kUnsorted;
  RowGatherer gatherer_;
  std::vector<OrderedRows> ordered_;  // What slices look into.
  std::vector<KeyColumn> key_columns_;
};

}  // namespace signaldb

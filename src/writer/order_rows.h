#pragma once

#include <cstdint>
#include <vector>

#include "signaldb/result.h"
#include "writer/column_view.h"
#include "writer/gather_rows.h"
#include "writer/row_partitions.h"
#include "writer/sort_keys.h"

namespace signaldb {

/// The rows of one partition in their order: as spans, or one by one where spans would be short.
struct OrderedRows {
  std::vector<RowSpan> spans;
  std::vector<RowPick> picks;  ///< Instead of `spans`.
  /// The first words of the keys of `picks`, if they are at hand.
  std::vector<std::uint64_t> first_words;
};

/// The rows of each partition by their keys, rows with equal keys as they came; without `keys`, all
/// as they came.
///
/// Rows come in runs: those of one resource stand together and are mostly in time order. So runs
/// are found and merged; rows that do not come so are distributed by their leading columns, and
/// what is together then is sorted.
///
/// A batch has fewer than 2^32 rows, and there are fewer than 2^32 batches.
///
/// Numbers of `keys` are gone afterwards: their memory is used again.
/// Errors: kUnavailable (memory).
[[nodiscard]] Result<std::vector<OrderedRows>> OrderRows(const Batches& batches,
                                                         const PartitionIds& ids, SortKeys* keys);

}  // namespace signaldb

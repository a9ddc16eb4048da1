#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "iceberg/schema/partition_spec.h"
#include "iceberg/schema/schema.h"
#include "signaldb/result.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

/// Which partition each row belongs to.
struct PartitionIds {
  std::vector<PartitionValues> partitions;       ///< In the order of first appearance.
  std::vector<std::vector<std::uint32_t>> rows;  ///< By batch and row; empty if there is just one.
};

/// Applies the spec to every row; neighbours with the same source values are looked up once.
/// Errors: kInvalid (a source column is missing or of another type, a transform that cannot be
/// written; names the field).
[[nodiscard]] Result<PartitionIds> FindPartitions(const Schema& schema, const PartitionSpec& spec,
                                                  const Batches& batches);

/// Sort keys as numbers: rows compare by their words, first word first, unsigned.
struct SortKeys {
  std::size_t words = 0;                         ///< Of a row.
  std::vector<std::vector<std::uint64_t>> rows;  ///< By batch: `words` numbers a row.

  [[nodiscard]] const std::uint64_t* Of(std::uint32_t batch, std::int64_t row) const {
    return rows[batch].data() + static_cast<std::size_t>(row) * words;
  }
};

/// Nothing if the order has a field we cannot sort by: a transform other than identity, a nested
/// column, a type other than string, binary, int, long, date, time or timestamp.
/// Errors: kInvalid (a column of another type than the schema says; names it).
[[nodiscard]] Result<std::optional<SortKeys>> FindSortKeys(const Schema& schema,
                                                           const SortOrder& order,
                                                           const Batches& batches);

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <vector>

#include "iceberg/schema/partition_spec.h"
#include "iceberg/schema/schema.h"
#include "signaldb/result.h"
#include "writer/column_view.h"

namespace signaldb {

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

}  // namespace signaldb

#pragma once

#include <string_view>
#include <vector>

#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"

namespace signaldb {

/// "append", "delete" or "overwrite": what adding and removing such files is called.
[[nodiscard]] std::string_view OperationOf(const std::vector<DataFile>& added,
                                           const std::vector<DataFile>& removed);

/// The summary of a snapshot that adds and removes data files after `head` (nullptr: the first
/// snapshot).
///
/// Counts stand only if above zero; totals carry on from the head's, and are left out where the
/// head has none or none that can be read, or where they would go below zero, since a wrong total
/// is worse than none. Keys of `more` that are not ours are taken over.
[[nodiscard]] Properties MakeSnapshotSummary(const std::vector<DataFile>& added,
                                             const std::vector<DataFile>& removed,
                                             const Snapshot* head, const Properties& more);

}  // namespace signaldb

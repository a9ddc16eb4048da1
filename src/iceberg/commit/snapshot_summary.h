#pragma once

#include <vector>

#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"

namespace signaldb {

/// The summary of a snapshot that appends `files` after `head` (nullptr: the first snapshot).
///
/// Counts stand only if above zero; totals carry on from the head's, and are left out where the
/// head has none or none that can be read, since a wrong total is worse than none. Keys of `more`
/// that are not ours are taken over.
[[nodiscard]] Properties MakeAppendSummary(const std::vector<DataFile>& files, const Snapshot* head,
                                           const Properties& more);

}  // namespace signaldb

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "iceberg/commit/metadata_cache.h"
#include "iceberg/file_io.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

/// Snapshots that one commit expires, and those whose files it must look at to know what goes with
/// them.
///
/// A manifest is in the list of the snapshot that wrote it and of snapshots that follow from that
/// one, without gaps: once dropped it never comes back. So what an expired snapshot names, a
/// kept one names only if a kept neighbour on the way there does.
struct Expiry {
  std::vector<std::shared_ptr<const Snapshot>> expired;
  /// Kept neighbours of them, in `next`; also every kept one whose own parent is not known, if that
  /// of an expired one is not.
  std::vector<std::shared_ptr<const Snapshot>> border;
};

/// `before` still has the snapshots that are `expired`, `next` has not.
[[nodiscard]] Expiry MakeExpiry(const TableMetadata& before, const TableMetadata& next,
                                std::vector<std::shared_ptr<const Snapshot>> expired);

/// Locations of the files that only expired snapshots needed: manifest lists, manifests, and the
/// data and delete files that they removed from the table. `now` is the table after the commit;
/// nothing of it is needed by what is returned.
/// Errors: those of reading lists and manifests; then nothing may be deleted.
[[nodiscard]] Result<std::vector<std::string>> FilesOfExpired(FileIo& io, MetadataCache& cache,
                                                              const Expiry& expiry,
                                                              const TableMetadata& now);

}  // namespace signaldb

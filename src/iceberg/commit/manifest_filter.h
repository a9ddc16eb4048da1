#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "iceberg/commit/parallel_writes.h"
#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

/// Takes data files out of a table: makes those manifests anew that hold any of them, with the
/// files marked as deleted by this commit.
///
/// A manifest never changes, so what became of it is kept from attempt to attempt.
///
/// Threads: thread-compatible.
class ManifestFilter {
 public:
  /// `removed` as they stand in the table. `next_location` names each new manifest; it never gives
  /// the same location twice.
  ManifestFilter(const std::vector<DataFile>& removed, std::int64_t snapshot_id,
                 std::function<std::string()> next_location);

  /// `current`, the manifests of the base snapshot, in their order, without the files. Manifests
  /// that are not written yet are added to `pending`.
  ///
  /// Errors: kConflict (the table does not have a file any more; names it), kInvalid (a manifest
  /// that we cannot write), kNotFound, kUnavailable, kCorrupt (a manifest; names it).
  [[nodiscard]] Result<std::vector<ManifestFile>> Filter(FileIo& io, const TableMetadata& base,
                                                         const std::vector<ManifestFile>& current,
                                                         std::vector<PendingFile>& pending);
  /// What was pending may be there or not: it is made again under other names.
  void Forget() { known_.clear(); }

  /// Every location that was given to a manifest.
  [[nodiscard]] const std::vector<std::string>& made() const { return made_; }

 private:
  struct Outcome {
    std::optional<ManifestFile> instead;  // Nothing: the manifest holds none of the files.
    std::vector<std::string> taken;
  };

  [[nodiscard]] Result<bool> MayHoldAny(const TableMetadata& base,
                                        const ManifestFile& manifest) const;
  [[nodiscard]] Result<Outcome> FilterOne(FileIo& io, const TableMetadata& base,
                                          const ManifestFile& manifest,
                                          std::vector<PendingFile>& pending);

  std::map<std::int32_t, std::set<std::string>> paths_by_spec_;
  std::map<std::int32_t, std::vector<PartitionValues>> partitions_by_spec_;
  const std::int64_t snapshot_id_;
  const std::function<std::string()> next_location_;
  std::map<std::string, Outcome> known_;  // By the path of the manifest.
  std::vector<std::string> made_;
};

}  // namespace signaldb

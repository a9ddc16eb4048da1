#include "iceberg/commit/expired_files.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "iceberg/manifest/manifest.h"

namespace signaldb {
namespace {

/// More manifests than this are not read to find out whether a removed data file came back: the
/// files stay for those who clean up orphans.
constexpr std::size_t kManifestsReadMax = 10'000;

using Locations = std::unordered_set<std::string>;

// Past the cache: a whole history would push out what is needed.
Result<std::vector<ManifestFile>> ReadList(FileIo& io, const Snapshot& snapshot) {
  SIGNALDB_ASSIGN(const std::string bytes, io.Read(snapshot.manifest_list));
  return DecodeManifestList(bytes, snapshot.manifest_list);
}

Result<std::vector<ManifestEntry>> ReadManifest(FileIo& io, const ManifestFile& manifest,
                                                const TableMetadata& metadata) {
  SIGNALDB_ASSIGN(const std::string bytes, io.Read(manifest.manifest_path));
  return DecodeManifest(bytes, manifest, metadata);
}

bool WroteDeletes(const Snapshot& snapshot, const ManifestFile& manifest) {
  return snapshot.operation != "append" && manifest.added_snapshot_id == snapshot.snapshot_id &&
         manifest.deleted_files_count != 0;
}

// Takes out of `removed` what any manifest of the table as it is now still has.
Status KeepLive(FileIo& io, const TableMetadata& now, Locations& removed) {
  Locations seen;
  for (const auto& snapshot : now.snapshots) {
    SIGNALDB_ASSIGN(const auto manifests, ReadList(io, *snapshot));
    for (const ManifestFile& manifest : manifests) {
      if (!manifest.MayHaveLiveFiles() || !seen.insert(manifest.manifest_path).second) continue;
      if (seen.size() > kManifestsReadMax) {
        removed.clear();
        return {};
      }
      SIGNALDB_ASSIGN(const auto entries, ReadManifest(io, manifest, now));
      for (const ManifestEntry& entry : entries) {
        if (entry.status != EntryStatus::kDeleted) removed.erase(entry.data_file.file_path);
      }
    }
  }
  return {};
}

/// Which snapshots a table has.
class KnownSnapshots {
 public:
  explicit KnownSnapshots(const TableMetadata& metadata) : metadata_(metadata) {}

  /// Whether it has no parent, or one that the table has not.
  [[nodiscard]] bool IsRoot(const Snapshot& snapshot) {
    if (!snapshot.parent_snapshot_id) return true;
    // One or two are asked for in nearly every history; a set of all costs more than looking.
    if (looked_ < kLooksMax) {
      ++looked_;
      return metadata_.SnapshotById(*snapshot.parent_snapshot_id) == nullptr;
    }
    if (ids_.empty()) {
      ids_.reserve(metadata_.snapshots.size());
      for (const auto& known : metadata_.snapshots) ids_.insert(known->snapshot_id);
    }
    return !ids_.contains(*snapshot.parent_snapshot_id);
  }

 private:
  static constexpr int kLooksMax = 4;

  const TableMetadata& metadata_;
  int looked_ = 0;
  std::unordered_set<std::int64_t> ids_;
};

}  // namespace

Expiry MakeExpiry(const TableMetadata& before, const TableMetadata& next,
                  std::vector<std::shared_ptr<const Snapshot>> expired) {
  Expiry expiry{.expired = std::move(expired), .border = {}};
  if (expiry.expired.empty()) return expiry;
  std::unordered_set<std::int64_t> gone;
  std::unordered_set<std::int64_t> parents;
  for (const auto& snapshot : expiry.expired) gone.insert(snapshot->snapshot_id);
  KnownSnapshots known(before);
  bool root_expires = false;
  for (const auto& snapshot : expiry.expired) {
    if (snapshot->parent_snapshot_id) parents.insert(*snapshot->parent_snapshot_id);
    root_expires |= known.IsRoot(*snapshot);
  }
  const Snapshot* previous = nullptr;
  for (const auto& snapshot : next.snapshots) {
    // In nearly every history this holds for all but the first and the last.
    const bool follows = previous != nullptr &&
                         snapshot->parent_snapshot_id == previous->snapshot_id &&
                         !parents.contains(snapshot->snapshot_id);
    previous = snapshot.get();
    if (follows) continue;
    const bool child = snapshot->parent_snapshot_id && gone.contains(*snapshot->parent_snapshot_id);
    if (child || parents.contains(snapshot->snapshot_id) ||
        (root_expires && known.IsRoot(*snapshot))) {
      expiry.border.push_back(snapshot);
    }
  }
  return expiry;
}

Result<std::vector<std::string>> FilesOfExpired(FileIo& io, MetadataCache& cache,
                                                const Expiry& expiry, const TableMetadata& now) {
  Locations lists;
  Locations manifests;
  Locations removed;
  for (const auto& snapshot : expiry.expired) {
    lists.insert(snapshot->manifest_list);
    SIGNALDB_ASSIGN(const auto named, cache.ManifestList(io, snapshot->manifest_list));
    cache.Drop(snapshot->manifest_list);
    for (const ManifestFile& manifest : *named) {
      manifests.insert(manifest.manifest_path);
      if (!WroteDeletes(*snapshot, manifest)) continue;
      SIGNALDB_ASSIGN(const auto entries, ReadManifest(io, manifest, now));
      for (const ManifestEntry& entry : entries) {
        if (entry.status == EntryStatus::kDeleted && entry.snapshot_id == snapshot->snapshot_id) {
          removed.insert(entry.data_file.file_path);
        }
      }
    }
  }
  for (const auto& snapshot : now.snapshots) lists.erase(snapshot->manifest_list);
  for (const auto& snapshot : expiry.border) {
    // Through the cache: what stands at the border now expires next.
    SIGNALDB_ASSIGN(const auto named, cache.ManifestList(io, snapshot->manifest_list));
    for (const ManifestFile& manifest : *named) manifests.erase(manifest.manifest_path);
  }
  if (const Snapshot* const head = now.current_snapshot(); head != nullptr) {
    SIGNALDB_ASSIGN(const auto named, cache.ManifestList(io, head->manifest_list));
    for (const ManifestFile& manifest : *named) manifests.erase(manifest.manifest_path);
  }
  if (!removed.empty()) SIGNALDB_TRY(KeepLive(io, now, removed));

  // Lists last: while one is there, what it names can still be found.
  std::vector<std::string> files(removed.begin(), removed.end());
  files.insert(files.end(), manifests.begin(), manifests.end());
  files.insert(files.end(), lists.begin(), lists.end());
  return files;
}

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

/// The table's `commit.manifest*` properties. More and smaller manifests make commits cheaper and
/// planning dearer.
struct ManifestMergeOptions {
  bool enabled = true;                  ///< commit.manifest-merge.enabled
  std::size_t count_min = 100;          ///< commit.manifest.min-count-to-merge
  std::int64_t target_bytes = 8 << 20;  ///< commit.manifest.target-size-bytes

  /// Errors: kInvalid (a value that is no number or not above 0; names the property).
  [[nodiscard]] static Result<ManifestMergeOptions> From(const Properties& properties);
};

/// Sorts `manifests`, newest first, into the bins that each become one manifest; most hold one,
/// which stays as it is. Bins go by spec, the highest id first. All manifests have the same
/// content. Whether merging is enabled is for the caller to look at.
///
/// Manifests of up to half `target_bytes` are small; larger ones stay. When a spec has `count_min`
/// small ones (those that are not the newest's: two), the newest of them become one: fewer than
/// `count_min` are left, and an older one goes with them only if it has no more files than all
/// newer ones together. So the manifest that holds a file at least doubles whenever the file is
/// written down again, and what merging costs a commit grows with the logarithm of the table. Java
/// takes all small ones each time.
[[nodiscard]] std::vector<std::vector<ManifestFile>> PackManifests(
    const ManifestMergeOptions& options, std::span<const ManifestFile> manifests);

/// Whether merging is enabled and PackManifests would merge any, of either content.
[[nodiscard]] bool IsWorthMerging(const ManifestMergeOptions& options,
                                  std::span<const ManifestFile> manifests);

/// The newest schema in which every column of the spec is still there, so that partition values
/// keep their types; the current one if there is none.
[[nodiscard]] const Schema& SchemaFor(const PartitionSpec& spec, const TableMetadata& metadata);

/// Keeps a table's manifests few: merges small ones while a commit writes its list.
///
/// A merged manifest leaves out what older snapshots deleted, keeps what this commit added or
/// deleted as it is, and holds the rest as existing. Since it depends on its members only, it is
/// kept from attempt to attempt and written again only when a bin has other members.
///
/// One object serves all attempts of one commit.
/// Owns:          the merged manifests until the commit is certain: `written()`.
/// Does not own:  the manifests it replaces; older snapshots still need them.
/// Lifetime:      borrows `io`.
/// Threads:       thread-compatible.
class ManifestMerger {
 public:
  /// `next_location` names each merged manifest; it never gives the same location twice.
  ManifestMerger(FileIo& io, ManifestMergeOptions options, std::int64_t snapshot_id,
                 std::function<std::string()> next_location);

  /// The manifests of the new list: `added`, those of this commit, and `current`, those of the base
  /// snapshot, merged where it pays. Manifests of `current` that hold only deleted entries are left
  /// out. Data manifests go before delete manifests, new before old.
  ///
  /// Errors: kCorrupt (a manifest is broken or gone; names it), kInvalid (a manifest of a spec that
  /// we cannot write), kUnavailable (I/O; also when a merged manifest may or may not have been
  /// written: it is in `written()` and its location is not used again).
  [[nodiscard]] Result<std::vector<ManifestFile>> Merge(const TableMetadata& metadata,
                                                        const std::vector<ManifestFile>& added,
                                                        const std::vector<ManifestFile>& current);

  /// Every location that was tried, of all attempts: after the commit, those that are not in its
  /// list are garbage; while its outcome is unknown, none is.
  [[nodiscard]] const std::vector<std::string>& written() const { return written_; }

 private:
  using Bin = std::vector<ManifestFile>;

  [[nodiscard]] Status MergeOneContent(const TableMetadata& metadata, const Bin& manifests,
                                       std::vector<ManifestFile>& out);
  [[nodiscard]] Result<ManifestFile> MergeBin(const TableMetadata& metadata, const Bin& bin);
  [[nodiscard]] Status AddMember(const TableMetadata& metadata, const ManifestFile& member,
                                 ManifestBuilder& builder);
  [[nodiscard]] Result<ManifestFile> Write(EncodedManifest manifest);

  FileIo& io_;
  const ManifestMergeOptions options_;
  const std::int64_t snapshot_id_;
  const std::function<std::string()> next_location_;
  std::map<std::vector<std::string>, ManifestFile> merged_;  // By the paths of the members.
  std::vector<std::string> written_;
};

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "iceberg/commit/expired_files.h"
#include "iceberg/commit/manifest_filter.h"
#include "iceberg/commit/metadata_cache.h"
#include "iceberg/commit/parallel_writes.h"
#include "iceberg/commit/table_commit.h"
#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest_merge.h"
#include "signaldb/result.h"

namespace signaldb {

/// One table's part in one commit, over all its attempts.
///
/// Makes the bytes of manifests (once), and of list and metadata (once an attempt), and decides
/// nothing. It writes only what it must read again: manifests that are merged on the way. Knows
/// afterwards which of its files are garbage.
///
/// Lifetime: borrows `random`, and `io` of the first Prepare.
/// Threads: confined to the thread that commits.
class TableAppend {
 public:
  struct Settings {
    Properties summary;        ///< For the snapshot, beside those of the change.
    std::string in_flight_id;  ///< As TableChange has it, filled in.
  };

  TableAppend(TableChange change, Settings settings, Random& random);

  [[nodiscard]] const TableChange& change() const { return change_; }
  [[nodiscard]] std::int64_t snapshot_id() const { return snapshot_id_; }
  /// Whether Prepare failed for what no other base will put right.
  [[nodiscard]] bool hopeless() const { return hopeless_; }

  /// Whether `base` shows that one of our attempts was applied.
  [[nodiscard]] bool IsAppliedIn(const LoadedTable& base) const;

  /// Whether ours may have been applied and expired since, so that IsAppliedIn cannot tell.
  [[nodiscard]] bool MayBeExpiredIn(const LoadedTable& base) const;

  /// What an attempt on `base` writes and asks of the catalog.
  struct Attempt {
    PointerUpdate update;
    std::vector<PendingFile> files;  ///< Of this attempt, and the manifests if still unwritten.
    LoadedTable next;
    std::string list_location;  ///< Empty: no snapshot.
    std::shared_ptr<const std::vector<ManifestFile>> manifests;
    std::vector<std::string> fallen_off_the_log;
    Expiry expiry;  ///< What this attempt expires, if the table wants that.
  };
  /// `properties` are set on the table. Errors: kInvalid, kCorrupt, kUnavailable as
  /// TableCommitter::Commit has them; kNotFound (the base's manifest list is gone).
  [[nodiscard]] Result<Attempt> Prepare(FileIo& io, MetadataCache& cache, const LoadedTable& base,
                                        const Properties& properties, std::int64_t now_ms);
  /// All files of the last attempt are durable; its manifests serve later attempts too.
  void FilesAreWritten();
  /// Some may be there, some not; their names are not used again.
  void FilesAreInDoubt();

  /// Every file that attempts may have left behind; with `applied`, all but those that this version
  /// of the table needs.
  [[nodiscard]] std::vector<std::string> Garbage(const LoadedTable* applied) const;
  /// What was expired by the one of our attempts that `applied` shows.
  [[nodiscard]] Expiry ExpiryOf(const LoadedTable& applied) const;

 private:
  [[nodiscard]] Status CheckBase(const LoadedTable& base);
  [[nodiscard]] Status CheckSchema(const TableMetadata& base) const;
  [[nodiscard]] Status EncodeManifests(const TableMetadata& base);
  [[nodiscard]] std::string NextManifestLocation();
  [[nodiscard]] std::string NewFileUuid();
  [[nodiscard]] Result<std::vector<ManifestFile>> KeptManifests(FileIo& io, MetadataCache& cache,
                                                                const TableMetadata& base);
  [[nodiscard]] Result<std::vector<ManifestFile>> ManifestsOn(FileIo& io, MetadataCache& cache,
                                                              const TableMetadata& base);
  [[nodiscard]] Status AddSnapshot(const LoadedTable& base, std::vector<ManifestFile> listed,
                                   std::int64_t timestamp_ms, TableMetadata& next,
                                   Attempt& attempt);

  struct Written {
    std::string metadata_location;
    std::string list_location;
    std::shared_ptr<const std::vector<ManifestFile>> manifests;  // Of the list; shared with caches.
    Expiry expiry;
  };

  const TableChange change_;
  const Settings settings_;
  Random& random_;
  const std::string uuid_;  // In the names of manifests and lists.
  std::int64_t snapshot_id_ = 0;
  std::string table_uuid_;
  std::int32_t schema_id_ = 0;
  bool begun_ = false;
  bool hopeless_ = false;
  std::int64_t first_sequence_number_ = 0;  // The last of the base of the first attempt.
  std::size_t manifest_names_used_ = 0;
  std::vector<ManifestFile> manifests_;      // Of this commit; empty until the first attempt.
  std::vector<PendingFile> manifest_files_;  // Those of them that are not written yet.
  std::vector<std::string> doubtful_files_;
  std::string folder_;  // Of the metadata of the base at hand.
  std::unique_ptr<ManifestFilter> filter_;
  std::unique_ptr<ManifestMerger> merger_;
  std::vector<Written> attempts_;
};

}  // namespace signaldb

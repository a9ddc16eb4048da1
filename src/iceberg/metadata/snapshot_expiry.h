#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

/// Table property: whether every commit of ours also expires what `history.expire.*` lets go.
inline constexpr std::string_view kExpireOnCommitProperty = "signaldb.expire-on-commit.enabled";
/// Table property: how many snapshots of a branch such a commit leaves, however young they are. Age
/// alone does not bound a table's metadata: what an hour holds depends on the rate of commits.
inline constexpr std::string_view kMaxSnapshotsProperty = "signaldb.expire-on-commit.max-snapshots";

/// What lets snapshots of a table go. The names and defaults of the other numbers are Iceberg's, so
/// that every program which maintains the table comes to the same result.
struct ExpiryPolicy {
  /// Set by kExpireOnCommitProperty; off if `gc.enabled` forbids that files are deleted.
  bool on_commit = false;
  std::int64_t snapshot_age_max_ms =
      5LL * 24 * 3600 * 1000;      ///< history.expire.max-snapshot-age-ms
  std::int32_t snapshots_min = 1;  ///< history.expire.min-snapshots-to-keep, for each branch
  /// kMaxSnapshotsProperty, for each branch without a max-snapshot-age of its own; the larger of
  /// this and the snapshots that are to be kept counts.
  std::int32_t snapshots_max = std::numeric_limits<std::int32_t>::max();
  std::int64_t ref_age_max_ms =
      std::numeric_limits<std::int64_t>::max();  ///< history.expire.max-ref-age-ms

  /// Reads the numbers only if `on_commit`.
  /// Errors: kInvalid (a value that is no number or not above 0; names the property).
  [[nodiscard]] static Result<ExpiryPolicy> From(const Properties& properties);
};

/// Takes at most `count_max` snapshots out of `metadata`, the oldest first, with their statistics
/// and what the snapshot log says up to them, and returns them. Refs that are too old go first,
/// main never. Kept are: what a ref points at; of every branch the newest `snapshots_min`, and of
/// the newest `snapshots_max` those that are young enough (refs may have limits of their own); and
/// young ones of no branch.
/// Deletes no file.
/// Errors: kCorrupt (the table's statistics cannot be read).
[[nodiscard]] Result<std::vector<std::shared_ptr<const Snapshot>>> ExpireSnapshots(
    TableMetadata& metadata, const ExpiryPolicy& policy, std::int64_t now_ms,
    std::size_t count_max);

/// Whether every snapshot since `sequence_number` is still in the table, so that one which is not
/// there was never added. Of tables from format version 2 on.
[[nodiscard]] bool HasHistorySince(const TableMetadata& metadata, std::int64_t sequence_number);

}  // namespace signaldb

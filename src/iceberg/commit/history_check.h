#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "iceberg/commit/metadata_cache.h"
#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

/// What a change that read the table must not have missed, as Iceberg's isolation levels have it.
enum class Isolation : std::uint8_t {
  kSerializable,  ///< Nothing that it would have read was added since.
  kSnapshot,      ///< What was added since stays untouched.
};

/// What a change relies on.
struct ChangePlan {
  /// The head that was read; nothing: the table was empty.
  std::optional<std::int64_t> snapshot_id;
  Isolation isolation = Isolation::kSerializable;
  /// Whether rows of the file may be among those that the change is about.
  std::function<Result<bool>(const TableMetadata& base, const DataFile& file)> concerns;
};

/// Looks at the snapshots between the plan and the head of `base`. Compactions do not count: they
/// change no rows, and whether the files are still there is looked at elsewhere.
///
/// Errors: kConflict (files with such rows were added under kSerializable, or delete files were
/// added, or the history since is not known: names table, file and snapshot), kNotFound,
/// kUnavailable, kCorrupt (lists and manifests).
[[nodiscard]] Status CheckHistory(FileIo& io, MetadataCache& cache, const LoadedTable& base,
                                  const ChangePlan& plan);

}  // namespace signaldb

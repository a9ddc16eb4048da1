#include "iceberg/commit/history_check.h"

#include <vector>

#include <fmt/format.h>

namespace signaldb {
namespace {

/// From the head back to the plan, the head first.
Result<std::vector<const Snapshot*>> SnapshotsSince(const LoadedTable& base,
                                                    const ChangePlan& plan) {
  std::vector<const Snapshot*> since;
  const TableMetadata& table = *base.metadata;
  const Snapshot* snapshot = table.current_snapshot();
  if (snapshot == nullptr && !plan.snapshot_id.has_value()) return since;
  while (snapshot != nullptr && since.size() <= table.snapshots.size()) {
    if (snapshot->snapshot_id == plan.snapshot_id) return since;
    since.push_back(snapshot);
    if (!snapshot->parent_snapshot_id.has_value()) {
      if (!plan.snapshot_id.has_value()) return since;
      break;
    }
    snapshot = table.SnapshotById(*snapshot->parent_snapshot_id);
  }
  return Fail(ErrorKind::kConflict,
              fmt::format("what happened to the table since it was read is not known, its history "
                          "was cut or rolled back; read it and try again table={} snapshot_id={}",
                          base.table.ToText(), plan.snapshot_id.value_or(-1)));
}

Status CheckAddedData(FileIo& io, const LoadedTable& base, const Snapshot& snapshot,
                      const ManifestFile& manifest, const ChangePlan& plan) {
  SIGNALDB_ASSIGN(const std::string bytes, io.Read(manifest.manifest_path));
  SIGNALDB_ASSIGN(const auto entries, DecodeManifest(bytes, manifest, *base.metadata));
  for (const ManifestEntry& entry : entries) {
    if (entry.status != EntryStatus::kAdded) continue;
    SIGNALDB_ASSIGN(const bool concerned, plan.concerns(*base.metadata, entry.data_file));
    if (!concerned) continue;
    return Fail(
        ErrorKind::kConflict,
        fmt::format("rows that the change may be about were added since the table was read; "
                    "read it and try again table={} file={} snapshot_id={}",
                    base.table.ToText(), entry.data_file.file_path, snapshot.snapshot_id));
  }
  return {};
}

}  // namespace

Status CheckHistory(FileIo& io, MetadataCache& cache, const LoadedTable& base,
                    const ChangePlan& plan) {
  SIGNALDB_ASSIGN(const std::vector<const Snapshot*> since, SnapshotsSince(base, plan));
  for (const Snapshot* const snapshot : since) {
    if (snapshot->operation == "replace") continue;
    SIGNALDB_ASSIGN(const auto manifests, cache.ManifestList(io, snapshot->manifest_list));
    for (const ManifestFile& manifest : *manifests) {
      if (manifest.added_snapshot_id != snapshot->snapshot_id || manifest.added_files_count == 0) {
        continue;
      }
      if (manifest.content == ManifestContent::kDeletes) {
        return Fail(
            ErrorKind::kConflict,
            fmt::format("delete files were added since the table was read; rewrite its data "
                        "files first table={} manifest={} snapshot_id={}",
                        base.table.ToText(), manifest.manifest_path, snapshot->snapshot_id));
      }
      if (plan.isolation == Isolation::kSnapshot) continue;
      SIGNALDB_TRY(CheckAddedData(io, base, *snapshot, manifest, plan));
    }
  }
  return {};
}

}  // namespace signaldb

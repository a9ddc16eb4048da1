#include "iceberg/commit/manifest_filter.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "iceberg/manifest/manifest_merge.h"

namespace signaldb {
namespace {

Result<bool> IsWithin(const Type& type, const PartitionFieldSummary& summary,
                      const Literal& value) {
  if (value.is_null()) return summary.contains_null;
  if (!IsLiteralOf(type, value)) return true;
  if (summary.lower_bound.has_value()) {
    SIGNALDB_ASSIGN(const Literal lower, FromSingleValueBytes(type, *summary.lower_bound));
    if (Compare(type, value, lower) < 0) return false;
  }
  if (summary.upper_bound.has_value()) {
    SIGNALDB_ASSIGN(const Literal upper, FromSingleValueBytes(type, *summary.upper_bound));
    if (Compare(type, value, upper) > 0) return false;
  }
  return true;
}

}  // namespace

ManifestFilter::ManifestFilter(const std::vector<DataFile>& removed, std::int64_t snapshot_id,
                               std::function<std::string()> next_location)
    : snapshot_id_(snapshot_id), next_location_(std::move(next_location)) {
  for (const DataFile& file : removed) {
    paths_by_spec_[file.spec_id].insert(file.file_path);
    auto& partitions = partitions_by_spec_[file.spec_id];
    if (std::ranges::find(partitions, file.partition) == partitions.end()) {
      partitions.push_back(file.partition);
    }
  }
}

Result<bool> ManifestFilter::MayHoldAny(const TableMetadata& base,
                                        const ManifestFile& manifest) const {
  const auto partitions = partitions_by_spec_.find(manifest.partition_spec_id);
  if (partitions == partitions_by_spec_.end()) return false;
  const PartitionSpec* const spec = base.SpecById(manifest.partition_spec_id);
  if (spec == nullptr || !manifest.has_partition_summaries ||
      manifest.partitions.size() != spec->fields.size()) {
    return true;
  }
  SIGNALDB_ASSIGN(const std::vector<Type> types, PartitionTypes(*spec, base.schema()));
  for (const PartitionValues& values : partitions->second) {
    if (values.size() != types.size()) return true;
    bool within = true;
    for (std::size_t i = 0; within && i < types.size(); ++i) {
      if (!types[i].is_primitive()) continue;
      SIGNALDB_ASSIGN(within, IsWithin(types[i], manifest.partitions[i], values[i]));
    }
    if (within) return true;
  }
  return false;
}

Result<ManifestFilter::Outcome> ManifestFilter::FilterOne(FileIo& io, const TableMetadata& base,
                                                          const ManifestFile& manifest,
                                                          std::vector<PendingFile>& pending) {
  Outcome outcome;
  SIGNALDB_ASSIGN(const std::string bytes, io.Read(manifest.manifest_path));
  SIGNALDB_ASSIGN(std::vector<ManifestEntry> entries, DecodeManifest(bytes, manifest, base));
  std::erase_if(entries, [](const auto& entry) { return entry.status == EntryStatus::kDeleted; });
  const std::set<std::string>& paths = paths_by_spec_.at(manifest.partition_spec_id);
  for (ManifestEntry& entry : entries) {
    entry.status = EntryStatus::kExisting;
    if (!paths.contains(entry.data_file.file_path)) continue;
    entry.status = EntryStatus::kDeleted;
    entry.snapshot_id = snapshot_id_;
    outcome.taken.push_back(entry.data_file.file_path);
  }
  if (outcome.taken.empty()) return outcome;
  const PartitionSpec* const spec = base.SpecById(manifest.partition_spec_id);
  if (spec == nullptr) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("the table has no such partition spec spec={} manifest={}",
                            manifest.partition_spec_id, manifest.manifest_path));
  }
  SIGNALDB_ASSIGN(EncodedManifest encoded, EncodeManifest({.format_version = base.format_version,
                                                           .schema = &SchemaFor(*spec, base),
                                                           .spec = spec,
                                                           .content = manifest.content,
                                                           .snapshot_id = snapshot_id_},
                                                          entries));
  encoded.file.manifest_path = next_location_();
  made_.push_back(encoded.file.manifest_path);
  pending.push_back({.location = encoded.file.manifest_path, .bytes = std::move(encoded.bytes)});
  outcome.instead = std::move(encoded.file);
  return outcome;
}

Result<std::vector<ManifestFile>> ManifestFilter::Filter(FileIo& io, const TableMetadata& base,
                                                         const std::vector<ManifestFile>& current,
                                                         std::vector<PendingFile>& pending) {
  std::vector<ManifestFile> filtered;
  std::set<std::string> taken;
  for (const ManifestFile& manifest : current) {
    filtered.push_back(manifest);
    if (manifest.content != ManifestContent::kData || !manifest.MayHaveLiveFiles()) continue;
    auto known = known_.find(manifest.manifest_path);
    if (known == known_.end()) {
      SIGNALDB_ASSIGN(const bool may_hold, MayHoldAny(base, manifest));
      Outcome outcome;
      if (may_hold) {
        SIGNALDB_ASSIGN(outcome, FilterOne(io, base, manifest, pending));
      }
      known = known_.emplace(manifest.manifest_path, std::move(outcome)).first;
    }
    if (known->second.instead.has_value()) filtered.back() = *known->second.instead;
    taken.insert(known->second.taken.begin(), known->second.taken.end());
  }
  for (const auto& [spec_id, paths] : paths_by_spec_) {
    for (const std::string& path : paths) {
      if (taken.contains(path)) continue;
      return Fail(
          ErrorKind::kConflict,
          fmt::format("a data file that is to be removed is not in the table any more; read "
                      "the table and try again file={}",
                      path));
    }
  }
  return filtered;
}

}  // namespace signaldb

#include "iceberg/manifest/manifest_merge.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace signaldb {
namespace {

/// A property that is a whole number above 0; `fallback` if it is not set.
Result<std::int64_t> PositiveOf(const Properties& properties, std::string_view key,
                                std::int64_t fallback) {
  const auto found = properties.find(key);
  if (found == properties.end()) return fallback;
  const std::string& text = found->second;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value <= 0) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("table property must be a number above 0 property={} value={:.40}", key, text));
  }
  return value;
}

/// Those of version 1 lists may not say; they are merged as if they were small.
std::int64_t FilesOf(const ManifestFile& manifest) {
  std::int64_t files = 0;
  for (const std::int32_t count :
       {manifest.added_files_count, manifest.existing_files_count, manifest.deleted_files_count}) {
    files += std::max(0, count);
  }
  return std::max<std::int64_t>(1, files);
}

/// Larger ones stay as they are: a merge would gain less than it writes.
bool IsSmall(const ManifestMergeOptions& options, const ManifestFile& manifest) {
  return manifest.manifest_length <= options.target_bytes / 2;
}

/// Manifests of old specs are merged at once: no more will come.
std::size_t CountToMerge(const ManifestMergeOptions& options, bool has_newest) {
  return has_newest ? std::max<std::size_t>(2, options.count_min) : 2;
}

/// How many of `small`, the newest first, become one manifest; 1: none.
std::size_t MergeLength(const ManifestMergeOptions& options,
                        const std::vector<const ManifestFile*>& small, std::size_t count_min) {
  if (small.size() < count_min) return 1;
  // So that fewer than count_min are left, whatever their sizes.
  const std::size_t needed = small.size() - count_min + 2;
  std::size_t length = 1;
  std::int64_t files = 0;
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < small.size(); ++i) {
    if (small[i]->manifest_length > options.target_bytes - bytes) break;
    if (i < needed || FilesOf(*small[i]) <= files) length = i + 1;
    files += FilesOf(*small[i]);
    bytes += small[i]->manifest_length;
  }
  return length;
}

/// Appends the bins of one spec's manifests, in their order.
void PackGroup(const ManifestMergeOptions& options, const std::vector<const ManifestFile*>& group,
               std::size_t count_min, std::vector<std::vector<ManifestFile>>& bins) {
  std::vector<const ManifestFile*> small;
  std::ranges::copy_if(group, std::back_inserter(small),
                       [&](const ManifestFile* manifest) { return IsSmall(options, *manifest); });
  std::size_t left = MergeLength(options, small, count_min);
  std::optional<std::size_t> merged;  // The bin of those that become one.
  for (const ManifestFile* const manifest : group) {
    const bool joins = left > 0 && IsSmall(options, *manifest);
    if (joins) --left;
    if (joins && merged.has_value()) {
      bins[*merged].push_back(*manifest);
      continue;
    }
    if (joins) merged = bins.size();
    bins.push_back({*manifest});
  }
}

}  // namespace

const Schema& SchemaFor(const PartitionSpec& spec, const TableMetadata& metadata) {
  const auto knows_all = [&](const Schema& schema) {
    return std::ranges::all_of(spec.fields, [&](const PartitionField& field) {
      return schema.FindById(field.source_id) != nullptr;
    });
  };
  if (knows_all(metadata.schema())) return metadata.schema();
  for (auto schema = metadata.schemas.rbegin(); schema != metadata.schemas.rend(); ++schema) {
    if (knows_all(**schema)) return **schema;
  }
  return metadata.schema();
}

Result<ManifestMergeOptions> ManifestMergeOptions::From(const Properties& properties) {
  ManifestMergeOptions options;
  if (const auto found = properties.find("commit.manifest-merge.enabled");
      found != properties.end()) {
    // Java takes everything that is not "true" for false; so a typing error only costs speed.
    options.enabled = found->second == "true";
  }
  SIGNALDB_ASSIGN(const std::int64_t count,
                  PositiveOf(properties, "commit.manifest.min-count-to-merge",
                             static_cast<std::int64_t>(options.count_min)));
  options.count_min = static_cast<std::size_t>(count);
  SIGNALDB_ASSIGN(options.target_bytes, PositiveOf(properties, "commit.manifest.target-size-bytes",
                                                   options.target_bytes));
  return options;
}

std::vector<std::vector<ManifestFile>> PackManifests(const ManifestMergeOptions& options,
                                                     std::span<const ManifestFile> manifests) {
  std::vector<std::vector<ManifestFile>> bins;
  if (manifests.empty()) return bins;
  const std::int32_t newest_spec = manifests.front().partition_spec_id;
  std::map<std::int32_t, std::vector<const ManifestFile*>, std::greater<>> by_spec;
  for (const ManifestFile& manifest : manifests) {
    by_spec[manifest.partition_spec_id].push_back(&manifest);
  }
  for (const auto& [spec_id, group] : by_spec) {
    PackGroup(options, group, CountToMerge(options, spec_id == newest_spec), bins);
  }
  return bins;
}

bool IsWorthMerging(const ManifestMergeOptions& options, std::span<const ManifestFile> manifests) {
  if (!options.enabled) return false;
  std::map<ManifestContent, std::int32_t> newest_specs;
  std::map<std::pair<ManifestContent, std::int32_t>, std::size_t> counts;
  for (const ManifestFile& manifest : manifests) {
    newest_specs.try_emplace(manifest.content, manifest.partition_spec_id);
    if (IsSmall(options, manifest)) ++counts[{manifest.content, manifest.partition_spec_id}];
  }
  return std::ranges::any_of(counts, [&](const auto& counted) {
    const auto& [group, count] = counted;
    return count >= CountToMerge(options, newest_specs.at(group.first) == group.second);
  });
}

ManifestMerger::ManifestMerger(FileIo& io, ManifestMergeOptions options, std::int64_t snapshot_id,
                               std::function<std::string()> next_location)
    : io_(io),
      options_(options),
      snapshot_id_(snapshot_id),
      next_location_(std::move(next_location)) {}

Result<std::vector<ManifestFile>> ManifestMerger::Merge(const TableMetadata& metadata,
                                                        const std::vector<ManifestFile>& added,
                                                        const std::vector<ManifestFile>& current) {
  Bin data;
  Bin deletes;
  const auto sort_in = [&](const ManifestFile& file) {
    (file.content == ManifestContent::kData ? data : deletes).push_back(file);
  };
  for (const ManifestFile& file : added) sort_in(file);
  for (const ManifestFile& file : current) {
    if (file.MayHaveLiveFiles() || file.added_snapshot_id == snapshot_id_) sort_in(file);
  }
  std::vector<ManifestFile> merged;
  SIGNALDB_TRY(MergeOneContent(metadata, data, merged));
  SIGNALDB_TRY(MergeOneContent(metadata, deletes, merged));
  return merged;
}

Status ManifestMerger::MergeOneContent(const TableMetadata& metadata, const Bin& manifests,
                                       std::vector<ManifestFile>& out) {
  if (!options_.enabled) {
    out.insert(out.end(), manifests.begin(), manifests.end());
    return {};
  }
  for (Bin& bin : PackManifests(options_, manifests)) {
    if (bin.size() == 1) {
      out.push_back(std::move(bin.front()));
      continue;
    }
    SIGNALDB_ASSIGN(ManifestFile merged, MergeBin(metadata, bin));
    out.push_back(std::move(merged));
  }
  return {};
}

Result<ManifestFile> ManifestMerger::MergeBin(const TableMetadata& metadata, const Bin& bin) {
  std::vector<std::string> members;
  members.reserve(bin.size());
  for (const ManifestFile& member : bin) members.push_back(member.manifest_path);
  if (const auto found = merged_.find(members); found != merged_.end()) return found->second;

  const PartitionSpec* spec = metadata.SpecById(bin.front().partition_spec_id);
  if (spec == nullptr) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("the table has no such partition spec spec={} manifest={}",
                            bin.front().partition_spec_id, members.front()));
  }
  SIGNALDB_ASSIGN(const ManifestEncoder encoder,
                  ManifestEncoder::Make({.format_version = metadata.format_version,
                                         .schema = &SchemaFor(*spec, metadata),
                                         .spec = spec,
                                         .content = bin.front().content,
                                         .snapshot_id = snapshot_id_}));
  ManifestBuilder builder(encoder, snapshot_id_);
  for (const ManifestFile& member : bin) SIGNALDB_TRY(AddMember(metadata, member, builder));
  SIGNALDB_ASSIGN(ManifestFile merged, Write(std::move(builder).Finish()));
  merged_.emplace(std::move(members), merged);
  return merged;
}

Status ManifestMerger::AddMember(const TableMetadata& metadata, const ManifestFile& member,
                                 ManifestBuilder& builder) {
  auto bytes = io_.Read(member.manifest_path);
  if (!bytes.has_value()) {
    if (bytes.error().kind != ErrorKind::kNotFound) return std::unexpected(bytes.error());
    return Fail(ErrorKind::kCorrupt,
                fmt::format("a manifest of the table is gone manifest={}", member.manifest_path));
  }
  SIGNALDB_ASSIGN(std::vector<ManifestEntry> entries, DecodeManifest(*bytes, member, metadata));
  for (ManifestEntry& entry : entries) {
    const bool ours = entry.snapshot_id == snapshot_id_;
    if (entry.status == EntryStatus::kDeleted && !ours) continue;
    if (entry.status == EntryStatus::kAdded && !ours) entry.status = EntryStatus::kExisting;
    SIGNALDB_TRY(builder.Add(entry));
  }
  return {};
}

Result<ManifestFile> ManifestMerger::Write(EncodedManifest manifest) {
  manifest.file.manifest_path = next_location_();
  // Before the attempt: a file whose writing failed half-way must be cleaned up as well.
  written_.push_back(manifest.file.manifest_path);
  const Status status = WriteFile(io_, manifest.file.manifest_path, manifest.bytes);
  if (status.has_value()) return std::move(manifest.file);
  // Nothing refers to the manifest yet, so whether it is there changes nothing for the commit.
  const bool retryable = status.error().kind == ErrorKind::kUnknownOutcome ||
                         status.error().kind == ErrorKind::kConflict;
  return Fail(retryable ? ErrorKind::kUnavailable : status.error().kind, status.error().message);
}

}  // namespace signaldb

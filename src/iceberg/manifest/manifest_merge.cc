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

/// Packs from the end, so that what is left over is at the front. A manifest joins the bin before
/// it or starts the next one; no bin is gone back to.
std::vector<std::vector<ManifestFile>> PackFromEnd(std::span<const ManifestFile> manifests,
                                                   std::int64_t target_bytes) {
  std::vector<std::vector<ManifestFile>> bins;
  std::int64_t bytes = 0;
  for (auto manifest = manifests.rbegin(); manifest != manifests.rend(); ++manifest) {
    const std::int64_t length = manifest->manifest_length;
    if (bins.empty() || length > target_bytes - bytes) {
      bins.emplace_back();
      bytes = 0;
    }
    bins.back().push_back(*manifest);
    bytes += length;
  }
  std::ranges::reverse(bins);
  for (auto& bin : bins) std::ranges::reverse(bin);
  return bins;
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
  const std::string& newest = manifests.front().manifest_path;
  std::map<std::int32_t, std::vector<ManifestFile>, std::greater<>> by_spec;
  for (const ManifestFile& manifest : manifests) {
    by_spec[manifest.partition_spec_id].push_back(manifest);
  }
  for (const auto& [spec_id, group] : by_spec) {
    for (auto& bin : PackFromEnd(group, options.target_bytes)) {
      const bool has_newest = std::ranges::any_of(
          bin, [&](const ManifestFile& file) { return file.manifest_path == newest; });
      if (!has_newest || bin.size() >= options.count_min) {
        bins.push_back(std::move(bin));
        continue;
      }
      for (ManifestFile& file : bin) bins.push_back({std::move(file)});
    }
  }
  return bins;
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

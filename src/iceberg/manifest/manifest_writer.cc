#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "iceberg/avro/avro_container.h"
#include "iceberg/avro/avro_encoding.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/manifest/manifest_schema.h"
#include "iceberg/manifest/partition_value.h"

namespace signaldb {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;  // Before packing.
constexpr std::int64_t kBlockSizeV1 = 67'108'864;          // Required in v1, read by nobody.

Status Refuse(const ManifestEntry& entry, std::string_view why) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("manifest entry {} file={}", why, entry.data_file.file_path));
}

/// The inheritance rules: what may be null, and whose snapshot an entry may name.
Status CheckStatus(const ManifestEntry& entry, std::int32_t format_version,
                   std::int64_t snapshot_id) {
  const bool of_commit = entry.snapshot_id.value_or(snapshot_id) == snapshot_id;
  const bool sequenced = format_version == 1 || entry.sequence_number.has_value();
  switch (entry.status) {
    case EntryStatus::kAdded:
      if (!of_commit && !sequenced) {
        return Refuse(entry, "was added by another snapshot and has no sequence number");
      }
      return {};
    case EntryStatus::kExisting:
      if (!entry.snapshot_id.has_value()) return Refuse(entry, "exists but has no snapshot id");
      if (!sequenced) return Refuse(entry, "exists but has no sequence number");
      return {};
    case EntryStatus::kDeleted:
      if (!of_commit) return Refuse(entry, "was deleted by another snapshot; leave it out");
      if (!sequenced) return Refuse(entry, "is deleted but has no sequence number");
      return {};
  }
  return Refuse(entry, "has an unknown status");
}

Status CheckFile(const ManifestEntry& entry, ManifestContent content, std::size_t partition_size) {
  const DataFile& file = entry.data_file;
  if (file.file_path.empty()) return Refuse(entry, "has no file path");
  if ((file.content == FileContent::kData) != (content == ManifestContent::kData)) {
    return Refuse(entry, "mixes data and deletes in one manifest");
  }
  if (file.partition.size() != partition_size) {
    return Refuse(entry, "has another number of partition values than its spec");
  }
  if (!file.equality_ids.empty() && file.content != FileContent::kEqualityDeletes) {
    return Refuse(entry, "has equality ids but is no equality delete");
  }
  if (file.first_row_id || file.content_offset || file.content_size_in_bytes) {
    return Refuse(entry, "has a field of format version 3");
  }
  return {};
}

void WriteOptional(const std::optional<std::int64_t>& value, AvroEncoder& encoder) {
  encoder.WriteLong(value.has_value() ? 1 : 0);
  if (value.has_value()) encoder.WriteLong(*value);
}

void WriteOptional(const std::optional<std::string>& value, AvroEncoder& encoder) {
  encoder.WriteLong(value.has_value() ? 1 : 0);
  if (value.has_value()) encoder.WriteBytes(*value);
}

void WriteItem(std::int64_t value, AvroEncoder& encoder) { encoder.WriteLong(value); }
void WriteItem(const std::string& value, AvroEncoder& encoder) { encoder.WriteBytes(value); }

/// A map as Iceberg has it in Avro, an array of pairs. An empty one is written as null.
template <typename Value>
void WriteMap(const std::map<std::int32_t, Value>& map, AvroEncoder& encoder) {
  encoder.WriteLong(map.empty() ? 0 : 1);
  if (map.empty()) return;
  encoder.WriteLong(static_cast<std::int64_t>(map.size()));
  for (const auto& [key, value] : map) {
    encoder.WriteInt(key);
    WriteItem(value, encoder);
  }
  encoder.WriteLong(0);
}

template <typename Number>
void WriteList(const std::vector<Number>& list, AvroEncoder& encoder) {
  encoder.WriteLong(list.empty() ? 0 : 1);
  if (list.empty()) return;
  encoder.WriteLong(static_cast<std::int64_t>(list.size()));
  for (const Number number : list) encoder.WriteLong(number);
  encoder.WriteLong(0);
}

void WriteFile(const DataFile& file, const PartitionValues& partition,
               const std::vector<Type>& types, std::int32_t format_version, AvroEncoder& encoder) {
  if (format_version >= 2) encoder.WriteInt(static_cast<std::int32_t>(file.content));
  encoder.WriteBytes(file.file_path);
  encoder.WriteBytes(file.file_format);
  for (std::size_t i = 0; i < types.size(); ++i) {
    WritePartitionValue(types[i], partition[i], encoder);
  }
  encoder.WriteLong(file.record_count);
  encoder.WriteLong(file.file_size_in_bytes);
  if (format_version == 1) encoder.WriteLong(kBlockSizeV1);
  WriteMap(file.column_sizes, encoder);
  WriteMap(file.value_counts, encoder);
  WriteMap(file.null_value_counts, encoder);
  WriteMap(file.nan_value_counts, encoder);
  WriteMap(file.lower_bounds, encoder);
  WriteMap(file.upper_bounds, encoder);
  WriteOptional(file.key_metadata, encoder);
  WriteList(file.split_offsets, encoder);
  if (format_version >= 2) WriteList(file.equality_ids, encoder);
  WriteOptional(file.sort_order_id, encoder);
  if (format_version >= 2) WriteOptional(file.referenced_data_file, encoder);
}

void WriteEntryHead(const ManifestEntry& entry, std::int64_t snapshot_id,
                    std::int32_t format_version, AvroEncoder& encoder) {
  encoder.WriteInt(static_cast<std::int32_t>(entry.status));
  const std::int64_t id = entry.snapshot_id.value_or(snapshot_id);
  if (format_version == 1) {
    encoder.WriteLong(id);
    return;
  }
  WriteOptional(std::optional(id), encoder);
  WriteOptional(entry.sequence_number, encoder);
  const bool inherits = entry.status == EntryStatus::kAdded;
  WriteOptional(inherits ? std::nullopt : entry.file_sequence_number, encoder);
}

/// The range of one partition field over all entries.
class FieldSummary {
 public:
  void Add(const Type& type, const Literal& value) {
    if (value.is_null()) {
      contains_null_ = true;
    } else if (IsNaN(value)) {
      contains_nan_ = true;
    } else {
      if (lower_.is_null() || Compare(type, value, lower_) < 0) lower_ = value;
      if (upper_.is_null() || Compare(type, value, upper_) > 0) upper_ = value;
    }
  }

  [[nodiscard]] PartitionFieldSummary Finish(const Type& type) const {
    PartitionFieldSummary summary{.contains_null = contains_null_,
                                  .contains_nan = contains_nan_,
                                  .lower_bound = std::nullopt,
                                  .upper_bound = std::nullopt};
    if (!lower_.is_null()) {
      summary.lower_bound = ToSingleValueBytes(type, lower_);
      summary.upper_bound = ToSingleValueBytes(type, upper_);
    }
    return summary;
  }

 private:
  bool contains_null_ = false;
  bool contains_nan_ = false;
  Literal lower_;
  Literal upper_;
};

/// What the list says of a manifest, gathered entry by entry.
class ManifestTotals {
 public:
  explicit ManifestTotals(const std::vector<Type>& types) : types_(types), fields_(types.size()) {}

  void Add(const ManifestEntry& entry, const PartitionValues& partition) {
    for (std::size_t i = 0; i < types_.size(); ++i) fields_[i].Add(types_[i], partition[i]);
    const std::int64_t rows = entry.data_file.record_count;
    switch (entry.status) {
      case EntryStatus::kAdded:
        ++file_.added_files_count;
        file_.added_rows_count += rows;
        break;
      case EntryStatus::kExisting:
        ++file_.existing_files_count;
        file_.existing_rows_count += rows;
        break;
      case EntryStatus::kDeleted:
        ++file_.deleted_files_count;
        file_.deleted_rows_count += rows;
        return;
    }
    if (entry.sequence_number && (!min_sequence_ || *entry.sequence_number < *min_sequence_)) {
      min_sequence_ = entry.sequence_number;
    }
  }

  [[nodiscard]] ManifestFile Finish(std::int32_t format_version) && {
    // Version 1 has no sequence numbers; its files count as older than all others.
    const std::int64_t unassigned = format_version == 1 ? 0 : kUnassignedSequenceNumber;
    file_.sequence_number = unassigned;
    file_.min_sequence_number =
        format_version == 1 ? unassigned : min_sequence_.value_or(unassigned);
    for (std::size_t i = 0; i < types_.size(); ++i) {
      file_.partitions.push_back(fields_[i].Finish(types_[i]));
    }
    return std::move(file_);
  }

 private:
  const std::vector<Type>& types_;
  std::vector<FieldSummary> fields_;
  std::optional<std::int64_t> min_sequence_;
  ManifestFile file_;
};

Result<PartitionValues> FitPartition(const ManifestEntry& entry, const PartitionSpec& spec,
                                     const std::vector<Type>& types) {
  PartitionValues fitted;
  fitted.reserve(types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    std::optional<Literal> value = FitPartitionValue(types[i], entry.data_file.partition[i]);
    if (!value.has_value()) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("partition value does not fit type {} field={} file={}",
                              types[i].ToText(), spec.fields[i].name, entry.data_file.file_path));
    }
    fitted.push_back(*std::move(value));
  }
  return fitted;
}

std::string ManifestHeader(const ManifestContext& context, const std::vector<Type>& types) {
  const std::string avro = ManifestEntrySchema(context.format_version, *context.spec, types);
  const std::string schema = SerializeSchema(*context.schema);
  const std::string fields = SerializePartitionFields(*context.spec);
  const std::string schema_id = std::to_string(context.schema->schema_id);
  const std::string spec_id = std::to_string(context.spec->spec_id);
  const std::string version = std::to_string(context.format_version);
  const std::array<std::pair<std::string_view, std::string_view>, 7> entries = {{
      {"avro.schema", avro},
      {"schema", schema},
      {"schema-id", schema_id},
      {"partition-spec", fields},
      {"partition-spec-id", spec_id},
      {"format-version", version},
      {"content", context.content == ManifestContent::kData ? "data" : "deletes"},
  }};
  // Version 1 knows data only and has no such key.
  const std::size_t count = context.format_version == 1 ? entries.size() - 1 : entries.size();
  return EncodeAvroHeader(std::span(entries).first(count));
}

}  // namespace

Result<ManifestEncoder> ManifestEncoder::Make(const ManifestContext& context) {
  SIGNALDB_ASSERT(context.schema != nullptr && context.spec != nullptr);
  if (context.format_version != 1 && context.format_version != 2) {
    return Fail(ErrorKind::kInvalid, fmt::format("manifests are written in format version 1 or 2 "
                                                 "only format_version={}",
                                                 context.format_version));
  }
  if (context.format_version == 1 && context.content != ManifestContent::kData) {
    return Fail(ErrorKind::kInvalid, "delete manifests need format version 2");
  }
  ManifestEncoder encoder;
  SIGNALDB_ASSIGN(encoder.types_, PartitionTypes(*context.spec, *context.schema));
  encoder.format_version_ = context.format_version;
  encoder.content_ = context.content;
  encoder.spec_ = *context.spec;
  encoder.header_ = ManifestHeader(context, encoder.types_);
  return encoder;
}

Result<EncodedManifest> ManifestEncoder::Encode(std::int64_t snapshot_id,
                                                const std::vector<ManifestEntry>& entries) const {
  ManifestBuilder builder(*this, snapshot_id);
  for (const ManifestEntry& entry : entries) SIGNALDB_TRY(builder.Add(entry));
  return std::move(builder).Finish();
}

struct ManifestBuilder::State {
  explicit State(const std::vector<Type>& types) : totals(types) {}

  std::vector<AvroObjects> blocks;
  ManifestTotals totals;
};

ManifestBuilder::ManifestBuilder(const ManifestEncoder& encoder, std::int64_t snapshot_id)
    : encoder_(encoder),
      snapshot_id_(snapshot_id),
      state_(std::make_unique<State>(encoder.types_)) {}

ManifestBuilder::~ManifestBuilder() = default;

Status ManifestBuilder::Add(const ManifestEntry& entry) {
  const std::vector<Type>& types = encoder_.types_;
  const std::int32_t version = encoder_.format_version_;
  SIGNALDB_TRY(CheckStatus(entry, version, snapshot_id_));
  SIGNALDB_TRY(CheckFile(entry, encoder_.content_, types.size()));
  SIGNALDB_ASSIGN(const PartitionValues partition, FitPartition(entry, encoder_.spec_, types));
  std::vector<AvroObjects>& blocks = state_->blocks;
  if (blocks.empty() || blocks.back().bytes.size() >= kBlockBytes) blocks.emplace_back();
  AvroEncoder avro(blocks.back().bytes);
  WriteEntryHead(entry, snapshot_id_, version, avro);
  WriteFile(entry.data_file, partition, types, version, avro);
  ++blocks.back().count;
  state_->totals.Add(entry, partition);
  return {};
}

EncodedManifest ManifestBuilder::Finish() && {
  EncodedManifest manifest{.bytes = EncodeAvroContainer(encoder_.header_, state_->blocks),
                           .file = std::move(state_->totals).Finish(encoder_.format_version_)};
  manifest.file.manifest_length = static_cast<std::int64_t>(manifest.bytes.size());
  manifest.file.partition_spec_id = encoder_.spec_.spec_id;
  manifest.file.content = encoder_.content_;
  manifest.file.added_snapshot_id = snapshot_id_;
  return manifest;
}

Result<EncodedManifest> EncodeManifest(const ManifestContext& context,
                                       const std::vector<ManifestEntry>& entries) {
  SIGNALDB_ASSIGN(const ManifestEncoder encoder, ManifestEncoder::Make(context));
  return encoder.Encode(context.snapshot_id, entries);
}

}  // namespace signaldb

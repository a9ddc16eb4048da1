#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "iceberg/avro/avro_container.h"
#include "iceberg/avro/avro_encoding.h"
#include "iceberg/avro/avro_schema.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/manifest/manifest_schema.h"

namespace signaldb {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{64} << 10;  // Before packing: about 600 rows.

enum ListField : std::int32_t {
  kManifestPath = 500,
  kManifestLength = 501,
  kPartitionSpecId = 502,
  kAddedSnapshotId = 503,
  kAddedFilesCount = 504,
  kExistingFilesCount = 505,
  kDeletedFilesCount = 506,
  kPartitions = 507,
  kAddedRowsCount = 512,
  kExistingRowsCount = 513,
  kDeletedRowsCount = 514,
  kSequenceNumber = 515,
  kMinSequenceNumber = 516,
  kContent = 517,
  kKeyMetadata = 519,
  kFirstRowId = 520,
};

enum SummaryField : std::int32_t {
  kContainsNull = 509,
  kLowerBound = 510,
  kUpperBound = 511,
  kContainsNan = 518,
};

constexpr KnownAvroField kListFields[] = {
    {.id = kManifestPath, .name = "manifest_path", .required = true},
    {.id = kManifestLength, .name = "manifest_length", .required = true},
    {.id = kPartitionSpecId, .name = "partition_spec_id", .required = true},
    {.id = kAddedSnapshotId, .name = "added_snapshot_id", .required = true},
    {.id = kAddedFilesCount, .name = "added_files_count", .old_name = "added_data_files_count"},
    {.id = kExistingFilesCount,
     .name = "existing_files_count",
     .old_name = "existing_data_files_count"},
    {.id = kDeletedFilesCount,
     .name = "deleted_files_count",
     .old_name = "deleted_data_files_count"},
    {.id = kPartitions, .name = "partitions"},
    {.id = kAddedRowsCount, .name = "added_rows_count"},
    {.id = kExistingRowsCount, .name = "existing_rows_count"},
    {.id = kDeletedRowsCount, .name = "deleted_rows_count"},
    {.id = kSequenceNumber, .name = "sequence_number"},
    {.id = kMinSequenceNumber, .name = "min_sequence_number"},
    {.id = kContent, .name = "content"},
    {.id = kKeyMetadata, .name = "key_metadata"},
    {.id = kFirstRowId, .name = "first_row_id"},
};

constexpr KnownAvroField kSummaryFields[] = {
    {.id = kContainsNull, .name = "contains_null", .required = true},
    {.id = kContainsNan, .name = "contains_nan"},
    {.id = kLowerBound, .name = "lower_bound"},
    {.id = kUpperBound, .name = "upper_bound"},
};

void WriteOptional(const std::optional<std::string>& value, AvroEncoder& encoder) {
  encoder.WriteLong(value.has_value() ? 1 : 0);
  if (value.has_value()) encoder.WriteBytes(*value);
}

void WriteSummaries(const ManifestFile& file, AvroEncoder& encoder) {
  encoder.WriteLong(file.has_partition_summaries ? 1 : 0);
  if (!file.has_partition_summaries) return;
  if (!file.partitions.empty()) {
    encoder.WriteLong(static_cast<std::int64_t>(file.partitions.size()));
  }
  for (const PartitionFieldSummary& summary : file.partitions) {
    encoder.WriteBoolean(summary.contains_null);
    encoder.WriteLong(summary.contains_nan.has_value() ? 1 : 0);
    if (summary.contains_nan.has_value()) encoder.WriteBoolean(*summary.contains_nan);
    WriteOptional(summary.lower_bound, encoder);
    WriteOptional(summary.upper_bound, encoder);
  }
  encoder.WriteLong(0);
}

void WriteOptionalCount(std::int64_t count, AvroEncoder& encoder) {
  encoder.WriteLong(count == kUnknownCount ? 0 : 1);
  if (count != kUnknownCount) encoder.WriteLong(count);
}

void WriteRowV1(const ManifestFile& file, AvroEncoder& encoder) {
  encoder.WriteBytes(file.manifest_path);
  encoder.WriteLong(file.manifest_length);
  encoder.WriteInt(file.partition_spec_id);
  encoder.WriteLong(file.added_snapshot_id);
  WriteOptionalCount(file.added_files_count, encoder);
  WriteOptionalCount(file.existing_files_count, encoder);
  WriteOptionalCount(file.deleted_files_count, encoder);
  WriteSummaries(file, encoder);
  WriteOptionalCount(file.added_rows_count, encoder);
  WriteOptionalCount(file.existing_rows_count, encoder);
  WriteOptionalCount(file.deleted_rows_count, encoder);
  WriteOptional(file.key_metadata, encoder);
}

void WriteRowV2(const ManifestFile& file, std::int64_t sequence_number, AvroEncoder& encoder) {
  const auto assigned = [&](std::int64_t number) {
    return number == kUnassignedSequenceNumber ? sequence_number : number;
  };
  encoder.WriteBytes(file.manifest_path);
  encoder.WriteLong(file.manifest_length);
  encoder.WriteInt(file.partition_spec_id);
  encoder.WriteInt(static_cast<std::int32_t>(file.content));
  encoder.WriteLong(assigned(file.sequence_number));
  encoder.WriteLong(assigned(file.min_sequence_number));
  encoder.WriteLong(file.added_snapshot_id);
  encoder.WriteInt(file.added_files_count);
  encoder.WriteInt(file.existing_files_count);
  encoder.WriteInt(file.deleted_files_count);
  encoder.WriteLong(file.added_rows_count);
  encoder.WriteLong(file.existing_rows_count);
  encoder.WriteLong(file.deleted_rows_count);
  WriteSummaries(file, encoder);
  WriteOptional(file.key_metadata, encoder);
}

Status Refuse(const ManifestFile& file, std::string_view why) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("manifest list {} manifest={}", why, file.manifest_path));
}

Status CheckRow(const ManifestFile& file, const ManifestListContext& context) {
  const bool unassigned = file.sequence_number == kUnassignedSequenceNumber ||
                          file.min_sequence_number == kUnassignedSequenceNumber;
  if (unassigned && file.added_snapshot_id != context.snapshot_id) {
    return Refuse(file, "cannot assign a sequence number to the manifest of another snapshot");
  }
  if (file.manifest_path.empty() || file.manifest_length <= 0) {
    return Refuse(file, "has a manifest that was not written yet");
  }
  if (context.format_version == 1) {
    if (file.content == ManifestContent::kData) return {};
    return Refuse(file, "of format version 1 cannot hold a delete manifest");
  }
  if (file.added_files_count < 0 || file.existing_files_count < 0 || file.deleted_files_count < 0 ||
      file.added_rows_count < 0 || file.existing_rows_count < 0 || file.deleted_rows_count < 0) {
    return Refuse(file, "of format version 2 needs counts that are known; rewrite the manifest");
  }
  if (file.first_row_id.has_value()) {
    return Refuse(file, "of format version 2 cannot hold row ids");
  }
  return {};
}

Status CheckVersion(const ManifestListContext& context) {
  if (context.format_version == 1 || context.format_version == 2) return {};
  return Fail(ErrorKind::kInvalid, fmt::format("manifest lists are written in format version 1 or "
                                               "2 only format_version={}",
                                               context.format_version));
}

std::string ListHeader(const ManifestListContext& context, AvroPacking packing) {
  const std::string snapshot = std::to_string(context.snapshot_id);
  const std::string parent =
      context.parent_snapshot_id ? std::to_string(*context.parent_snapshot_id) : "null";
  const std::string sequence = std::to_string(context.sequence_number);
  const std::string version = std::to_string(context.format_version);
  const std::array<std::pair<std::string_view, std::string_view>, 5> entries = {{
      {"avro.schema", ManifestListSchema(context.format_version)},
      {"snapshot-id", snapshot},
      {"parent-snapshot-id", parent},
      {"format-version", version},
      {"sequence-number", sequence},
  }};
  const std::size_t count = context.format_version == 1 ? entries.size() - 1 : entries.size();
  return EncodeAvroHeader(std::span(entries).first(count), packing);
}

Result<std::vector<AvroObjects>> EncodeRows(const ManifestListContext& context,
                                            const std::vector<ManifestFile>& manifests) {
  std::vector<AvroObjects> blocks;
  for (const ManifestFile& file : manifests) {
    SIGNALDB_TRY(CheckRow(file, context));
    if (blocks.empty() || blocks.back().bytes.size() >= kBlockBytes) blocks.emplace_back();
    AvroEncoder encoder(blocks.back().bytes);
    if (context.format_version == 1) {
      WriteRowV1(file, encoder);
    } else {
      WriteRowV2(file, context.sequence_number, encoder);
    }
    ++blocks.back().count;
  }
  return blocks;
}

/// Decodes the rows of one list. Plans once, by the schema in the file.
class RowReader {
 public:
  [[nodiscard]] static Result<RowReader> Make(AvroSchemaPtr schema) {
    RowReader reader;
    SIGNALDB_ASSIGN(reader.row_, PlanAvroRecord(*schema, kListFields));
    if (const AvroSchema* list = StepType(reader.row_, kPartitions); list != nullptr) {
      if (list->kind != AvroKind::kArray) {
        return Fail(ErrorKind::kCorrupt, "the partition summaries are not a list");
      }
      SIGNALDB_ASSIGN(reader.summary_,
                      PlanAvroRecord(*WithoutNull(list->children[0].get()), kSummaryFields));
    }
    reader.schema_ = std::move(schema);
    return reader;
  }

  void Read(AvroDecoder& decoder, ManifestFile& file) const {
    // What a version 1 list does not have.
    file.sequence_number = 0;
    file.min_sequence_number = 0;
    file.added_files_count = file.existing_files_count = file.deleted_files_count = kUnknownCount;
    file.added_rows_count = file.existing_rows_count = file.deleted_rows_count = kUnknownCount;
    file.has_partition_summaries = false;
    for (const AvroStep& step : row_) ReadField(step, decoder, file);
  }

 private:
  RowReader() = default;

  void ReadField(const AvroStep& step, AvroDecoder& decoder, ManifestFile& file) const {
    const AvroSchema& type = *step.type;
    switch (step.id) {
      case kManifestPath:
        file.manifest_path = RequireAvro(ReadAvroText(type, decoder), decoder);
        return;
      case kManifestLength:
        file.manifest_length = RequireAvro(ReadAvroLong(type, decoder), decoder);
        return;
      case kPartitionSpecId:
        file.partition_spec_id = RequireAvro(ReadAvroInt(type, decoder), decoder);
        return;
      case kAddedSnapshotId:
        file.added_snapshot_id = RequireAvro(ReadAvroLong(type, decoder), decoder);
        return;
      case kSequenceNumber:
        file.sequence_number = ReadAvroLong(type, decoder).value_or(0);
        return;
      case kMinSequenceNumber:
        file.min_sequence_number = ReadAvroLong(type, decoder).value_or(0);
        return;
      case kContent:
        return ReadContent(type, decoder, file);
      case kPartitions:
        return ReadSummaries(type, decoder, file);
      case kKeyMetadata:
        file.key_metadata = ReadAvroText(type, decoder);
        return;
      case kFirstRowId:
        file.first_row_id = ReadAvroLong(type, decoder);
        return;
      default:
        return ReadCount(step, decoder, file);
    }
  }

  static void ReadCount(const AvroStep& step, AvroDecoder& decoder, ManifestFile& file) {
    const auto files = [&] { return ReadAvroInt(*step.type, decoder).value_or(kUnknownCount); };
    const auto rows = [&] { return ReadAvroLong(*step.type, decoder).value_or(kUnknownCount); };
    switch (step.id) {
      case kAddedFilesCount:
        file.added_files_count = files();
        return;
      case kExistingFilesCount:
        file.existing_files_count = files();
        return;
      case kDeletedFilesCount:
        file.deleted_files_count = files();
        return;
      case kAddedRowsCount:
        file.added_rows_count = rows();
        return;
      case kExistingRowsCount:
        file.existing_rows_count = rows();
        return;
      case kDeletedRowsCount:
        file.deleted_rows_count = rows();
        return;
      default:
        SkipAvro(*step.type, decoder);
    }
  }

  static void ReadContent(const AvroSchema& type, AvroDecoder& decoder, ManifestFile& file) {
    const std::int32_t content = ReadAvroInt(type, decoder).value_or(0);
    if (content < 0 || content > 1) return decoder.Fault("a manifest has unknown content");
    file.content = static_cast<ManifestContent>(content);
  }

  void ReadSummaries(const AvroSchema& type, AvroDecoder& decoder, ManifestFile& file) const {
    const AvroSchema& list = ReadAvroBranch(type, decoder);
    if (list.kind != AvroKind::kArray) return;
    file.has_partition_summaries = true;
    const AvroSchema& item = *list.children[0];
    while (std::uint64_t count = decoder.ReadBlockCount(item.bytes_min)) {
      for (; count > 0 && decoder.ok(); --count) {
        if (ReadAvroBranch(item, decoder).kind != AvroKind::kRecord) {
          return decoder.Fault("a partition summary is null");
        }
        PartitionFieldSummary& summary = file.partitions.emplace_back();
        for (const AvroStep& step : summary_) ReadSummaryField(step, decoder, summary);
      }
    }
  }

  static void ReadSummaryField(const AvroStep& step, AvroDecoder& decoder,
                               PartitionFieldSummary& summary) {
    switch (step.id) {
      case kContainsNull:
        // If the writer did not say, there may be nulls.
        summary.contains_null = ReadAvroBoolean(*step.type, decoder).value_or(true);
        return;
      case kContainsNan:
        summary.contains_nan = ReadAvroBoolean(*step.type, decoder);
        return;
      case kLowerBound:
        summary.lower_bound = ReadAvroText(*step.type, decoder);
        return;
      case kUpperBound:
        summary.upper_bound = ReadAvroText(*step.type, decoder);
        return;
      default:
        SkipAvro(*step.type, decoder);
    }
  }

  AvroSchemaPtr schema_;  // The steps point into it.
  std::vector<AvroStep> row_;
  std::vector<AvroStep> summary_;
};

Result<std::vector<ManifestFile>> DecodeRows(AvroContainerReader& container) {
  SIGNALDB_ASSIGN(AvroSchemaPtr schema, ParseAvroSchema(container.header_value("avro.schema")));
  SIGNALDB_ASSIGN(const RowReader reader, RowReader::Make(std::move(schema)));
  std::vector<ManifestFile> files;
  while (true) {
    SIGNALDB_ASSIGN(const auto block, container.Next());
    if (!block.has_value()) return files;
    SIGNALDB_ASSIGN(const std::string_view objects, container.Unpack(*block));
    if (static_cast<std::uint64_t>(block->count) > objects.size()) {
      return Fail(ErrorKind::kCorrupt, "a block counts more rows than its bytes can hold");
    }
    AvroDecoder decoder(objects);
    for (std::int64_t i = 0; i < block->count; ++i) {
      reader.Read(decoder, files.emplace_back());
      if (!decoder.ok()) return Fail(ErrorKind::kCorrupt, decoder.fault());
    }
    if (decoder.remaining() != 0) {
      return Fail(ErrorKind::kCorrupt, "a block has bytes after its last row");
    }
  }
}

Error InList(const Error& error, std::string_view path) {
  return {ErrorKind::kCorrupt,
          fmt::format("manifest list cannot be read: {} list={}", error.message, path)};
}

/// True if rows of ours may stand beside those of the file: same fields, same codec.
bool IsLikeOurs(const AvroContainerReader& container, std::int32_t format_version) {
  return container.header_value("avro.schema") == ManifestListSchema(format_version) &&
         container.header_value("avro.codec") == "deflate";
}

/// `added` in front of the blocks of `previous`, which stay as they are except for a first one that
/// is still small.
Result<std::string> Splice(const ManifestListContext& context, std::vector<AvroObjects> added,
                           AvroContainerReader& previous) {
  std::string out = ListHeader(context, AvroPacking::kDeflate);
  out.append(previous.sync());
  SIGNALDB_ASSIGN(std::optional<AvroContainerReader::Block> first, previous.Next());
  // Packed bytes bound the unpacked ones well enough to know small from large.
  if (first.has_value() && first->packed.size() < kBlockBytes) {
    SIGNALDB_ASSIGN(const std::string_view rows, previous.Unpack(*first));
    if (rows.size() < kBlockBytes) {
      if (added.empty()) added.emplace_back();
      added.back().bytes.append(rows);
      added.back().count += first->count;
      first.reset();
    }
  }
  for (const AvroObjects& block : added) AppendAvroBlock(out, block, previous.sync());
  if (first.has_value()) out.append(first->framed);
  while (true) {
    SIGNALDB_ASSIGN(const std::optional<AvroContainerReader::Block> block, previous.Next());
    if (!block.has_value()) return out;
    out.append(block->framed);
  }
}

}  // namespace

Result<std::string> EncodeManifestList(const ManifestListContext& context,
                                       const std::vector<ManifestFile>& manifests) {
  SIGNALDB_TRY(CheckVersion(context));
  SIGNALDB_ASSIGN(const std::vector<AvroObjects> blocks, EncodeRows(context, manifests));
  // Every commit writes a list of up to a hundred manifests anew, about 20 KB; packing them takes
  // longer than writing what it saves.
  const bool is_small =
      blocks.size() < 2 && (blocks.empty() || blocks[0].bytes.size() < kBlockBytes);
  const AvroPacking packing = is_small ? AvroPacking::kNone : AvroPacking::kDeflate;
  return EncodeAvroContainer(ListHeader(context, packing), blocks, packing);
}

Result<std::string> AppendManifestList(const ManifestListContext& context,
                                       const std::vector<ManifestFile>& added,
                                       std::string_view previous_list,
                                       std::string_view previous_path) {
  SIGNALDB_TRY(CheckVersion(context));
  auto previous = AvroContainerReader::Open(previous_list);
  if (!previous.has_value()) return std::unexpected(InList(previous.error(), previous_path));
  if (!IsLikeOurs(*previous, context.format_version)) {
    SIGNALDB_ASSIGN(std::vector<ManifestFile> kept,
                    DecodeManifestList(previous_list, previous_path));
    kept.insert(kept.begin(), added.begin(), added.end());
    return EncodeManifestList(context, kept);
  }
  SIGNALDB_ASSIGN(std::vector<AvroObjects> blocks, EncodeRows(context, added));
  auto spliced = Splice(context, std::move(blocks), *previous);
  if (!spliced.has_value()) return std::unexpected(InList(spliced.error(), previous_path));
  return spliced;
}

Result<std::vector<ManifestFile>> DecodeManifestList(std::string_view bytes,
                                                     std::string_view path) {
  auto container = AvroContainerReader::Open(bytes);
  if (!container.has_value()) return std::unexpected(InList(container.error(), path));
  auto files = DecodeRows(*container);
  if (!files.has_value()) return std::unexpected(InList(files.error(), path));
  return files;
}

}  // namespace signaldb

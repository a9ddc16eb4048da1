#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
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
#include "iceberg/manifest/partition_value.h"

namespace signaldb {
namespace {

enum EntryField : std::int32_t {
  kStatus = 0,
  kSnapshotId = 1,
  kDataFile = 2,
  kSequenceNumber = 3,
  kFileSequenceNumber = 4,
};

enum FileField : std::int32_t {
  kFilePath = 100,
  kFileFormat = 101,
  kPartition = 102,
  kRecordCount = 103,
  kFileSize = 104,
  kColumnSizes = 108,
  kValueCounts = 109,
  kNullValueCounts = 110,
  kLowerBounds = 125,
  kUpperBounds = 128,
  kKeyMetadata = 131,
  kSplitOffsets = 132,
  kContent = 134,
  kEqualityIds = 135,
  kNanValueCounts = 137,
  kSortOrderId = 140,
  kFirstRowId = 142,
  kReferencedDataFile = 143,
  kContentOffset = 144,
  kContentSize = 145,
};

constexpr KnownAvroField kEntryFields[] = {
    {.id = kStatus, .name = "status", .required = true},
    {.id = kSnapshotId, .name = "snapshot_id"},
    {.id = kDataFile, .name = "data_file", .required = true},
    {.id = kSequenceNumber, .name = "sequence_number"},
    {.id = kFileSequenceNumber, .name = "file_sequence_number"},
};

constexpr KnownAvroField kFileFields[] = {
    {.id = kFilePath, .name = "file_path", .required = true},
    {.id = kFileFormat, .name = "file_format", .required = true},
    {.id = kPartition, .name = "partition", .required = true},
    {.id = kRecordCount, .name = "record_count", .required = true},
    {.id = kFileSize, .name = "file_size_in_bytes", .required = true},
    {.id = kColumnSizes, .name = "column_sizes"},
    {.id = kValueCounts, .name = "value_counts"},
    {.id = kNullValueCounts, .name = "null_value_counts"},
    {.id = kLowerBounds, .name = "lower_bounds"},
    {.id = kUpperBounds, .name = "upper_bounds"},
    {.id = kKeyMetadata, .name = "key_metadata"},
    {.id = kSplitOffsets, .name = "split_offsets"},
    {.id = kContent, .name = "content"},
    {.id = kEqualityIds, .name = "equality_ids"},
    {.id = kNanValueCounts, .name = "nan_value_counts"},
    {.id = kSortOrderId, .name = "sort_order_id"},
    {.id = kFirstRowId, .name = "first_row_id"},
    {.id = kReferencedDataFile, .name = "referenced_data_file"},
    {.id = kContentOffset, .name = "content_offset"},
    {.id = kContentSize, .name = "content_size_in_bytes"},
};

void ReadItem(const AvroSchema& type, AvroDecoder& decoder, std::int64_t& out) {
  out = RequireAvro(ReadAvroLong(type, decoder), decoder);
}

void ReadItem(const AvroSchema& type, AvroDecoder& decoder, std::string& out) {
  out = RequireAvro(ReadAvroBytes(type, decoder), decoder);
}

/// An Avro map, whose keys are texts.
template <typename Value>
void ReadTextKeyedMap(const AvroSchema& type, AvroDecoder& decoder,
                      std::map<std::int32_t, Value>& out) {
  const AvroSchema& item = *type.children[0];
  while (std::uint64_t count = decoder.ReadBlockCount(item.bytes_min + 1)) {
    for (; count > 0 && decoder.ok(); --count) {
      const std::string_view text = decoder.ReadBytes();
      std::int32_t key = 0;
      const char* const end = text.data() + text.size();
      if (std::from_chars(text.data(), text.data() + text.size(), key).ptr != end || text.empty()) {
        return decoder.Fault("a map by column has a key that is not a number");
      }
      ReadItem(item, decoder, out[key]);
    }
  }
}

/// A map as Iceberg writes it: an array of records of a key and a value.
template <typename Value>
void ReadPairs(const AvroSchema& type, std::int32_t key_id, AvroDecoder& decoder,
               std::map<std::int32_t, Value>& out) {
  const AvroSchema& item = *type.children[0];
  if (item.kind != AvroKind::kRecord) return decoder.Fault("a map by column has no pairs");
  while (std::uint64_t count = decoder.ReadBlockCount(item.bytes_min)) {
    for (; count > 0 && decoder.ok(); --count) {
      std::optional<std::int32_t> key;
      Value value{};
      for (const AvroField& field : item.fields) {
        const bool by_id = field.field_id.has_value();
        if (by_id ? *field.field_id == key_id : field.name == "key") {
          key = ReadAvroInt(*field.type, decoder);
        } else if (by_id ? *field.field_id == key_id + 1 : field.name == "value") {
          ReadItem(*field.type, decoder, value);
        } else {
          SkipAvro(*field.type, decoder);
        }
      }
      if (!key.has_value()) return decoder.Fault("a map by column has a pair without a key");
      // Writers go through their columns in order, so the end is mostly the right place.
      out.insert_or_assign(out.end(), *key, std::move(value));
    }
  }
}

/// The value of a map has the id after its key's.
template <typename Value>
void ReadMap(const AvroSchema& type, std::int32_t key_id, AvroDecoder& decoder,
             std::map<std::int32_t, Value>& out) {
  const AvroSchema& branch = ReadAvroBranch(type, decoder);
  switch (branch.kind) {
    case AvroKind::kNull:
      return;
    case AvroKind::kMap:
      return ReadTextKeyedMap(branch, decoder, out);
    case AvroKind::kArray:
      return ReadPairs(branch, key_id, decoder, out);
    default:
      decoder.Fault("a map by column has another type");
  }
}

template <typename Number>
void ReadList(const AvroSchema& type, AvroDecoder& decoder, std::vector<Number>& out) {
  const AvroSchema& branch = ReadAvroBranch(type, decoder);
  if (branch.kind == AvroKind::kNull) return;
  if (branch.kind != AvroKind::kArray) return decoder.Fault("a list has another type");
  const AvroSchema& item = *branch.children[0];
  while (std::uint64_t count = decoder.ReadBlockCount(item.bytes_min)) {
    for (; count > 0 && decoder.ok(); --count) {
      const std::optional<std::int64_t> value = ReadAvroLong(item, decoder);
      if (!value.has_value() || !std::in_range<Number>(*value)) {
        return decoder.Fault("a list holds null or a number out of range");
      }
      out.push_back(static_cast<Number>(*value));
    }
  }
}

/// How the file's partition record maps to the spec.
struct PartitionPlan {
  std::vector<AvroStep> steps;  // Ids are places in the spec.
  std::vector<Type> types;
};

Result<PartitionPlan> PlanPartition(const AvroSchema& record, const PartitionSpec& spec,
                                    const TableMetadata& metadata) {
  PartitionPlan plan;
  // Where the column is gone the type is unknown, and the file's own type decides.
  SIGNALDB_ASSIGN(plan.types, PartitionTypes(spec, metadata.schema()));
  std::vector<std::string> names;
  names.reserve(spec.fields.size());
  std::vector<KnownAvroField> known;
  for (const PartitionField& field : spec.fields) {
    names.push_back(AvroNameOf(field.name));
    known.push_back({.id = field.field_id, .name = field.name, .old_name = names.back()});
  }
  SIGNALDB_ASSIGN(plan.steps, PlanAvroRecord(record, known));
  for (AvroStep& step : plan.steps) {
    if (step.id == AvroStep::kSkip) continue;
    const auto found = std::ranges::find(spec.fields, step.id, &PartitionField::field_id);
    step.id = static_cast<std::int32_t>(found - spec.fields.begin());
  }
  return plan;
}

/// Decodes the entries of one manifest. Plans once, by the schema in the file.
class EntryReader {
 public:
  [[nodiscard]] static Result<EntryReader> Make(AvroSchemaPtr schema, const PartitionSpec& spec,
                                                const TableMetadata& metadata) {
    EntryReader reader;
    SIGNALDB_ASSIGN(reader.entry_, PlanAvroRecord(*schema, kEntryFields));
    SIGNALDB_ASSIGN(reader.file_, PlanAvroRecord(*StepType(reader.entry_, kDataFile), kFileFields));
    SIGNALDB_ASSIGN(reader.partition_,
                    PlanPartition(*StepType(reader.file_, kPartition), spec, metadata));
    reader.schema_ = std::move(schema);
    return reader;
  }

  void Read(AvroDecoder& decoder, ManifestEntry& entry) const {
    for (const AvroStep& step : entry_) {
      switch (step.id) {
        case kStatus:
          ReadStatus(*step.type, decoder, entry);
          break;
        case kSnapshotId:
          entry.snapshot_id = ReadAvroLong(*step.type, decoder);
          break;
        case kSequenceNumber:
          entry.sequence_number = ReadAvroLong(*step.type, decoder);
          break;
        case kFileSequenceNumber:
          entry.file_sequence_number = ReadAvroLong(*step.type, decoder);
          break;
        case kDataFile:
          ReadFile(*step.type, decoder, entry.data_file);
          break;
        default:
          SkipAvro(*step.type, decoder);
      }
    }
  }

 private:
  EntryReader() = default;

  static void ReadStatus(const AvroSchema& type, AvroDecoder& decoder, ManifestEntry& entry) {
    const std::int32_t status = RequireAvro(ReadAvroInt(type, decoder), decoder);
    if (status < 0 || status > 2) return decoder.Fault("an entry has an unknown status");
    entry.status = static_cast<EntryStatus>(status);
  }

  void ReadFile(const AvroSchema& type, AvroDecoder& decoder, DataFile& file) const {
    if (ReadAvroBranch(type, decoder).kind != AvroKind::kRecord) {
      return decoder.Fault("a required field is null");
    }
    for (const AvroStep& step : file_) ReadFileField(step, decoder, file);
  }

  void ReadFileField(const AvroStep& step, AvroDecoder& decoder, DataFile& file) const {
    const AvroSchema& type = *step.type;
    switch (step.id) {
      case kContent:
        return ReadContent(type, decoder, file);
      case kFilePath:
        return ReadItem(type, decoder, file.file_path);
      case kFileFormat:
        ReadItem(type, decoder, file.file_format);
        std::ranges::transform(file.file_format, file.file_format.begin(),
                               [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        return;
      case kPartition:
        return ReadPartition(type, decoder, file.partition);
      case kRecordCount:
        return ReadItem(type, decoder, file.record_count);
      case kFileSize:
        return ReadItem(type, decoder, file.file_size_in_bytes);
      case kColumnSizes:
        return ReadMap(type, 117, decoder, file.column_sizes);
      case kValueCounts:
        return ReadMap(type, 119, decoder, file.value_counts);
      case kNullValueCounts:
        return ReadMap(type, 121, decoder, file.null_value_counts);
      case kNanValueCounts:
        return ReadMap(type, 138, decoder, file.nan_value_counts);
      case kLowerBounds:
        return ReadMap(type, 126, decoder, file.lower_bounds);
      case kUpperBounds:
        return ReadMap(type, 129, decoder, file.upper_bounds);
      default:
        return ReadRareFileField(step, decoder, file);
    }
  }

  static void ReadRareFileField(const AvroStep& step, AvroDecoder& decoder, DataFile& file) {
    const AvroSchema& type = *step.type;
    switch (step.id) {
      case kKeyMetadata:
        file.key_metadata = ReadAvroText(type, decoder);
        return;
      case kSplitOffsets:
        return ReadList(type, decoder, file.split_offsets);
      case kEqualityIds:
        return ReadList(type, decoder, file.equality_ids);
      case kSortOrderId:
        file.sort_order_id = ReadAvroInt(type, decoder);
        return;
      case kFirstRowId:
        file.first_row_id = ReadAvroLong(type, decoder);
        return;
      case kReferencedDataFile:
        file.referenced_data_file = ReadAvroText(type, decoder);
        return;
      case kContentOffset:
        file.content_offset = ReadAvroLong(type, decoder);
        return;
      case kContentSize:
        file.content_size_in_bytes = ReadAvroLong(type, decoder);
        return;
      default:
        SkipAvro(type, decoder);
    }
  }

  static void ReadContent(const AvroSchema& type, AvroDecoder& decoder, DataFile& file) {
    // Null in files that were version 1 once.
    const std::int32_t content = ReadAvroInt(type, decoder).value_or(0);
    if (content < 0 || content > 2) return decoder.Fault("a file has unknown content");
    file.content = static_cast<FileContent>(content);
  }

  void ReadPartition(const AvroSchema& type, AvroDecoder& decoder, PartitionValues& values) const {
    values.assign(partition_.types.size(), Literal{});
    if (ReadAvroBranch(type, decoder).kind != AvroKind::kRecord) {
      return decoder.Fault("a required field is null");
    }
    for (const AvroStep& step : partition_.steps) {
      if (step.id == AvroStep::kSkip) {
        SkipAvro(*step.type, decoder);
        continue;
      }
      const auto place = static_cast<std::size_t>(step.id);
      values[place] = ReadPartitionValue(partition_.types[place], *step.type, decoder);
    }
  }

  AvroSchemaPtr schema_;  // The steps point into it.
  std::vector<AvroStep> entry_;
  std::vector<AvroStep> file_;
  PartitionPlan partition_;
};

/// Fills in what an entry leaves to its manifest (specification: inheritance).
class Inheritance {
 public:
  Inheritance(const ManifestFile& file, bool version_1)
      : file_(file), version_1_(version_1), next_row_id_(file.first_row_id) {}

  [[nodiscard]] Status Apply(ManifestEntry& entry) {
    if (!entry.snapshot_id.has_value()) entry.snapshot_id = file_.added_snapshot_id;
    SIGNALDB_TRY(InheritSequenceNumbers(entry));
    entry.data_file.spec_id = file_.partition_spec_id;
    InheritRowId(entry);
    return {};
  }

 private:
  [[nodiscard]] Status InheritSequenceNumbers(ManifestEntry& entry) const {
    if (version_1_) {
      entry.sequence_number = 0;
      entry.file_sequence_number = 0;
      return {};
    }
    const bool added = entry.status == EntryStatus::kAdded;
    if (!added && file_.sequence_number != 0) {
      if (entry.sequence_number.has_value()) return {};
      return Fail(
          ErrorKind::kCorrupt,
          fmt::format("an entry that was not added here has no sequence number data_file={}",
                      entry.data_file.file_path));
    }
    if (file_.sequence_number == kUnassignedSequenceNumber) return {};
    if (!entry.sequence_number) entry.sequence_number = file_.sequence_number;
    if (!entry.file_sequence_number) entry.file_sequence_number = file_.sequence_number;
    return {};
  }

  void InheritRowId(ManifestEntry& entry) {
    if (file_.content != ManifestContent::kData) return;
    DataFile& file = entry.data_file;
    if (!next_row_id_.has_value()) {
      file.first_row_id.reset();
    } else if (entry.status != EntryStatus::kDeleted && !file.first_row_id.has_value()) {
      file.first_row_id = next_row_id_;
      *next_row_id_ += file.record_count;
    }
  }

  const ManifestFile& file_;
  const bool version_1_;
  std::optional<std::int64_t> next_row_id_;
};

Status CheckRanges(const ManifestEntry& entry) {
  constexpr std::int64_t kRowsMax = std::int64_t{1} << 48;  // Sums of them stay in 64 bits.
  const DataFile& file = entry.data_file;
  if (file.record_count < 0 || file.record_count > kRowsMax || file.file_size_in_bytes < 0) {
    return Fail(
        ErrorKind::kCorrupt,
        fmt::format("a row count or file size is out of range data_file={}", file.file_path));
  }
  return {};
}

/// Room is made for this many entries at once at most, whatever a block claims to hold.
constexpr std::size_t kReservedEntriesMax = 10'000;

Result<std::vector<ManifestEntry>> DecodeEntries(std::string_view bytes, const ManifestFile& file,
                                                 const TableMetadata& metadata) {
  const PartitionSpec* spec = metadata.SpecById(file.partition_spec_id);
  if (spec == nullptr) {
    return Fail(ErrorKind::kCorrupt, fmt::format("the table has no such partition spec spec={}",
                                                 file.partition_spec_id));
  }
  SIGNALDB_ASSIGN(AvroContainerReader container, AvroContainerReader::Open(bytes));
  SIGNALDB_ASSIGN(const AvroSchemaPtr schema,
                  ParseAvroSchema(container.header_value("avro.schema")));
  SIGNALDB_ASSIGN(const EntryReader reader, EntryReader::Make(schema, *spec, metadata));
  Inheritance inheritance(file, container.header_value("format-version") == "1");
  std::vector<ManifestEntry> entries;
  while (true) {
    SIGNALDB_ASSIGN(const auto block, container.Next());
    if (!block.has_value()) return entries;
    SIGNALDB_ASSIGN(const std::string_view objects, container.Unpack(*block));
    AvroDecoder decoder(objects);
    if (static_cast<std::uint64_t>(block->count) > objects.size()) {
      return Fail(ErrorKind::kCorrupt, "a block counts more entries than its bytes can hold");
    }
    const auto count = static_cast<std::size_t>(block->count);
    entries.reserve(entries.size() + std::min(count, kReservedEntriesMax));
    for (std::size_t i = 0; i < count; ++i) {
      ManifestEntry& entry = entries.emplace_back();
      reader.Read(decoder, entry);
      if (!decoder.ok()) return Fail(ErrorKind::kCorrupt, decoder.fault());
      SIGNALDB_TRY(CheckRanges(entry));
      SIGNALDB_TRY(inheritance.Apply(entry));
    }
    if (decoder.remaining() != 0) {
      return Fail(ErrorKind::kCorrupt, "a block has bytes after its last entry");
    }
  }
}

}  // namespace

Result<std::vector<ManifestEntry>> DecodeManifest(std::string_view bytes, const ManifestFile& file,
                                                  const TableMetadata& metadata) {
  auto entries = DecodeEntries(bytes, file, metadata);
  if (entries.has_value()) return entries;
  // Whatever is wrong with it, a manifest that was committed cannot be repaired by asking again.
  return Fail(ErrorKind::kCorrupt, fmt::format("manifest cannot be read: {} manifest={}",
                                               entries.error().message, file.manifest_path));
}

}  // namespace signaldb

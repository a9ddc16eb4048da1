#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "iceberg/metadata/gzip.h"
#include "iceberg/metadata/metadata_properties.h"
#include "iceberg/metadata/schema_json.h"
#include "iceberg/metadata/table_metadata.h"

namespace signaldb {
namespace {

// A guess that saves most of the growing: heads are a few KB, logs about 60 bytes a line.
constexpr std::size_t kHeadBytes = 16U << 10U;
constexpr std::size_t kLogLineBytes = 64;
constexpr std::size_t kFreshSnapshotBytes = 1U << 10U;

std::size_t ExpectedBytes(const TableMetadata& metadata) {
  std::size_t bytes = kHeadBytes + metadata.snapshot_log.size() * kLogLineBytes +
                      metadata.statistics_json.size() + metadata.partition_statistics_json.size();
  for (const MetadataLogEntry& entry : metadata.metadata_log) {
    bytes += kLogLineBytes + entry.metadata_file.size();
  }
  for (const auto& snapshot : metadata.snapshots) {
    bytes += 1 + (snapshot->json.empty() ? kFreshSnapshotBytes : snapshot->json.size());
  }
  return bytes;
}

void WriteLong(JsonWriter& writer, std::string_view key, std::int64_t value) {
  WriteKey(writer, key);
  writer.Int64(value);
}

void WriteSnapshot(JsonWriter& writer, const Snapshot& snapshot) {
  writer.StartObject();
  if (snapshot.sequence_number > 0) WriteLong(writer, "sequence-number", snapshot.sequence_number);
  WriteLong(writer, "snapshot-id", snapshot.snapshot_id);
  // Java cannot read a null here.
  if (snapshot.parent_snapshot_id) {
    WriteLong(writer, "parent-snapshot-id", *snapshot.parent_snapshot_id);
  }
  WriteLong(writer, "timestamp-ms", snapshot.timestamp_ms);
  if (!snapshot.operation.empty()) {
    WriteKey(writer, "summary");
    writer.StartObject();
    WriteKey(writer, "operation");
    WriteText(writer, snapshot.operation);
    for (const auto& [key, value] : snapshot.summary) {
      WriteKey(writer, key);
      WriteText(writer, value);
    }
    writer.EndObject();
  }
  WriteKey(writer, "manifest-list");
  WriteText(writer, snapshot.manifest_list);
  if (snapshot.schema_id) WriteLong(writer, "schema-id", *snapshot.schema_id);
  if (snapshot.first_row_id) WriteLong(writer, "first-row-id", *snapshot.first_row_id);
  if (snapshot.added_rows) WriteLong(writer, "added-rows", *snapshot.added_rows);
  writer.EndObject();
}

void WriteSchemas(JsonWriter& writer, StringSink& sink, const TableMetadata& metadata) {
  if (metadata.format_version == 1) {
    WriteKey(writer, "schema");
    WriteSchema(writer, sink, metadata.schema());
  }
  WriteLong(writer, "current-schema-id", metadata.current_schema_id);
  WriteKey(writer, "schemas");
  writer.StartArray();
  for (const auto& schema : metadata.schemas) WriteSchema(writer, sink, *schema);
  writer.EndArray();
}

void WriteSpecs(JsonWriter& writer, const TableMetadata& metadata) {
  if (metadata.format_version == 1) {
    WriteKey(writer, "partition-spec");
    WritePartitionFields(writer, metadata.partition_spec());
  }
  WriteLong(writer, "default-spec-id", metadata.default_spec_id);
  WriteKey(writer, "partition-specs");
  writer.StartArray();
  for (const auto& spec : metadata.partition_specs) {
    writer.StartObject();
    WriteLong(writer, "spec-id", spec->spec_id);
    WriteKey(writer, "fields");
    WritePartitionFields(writer, *spec);
    writer.EndObject();
  }
  writer.EndArray();
  WriteLong(writer, "last-partition-id", metadata.last_partition_id);
}

void WriteProperties(JsonWriter& writer, const TableMetadata& metadata) {
  WriteKey(writer, "properties");
  writer.StartObject();
  for (const auto& [key, value] : metadata.properties) {
    WriteKey(writer, key);
    WriteText(writer, value);
  }
  writer.EndObject();
}

void WriteRefs(JsonWriter& writer, const TableMetadata& metadata) {
  WriteKey(writer, "refs");
  writer.StartObject();
  for (const auto& [name, ref] : metadata.refs) {
    WriteKey(writer, name);
    writer.StartObject();
    WriteLong(writer, "snapshot-id", ref.snapshot_id);
    WriteKey(writer, "type");
    writer.String(ref.is_branch ? "branch" : "tag");
    if (ref.min_snapshots_to_keep) {
      WriteLong(writer, "min-snapshots-to-keep", *ref.min_snapshots_to_keep);
    }
    if (ref.max_snapshot_age_ms) WriteLong(writer, "max-snapshot-age-ms", *ref.max_snapshot_age_ms);
    if (ref.max_ref_age_ms) WriteLong(writer, "max-ref-age-ms", *ref.max_ref_age_ms);
    writer.EndObject();
  }
  writer.EndObject();
}

void WriteCurrentSnapshot(JsonWriter& writer, StringSink& sink, const TableMetadata& metadata) {
  WriteKey(writer, "current-snapshot-id");
  if (metadata.current_snapshot_id) {
    writer.Int64(*metadata.current_snapshot_id);
  } else if (metadata.format_version < 3) {
    writer.Int64(-1);
  } else {
    writer.Null();
  }
  if (metadata.format_version < 3) return;
  WriteLong(writer, "next-row-id", metadata.next_row_id.value_or(0));
  if (metadata.encryption_keys_json.empty()) return;
  WriteKey(writer, "encryption-keys");
  WriteRaw(writer, sink, metadata.encryption_keys_json);
}

void WriteSnapshots(JsonWriter& writer, StringSink& sink, const TableMetadata& metadata) {
  WriteKey(writer, "snapshots");
  writer.StartArray();
  for (const auto& snapshot : metadata.snapshots) {
    if (snapshot->json.empty()) {
      WriteSnapshot(writer, *snapshot);
    } else {
      WriteRaw(writer, sink, snapshot->json);
    }
  }
  writer.EndArray();
}

void AppendLogLine(std::string& text, const SnapshotLogEntry& entry) {
  constexpr std::string_view kBegin = R"({"timestamp-ms":)";
  constexpr std::string_view kMiddle = R"(,"snapshot-id":)";
  constexpr std::size_t kDigitsMax = 20;  // As many as the longest number has, with its sign.
  std::array<char, kBegin.size() + kMiddle.size() + 2 * kDigitsMax + 1> line;
  char* end = std::ranges::copy(kBegin, line.data()).out;
  end = std::to_chars(end, end + kDigitsMax, entry.timestamp_ms).ptr;
  end = std::ranges::copy(kMiddle, end).out;
  end = std::to_chars(end, end + kDigitsMax, entry.snapshot_id).ptr;
  *end++ = '}';
  text.append(line.data(), end);
}

void WriteLogs(JsonWriter& writer, StringSink& sink, const TableMetadata& metadata) {
  WriteKey(writer, "snapshot-log");
  WriteRaw(writer, sink, "[");
  // As many as snapshots, and all the same: not worth the writer's bookkeeping.
  std::string_view comma;
  for (const SnapshotLogEntry& entry : metadata.snapshot_log) {
    sink.text.append(comma);
    AppendLogLine(sink.text, entry);
    comma = ",";
  }
  sink.text += ']';
  WriteKey(writer, "metadata-log");
  writer.StartArray();
  for (const MetadataLogEntry& entry : metadata.metadata_log) {
    writer.StartObject();
    WriteLong(writer, "timestamp-ms", entry.timestamp_ms);
    WriteKey(writer, "metadata-file");
    WriteText(writer, entry.metadata_file);
    writer.EndObject();
  }
  writer.EndArray();
}

}  // namespace

std::string SerializeTableMetadata(const TableMetadata& metadata) {
  std::string text;
  text.reserve(ExpectedBytes(metadata));
  StringSink sink{text};
  JsonWriter writer(sink);
  writer.StartObject();
  WriteLong(writer, "format-version", metadata.format_version);
  if (!metadata.table_uuid.empty()) {
    WriteKey(writer, "table-uuid");
    WriteText(writer, metadata.table_uuid);
  }
  WriteKey(writer, "location");
  WriteText(writer, metadata.location);
  if (metadata.format_version > 1) {
    WriteLong(writer, "last-sequence-number", metadata.last_sequence_number);
  }
  WriteLong(writer, "last-updated-ms", metadata.last_updated_ms);
  WriteLong(writer, "last-column-id", metadata.last_column_id);
  WriteSchemas(writer, sink, metadata);
  WriteSpecs(writer, metadata);
  WriteLong(writer, "default-sort-order-id", metadata.default_sort_order_id);
  WriteKey(writer, "sort-orders");
  writer.StartArray();
  for (const auto& order : metadata.sort_orders) WriteSortOrder(writer, *order);
  writer.EndArray();
  WriteProperties(writer, metadata);
  WriteCurrentSnapshot(writer, sink, metadata);
  WriteRefs(writer, metadata);
  WriteSnapshots(writer, sink, metadata);
  WriteKey(writer, "statistics");
  WriteRaw(writer, sink, metadata.statistics_json);
  WriteKey(writer, "partition-statistics");
  WriteRaw(writer, sink, metadata.partition_statistics_json);
  WriteLogs(writer, sink, metadata);
  writer.EndObject();
  return text;
}

std::string SerializeSnapshot(const Snapshot& snapshot) {
  std::string text;
  StringSink sink{text};
  JsonWriter writer(sink);
  WriteSnapshot(writer, snapshot);
  return text;
}

Result<std::string> EncodeMetadataFile(const TableMetadata& metadata) {
  std::string text = SerializeTableMetadata(metadata);
  if (text.size() > kMetadataBytesMax) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("metadata file would be larger than allowed, expire snapshots "
                            "location={} bytes={} bytes_max={}",
                            metadata.location, text.size(), kMetadataBytesMax));
  }
  if (!WantsGzip(metadata.properties)) return text;
  return Gzip(text);
}

}  // namespace signaldb

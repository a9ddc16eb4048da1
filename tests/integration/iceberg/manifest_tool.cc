// Shows what our manifest reader and writer do, for tests that compare them with other writers and
// readers:
//
//   manifest_tool dump METADATA.json   the lists and manifests of every snapshot, as JSON
//   manifest_tool make DIR SEED        writes random manifests and a list, and shows them as JSON
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "iceberg/manifest/manifest.h"
#include "iceberg/manifest/manifest_merge.h"
#include "testing/manifest_samples.h"

namespace signaldb {
namespace {

constexpr std::int64_t kSnapshot = 7001;
constexpr std::int64_t kSequence = 42;

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>,
                                     rapidjson::CrtAllocator, rapidjson::kWriteNanAndInfFlag>;

std::string Hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<std::uint8_t>(byte));
  return out;
}

void Text(JsonWriter& json, std::string_view text) {
  json.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void Value(JsonWriter& json, std::int64_t value) { json.Int64(value); }
void Value(JsonWriter& json, std::int32_t value) { json.Int(value); }
void Value(JsonWriter& json, const std::string& bytes) { Text(json, Hex(bytes)); }

template <typename T>
void Value(JsonWriter& json, const std::optional<T>& value) {
  if (value.has_value()) {
    Value(json, *value);
  } else {
    json.Null();
  }
}

template <typename T>
void Value(JsonWriter& json, const std::map<std::int32_t, T>& map) {
  json.StartObject();
  for (const auto& [key, value] : map) {
    json.Key(std::to_string(key).c_str());
    Value(json, value);
  }
  json.EndObject();
}

template <typename T>
void Value(JsonWriter& json, const std::vector<T>& list) {
  json.StartArray();
  for (const T& item : list) Value(json, item);
  json.EndArray();
}

void PartitionValue(JsonWriter& json, const Type& type, const Literal& literal) {
  if (literal.is_null()) {
    json.Null();
  } else if (const auto* flag = std::get_if<bool>(&literal.value)) {
    json.Bool(*flag);
  } else if (const auto* number = std::get_if<std::int32_t>(&literal.value)) {
    json.Int(*number);
  } else if (const auto* big = std::get_if<std::int64_t>(&literal.value)) {
    json.Int64(*big);
  } else if (const auto* single = std::get_if<float>(&literal.value)) {
    json.Double(*single);
  } else if (const auto* real = std::get_if<double>(&literal.value)) {
    json.Double(*real);
  } else {
    const std::string& bytes = std::get<std::string>(literal.value);
    Text(json, type.id() == TypeId::kString ? bytes : Hex(bytes));
  }
}

template <typename T>
void Member(JsonWriter& json, const char* key, const T& value) {
  json.Key(key);
  Value(json, value);
}

void Entry(JsonWriter& json, const ManifestEntry& entry, const std::vector<Type>& types) {
  const DataFile& file = entry.data_file;
  json.StartObject();
  Member(json, "status", static_cast<std::int32_t>(entry.status));
  Member(json, "snapshot_id", entry.snapshot_id);
  Member(json, "sequence_number", entry.sequence_number);
  Member(json, "file_sequence_number", entry.file_sequence_number);
  Member(json, "content", static_cast<std::int32_t>(file.content));
  json.Key("file_path");
  Text(json, file.file_path);
  json.Key("file_format");
  Text(json, file.file_format);
  json.Key("partition");
  json.StartArray();
  for (std::size_t i = 0; i < types.size(); ++i) PartitionValue(json, types[i], file.partition[i]);
  json.EndArray();
  Member(json, "record_count", file.record_count);
  Member(json, "file_size_in_bytes", file.file_size_in_bytes);
  Member(json, "column_sizes", file.column_sizes);
  Member(json, "value_counts", file.value_counts);
  Member(json, "null_value_counts", file.null_value_counts);
  Member(json, "nan_value_counts", file.nan_value_counts);
  Member(json, "lower_bounds", file.lower_bounds);
  Member(json, "upper_bounds", file.upper_bounds);
  Member(json, "key_metadata", file.key_metadata);
  Member(json, "split_offsets", file.split_offsets);
  Member(json, "equality_ids", file.equality_ids);
  Member(json, "sort_order_id", file.sort_order_id);
  Member(json, "referenced_data_file", file.referenced_data_file);
  json.EndObject();
}

void Row(JsonWriter& json, const ManifestFile& file) {
  json.Key("manifest_path");
  Text(json, file.manifest_path);
  Member(json, "manifest_length", file.manifest_length);
  Member(json, "partition_spec_id", file.partition_spec_id);
  Member(json, "content", static_cast<std::int32_t>(file.content));
  Member(json, "sequence_number", file.sequence_number);
  Member(json, "min_sequence_number", file.min_sequence_number);
  Member(json, "added_snapshot_id", file.added_snapshot_id);
  Member(json, "added_files_count", file.added_files_count);
  Member(json, "existing_files_count", file.existing_files_count);
  Member(json, "deleted_files_count", file.deleted_files_count);
  Member(json, "added_rows_count", file.added_rows_count);
  Member(json, "existing_rows_count", file.existing_rows_count);
  Member(json, "deleted_rows_count", file.deleted_rows_count);
  Member(json, "key_metadata", file.key_metadata);
  json.Key("partitions");
  if (!file.has_partition_summaries) {
    json.Null();
    return;
  }
  json.StartArray();
  for (const PartitionFieldSummary& summary : file.partitions) {
    json.StartObject();
    json.Key("contains_null");
    json.Bool(summary.contains_null);
    json.Key("contains_nan");
    if (summary.contains_nan.has_value()) {
      json.Bool(*summary.contains_nan);
    } else {
      json.Null();
    }
    Member(json, "lower_bound", summary.lower_bound);
    Member(json, "upper_bound", summary.upper_bound);
    json.EndObject();
  }
  json.EndArray();
}

std::string PathOf(std::string_view location) {
  if (location.starts_with("file://")) location.remove_prefix(7);
  return std::string(location);
}

Result<std::string> ReadLocation(const std::string& location) {
  std::ifstream in(PathOf(location), std::ios::binary);
  if (!in) return Fail(ErrorKind::kNotFound, fmt::format("cannot be read file={}", location));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void WriteTo(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// The rows of a list, each with the entries of its manifest.
Status DumpList(JsonWriter& json, const std::string& location, const TableMetadata& table) {
  SIGNALDB_ASSIGN(const std::string list, ReadLocation(location));
  SIGNALDB_ASSIGN(const std::vector<ManifestFile> files, DecodeManifestList(list, location));
  json.StartArray();
  for (const ManifestFile& file : files) {
    SIGNALDB_ASSIGN(const std::string bytes, ReadLocation(file.manifest_path));
    SIGNALDB_ASSIGN(const std::vector<ManifestEntry> entries, DecodeManifest(bytes, file, table));
    SIGNALDB_ASSIGN(const std::vector<Type> types,
                    PartitionTypes(*table.SpecById(file.partition_spec_id), table.schema()));
    json.StartObject();
    Row(json, file);
    json.Key("entries");
    json.StartArray();
    for (const ManifestEntry& entry : entries) Entry(json, entry, types);
    json.EndArray();
    json.EndObject();
  }
  json.EndArray();
  return {};
}

Status Dump(JsonWriter& json, const std::string& metadata_path) {
  SIGNALDB_ASSIGN(const std::string text, ReadLocation(metadata_path));
  SIGNALDB_ASSIGN(const TableMetadata table, ParseTableMetadata(text));
  json.StartObject();
  for (const auto& snapshot : table.snapshots) {
    json.Key(std::to_string(snapshot->snapshot_id).c_str());
    SIGNALDB_TRY(DumpList(json, snapshot->manifest_list, table));
  }
  json.EndObject();
  return {};
}

/// Random entries of a commit: what was there before has explicit numbers, what is new inherits.
std::vector<ManifestEntry> RandomEntries(std::mt19937_64& random, const TableMetadata& table,
                                         std::int32_t spec_id, ManifestContent content) {
  std::vector<ManifestEntry> entries;
  for (std::size_t i = random() % 40; i > 0; --i) {
    ManifestEntry& entry = entries.emplace_back(testing::RandomEntry(random, table, spec_id, 10));
    if (content == ManifestContent::kDeletes) {
      entry.data_file.content = static_cast<FileContent>(1 + random() % 2);
      if (entry.data_file.content == FileContent::kEqualityDeletes) {
        entry.data_file.equality_ids = {2, 3};
      }
    }
    if (entry.status == EntryStatus::kExisting) continue;
    entry.snapshot_id.reset();
    if (entry.status == EntryStatus::kAdded) entry.sequence_number.reset();
  }
  return entries;
}

Status Make(JsonWriter& json, const std::string& directory, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const TableMetadata table = testing::SampleTable();
  const ManifestListContext context{.snapshot_id = kSnapshot, .sequence_number = kSequence};
  std::vector<ManifestFile> files;
  for (std::int32_t number = 0; number < 6; ++number) {
    const std::int32_t spec_id = number % 3;
    const auto content = static_cast<ManifestContent>(number / 3);
    SIGNALDB_ASSIGN(EncodedManifest manifest,
                    EncodeManifest({.schema = &table.schema(),
                                    .spec = table.SpecById(spec_id),
                                    .content = content,
                                    .snapshot_id = kSnapshot},
                                   RandomEntries(random, table, spec_id, content)));
    manifest.file.manifest_path = fmt::format("file://{}/m{}.avro", directory, number);
    WriteTo(PathOf(manifest.file.manifest_path), manifest.bytes);
    files.push_back(std::move(manifest.file));
  }
  // Half of the rows in a first list, the others put before them, as commits do.
  const std::vector<ManifestFile> older(files.begin(), files.begin() + 3);
  const std::vector<ManifestFile> newer(files.begin() + 3, files.end());
  SIGNALDB_ASSIGN(const std::string first, EncodeManifestList(context, older));
  SIGNALDB_ASSIGN(const std::string list, AppendManifestList(context, newer, first, "first list"));
  WriteTo(directory + "/list.avro", list);
  return DumpList(json, directory + "/list.avro", table);
}

int Run(const std::vector<std::string>& arguments) {
  rapidjson::StringBuffer buffer;
  JsonWriter json(buffer);
  Status status = Fail(ErrorKind::kInvalid, "usage: dump METADATA.json | make DIR SEED");
  if (arguments.size() == 2 && arguments[0] == "dump") {
    status = Dump(json, arguments[1]);
  } else if (arguments.size() == 3 && arguments[0] == "make") {
    status = Make(json, arguments[1], std::stoull(arguments[2]));
  }
  if (!status.has_value()) {
    std::cerr << ToString(status.error().kind) << ": " << status.error().message << "\n";
    return 1;
  }
  std::cout << buffer.GetString() << "\n";
  return 0;
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  return signaldb::Run(std::vector<std::string>(argv + 1, argv + argc));
}

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "iceberg/json/json_reader.h"
#include "iceberg/json/json_sax.h"
#include "iceberg/metadata/gzip.h"
#include "iceberg/metadata/schema_json.h"
#include "iceberg/metadata/snapshot_reader.h"
#include "iceberg/metadata/table_metadata.h"

namespace signaldb {
namespace {

constexpr std::int32_t kFormatVersionMax = 3;
constexpr std::int32_t kNoPartitionId = 999;
constexpr std::string_view kMainBranch = "main";

using rapidjson::SizeType;

Status CheckFormatVersion(std::int64_t version) {
  if (version >= 1 && version <= kFormatVersionMax) return {};
  return Fail(ErrorKind::kInvalid,
              fmt::format("format version is not supported format-version={} supported=1..{}",
                          version, kFormatVersionMax));
}

/// Reads a metadata file in one pass: snapshots go to a SnapshotReader, values that are kept as
/// text are cut out of the source, and only the rest becomes a document.
///
/// Threads: thread-compatible.
class MetadataHandler {
 public:
  MetadataHandler(std::string_view source, rapidjson::MemoryStream& stream,
                  rapidjson::Document& document, TableMetadata& metadata)
      : source_(source), stream_(stream), document_(document), metadata_(metadata) {}

  bool Null() {
    if (!reader_.inside()) return Plain() && document_.Null();
    return reader_.Null() || Fails(reader_.error());
  }
  bool Bool(bool value) {
    if (!reader_.inside()) return Plain() && document_.Bool(value);
    return reader_.Bool() || Fails(reader_.error());
  }
  bool Int(int value) { return reader_.inside() ? Number(value) : Plain() && document_.Int(value); }
  bool Uint(unsigned value) {
    if (reader_.inside()) return Number(value);
    // Checked at once: what follows in a later version may look broken to us.
    if (depth_ == 1 && key_ == "format-version") {
      if (const Status known = CheckFormatVersion(value); !known) return Fails(known.error());
    }
    return Plain() && document_.Uint(value);
  }
  bool Int64(std::int64_t value) {
    return reader_.inside() ? Number(value) : Plain() && document_.Int64(value);
  }
  bool Uint64(std::uint64_t value) {
    if (!reader_.inside()) return Plain() && document_.Uint64(value);
    if (!std::in_range<std::int64_t>(value)) return Number(std::nullopt);
    return Number(static_cast<std::int64_t>(value));
  }
  bool Double(double value) {
    return reader_.inside() ? Number(std::nullopt) : Plain() && document_.Double(value);
  }
  bool String(const char* text, SizeType length, bool copy) {
    if (!reader_.inside()) return Plain() && document_.String(text, length, copy);
    return reader_.String({text, length}) || Fails(reader_.error());
  }
  bool Key(const char* text, SizeType length, bool copy) {
    if (reader_.inside()) return reader_.Key({text, length});
    if (depth_ == 1) {
      key_.assign(text, length);
      if (!top_keys_.insert(key_).second) {
        return Fails(
            Fail(ErrorKind::kCorrupt, fmt::format("metadata has the same key twice key={}", key_))
                .error());
      }
    }
    return document_.Key(text, length, copy);
  }
  bool StartObject() {
    if (reader_.inside()) return reader_.StartObject() || Fails(reader_.error());
    if (in_snapshots_ && depth_ == 2) {
      begin_ = stream_.Tell() - 1;
      reader_.Begin(metadata_.snapshots.size());
      return true;
    }
    return ++depth_ <= kJsonDepthMax && document_.StartObject();
  }
  bool EndObject(SizeType count) {
    if (reader_.inside()) {
      reader_.EndNested();
      return reader_.inside() || FinishSnapshot();
    }
    --depth_;
    return document_.EndObject(count);
  }
  bool StartArray() {
    if (reader_.inside()) return reader_.StartArray() || Fails(reader_.error());
    if (in_snapshots_ && depth_ == 2) return Plain();
    if (depth_ == 1) {
      begin_ = stream_.Tell() - 1;
      in_snapshots_ = key_ == "snapshots";
    }
    return ++depth_ <= kJsonDepthMax && document_.StartArray();
  }
  bool EndArray(SizeType count) {
    if (reader_.inside()) return reader_.EndNested();
    --depth_;
    if (depth_ == 1) {
      if (std::string* kept = KeptText()) *kept = source_.substr(begin_, stream_.Tell() - begin_);
      // The snapshots did not become elements of the document.
      if (std::exchange(in_snapshots_, false)) count = 0;
    }
    return document_.EndArray(count);
  }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  bool Fails(const std::optional<Error>& error) {
    error_ = error;
    return false;
  }
  bool Number(std::optional<std::int64_t> value) {
    return reader_.Number(value) || Fails(reader_.error());
  }
  // A value that goes to the document, so it must not be an element of the snapshots.
  bool Plain() {
    if (!in_snapshots_ || depth_ != 2) return true;
    return Fails(
        WrongType(fmt::format("snapshots[{}]", metadata_.snapshots.size()), "an object").error());
  }
  bool FinishSnapshot() {
    auto snapshot = reader_.Finish(source_.substr(begin_, stream_.Tell() - begin_));
    if (!snapshot) return Fails(snapshot.error());
    metadata_.snapshots.push_back(std::move(*snapshot));
    return true;
  }
  std::string* KeptText() {
    if (key_ == "statistics") return &metadata_.statistics_json;
    if (key_ == "partition-statistics") return &metadata_.partition_statistics_json;
    if (key_ == "encryption-keys") return &metadata_.encryption_keys_json;
    return nullptr;
  }

  std::string_view source_;
  rapidjson::MemoryStream& stream_;
  rapidjson::Document& document_;
  TableMetadata& metadata_;
  SnapshotReader reader_;
  int depth_ = 0;
  bool in_snapshots_ = false;
  std::size_t begin_ = 0;
  std::string key_;
  std::set<std::string> top_keys_;
  std::optional<Error> error_;
};

Status ReadText(std::string_view text, rapidjson::Document& document, TableMetadata& metadata) {
  rapidjson::MemoryStream stream(text.data(), text.size());
  Status status;
  auto generate = [&](rapidjson::Document& target) {
    MetadataHandler handler(text, stream, target, metadata);
    status = RunJsonReader(stream, text.size(), handler);
    if (handler.error()) status = std::unexpected(*handler.error());
    return status.has_value();
  };
  document.Populate(generate);
  return status;
}

Status RequireArray(const JsonObject& root, std::string_view key) {
  if (!root.Has(key)) return MissingKey(key);
  return {};
}

Status ReadSchemas(const JsonObject& root, TableMetadata& metadata) {
  if (!root.Has("schemas") && metadata.format_version == 1) {
    SIGNALDB_ASSIGN(const JsonObject json, root.Object("schema"));
    SIGNALDB_ASSIGN(Schema schema, ReadSchema(json));
    metadata.current_schema_id = schema.schema_id;
    metadata.schemas.push_back(std::make_shared<const Schema>(std::move(schema)));
    return {};
  }
  SIGNALDB_TRY(RequireArray(root, "schemas"));
  SIGNALDB_ASSIGN(metadata.current_schema_id, root.Int("current-schema-id"));
  SIGNALDB_ASSIGN(const auto schemas, root.Objects("schemas"));
  std::set<std::int32_t> ids;
  for (const JsonObject& json : schemas) {
    SIGNALDB_ASSIGN(Schema schema, ReadSchema(json));
    if (!ids.insert(schema.schema_id).second) {
      return Fail(ErrorKind::kCorrupt, fmt::format("two schemas have the same id key={} id={}",
                                                   json.PathOf("schema-id"), schema.schema_id));
    }
    metadata.schemas.push_back(std::make_shared<const Schema>(std::move(schema)));
  }
  if (!ids.contains(metadata.current_schema_id)) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("no schema has this id key=current-schema-id id={}",
                            metadata.current_schema_id));
  }
  return {};
}

Status ReadSpecs(const JsonObject& root, TableMetadata& metadata) {
  if (!root.Has("partition-specs") && metadata.format_version == 1) {
    PartitionSpec spec;
    SIGNALDB_ASSIGN(spec.fields, ReadPartitionFields(root, "partition-spec", 1));
    metadata.partition_specs.push_back(std::make_shared<const PartitionSpec>(std::move(spec)));
  } else {
    SIGNALDB_TRY(RequireArray(root, "partition-specs"));
    SIGNALDB_ASSIGN(metadata.default_spec_id, root.Int("default-spec-id"));
    SIGNALDB_ASSIGN(const auto specs, root.Objects("partition-specs"));
    std::set<std::int32_t> ids;
    for (const JsonObject& json : specs) {
      PartitionSpec spec;
      SIGNALDB_ASSIGN(spec.spec_id, json.Int("spec-id"));
      SIGNALDB_ASSIGN(spec.fields, ReadPartitionFields(json, "fields", metadata.format_version));
      if (!ids.insert(spec.spec_id).second) {
        return Fail(ErrorKind::kCorrupt, fmt::format("two specs have the same id key={} id={}",
                                                     json.PathOf("spec-id"), spec.spec_id));
      }
      metadata.partition_specs.push_back(std::make_shared<const PartitionSpec>(std::move(spec)));
    }
    if (!ids.contains(metadata.default_spec_id)) {
      return Fail(ErrorKind::kCorrupt, fmt::format("no spec has this id key=default-spec-id id={}",
                                                   metadata.default_spec_id));
    }
  }
  SIGNALDB_ASSIGN(const auto last, root.OptionalInt("last-partition-id"));
  if (!last && metadata.format_version > 1) return MissingKey("last-partition-id");
  metadata.last_partition_id = kNoPartitionId;
  for (const auto& spec : metadata.partition_specs) {
    for (const PartitionField& field : spec->fields) {
      metadata.last_partition_id = std::max(metadata.last_partition_id, field.field_id);
    }
  }
  metadata.last_partition_id = last.value_or(metadata.last_partition_id);
  return {};
}

Status ReadSortOrders(const JsonObject& root, TableMetadata& metadata) {
  if (root.Has("sort-orders") || metadata.format_version > 1) {
    SIGNALDB_TRY(RequireArray(root, "sort-orders"));
    SIGNALDB_ASSIGN(metadata.default_sort_order_id, root.Int("default-sort-order-id"));
  }
  SIGNALDB_ASSIGN(const auto orders, root.Objects("sort-orders"));
  std::set<std::int32_t> ids;
  for (const JsonObject& json : orders) {
    SIGNALDB_ASSIGN(SortOrder order, ReadSortOrder(json));
    if (order.order_id == 0 && !order.fields.empty()) {
      return Fail(ErrorKind::kCorrupt, fmt::format("order 0 means unsorted but has fields key={}",
                                                   json.PathOf("fields")));
    }
    if (!ids.insert(order.order_id).second) {
      return Fail(ErrorKind::kCorrupt, fmt::format("two orders have the same id key={} id={}",
                                                   json.PathOf("order-id"), order.order_id));
    }
    metadata.sort_orders.push_back(std::make_shared<const SortOrder>(std::move(order)));
  }
  if (ids.contains(metadata.default_sort_order_id)) return {};
  if (metadata.default_sort_order_id != 0) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("no sort order has this id key=default-sort-order-id id={}",
                            metadata.default_sort_order_id));
  }
  // Some writers leave the unsorted order out; those who read ours after us may need it.
  metadata.sort_orders.push_back(std::make_shared<const SortOrder>());
  return {};
}

Status ReadProperties(const JsonObject& root, TableMetadata& metadata) {
  if (!root.Has("properties")) return {};
  SIGNALDB_ASSIGN(const JsonObject json, root.Object("properties"));
  for (const auto& member : json.value().GetObject()) {
    const std::string key(member.name.GetString(), member.name.GetStringLength());
    if (!member.value.IsString()) return WrongType(json.PathOf(key), "a string");
    metadata.properties[key].assign(member.value.GetString(), member.value.GetStringLength());
  }
  return {};
}

Result<SnapshotRef> ReadRef(const JsonObject& json) {
  SnapshotRef ref;
  SIGNALDB_ASSIGN(ref.snapshot_id, json.Long("snapshot-id"));
  SIGNALDB_ASSIGN(const std::string kind, json.String("type"));
  if (kind != "branch" && kind != "tag") return WrongType(json.PathOf("type"), "branch or tag");
  ref.is_branch = kind == "branch";
  SIGNALDB_ASSIGN(ref.min_snapshots_to_keep, json.OptionalInt("min-snapshots-to-keep"));
  SIGNALDB_ASSIGN(ref.max_snapshot_age_ms, json.OptionalLong("max-snapshot-age-ms"));
  SIGNALDB_ASSIGN(ref.max_ref_age_ms, json.OptionalLong("max-ref-age-ms"));
  return ref;
}

Status ReadRefs(const JsonObject& root, TableMetadata& metadata) {
  SIGNALDB_ASSIGN(const auto current, root.OptionalLong("current-snapshot-id"));
  // Java writes -1 for a table without snapshots.
  if (current && *current != -1) metadata.current_snapshot_id = current;
  if (!root.Has("refs")) {
    if (metadata.current_snapshot_id) {
      metadata.refs[std::string(kMainBranch)].snapshot_id = *metadata.current_snapshot_id;
    }
    return {};
  }
  SIGNALDB_ASSIGN(const auto members, root.Members("refs"));
  for (const auto& [name, json] : members) {
    SIGNALDB_ASSIGN(metadata.refs[name], ReadRef(json));
  }
  return {};
}

Status ReadLogs(const JsonObject& root, TableMetadata& metadata) {
  SIGNALDB_ASSIGN(const auto snapshots, root.Objects("snapshot-log"));
  metadata.snapshot_log.reserve(snapshots.size());
  for (const JsonObject& json : snapshots) {
    SnapshotLogEntry entry;
    SIGNALDB_ASSIGN(entry.timestamp_ms, json.Long("timestamp-ms"));
    SIGNALDB_ASSIGN(entry.snapshot_id, json.Long("snapshot-id"));
    metadata.snapshot_log.push_back(entry);
  }
  SIGNALDB_ASSIGN(const auto files, root.Objects("metadata-log"));
  metadata.metadata_log.reserve(files.size());
  for (const JsonObject& json : files) {
    MetadataLogEntry entry;
    SIGNALDB_ASSIGN(entry.timestamp_ms, json.Long("timestamp-ms"));
    SIGNALDB_ASSIGN(entry.metadata_file, json.String("metadata-file"));
    metadata.metadata_log.push_back(std::move(entry));
  }
  return {};
}

template <typename Entry>
Status CheckLog(const std::vector<Entry>& log, std::string_view key, std::int64_t last_updated) {
  for (std::size_t i = 1; i < log.size(); ++i) {
    if (log[i].timestamp_ms < log[i - 1].timestamp_ms - kLogToleranceMs) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("log goes back in time key={}[{}].timestamp-ms", key, i));
    }
  }
  if (!log.empty() && last_updated < log.back().timestamp_ms - kLogToleranceMs) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("metadata is older than its own log key=last-updated-ms log={}", key));
  }
  return {};
}

Status CheckSnapshots(const TableMetadata& metadata) {
  std::unordered_set<std::int64_t> ids;
  ids.reserve(metadata.snapshots.size());
  for (std::size_t i = 0; i < metadata.snapshots.size(); ++i) {
    const Snapshot& snapshot = *metadata.snapshots[i];
    if (!ids.insert(snapshot.snapshot_id).second) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("two snapshots have the same id key=snapshots[{}].snapshot-id id={}",
                              i, snapshot.snapshot_id));
    }
    if (metadata.format_version > 1 && snapshot.sequence_number > metadata.last_sequence_number) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("snapshot is newer than the table's last sequence number "
                              "key=snapshots[{}].sequence-number last={}",
                              i, metadata.last_sequence_number));
    }
  }
  if (metadata.current_snapshot_id && !ids.contains(*metadata.current_snapshot_id)) {
    return Fail(ErrorKind::kCorrupt, fmt::format("no snapshot has this id key=current-snapshot-id "
                                                 "id={}",
                                                 *metadata.current_snapshot_id));
  }
  for (const auto& [name, ref] : metadata.refs) {
    if (!ids.contains(ref.snapshot_id)) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("no snapshot has this id key=refs.{}.snapshot-id id={}", name,
                              ref.snapshot_id));
    }
  }
  const auto main = metadata.refs.find(kMainBranch);
  if (main != metadata.refs.end() &&
      main->second.snapshot_id != metadata.current_snapshot_id.value_or(-1)) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("branch main is not the current snapshot key=refs.main.snapshot-id "
                            "id={}",
                            main->second.snapshot_id));
  }
  return {};
}

Status ReadNumbers(const JsonObject& root, TableMetadata& metadata) {
  SIGNALDB_ASSIGN(auto uuid, root.OptionalString("table-uuid"));
  if (!uuid && metadata.format_version > 1) return MissingKey("table-uuid");
  metadata.table_uuid = std::move(uuid).value_or("");
  SIGNALDB_ASSIGN(metadata.location, root.String("location"));
  while (metadata.location.size() > 1 && metadata.location.ends_with('/')) {
    metadata.location.pop_back();
  }
  if (metadata.format_version > 1) {
    SIGNALDB_ASSIGN(metadata.last_sequence_number, root.Long("last-sequence-number"));
  }
  SIGNALDB_ASSIGN(metadata.last_updated_ms, root.Long("last-updated-ms"));
  SIGNALDB_ASSIGN(metadata.last_column_id, root.Int("last-column-id"));
  if (metadata.format_version > 2) {
    SIGNALDB_ASSIGN(metadata.next_row_id, root.Long("next-row-id"));
  }
  return {};
}

// The keys that are cut out of the text when they are arrays.
Status CheckArrays(const JsonObject& root) {
  for (const std::string_view key :
       {"snapshots", "statistics", "partition-statistics", "encryption-keys"}) {
    const rapidjson::Value* value = root.Find(key);
    if (value != nullptr && !value->IsArray()) return WrongType(key, "an array");
  }
  return {};
}

Result<TableMetadata> ParsePlain(std::string_view text) {
  if (text.size() > kMetadataBytesMax) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("metadata file is larger than allowed, expire snapshots bytes={} "
                            "bytes_max={}",
                            text.size(), kMetadataBytesMax));
  }
  rapidjson::Document document;
  TableMetadata metadata;
  SIGNALDB_TRY(ReadText(text, document, metadata));
  SIGNALDB_ASSIGN(const JsonObject root, JsonObject::Of(document, ""));
  SIGNALDB_ASSIGN(metadata.format_version, root.Int("format-version"));
  SIGNALDB_TRY(CheckFormatVersion(metadata.format_version));
  SIGNALDB_TRY(CheckArrays(root));
  SIGNALDB_TRY(ReadNumbers(root, metadata));
  SIGNALDB_TRY(ReadSchemas(root, metadata));
  SIGNALDB_TRY(ReadSpecs(root, metadata));
  SIGNALDB_TRY(ReadSortOrders(root, metadata));
  SIGNALDB_TRY(ReadProperties(root, metadata));
  SIGNALDB_TRY(ReadRefs(root, metadata));
  SIGNALDB_TRY(ReadLogs(root, metadata));
  SIGNALDB_TRY(CheckSnapshots(metadata));
  SIGNALDB_TRY(CheckLog(metadata.snapshot_log, "snapshot-log", metadata.last_updated_ms));
  SIGNALDB_TRY(CheckLog(metadata.metadata_log, "metadata-log", metadata.last_updated_ms));
  return metadata;
}

}  // namespace

Result<TableMetadata> ParseTableMetadata(std::string_view json_or_gzip) {
  if (!IsGzip(json_or_gzip)) return ParsePlain(json_or_gzip);
  SIGNALDB_ASSIGN(const std::string plain, Gunzip(json_or_gzip, kMetadataBytesMax));
  return ParsePlain(plain);
}

}  // namespace signaldb

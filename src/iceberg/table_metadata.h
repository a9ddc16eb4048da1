#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "iceberg/partition_spec.h"
#include "iceberg/schema.h"
#include "signaldb/result.h"

namespace signaldb {

/// Insertion order does not matter to Iceberg; a sorted map makes our files reproducible.
using Properties = std::map<std::string, std::string, std::less<>>;

/// One state of a table. `json` is the snapshot's own text in metadata.json, kept so that old
/// snapshots are copied into the next metadata file byte by byte instead of being written anew.
struct Snapshot {
  std::int64_t snapshot_id = 0;
  std::optional<std::int64_t> parent_snapshot_id;
  std::int64_t sequence_number = 0;
  std::int64_t timestamp_ms = 0;
  std::string operation;  ///< "append", "replace", "overwrite", "delete".
  Properties summary;     ///< Without "operation".
  std::string manifest_list;
  std::optional<std::int32_t> schema_id;
  std::optional<std::int64_t> first_row_id;
  std::optional<std::int64_t> added_rows;
  std::string json;
};

struct SnapshotRef {
  std::int64_t snapshot_id = 0;
  bool is_branch = true;
  std::optional<std::int32_t> min_snapshots_to_keep;
  std::optional<std::int64_t> max_snapshot_age_ms;
  std::optional<std::int64_t> max_ref_age_ms;
};

struct SnapshotLogEntry {
  std::int64_t timestamp_ms = 0;
  std::int64_t snapshot_id = 0;
};

struct MetadataLogEntry {
  std::int64_t timestamp_ms = 0;
  std::string metadata_file;
};

/// One metadata.json. A value; the parts that grow with history are shared between versions.
struct TableMetadata {
  std::int32_t format_version = 2;
  std::string table_uuid;
  std::string location;  ///< No trailing slash.
  std::int64_t last_sequence_number = 0;
  std::int64_t last_updated_ms = 0;
  std::int32_t last_column_id = 0;
  std::int32_t current_schema_id = 0;
  std::vector<std::shared_ptr<const Schema>> schemas;
  std::int32_t default_spec_id = 0;
  std::vector<std::shared_ptr<const PartitionSpec>> partition_specs;
  std::int32_t last_partition_id = 999;
  std::int32_t default_sort_order_id = 0;
  std::vector<std::shared_ptr<const SortOrder>> sort_orders;
  Properties properties;
  std::optional<std::int64_t> current_snapshot_id;
  std::optional<std::int64_t> next_row_id;                 ///< v3.
  std::vector<std::shared_ptr<const Snapshot>> snapshots;  ///< In file order.
  std::map<std::string, SnapshotRef, std::less<>> refs;
  std::vector<SnapshotLogEntry> snapshot_log;
  std::vector<MetadataLogEntry> metadata_log;
  std::string statistics_json = "[]";            ///< Kept as text.
  std::string partition_statistics_json = "[]";  ///< Kept as text.
  std::string encryption_keys_json;              ///< Kept as text; empty if absent.

  [[nodiscard]] const Schema& schema() const;                 ///< The current one.
  [[nodiscard]] const PartitionSpec& partition_spec() const;  ///< The default one.
  [[nodiscard]] const SortOrder& sort_order() const;          ///< The default one.
  [[nodiscard]] const PartitionSpec* SpecById(std::int32_t id) const;
  [[nodiscard]] const Schema* SchemaById(std::int32_t id) const;
  [[nodiscard]] const Snapshot* SnapshotById(std::int64_t id) const;
  [[nodiscard]] const Snapshot* current_snapshot() const;  ///< nullptr if the table is empty.
};

/// Reads v1, v2 and v3; gzip is recognised by its magic bytes.
/// Errors: kCorrupt (contradictions; the message names the key), kInvalid (a format version or
/// feature we do not know).
[[nodiscard]] Result<TableMetadata> ParseTableMetadata(std::string_view json_or_gzip);

/// As Java writes it, minus what is absent. Snapshots with `json` are spliced.
[[nodiscard]] std::string SerializeTableMetadata(const TableMetadata& metadata);
/// One snapshot object, for `Snapshot::json`.
[[nodiscard]] std::string SerializeSnapshot(const Snapshot& snapshot);
/// A schema object as in metadata.json and manifest headers.
[[nodiscard]] std::string SerializeSchema(const Schema& schema);
/// The array of partition fields, as manifest headers have it.
[[nodiscard]] std::string SerializePartitionFields(const PartitionSpec& spec);
[[nodiscard]] Result<Schema> ParseSchema(std::string_view json);

/// What a new table is made of.
struct NewTable {
  std::string table_uuid;
  std::string location;
  Schema schema;         ///< Ids are kept if unique and positive.
  PartitionSpec spec;    ///< Field ids 0 are assigned from 1000.
  SortOrder sort_order;  ///< Order id 0 with fields becomes 1.
  Properties properties;
  std::int64_t now_ms = 0;
};

/// The first metadata of a table, format version 2.
/// Errors: kInvalid (bad ids, a spec or order over columns that do not exist, reserved properties).
[[nodiscard]] Result<TableMetadata> MakeTableMetadata(NewTable table);

/// The changes that make one version into the next. Each keeps the rules of iceberg's metadata
/// (sorted logs, refs, bounded metadata log) and leaves `metadata` untouched on error.
///
/// Appends `snapshot` and makes it the head of main. Errors: kConflict (its sequence number is not
/// above the last).
[[nodiscard]] Status AddSnapshotToMain(TableMetadata& metadata, Snapshot snapshot);
/// Errors: kInvalid (reserved key).
[[nodiscard]] Status SetProperties(TableMetadata& metadata, const Properties& updates,
                                   const std::vector<std::string>& removals);
/// Makes `schema` current, re-using the id of an equal older one. Errors: kInvalid (not an allowed
/// evolution; names the column).
[[nodiscard]] Status EvolveSchema(TableMetadata& metadata, Schema schema);
/// Notes the file of the version this one came from and sets last-updated-ms (never going back).
/// Returns the metadata files that fell off the end of the log.
[[nodiscard]] std::vector<std::string> AdvanceMetadataLog(TableMetadata& metadata,
                                                          const std::string& base_location,
                                                          std::int64_t base_last_updated_ms,
                                                          std::int64_t now_ms);
/// "<location>/metadata/00007-<uuid>[.gz].metadata.json": the name after `base_location` (00000 if
/// none).
[[nodiscard]] std::string NextMetadataLocation(const TableMetadata& metadata,
                                               const std::optional<std::string>& base_location,
                                               std::string_view uuid);
/// By `write.metadata.compression-codec`. Errors: kInternal.
[[nodiscard]] Result<std::string> EncodeMetadataFile(const TableMetadata& metadata);

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "iceberg/schema/partition_spec.h"
#include "iceberg/schema/schema.h"
#include "signaldb/result.h"

namespace signaldb {

/// Larger metadata files are neither read nor written: a table whose history has grown so far needs
/// its snapshots expired.
inline constexpr std::size_t kMetadataBytesMax = 64U << 20U;

/// Logs may go back in time by this much: the clocks of several writers differ.
inline constexpr std::int64_t kLogToleranceMs = 60'000;

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

/// One metadata.json. A value. Copying it for the next version shares schemas, specs and snapshots;
/// the logs are copied (16 bytes a snapshot; at most `write.metadata.previous-versions-max` files).
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

/// Reads v1, v2 and v3; gzip is recognised by its magic bytes. Every snapshot keeps its own text.
/// Errors: kCorrupt (not JSON, a missing key, a wrong type, contradictions; the message names the
/// key), kInvalid (a format version, type or feature we do not know; larger than
/// `kMetadataBytesMax`).
[[nodiscard]] Result<TableMetadata> ParseTableMetadata(std::string_view json_or_gzip);

/// As Java writes it, minus what is absent. Snapshots with `json` are copied as they are. All
/// strings are UTF-8 (the functions below see to that).
[[nodiscard]] std::string SerializeTableMetadata(const TableMetadata& metadata);
/// One snapshot object, for `Snapshot::json`.
[[nodiscard]] std::string SerializeSnapshot(const Snapshot& snapshot);
/// A schema object as in metadata.json and manifest headers.
[[nodiscard]] std::string SerializeSchema(const Schema& schema);
/// The array of partition fields, as manifest headers have it.
[[nodiscard]] std::string SerializePartitionFields(const PartitionSpec& spec);
/// Errors: kCorrupt (names the key), kInvalid (a type we do not know).
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

/// The first metadata of a table, format version 2. Schema and spec get id 0.
/// Errors: kInvalid (bad ids or names, types of version 3, a spec or order over columns that do not
/// exist or do not take the transform, reserved properties, a location that is not absolute, text
/// that is not UTF-8).
[[nodiscard]] Result<TableMetadata> MakeTableMetadata(NewTable table);

/// The changes that make one version into the next. Each keeps the rules of iceberg's metadata
/// (sorted logs, refs, bounded metadata log) and leaves `metadata` untouched on error.
///
/// Appends `snapshot`, makes it the head of main and writes its `json`; at most once a version.
/// last-updated-ms becomes the snapshot's time. In version 3 next-row-id grows by its added rows.
/// Errors: kConflict (its sequence number is not above the last, its parent is not the head of
/// main, its first row id is below next-row-id: build it again on the newest version), kInvalid (it
/// is in the table already, is more than `kLogToleranceMs` older than the table, or breaks the
/// format: the message says how).
[[nodiscard]] Status AddSnapshotToMain(TableMetadata& metadata, Snapshot snapshot);
/// Errors: kInvalid (a reserved key, a key in both, `write.metadata.compression-codec` other than
/// none and gzip, text that is not UTF-8).
[[nodiscard]] Status SetProperties(TableMetadata& metadata, const Properties& updates,
                                   const std::vector<std::string>& removals);
/// Makes `schema` current, re-using the id of an equal older one. Allowed against the current one:
/// new optional columns whose ids were never used, new names, docs and order of columns, required
/// to optional, int to long, float to double, decimals to higher precision; at any depth outside
/// map keys. Errors: kInvalid (anything else; names the column).
[[nodiscard]] Status EvolveSchema(TableMetadata& metadata, Schema schema);
/// Notes the file of the version this one came from and sets last-updated-ms (never going back).
/// Returns the metadata files that fell off the end of the log (`write.metadata.previous-versions-
/// max`); whether they may be deleted, and when, is the caller's to decide.
[[nodiscard]] std::vector<std::string> AdvanceMetadataLog(TableMetadata& metadata,
                                                          const std::string& base_location,
                                                          std::int64_t base_last_updated_ms,
                                                          std::int64_t now_ms);
/// "<location>/metadata/00007-<uuid>[.gz].metadata.json": the name after `base_location` (00000 if
/// none, or if its name has no number), under `write.metadata.path` if that is set. The catalog
/// checks the length.
[[nodiscard]] std::string NextMetadataLocation(const TableMetadata& metadata,
                                               const std::optional<std::string>& base_location,
                                               std::string_view uuid);
/// The bytes of the file, packed if `write.metadata.compression-codec` is gzip (plain for codecs of
/// other writers that we do not know, as the name from `NextMetadataLocation` says).
/// Errors: kInvalid (larger than `kMetadataBytesMax`), kInternal (compression failed).
[[nodiscard]] Result<std::string> EncodeMetadataFile(const TableMetadata& metadata);

}  // namespace signaldb

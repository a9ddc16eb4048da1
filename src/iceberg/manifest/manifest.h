#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "iceberg/metadata/table_metadata.h"
#include "iceberg/schema/partition_spec.h"
#include "iceberg/schema/schema.h"
#include "signaldb/result.h"

namespace signaldb {

enum class FileContent : std::uint8_t { kData = 0, kPositionDeletes = 1, kEqualityDeletes = 2 };

/// What a manifest says of one data or delete file. Maps are keyed by field id.
struct DataFile {
  FileContent content = FileContent::kData;
  std::string file_path;
  std::string file_format = "PARQUET";
  std::int32_t spec_id = 0;  ///< Not written: it stands on the manifest.
  PartitionValues partition;
  std::int64_t record_count = 0;
  std::int64_t file_size_in_bytes = 0;
  std::map<std::int32_t, std::int64_t> column_sizes;
  std::map<std::int32_t, std::int64_t> value_counts;
  std::map<std::int32_t, std::int64_t> null_value_counts;
  std::map<std::int32_t, std::int64_t> nan_value_counts;
  std::map<std::int32_t, std::string> lower_bounds;  ///< Single-value bytes.
  std::map<std::int32_t, std::string> upper_bounds;
  std::optional<std::string> key_metadata;
  std::vector<std::int64_t> split_offsets;
  std::vector<std::int32_t> equality_ids;
  std::optional<std::int32_t> sort_order_id;
  std::optional<std::int64_t> first_row_id;  ///< v3.
  std::optional<std::string> referenced_data_file;
  std::optional<std::int64_t> content_offset;         ///< v3.
  std::optional<std::int64_t> content_size_in_bytes;  ///< v3.

  friend bool operator==(const DataFile&, const DataFile&) = default;
};

enum class EntryStatus : std::uint8_t { kExisting = 0, kAdded = 1, kDeleted = 2 };

struct ManifestEntry {
  EntryStatus status = EntryStatus::kAdded;
  std::optional<std::int64_t> snapshot_id;
  std::optional<std::int64_t>
      sequence_number;  ///< Data sequence number; null on write = inherited.
  std::optional<std::int64_t> file_sequence_number;
  DataFile data_file;

  friend bool operator==(const ManifestEntry&, const ManifestEntry&) = default;
};

enum class ManifestContent : std::uint8_t { kData = 0, kDeletes = 1 };

struct PartitionFieldSummary {
  bool contains_null = false;
  std::optional<bool> contains_nan;
  std::optional<std::string> lower_bound;
  std::optional<std::string> upper_bound;

  friend bool operator==(const PartitionFieldSummary&, const PartitionFieldSummary&) = default;
};

inline constexpr std::int64_t kUnassignedSequenceNumber = -1;
/// A v1 list may leave counts out. Such a manifest may hold anything: never drop it as empty.
inline constexpr std::int32_t kUnknownCount = -1;

/// A row of a manifest list.
struct ManifestFile {
  std::string manifest_path;
  std::int64_t manifest_length = 0;
  std::int32_t partition_spec_id = 0;
  ManifestContent content = ManifestContent::kData;
  std::int64_t sequence_number = kUnassignedSequenceNumber;  ///< Assigned when the list is written.
  std::int64_t min_sequence_number = kUnassignedSequenceNumber;
  std::int64_t added_snapshot_id = 0;
  std::int32_t added_files_count = 0;
  std::int32_t existing_files_count = 0;
  std::int32_t deleted_files_count = 0;
  std::int64_t added_rows_count = 0;
  std::int64_t existing_rows_count = 0;
  std::int64_t deleted_rows_count = 0;
  /// One a partition field, over all entries, deleted ones too.
  std::vector<PartitionFieldSummary> partitions;
  /// False: the list gave no summaries, so values of any partition may be inside.
  bool has_partition_summaries = true;
  std::optional<std::string> key_metadata;
  std::optional<std::int64_t> first_row_id;

  /// False only if it is certain that every entry is of status kDeleted.
  [[nodiscard]] bool MayHaveLiveFiles() const {
    return added_files_count != 0 || existing_files_count != 0;
  }

  friend bool operator==(const ManifestFile&, const ManifestFile&) = default;
};

/// What a manifest's header needs beside the entries.
struct ManifestContext {
  std::int32_t format_version = 2;  ///< 1 or 2 (writing); 1 to 3 (reading).
  const Schema* schema = nullptr;
  const PartitionSpec* spec = nullptr;
  ManifestContent content = ManifestContent::kData;
  std::int64_t snapshot_id = 0;  ///< Of the commit that writes it.
};

struct EncodedManifest {
  std::string bytes;
  ManifestFile file;  ///< Everything but `manifest_path`.
};

/// One spec and one content a manifest. The statuses follow the inheritance rules:
///   kAdded     snapshot_id is the commit's (null is taken for it); sequence_number is null, or the
///              older one that a rewrite keeps; file_sequence_number is never written.
///   kExisting  snapshot_id and sequence_number are the original ones and are not null.
///   kDeleted   snapshot_id is the commit's (null is taken for it); sequence_number is the
///   original.
/// Partition summaries cover all entries. Equal input gives equal bytes.
///
/// Errors: kInvalid (an entry that breaks these rules, names its file; a partition value that does
/// not fit its type; a field of format version 3; a format version other than 1 and 2).
[[nodiscard]] Result<EncodedManifest> EncodeManifest(const ManifestContext& context,
                                                     const std::vector<ManifestEntry>& entries);

class ManifestBuilder;

/// EncodeManifest for many manifests of the same schema, spec, content and format version: the
/// header, which is most of a small manifest's cost, is made once.
///
/// Threads: thread-safe (immutable).
class ManifestEncoder {
 public:
  /// Copies what it needs of `context`, except the snapshot id. Errors: kInvalid (a format version
  /// other than 1 and 2; a spec that does not fit the schema).
  [[nodiscard]] static Result<ManifestEncoder> Make(const ManifestContext& context);

  /// As EncodeManifest, for the commit `snapshot_id`. Errors: kInvalid.
  [[nodiscard]] Result<EncodedManifest> Encode(std::int64_t snapshot_id,
                                               const std::vector<ManifestEntry>& entries) const;

 private:
  friend class ManifestBuilder;
  ManifestEncoder() = default;

  std::int32_t format_version_ = 2;
  ManifestContent content_ = ManifestContent::kData;
  PartitionSpec spec_;
  std::vector<Type> types_;  // Of the partition values.
  std::string header_;       // Of the Avro file, ready to be copied.
};

/// EncodeManifest, entry by entry: for a manifest whose entries need not be in memory at once.
///
/// Lifetime: borrows the encoder.
/// Threads:  thread-compatible.
class ManifestBuilder {
 public:
  ManifestBuilder(const ManifestEncoder& encoder, std::int64_t snapshot_id);
  ~ManifestBuilder();

  /// Errors: kInvalid (as EncodeManifest); the entry is left out.
  [[nodiscard]] Status Add(const ManifestEntry& entry);
  [[nodiscard]] EncodedManifest Finish() &&;

 private:
  struct State;

  const ManifestEncoder& encoder_;
  const std::int64_t snapshot_id_;
  std::unique_ptr<State> state_;
};

/// The entries with inherited ids and sequence numbers filled in from `file`. While `file` itself
/// has no sequence number yet, those of added entries stay null. Reads what Java, PyIceberg,
/// DuckDB, iceberg-rust and iceberg-go write, format versions 1 to 3. `metadata` gives the specs.
///
/// Errors: kCorrupt (names the file; what was decoded before is not returned).
[[nodiscard]] Result<std::vector<ManifestEntry>> DecodeManifest(std::string_view bytes,
                                                                const ManifestFile& file,
                                                                const TableMetadata& metadata);

struct ManifestListContext {
  std::int32_t format_version = 2;
  std::int64_t snapshot_id = 0;
  std::optional<std::int64_t> parent_snapshot_id;
  std::int64_t sequence_number = 0;
};

/// Assigns the sequence number to manifests of this snapshot that have none.
///
/// Errors: kInvalid (an unassigned manifest of another snapshot; an unknown count in format version
/// 2; a format version other than 1 and 2).
[[nodiscard]] Result<std::string> EncodeManifestList(const ManifestListContext& context,
                                                     const std::vector<ManifestFile>& manifests);

/// The list of `added` followed by all rows of `previous_list`, for an append that keeps every
/// manifest. A list that we wrote is not decoded: its large blocks are copied as they are and only
/// a small newest one is packed again with `added`, so the cost does not grow with the table.
/// `previous_path` is for messages.
///
/// Errors: kInvalid (as EncodeManifestList), kCorrupt (the previous list; names it).
[[nodiscard]] Result<std::string> AppendManifestList(const ManifestListContext& context,
                                                     const std::vector<ManifestFile>& added,
                                                     std::string_view previous_list,
                                                     std::string_view previous_path);

/// The rows in the order of the file. Errors: kCorrupt (names the file).
[[nodiscard]] Result<std::vector<ManifestFile>> DecodeManifestList(std::string_view bytes,
                                                                   std::string_view path);

}  // namespace signaldb

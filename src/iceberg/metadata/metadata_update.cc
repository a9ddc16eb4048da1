#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "iceberg/metadata/metadata_properties.h"
#include "iceberg/metadata/table_metadata.h"

namespace signaldb {
namespace {

constexpr std::size_t kPreviousVersionsDefault = 100;
constexpr std::string_view kMainBranch = "main";
constexpr std::array<std::string_view, 4> kOperations = {"append", "replace", "overwrite",
                                                         "delete"};

Status CheckOrder(const TableMetadata& metadata, const Snapshot& snapshot) {
  if (metadata.SnapshotById(snapshot.snapshot_id) != nullptr) {
    return Fail(ErrorKind::kInvalid, fmt::format("snapshot is in the table already snapshot_id={}",
                                                 snapshot.snapshot_id));
  }
  if (snapshot.parent_snapshot_id != metadata.current_snapshot_id) {
    return Fail(ErrorKind::kConflict,
                fmt::format("snapshot was built on another version parent={} head={}",
                            snapshot.parent_snapshot_id.value_or(-1),
                            metadata.current_snapshot_id.value_or(-1)));
  }
  if (metadata.format_version > 1 && snapshot.sequence_number <= metadata.last_sequence_number) {
    return Fail(ErrorKind::kConflict,
                fmt::format("sequence number is not above the table's last sequence_number={} "
                            "last={}",
                            snapshot.sequence_number, metadata.last_sequence_number));
  }
  if (metadata.format_version == 1 && snapshot.sequence_number != 0) {
    return Fail(ErrorKind::kInvalid, fmt::format("format version 1 has no sequence numbers "
                                                 "sequence_number={}",
                                                 snapshot.sequence_number));
  }
  if (snapshot.timestamp_ms < metadata.last_updated_ms - kLogToleranceMs) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("snapshot is older than the table, check the clock timestamp_ms={} "
                            "last_updated_ms={}",
                            snapshot.timestamp_ms, metadata.last_updated_ms));
  }
  return {};
}

Status CheckRows(const TableMetadata& metadata, const Snapshot& snapshot) {
  if (metadata.format_version < 3) {
    if (!snapshot.first_row_id && !snapshot.added_rows) return {};
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("row ids are of format version 3 format-version={}", metadata.format_version));
  }
  if (!snapshot.first_row_id || !snapshot.added_rows || *snapshot.added_rows < 0) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("format version 3 needs first-row-id and added-rows snapshot_id={}",
                            snapshot.snapshot_id));
  }
  if (*snapshot.first_row_id < metadata.next_row_id.value_or(0)) {
    return Fail(ErrorKind::kConflict,
                fmt::format("row ids are taken already first_row_id={} next_row_id={}",
                            *snapshot.first_row_id, metadata.next_row_id.value_or(0)));
  }
  return {};
}

Status CheckContent(const TableMetadata& metadata, const Snapshot& snapshot) {
  if (std::ranges::find(kOperations, snapshot.operation) == kOperations.end()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("no such snapshot operation operation={}", snapshot.operation));
  }
  if (snapshot.manifest_list.empty()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("snapshot has no manifest list snapshot_id={}", snapshot.snapshot_id));
  }
  if (snapshot.schema_id && metadata.SchemaById(*snapshot.schema_id) == nullptr) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("table has no such schema schema_id={}", *snapshot.schema_id));
  }
  SIGNALDB_TRY(CheckUtf8(snapshot.manifest_list, "manifest-list"));
  for (const auto& [key, value] : snapshot.summary) {
    SIGNALDB_TRY(CheckUtf8(key, "a summary's key"));
    SIGNALDB_TRY(CheckUtf8(value, key));
    if (key == "operation") {
      return Fail(ErrorKind::kInvalid, "the operation stands beside the summary, not in it");
    }
  }
  return {};
}

std::size_t PreviousVersionsMax(const Properties& properties) {
  const auto found = properties.find(kPreviousVersionsProperty);
  if (found == properties.end()) return kPreviousVersionsDefault;
  const std::string& text = found->second;
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return kPreviousVersionsDefault;
  return static_cast<std::size_t>(std::max(1, number));
}

// The number after that of "…/00007-<uuid>.metadata.json"; 0 where there is none, as Java does.
std::int32_t NextVersion(const std::optional<std::string>& base_location) {
  if (!base_location) return 0;
  const auto slash = base_location->rfind('/');
  const std::string_view name =
      std::string_view(*base_location).substr(slash == std::string::npos ? 0 : slash + 1);
  std::int32_t version = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), version);
  if (error != std::errc{} || end == name.data() + name.size() || *end != '-' || version < 0 ||
      version == std::numeric_limits<std::int32_t>::max()) {
    return 0;
  }
  return version + 1;
}

}  // namespace

Status AddSnapshotToMain(TableMetadata& metadata, Snapshot snapshot) {
  SIGNALDB_TRY(CheckOrder(metadata, snapshot));
  SIGNALDB_TRY(CheckRows(metadata, snapshot));
  SIGNALDB_TRY(CheckContent(metadata, snapshot));

  snapshot.json = SerializeSnapshot(snapshot);
  metadata.last_sequence_number = std::max(metadata.last_sequence_number, snapshot.sequence_number);
  metadata.last_updated_ms = std::max(metadata.last_updated_ms, snapshot.timestamp_ms);
  if (snapshot.first_row_id) {
    metadata.next_row_id = *snapshot.first_row_id + snapshot.added_rows.value_or(0);
  }
  metadata.current_snapshot_id = snapshot.snapshot_id;
  // Retention settings of the branch stay.
  metadata.refs[std::string(kMainBranch)].snapshot_id = snapshot.snapshot_id;
  metadata.snapshot_log.push_back({snapshot.timestamp_ms, snapshot.snapshot_id});
  metadata.snapshots.push_back(std::make_shared<const Snapshot>(std::move(snapshot)));
  return {};
}

Status SetProperties(TableMetadata& metadata, const Properties& updates,
                     const std::vector<std::string>& removals) {
  SIGNALDB_TRY(CheckProperties(updates));
  Properties removed;
  for (const std::string& key : removals) {
    if (updates.contains(key)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("property is to be set and removed at once property={}", key));
    }
    if (key != kMetadataCodecProperty) removed.emplace(key, "");
  }
  SIGNALDB_TRY(CheckProperties(removed));
  for (const auto& [key, value] : updates) metadata.properties[key] = value;
  for (const std::string& key : removals) metadata.properties.erase(key);
  return {};
}

std::vector<std::string> AdvanceMetadataLog(TableMetadata& metadata,
                                            const std::string& base_location,
                                            std::int64_t base_last_updated_ms,
                                            std::int64_t now_ms) {
  std::vector<MetadataLogEntry>& log = metadata.metadata_log;
  log.push_back({base_last_updated_ms, base_location});
  std::vector<std::string> dropped;
  const std::size_t kept = PreviousVersionsMax(metadata.properties);
  if (log.size() > kept) {
    const auto end = log.begin() + static_cast<std::ptrdiff_t>(log.size() - kept);
    for (auto entry = log.begin(); entry != end; ++entry) {
      dropped.push_back(std::move(entry->metadata_file));
    }
    log.erase(log.begin(), end);
  }
  metadata.last_updated_ms = std::max({metadata.last_updated_ms, base_last_updated_ms, now_ms});
  return dropped;
}

std::string NextMetadataLocation(const TableMetadata& metadata,
                                 const std::optional<std::string>& base_location,
                                 std::string_view uuid) {
  std::string folder = metadata.location + "/metadata";
  const auto path = metadata.properties.find(kMetadataPathProperty);
  if (path != metadata.properties.end() && !path->second.empty()) {
    folder = path->second;
    while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  }
  return fmt::format("{}/{:05}-{}{}.metadata.json", folder, NextVersion(base_location), uuid,
                     WantsGzip(metadata.properties) ? ".gz" : "");
}

}  // namespace signaldb

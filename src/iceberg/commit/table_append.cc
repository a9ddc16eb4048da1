#include "iceberg/commit/table_append.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "iceberg/commit/snapshot_summary.h"
#include "iceberg/metadata/schema_rules.h"
#include "iceberg/metadata/snapshot_expiry.h"

namespace signaldb {

namespace {

/// About 8 MiB of entries with metrics of a hundred columns; more go into further manifests.
constexpr std::size_t kManifestEntriesMax = 5'000;
constexpr std::int32_t kFormatVersionWritten = 2;
/// More than one commit adds, so that a history of any length shrinks, and few enough that no
/// commit takes long for it.
constexpr std::size_t kExpiredPerCommitMax = 20;

std::int64_t NewSnapshotId(Random& random) {
  while (true) {
    const auto id = static_cast<std::int64_t>(random.Next() >> 1);
    if (id != 0) return id;
  }
}

std::string FolderOf(const std::string& location) {
  return location.substr(0, location.rfind('/'));
}

/// Dotted names of required fields in `now` that `written` has not, at any depth that a writer of
/// `written` would have had to fill.
void CollectMissingRequired(const std::vector<Field>& now, const Schema& written,
                            const std::string& prefix, std::vector<std::string>& missing) {
  for (const Field& field : now) {
    const std::string name = prefix + field.name;
    if (written.FindById(field.id) == nullptr) {
      // A default stands in for the missing value; below a missing field nothing is required.
      if (field.required && !field.initial_default.has_value()) missing.push_back(name);
      continue;
    }
    CollectMissingRequired(field.type.fields(), written, name + ".", missing);
  }
}

ManifestEntry EntryOf(const DataFile& file, std::int64_t snapshot_id) {
  return ManifestEntry{
      .status = EntryStatus::kAdded, .snapshot_id = snapshot_id, .data_file = file};
}

Result<Expiry> Expire(const TableMetadata& base, std::int64_t now_ms, TableMetadata& next) {
  SIGNALDB_ASSIGN(const ExpiryPolicy policy, ExpiryPolicy::From(next.properties));
  if (!policy.on_commit) return Expiry();
  SIGNALDB_ASSIGN(auto expired, ExpireSnapshots(next, policy, now_ms, kExpiredPerCommitMax));
  return MakeExpiry(base, next, std::move(expired));
}

}  // namespace

TableAppend::TableAppend(TableChange change, Settings settings, Random& random)
    : change_(std::move(change)),
      settings_(std::move(settings)),
      random_(random),
      uuid_(NewFileUuid()),
      table_uuid_(change_.table_uuid) {
  if (!change_.added_files.empty() || !change_.removed_files.empty()) {
    snapshot_id_ = NewSnapshotId(random);
  }
}

bool TableAppend::IsAppliedIn(const LoadedTable& base) const {
  if (attempts_.empty()) return false;
  if (snapshot_id_ != 0 && base.metadata->SnapshotById(snapshot_id_) != nullptr) return true;
  return std::ranges::any_of(attempts_, [&](const Written& attempt) {
    if (attempt.metadata_location == base.metadata_location) return true;
    return std::ranges::any_of(base.metadata->metadata_log, [&](const MetadataLogEntry& entry) {
      return entry.metadata_file == attempt.metadata_location;
    });
  });
}

bool TableAppend::MayBeExpiredIn(const LoadedTable& base) const {
  return begun_ && snapshot_id_ != 0 && base.metadata->table_uuid == table_uuid_ &&
         !HasHistorySince(*base.metadata, first_sequence_number_);
}

Status TableAppend::CheckBase(const LoadedTable& base) {
  const TableMetadata& metadata = *base.metadata;
  if (metadata.format_version != kFormatVersionWritten) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("only tables of format version {} are written; upgrade or recreate it "
                    "table={} format_version={}",
                    kFormatVersionWritten, change_.table.ToText(), metadata.format_version));
  }
  if (table_uuid_.empty()) table_uuid_ = metadata.table_uuid;
  if (metadata.table_uuid != table_uuid_) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("another table has taken the name since the files were written table={} "
                    "table_uuid={} expected={}",
                    change_.table.ToText(), metadata.table_uuid, table_uuid_));
  }
  if (!begun_) {
    schema_id_ = change_.schema_id.value_or(metadata.current_schema_id);
    // Before anything is written, a snapshot of this id can only be somebody else's.
    while (snapshot_id_ != 0 && metadata.SnapshotById(snapshot_id_) != nullptr) {
      snapshot_id_ = NewSnapshotId(random_);
    }
    std::set<std::string_view> paths;
    for (const DataFile& file : change_.added_files) {
      if (!paths.insert(file.file_path).second) {
        return Fail(ErrorKind::kInvalid,
                    fmt::format("a data file stands twice in one commit table={} file={}",
                                change_.table.ToText(), file.file_path));
      }
    }
    first_sequence_number_ = metadata.last_sequence_number;
    begun_ = true;
  }
  return change_.added_files.empty() ? Status{} : CheckSchema(metadata);
}

Status TableAppend::CheckSchema(const TableMetadata& base) const {
  const Schema* const written = base.SchemaById(schema_id_);
  if (written == nullptr) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("the schema that the files were written with is gone; write them again "
                            "table={} schema_id={}",
                            change_.table.ToText(), schema_id_));
  }
  for (const DataFile& file : change_.added_files) {
    if (base.SpecById(file.spec_id) != nullptr) continue;
    return Fail(ErrorKind::kInvalid,
                fmt::format("the partition spec that the files were written with is gone; write "
                            "them again table={} spec_id={}",
                            change_.table.ToText(), file.spec_id));
  }
  if (schema_id_ != base.current_schema_id) {
    if (const auto moved = FirstMovedColumn(*written, base.schema()); moved.has_value()) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a column was dropped, renamed or replaced after the files were "
                              "written, its values would be lost; write them again table={} "
                              "column={}",
                              change_.table.ToText(), *moved));
    }
  }
  std::vector<std::string> missing;
  CollectMissingRequired(base.schema().fields, *written, "", missing);
  if (missing.empty()) return {};
  std::string names = missing.front();
  for (std::size_t i = 1; i < missing.size(); ++i) names += "," + missing[i];
  return Fail(ErrorKind::kInvalid,
              fmt::format("required columns were added after the files were written; write them "
                          "again table={} columns={}",
                          change_.table.ToText(), names));
}

Status TableAppend::EncodeManifests(const TableMetadata& base) {
  std::map<std::int32_t, std::vector<ManifestEntry>> by_spec;
  for (const DataFile& file : change_.added_files) {
    by_spec[file.spec_id].push_back(EntryOf(file, snapshot_id_));
  }
  for (auto& [spec_id, entries] : by_spec) {
    for (std::size_t begin = 0; begin < entries.size(); begin += kManifestEntriesMax) {
      const std::size_t end = std::min(entries.size(), begin + kManifestEntriesMax);
      const std::vector<ManifestEntry> part(
          std::make_move_iterator(entries.begin() + static_cast<std::ptrdiff_t>(begin)),
          std::make_move_iterator(entries.begin() + static_cast<std::ptrdiff_t>(end)));
      const ManifestContext context{.format_version = base.format_version,
                                    .schema = base.SchemaById(schema_id_),
                                    .spec = base.SpecById(spec_id),
                                    .content = ManifestContent::kData,
                                    .snapshot_id = snapshot_id_};
      SIGNALDB_ASSIGN(EncodedManifest encoded, EncodeManifest(context, part));
      encoded.file.manifest_path = NextManifestLocation();
      manifest_files_.push_back(
          {.location = encoded.file.manifest_path, .bytes = std::move(encoded.bytes)});
      manifests_.push_back(std::move(encoded.file));
    }
  }
  return {};
}

/// A UUID, as other programs expect it in names, that bears the mark of the commit.
std::string TableAppend::NewFileUuid() {
  const std::string_view mark = MarkOf(settings_.in_flight_id);
  if (mark.empty()) return ToString(UuidV4(random_));
  return fmt::format("{}{:08x}", mark, random_.Next() & 0xffff'ffffU);
}

std::string TableAppend::NextManifestLocation() {
  return fmt::format("{}/{}-m{}.avro", folder_, uuid_, manifest_names_used_++);
}

Result<std::vector<ManifestFile>> TableAppend::KeptManifests(FileIo& io, MetadataCache& cache,
                                                             const TableMetadata& base) {
  std::vector<ManifestFile> current;
  if (const Snapshot* const head = base.current_snapshot(); head != nullptr) {
    SIGNALDB_ASSIGN(const auto listed, cache.ManifestList(io, head->manifest_list));
    current = *listed;
  }
  if (change_.removed_files.empty()) return current;
  if (filter_ == nullptr) {
    filter_ = std::make_unique<ManifestFilter>(change_.removed_files, snapshot_id_,
                                               [this] { return NextManifestLocation(); });
  }
  auto filtered = filter_->Filter(io, base, current, manifest_files_);
  if (!filtered.has_value() && filtered.error().kind == ErrorKind::kConflict) {
    hopeless_ = true;
    return Fail(ErrorKind::kConflict,
                fmt::format("{} table={}", filtered.error().message, change_.table.ToText()));
  }
  return filtered;
}

Result<std::vector<ManifestFile>> TableAppend::ManifestsOn(FileIo& io, MetadataCache& cache,
                                                           const TableMetadata& base) {
  SIGNALDB_ASSIGN(const std::vector<ManifestFile> kept, KeptManifests(io, cache, base));
  std::vector<ManifestFile> all = manifests_;
  all.insert(all.end(), kept.begin(), kept.end());
  SIGNALDB_ASSIGN(const ManifestMergeOptions options, ManifestMergeOptions::From(base.properties));
  if (!IsWorthMerging(options, all)) return all;

  // The merger reads what it merges, ours too.
  if (Status written = WriteFiles(io, manifest_files_, 1); !written.has_value()) {
    FilesAreInDoubt();
    return Fail(ErrorKind::kUnavailable, written.error().message);
  }
  FilesAreWritten();
  if (merger_ == nullptr) {
    merger_ = std::make_unique<ManifestMerger>(io, options, snapshot_id_,
                                               [this] { return NextManifestLocation(); });
  }
  Result<std::vector<ManifestFile>> merged = merger_->Merge(base, manifests_, kept);
  // A list that stays long costs a little; a commit that fails for it would cost more.
  if (!merged.has_value() && merged.error().kind == ErrorKind::kInvalid) return all;
  return merged;
}

Status TableAppend::AddSnapshot(const LoadedTable& base, std::vector<ManifestFile> listed,
                                std::int64_t timestamp_ms, TableMetadata& next, Attempt& attempt) {
  attempt.files = manifest_files_;

  const Snapshot* const head = base.metadata->current_snapshot();
  auto manifests = std::make_shared<std::vector<ManifestFile>>(std::move(listed));
  const std::int64_t sequence_number = base.metadata->last_sequence_number + 1;
  for (ManifestFile& manifest : *manifests) {
    if (manifest.added_snapshot_id != snapshot_id_) continue;
    if (manifest.sequence_number == kUnassignedSequenceNumber) {
      manifest.sequence_number = sequence_number;
    }
    if (manifest.min_sequence_number == kUnassignedSequenceNumber) {
      manifest.min_sequence_number = sequence_number;
    }
  }
  const auto parent = head == nullptr ? std::optional<std::int64_t>() : head->snapshot_id;
  const ManifestListContext context{.format_version = next.format_version,
                                    .snapshot_id = snapshot_id_,
                                    .parent_snapshot_id = parent,
                                    .sequence_number = sequence_number};
  SIGNALDB_ASSIGN(std::string list, EncodeManifestList(context, *manifests));
  attempt.list_location =
      fmt::format("{}/snap-{}-{}-{}.avro", folder_, snapshot_id_, attempts_.size() + 1, uuid_);
  attempt.files.push_back({.location = attempt.list_location, .bytes = std::move(list)});
  attempt.manifests = std::move(manifests);

  Properties more = change_.summary;
  for (const auto& [key, value] : settings_.summary) more.insert_or_assign(key, value);
  Snapshot snapshot{
      .snapshot_id = snapshot_id_,
      .parent_snapshot_id = parent,
      .sequence_number = sequence_number,
      .timestamp_ms = timestamp_ms,
      .operation = std::string(OperationOf(change_.added_files, change_.removed_files)),
      .summary = MakeSnapshotSummary(change_.added_files, change_.removed_files, head, more),
      .manifest_list = attempt.list_location,
      .schema_id = base.metadata->current_schema_id};
  return AddSnapshotToMain(next, std::move(snapshot));
}

Result<TableAppend::Attempt> TableAppend::Prepare(FileIo& io, MetadataCache& cache,
                                                  const LoadedTable& base,
                                                  const Properties& properties,
                                                  std::int64_t now_ms) {
  SIGNALDB_TRY(CheckBase(base));
  if (change_.plan.has_value()) {
    const Status holds = CheckHistory(io, cache, base, *change_.plan);
    hopeless_ = !holds.has_value() && holds.error().kind == ErrorKind::kConflict;
    SIGNALDB_TRY(holds);
  }
  Attempt attempt;
  const std::string metadata_location =
      NextMetadataLocation(*base.metadata, base.metadata_location, NewFileUuid());
  // Readers refuse histories that go back in time, whatever our clock says.
  const std::int64_t timestamp_ms = std::max(now_ms, base.metadata->last_updated_ms + 1);
  folder_ = FolderOf(metadata_location);
  auto next = std::make_shared<TableMetadata>(*base.metadata);
  if (snapshot_id_ != 0) {
    if (manifests_.empty()) SIGNALDB_TRY(EncodeManifests(*base.metadata));
    SIGNALDB_ASSIGN(std::vector<ManifestFile> listed, ManifestsOn(io, cache, *base.metadata));
    SIGNALDB_TRY(AddSnapshot(base, std::move(listed), timestamp_ms, *next, attempt));
  }
  SIGNALDB_TRY(SetProperties(*next, properties, change_.removed_properties));
  if (snapshot_id_ != 0) {
    SIGNALDB_ASSIGN(attempt.expiry, Expire(*base.metadata, timestamp_ms, *next));
  }
  attempt.fallen_off_the_log = AdvanceMetadataLog(*next, base.metadata_location,
                                                  base.metadata->last_updated_ms, timestamp_ms);
  SIGNALDB_ASSIGN(std::string bytes, EncodeMetadataFile(*next));
  attempt.files.push_back({.location = metadata_location, .bytes = std::move(bytes)});
  attempt.update = {
      .table = change_.table, .expected = base.metadata_location, .next = metadata_location};
  attempt.next = {
      .table = change_.table, .metadata_location = metadata_location, .metadata = std::move(next)};
  attempts_.push_back({.metadata_location = metadata_location,
                       .list_location = attempt.list_location,
                       .manifests = attempt.manifests,
                       .expiry = attempt.expiry});
  return attempt;
}

Expiry TableAppend::ExpiryOf(const LoadedTable& applied) const {
  const Snapshot* const ours =
      snapshot_id_ == 0 ? nullptr : applied.metadata->SnapshotById(snapshot_id_);
  if (ours == nullptr) return {};
  for (const Written& attempt : attempts_) {
    if (attempt.list_location == ours->manifest_list) return attempt.expiry;
  }
  return {};
}

void TableAppend::FilesAreWritten() { manifest_files_.clear(); }

void TableAppend::FilesAreInDoubt() {
  if (manifest_files_.empty()) return;
  for (const PendingFile& file : manifest_files_) doubtful_files_.push_back(file.location);
  manifest_files_.clear();
  manifests_.clear();
  if (filter_ != nullptr) filter_->Forget();
}

std::vector<std::string> TableAppend::Garbage(const LoadedTable* applied) const {
  std::set<std::string> needed;
  if (applied != nullptr) {
    needed.insert(applied->metadata_location);
    for (const MetadataLogEntry& entry : applied->metadata->metadata_log) {
      needed.insert(entry.metadata_file);
    }
    if (snapshot_id_ != 0) {
      const Snapshot* const ours = applied->metadata->SnapshotById(snapshot_id_);
      // Ours was applied and is expired already: whoever expired it has an opinion on its files.
      if (ours == nullptr) return {};
      needed.insert(ours->manifest_list);
      for (const Written& attempt : attempts_) {
        if (attempt.list_location != ours->manifest_list) continue;
        needed.insert(attempt.metadata_location);
        for (const ManifestFile& manifest : *attempt.manifests) {
          needed.insert(manifest.manifest_path);
        }
      }
    }
  }
  std::vector<std::string> garbage;
  const auto add = [&](const std::string& location) {
    if (!location.empty() && !needed.contains(location)) garbage.push_back(location);
  };
  for (const Written& attempt : attempts_) {
    add(attempt.metadata_location);
    add(attempt.list_location);
  }
  for (const ManifestFile& manifest : manifests_) add(manifest.manifest_path);
  for (const std::string& location : doubtful_files_) add(location);
  if (filter_ != nullptr) {
    for (const std::string& location : filter_->made()) add(location);
  }
  if (merger_ != nullptr) {
    for (const std::string& location : merger_->written()) add(location);
  }
  return garbage;
}

}  // namespace signaldb

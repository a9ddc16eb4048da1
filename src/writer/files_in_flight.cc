#include "writer/files_in_flight.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"

namespace signaldb {

namespace {

constexpr std::string_view kModule = "writer";
constexpr std::string_view kJournalSuffix = ".journal";
constexpr std::string_view kLockSuffix = ".lock";
constexpr std::string_view kFenceProperty = "signaldb.recovered-journal";
constexpr std::string_view kDeleteAfterCommitProperty =
    "write.metadata.delete-after-commit.enabled";
/// A journal without open transactions starts over at this size.
constexpr std::uint64_t kJournalBytesMax = 1U << 20U;
/// A stem has at most one name a slice of its batch.
constexpr std::size_t kNamesMax = 1'000'000;

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// What one process left unresolved, by table.
struct Leftover {
  TableIdentifier table;
  std::string table_uuid;
  std::set<std::string> ids;  // Of transactions; none if all they left is `first_metadata`.
  std::vector<FileNames> names;
  std::vector<std::string> first_metadata;
};

// A line that is not whole was never made durable, so nothing was done that it speaks of.
void ReadLine(std::string_view line, std::map<std::string, std::vector<Leftover>>& open) {
  const std::vector<std::string_view> fields = Split(line, '\t');
  if (fields.back() != ".") return;
  if (fields[0] == "E" && fields.size() == 3) open.erase(std::string(fields[1]));
  const bool creation = fields[0] == "C" && fields.size() == 7;
  if (!creation && (fields[0] != "F" || fields.size() != 8)) return;
  Result<Namespace> levels = SplitLevels(fields[2]);
  if (!levels.has_value()) return;
  Leftover leftover{.table = {.levels = *std::move(levels), .name = std::string(fields[3])},
                    .table_uuid = std::string(fields[4])};
  if (creation) {
    leftover.first_metadata.emplace_back(fields[5]);
  } else {
    std::size_t count = 0;
    const std::string_view digits = fields[6];
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (error != std::errc{} || count > kNamesMax) return;
    leftover.ids.emplace(fields[1]);
    leftover.names.push_back({.stem = std::string(fields[5]), .count = count});
  }
  open[std::string(fields[1])].push_back(std::move(leftover));
}

Result<std::vector<Leftover>> ReadJournal(FileSystem& files, const std::string& path) {
  SIGNALDB_ASSIGN(const std::unique_ptr<File> file, files.Open(path, OpenMode::kRead));
  SIGNALDB_ASSIGN(const std::uint64_t size, file->Size());
  std::string text(size, '\0');
  SIGNALDB_ASSIGN(const std::size_t read, file->ReadAt(0, std::as_writable_bytes(std::span(text))));
  text.resize(read);
  std::map<std::string, std::vector<Leftover>> open;
  for (const std::string_view line : Split(text, '\n')) ReadLine(line, open);
  std::map<std::pair<TableIdentifier, std::string>, Leftover> by_table;
  for (auto& [id, leftovers] : open) {
    for (Leftover& leftover : leftovers) {
      Leftover& all = by_table[{leftover.table, leftover.table_uuid}];
      all.table = leftover.table;
      all.table_uuid = leftover.table_uuid;
      all.ids.merge(leftover.ids);
      std::ranges::move(leftover.names, std::back_inserter(all.names));
      std::ranges::move(leftover.first_metadata, std::back_inserter(all.first_metadata));
    }
  }
  std::vector<Leftover> all;
  all.reserve(by_table.size());
  for (auto& [key, leftover] : by_table) all.push_back(std::move(leftover));
  return all;
}

/// Every file that the table needs: its metadata files, and what some snapshot refers to.
Result<std::set<std::string>> FilesOf(FileIo& io, const LoadedTable& table) {
  const TableMetadata& metadata = *table.metadata;
  std::set<std::string> files = {table.metadata_location};
  for (const MetadataLogEntry& entry : metadata.metadata_log) files.insert(entry.metadata_file);
  std::set<std::string> lists;
  for (const auto& snapshot : metadata.snapshots) lists.insert(snapshot->manifest_list);
  std::set<std::string> seen;
  for (const std::string& list : lists) {
    files.insert(list);
    SIGNALDB_ASSIGN(const std::string bytes, io.Read(list));
    SIGNALDB_ASSIGN(const auto manifests, DecodeManifestList(bytes, list));
    for (const ManifestFile& manifest : manifests) {
      if (!seen.insert(manifest.manifest_path).second) continue;
      files.insert(manifest.manifest_path);
      SIGNALDB_ASSIGN(const std::string manifest_bytes, io.Read(manifest.manifest_path));
      SIGNALDB_ASSIGN(const auto entries, DecodeManifest(manifest_bytes, manifest, metadata));
      for (const ManifestEntry& entry : entries) files.insert(entry.data_file.file_path);
    }
  }
  return files;
}

/// Whoever looks at a journal may find that its owner, as it closed, or another recovery has
/// removed its files since they were listed: the lock may then be one on a file without a name.
Status RemoveIfThere(FileSystem& files, const std::string& path) {
  Status removed = files.Remove(path);
  if (!removed.has_value() && removed.error().kind == ErrorKind::kNotFound) return {};
  return removed;
}

class Recovery {
 public:
  Recovery(EventListener& events, TableCommitter& committer, FileIo& io, std::stop_token stop)
      : events_(events), committer_(committer), io_(io), stop_(std::move(stop)) {}

  /// False: what there is to know is not known yet.
  [[nodiscard]] Result<bool> Settle(const Leftover& leftover, const std::string& journal) {
    const Result<LoadedTable> loaded = committer_.Load(leftover.table);
    if (!loaded.has_value() && loaded.error().kind != ErrorKind::kNotFound) {
      return std::unexpected(loaded.error());
    }
    if (!loaded.has_value() || loaded->metadata->table_uuid != leftover.table_uuid) {
      // A file of a table that is gone, or that another has taken the name of, may belong to its
      // data.
      if (!leftover.ids.empty()) {
        events_.Log({.severity = Severity::kWarning,
                     .module = kModule,
                     .message = "files of a writer that is gone stay: their table is gone too",
                     .fields = {{"table", leftover.table.ToText()},
                                {"first", leftover.names.front().At(0)}}});
      }
      if (!loaded.has_value()) return leftover.first_metadata.empty();
      // Another was first: it is known not to have become the table's.
      for (const std::string& file : leftover.first_metadata) SIGNALDB_TRY(io_.Delete(file));
      return true;
    }
    if (leftover.ids.empty()) return true;
    SIGNALDB_ASSIGN(const LoadedTable fenced, Fence(leftover, journal));
    SIGNALDB_ASSIGN(const std::set<std::string> needed, FilesOf(io_, fenced));
    std::size_t deleted = 0;
    for (const FileNames& names : leftover.names) {
      for (std::size_t i = 0; i < names.count; ++i) {
        const std::string location = names.At(i);
        if (needed.contains(location)) continue;
        SIGNALDB_TRY(io_.Delete(location));
        ++deleted;
      }
    }
    SIGNALDB_ASSIGN(std::vector<std::string> marked, Marked(leftover, fenced));
    SIGNALDB_ASSIGN(const std::vector<std::string> fallen, FallenOffTheLog(leftover, fenced));
    marked.insert(marked.end(), fallen.begin(), fallen.end());
    for (const std::string& location : marked) {
      if (needed.contains(location)) continue;
      SIGNALDB_TRY(io_.Delete(location));
      ++deleted;
    }
    events_.Log(
        {.severity = Severity::kInfo,
         .module = kModule,
         .message = "files that a writer left unfinished are removed",
         .fields = {{"table", leftover.table.ToText()}, {"names", std::to_string(deleted)}}});
    return true;
  }

 private:
  // Manifests, lists and metadata files that commits on record made, or began.
  [[nodiscard]] Result<std::vector<std::string>> Marked(const Leftover& leftover,
                                                        const LoadedTable& table) {
    const std::string in = table.metadata_location.substr(0, table.metadata_location.rfind('/'));
    SIGNALDB_ASSIGN(std::vector<std::string> files, io_.List(in));
    SIGNALDB_ASSIGN(const std::vector<std::string> unfinished, io_.ListUnfinished(in));
    files.insert(files.end(), unfinished.begin(), unfinished.end());
    std::erase_if(files, [&](const std::string& file) { return !BearsMark(leftover, file); });
    return files;
  }

  [[nodiscard]] static bool BearsMark(const Leftover& leftover, std::string_view file) {
    const std::string_view name = file.substr(file.rfind('/') + 1);
    return std::ranges::any_of(leftover.ids, [&](const std::string& id) {
      return !MarkOf(id).empty() && name.contains(MarkOf(id));
    });
  }

  // Metadata files that commits on record were to delete once they were applied.
  [[nodiscard]] Result<std::vector<std::string>> FallenOffTheLog(const Leftover& leftover,
                                                                 const LoadedTable& table) {
    std::vector<std::string> versions;
    for (const MetadataLogEntry& entry : table.metadata->metadata_log) {
      versions.push_back(entry.metadata_file);
    }
    versions.push_back(table.metadata_location);
    std::vector<std::string> fallen;
    const auto deletes = table.metadata->properties.find(kDeleteAfterCommitProperty);
    if (deletes == table.metadata->properties.end() || deletes->second != "true") return fallen;
    for (std::size_t i = 1; i < versions.size(); ++i) {
      if (!BearsMark(leftover, versions[i])) continue;
      SIGNALDB_ASSIGN(const std::string bytes, io_.Read(versions[i - 1]));
      SIGNALDB_ASSIGN(const TableMetadata base, ParseTableMetadata(bytes));
      for (const MetadataLogEntry& entry : base.metadata_log) fallen.push_back(entry.metadata_file);
    }
    return fallen;
  }

  // A commit of the dead writer may still be on its way; once the pointer has moved, it cannot
  // succeed any more.
  [[nodiscard]] Result<LoadedTable> Fence(const Leftover& leftover, const std::string& journal) {
    TableChange change;
    change.table = leftover.table;
    change.table_uuid = leftover.table_uuid;
    // Should this be cut short too, the next recovery finds its files by the same record.
    change.in_flight_id = *leftover.ids.begin();
    change.on_base = [&](const TableMetadata&) -> Result<Properties> {
      return Properties{{std::string(kFenceProperty), journal}};
    };
    std::vector<TableChange> changes;
    changes.push_back(std::move(change));
    SIGNALDB_ASSIGN(CommitReport report,
                    committer_.Commit("recovery-" + journal, std::move(changes), stop_));
    return std::move(report.tables.front());
  }

  EventListener& events_;
  TableCommitter& committer_;
  FileIo& io_;
  const std::stop_token stop_;
};

}  // namespace

std::string JournalFolder(std::string_view store_folder, std::string_view catalog) {
  return fmt::format("{}/{}/{:016x}", store_folder, kJournalFolder,
                     XXH3_64bits(catalog.data(), catalog.size()));
}

std::string SqliteCatalogKey(std::string_view path, std::string_view catalog_name) {
  return fmt::format("sqlite:{}:{}", path, catalog_name);
}

std::string FileNames::At(std::size_t i) const { return fmt::format("{}-{}.parquet", stem, i); }

Result<std::unique_ptr<FilesInFlight>> FilesInFlight::Open(FileSystem& files, Random& random,
                                                           EventListener& events, std::string dir) {
  SIGNALDB_TRY(files.MakeDirs(dir));
  std::unique_ptr<FilesInFlight> opened(
      new FilesInFlight(files, events, fmt::format("{}/{}", dir, ToString(UuidV4(random)))));
  // Locked before the journal exists: whoever finds a journal finds it held, or its owner dead.
  SIGNALDB_ASSIGN(opened->lock_, files.Lock(opened->stem_ + std::string(kLockSuffix)));
  SIGNALDB_ASSIGN(opened->journal_,
                  files.Open(opened->stem_ + std::string(kJournalSuffix), OpenMode::kCreateNew));
  SIGNALDB_TRY(files.SyncDir(dir));
  return opened;
}

FilesInFlight::~FilesInFlight() {
  const std::scoped_lock lock(mutex_);
  if (!open_.empty()) return;
  journal_.reset();
  for (const std::string_view suffix : {kJournalSuffix, kLockSuffix}) {
    // An empty journal that stays is removed by the next recovery.
    std::ignore = files_.Remove(stem_ + std::string(suffix));
  }
}

Status FilesInFlight::AppendLocked(const std::string& lines) {
  SIGNALDB_TRY(journal_->WriteAt(size_, std::as_bytes(std::span(lines))));
  size_ += lines.size();
  return {};
}

Status FilesInFlight::Note(const Owner& owner, const std::string& table_uuid,
                           const std::vector<FileNames>& names) {
  std::string lines;
  for (const FileNames& name : names) {
    if (name.stem.find_first_of("\t\n") != std::string::npos) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a location with a tab or a line end cannot be written to table={}",
                              owner.table.ToText()));
    }
    lines += fmt::format("F\t{}\t{}\t{}\t{}\t{}\t{}\t.\n", owner.transaction_id,
                         JoinLevels(owner.table.levels), owner.table.name, table_uuid, name.stem,
                         name.count);
  }
  const std::scoped_lock lock(mutex_);
  return NoteLocked(lines, owner);
}

Status FilesInFlight::NoteLocked(const std::string& lines, const Owner& owner) {
  Status noted = AppendLocked(lines);
  if (noted.has_value()) noted = journal_->Sync();
  if (!noted.has_value()) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot note the files to be written cause=\"{}\" journal={}",
                            noted.error().message, stem_));
  }
  open_[owner.transaction_id].insert(owner.table);
  return {};
}

Status FilesInFlight::NoteCommit(const std::string& id, const TableIdentifier& table,
                                 const std::string& table_uuid) {
  const std::scoped_lock lock(mutex_);
  if (const auto known = open_.find(id); known != open_.end() && known->second.contains(table)) {
    return {};
  }
  return NoteLocked(fmt::format("F\t{}\t{}\t{}\t{}\t-\t0\t.\n", id, JoinLevels(table.levels),
                                table.name, table_uuid),
                    {id, table});
}

Status FilesInFlight::NoteCreation(const std::string& id, const TableIdentifier& table,
                                   const std::string& table_uuid, const std::string& location) {
  if (location.find_first_of("\t\n") != std::string::npos) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a location with a tab or a line end cannot be written to table={}",
                            table.ToText()));
  }
  const std::scoped_lock lock(mutex_);
  return NoteLocked(fmt::format("C\t{}\t{}\t{}\t{}\t{}\t.\n", id, JoinLevels(table.levels),
                                table.name, table_uuid, location),
                    {id, table});
}

void FilesInFlight::Resolve(const std::string& transaction_id) {
  const std::scoped_lock lock(mutex_);
  if (open_.erase(transaction_id) == 0) return;
  Status written;
  if (open_.empty() && size_ > kJournalBytesMax) {
    size_ = 0;
    written = journal_->Truncate(0);
  } else {
    written = AppendLocked(fmt::format("E\t{}\t.\n", transaction_id));
  }
  if (written.has_value()) return;
  // The next recovery finds the files in their table, or gone.
  events_.Log({.severity = Severity::kWarning,
               .module = kModule,
               .message = "cannot note that a transaction is over",
               .fields = {{"transaction_id", transaction_id}, {"error", written.error().message}}});
}

// NOLINTNEXTLINE(readability-function-size): ports, not values that could be mixed up.
Status RecoverFilesInFlight(FileSystem& files, EventListener& events, const std::string& dir,
                            TableCommitter& committer, FileIo& io, std::stop_token stop) {
  Result<std::vector<DirEntry>> entries = files.List(dir);
  if (!entries.has_value() && entries.error().kind == ErrorKind::kNotFound) return {};
  if (!entries.has_value()) return std::unexpected(std::move(entries).error());
  Recovery recovery(events, committer, io, std::move(stop));
  for (const DirEntry& entry : *entries) {
    if (!entry.name.ends_with(kJournalSuffix)) continue;
    const std::string name = entry.name.substr(0, entry.name.size() - kJournalSuffix.size());
    const std::string stem = fmt::format("{}/{}", dir, name);
    const Result<std::unique_ptr<FileLock>> lock = files.Lock(stem + std::string(kLockSuffix));
    if (!lock.has_value() && lock.error().kind == ErrorKind::kConflict) continue;
    if (!lock.has_value()) return std::unexpected(lock.error());
    const Result<std::vector<Leftover>> leftovers =
        ReadJournal(files, stem + std::string(kJournalSuffix));
    if (!leftovers.has_value() && leftovers.error().kind != ErrorKind::kNotFound) {
      return std::unexpected(leftovers.error());
    }
    if (leftovers.has_value()) {
      bool settled = true;
      for (const Leftover& leftover : *leftovers) {
        SIGNALDB_ASSIGN(const bool known, recovery.Settle(leftover, name));
        settled &= known;
      }
      if (!settled) continue;
      SIGNALDB_TRY(RemoveIfThere(files, stem + std::string(kJournalSuffix)));
    }
    SIGNALDB_TRY(RemoveIfThere(files, stem + std::string(kLockSuffix)));
  }
  return {};
}

}  // namespace signaldb

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
  std::vector<FileNames> names;
};

// A line that is not whole was never made durable, so nothing was done that it speaks of.
void ReadLine(std::string_view line, std::map<std::string, std::vector<Leftover>>& open) {
  const std::vector<std::string_view> fields = Split(line, '\t');
  if (fields.back() != ".") return;
  if (fields[0] == "E" && fields.size() == 3) open.erase(std::string(fields[1]));
  if (fields[0] != "F" || fields.size() != 8) return;
  std::size_t count = 0;
  const std::string_view digits = fields[6];
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  Result<Namespace> levels = SplitLevels(fields[2]);
  if (error != std::errc{} || count > kNamesMax || !levels.has_value()) return;
  open[std::string(fields[1])].push_back(
      {.table = {.levels = *std::move(levels), .name = std::string(fields[3])},
       .table_uuid = std::string(fields[4]),
       .names = {{.stem = std::string(fields[5]), .count = count}}});
}

Result<std::vector<Leftover>> ReadJournal(FileSystem& files, const std::string& path) {
  SIGNALDB_ASSIGN(const std::unique_ptr<File> file, files.Open(path, OpenMode::kRead));
  SIGNALDB_ASSIGN(const std::uint64_t size, file->Size());
  std::string text(size, '\0');
  SIGNALDB_ASSIGN(const std::size_t read, file->ReadAt(0, std::as_writable_bytes(std::span(text))));
  text.resize(read);
  std::map<std::string, std::vector<Leftover>> open;
  for (const std::string_view line : Split(text, '\n')) ReadLine(line, open);
  std::map<std::pair<TableIdentifier, std::string>, std::vector<FileNames>> by_table;
  for (auto& [id, leftovers] : open) {
    for (Leftover& leftover : leftovers) {
      auto& names = by_table[{leftover.table, leftover.table_uuid}];
      std::ranges::move(leftover.names, std::back_inserter(names));
    }
  }
  std::vector<Leftover> all;
  all.reserve(by_table.size());
  for (auto& [key, names] : by_table) all.push_back({key.first, key.second, std::move(names)});
  return all;
}

/// Every data file that some snapshot of the table refers to.
Result<std::set<std::string>> FilesOfAllSnapshots(FileIo& io, const TableMetadata& metadata) {
  std::set<std::string> lists;
  for (const auto& snapshot : metadata.snapshots) lists.insert(snapshot->manifest_list);
  std::set<std::string> seen;
  std::set<std::string> files;
  for (const std::string& list : lists) {
    SIGNALDB_ASSIGN(const std::string bytes, io.Read(list));
    SIGNALDB_ASSIGN(const auto manifests, DecodeManifestList(bytes, list));
    for (const ManifestFile& manifest : manifests) {
      if (!seen.insert(manifest.manifest_path).second) continue;
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

  // A file of a table that is gone, or that another has taken the name of, may belong to its data.
  [[nodiscard]] Status Settle(const Leftover& leftover, const std::string& journal) {
    const Result<LoadedTable> loaded = committer_.Load(leftover.table);
    if (!loaded.has_value() && loaded.error().kind != ErrorKind::kNotFound) {
      return std::unexpected(loaded.error());
    }
    if (!loaded.has_value() || loaded->metadata->table_uuid != leftover.table_uuid) {
      events_.Log({.severity = Severity::kWarning,
                   .module = kModule,
                   .message = "files of a writer that is gone stay: their table is gone too",
                   .fields = {{"table", leftover.table.ToText()},
                              {"first", leftover.names.front().At(0)}}});
      return {};
    }
    SIGNALDB_ASSIGN(const LoadedTable fenced, Fence(leftover, journal));
    SIGNALDB_ASSIGN(const std::set<std::string> live, FilesOfAllSnapshots(io_, *fenced.metadata));
    std::size_t deleted = 0;
    for (const FileNames& names : leftover.names) {
      for (std::size_t i = 0; i < names.count; ++i) {
        const std::string location = names.At(i);
        if (live.contains(location)) continue;
        SIGNALDB_TRY(io_.Delete(location));
        ++deleted;
      }
    }
    events_.Log(
        {.severity = Severity::kInfo,
         .module = kModule,
         .message = "files that a writer left unfinished are removed",
         .fields = {{"table", leftover.table.ToText()}, {"names", std::to_string(deleted)}}});
    return {};
  }

 private:
  // A commit of the dead writer may still be on its way; once the pointer has moved, it cannot
  // succeed any more.
  [[nodiscard]] Result<LoadedTable> Fence(const Leftover& leftover, const std::string& journal) {
    TableChange change;
    change.table = leftover.table;
    change.table_uuid = leftover.table_uuid;
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
  Status noted = AppendLocked(lines);
  if (noted.has_value()) noted = journal_->Sync();
  if (!noted.has_value()) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot note the files to be written cause=\"{}\" journal={}",
                            noted.error().message, stem_));
  }
  open_[owner.transaction_id] += names.size();
  return {};
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
      for (const Leftover& leftover : *leftovers) SIGNALDB_TRY(recovery.Settle(leftover, name));
      SIGNALDB_TRY(RemoveIfThere(files, stem + std::string(kJournalSuffix)));
    }
    SIGNALDB_TRY(RemoveIfThere(files, stem + std::string(kLockSuffix)));
  }
  return {};
}

}  // namespace signaldb

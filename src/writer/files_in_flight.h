#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_listener.h"
#include "base/file_system.h"
#include "base/random.h"
#include "iceberg/catalog.h"
#include "iceberg/commit/table_commit.h"
#include "iceberg/file_io.h"
#include "signaldb/result.h"

namespace signaldb {

/// Names that data files of one stem may get: "<stem>-0.parquet" to "<stem>-<count - 1>.parquet".
struct FileNames {
  std::string stem;  ///< A location without the end of its name.
  std::size_t count = 0;

  [[nodiscard]] std::string At(std::size_t i) const;
};

/// Durable memory of files that are written and that no table refers to yet: what a crash leaves
/// behind is known to be ours, never guessed. Data files are on record by name; manifests, lists
/// and metadata files bear the mark of a record in their names (MarkOf in table_commit.h), so that
/// the one record, and its one fsync, stand for all files of a commit.
///
/// A text file `<uuid>.journal` in a folder of one catalog, held by a lock on `<uuid>.lock` which
/// the kernel releases when the process dies. Lines, with tabs between the fields:
///
///   F  transaction id  namespace  table  table uuid  stem  count  .     before the first byte
///   C  transaction id  namespace  table  table uuid  location  .        a table's first metadata
///   E  transaction id  .                                                committed or undone
///
/// F with a count of 0 stands for a commit without data files.
///
/// Owns:     its two files; removes them when it closes with nothing unresolved.
/// Lifetime: borrows everything; all outlive it.
/// Threads:  thread-safe.
class FilesInFlight final : public CommitRegistry {
 public:
  struct Owner {
    std::string transaction_id;
    TableIdentifier table;
  };

  /// `dir` is absolute and is made if missing. Errors: kUnavailable.
  [[nodiscard]] static Result<std::unique_ptr<FilesInFlight>> Open(FileSystem& files,
                                                                   Random& random,
                                                                   EventListener& events,
                                                                   std::string dir);
  ~FilesInFlight() override;

  /// Durable on return. Errors: kInvalid (a location with a tab or line end), kUnavailable.
  [[nodiscard]] Status Note(const Owner& owner, const std::string& table_uuid,
                            const std::vector<FileNames>& names);
  [[nodiscard]] Status NoteCommit(const std::string& id, const TableIdentifier& table,
                                  const std::string& table_uuid) override;
  [[nodiscard]] Status NoteCreation(const std::string& id, const TableIdentifier& table,
                                    const std::string& table_uuid,
                                    const std::string& location) override;
  /// The transaction was committed, or its files are deleted. Not durable at once: recovery looks
  /// at the tables anyway.
  void Resolve(const std::string& transaction_id) override;

 private:
  FilesInFlight(FileSystem& files, EventListener& events, std::string stem)
      : files_(files), events_(events), stem_(std::move(stem)) {}
  [[nodiscard]] Status AppendLocked(const std::string& lines);
  [[nodiscard]] Status NoteLocked(const std::string& lines, const Owner& owner);

  FileSystem& files_;
  EventListener& events_;
  const std::string stem_;  // Path without ".journal".
  std::unique_ptr<FileLock> lock_;
  std::mutex mutex_;
  std::unique_ptr<File> journal_;
  std::uint64_t size_ = 0;
  std::map<std::string, std::set<TableIdentifier>> open_;  // Transactions by id: with lines noted.
};

/// Under a local store's folder: the journals, by catalog.
inline constexpr std::string_view kJournalFolder = ".signaldb-in-flight";

/// The folder of one catalog's journals: what was written for the tables of one says nothing about
/// those of another. `catalog` names it, and is the same for every program of ours.
[[nodiscard]] std::string JournalFolder(std::string_view store_folder, std::string_view catalog);
/// `catalog` for SQLite: the file by its absolute path.
[[nodiscard]] std::string SqliteCatalogKey(std::string_view path, std::string_view catalog_name);

/// Settles what processes that are gone have left in `dir`: makes sure that none of their commits
/// can still be applied, then deletes the files that their table, with its snapshots and the
/// metadata files of its log, does not refer to. Journals of living processes are left alone. What
/// cannot be settled now stays for the next call, as does the metadata file of a table that is not
/// there: its creation may still be on its way. Errors: kUnavailable, kConflict, kCorrupt,
/// kCancelled; whatever reading the tables meets.
[[nodiscard]] Status RecoverFilesInFlight(FileSystem& files, EventListener& events,
                                          const std::string& dir, TableCommitter& committer,
                                          FileIo& io, std::stop_token stop);

}  // namespace signaldb

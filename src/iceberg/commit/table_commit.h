#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/random.h"
#include "base/retry.h"
#include "iceberg/catalog.h"
#include "iceberg/commit/history_check.h"
#include "iceberg/commit/metadata_cache.h"
#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

/// What one commit does to one table: files added and removed, table properties, or both.
struct TableChange {
  TableIdentifier table;
  std::vector<DataFile> added_files;  ///< Durable already.
  /// Live data files as PlanFiles gave them; they stay in the store, older snapshots need them.
  /// Neither these nor added ones: no snapshot, properties only.
  std::vector<DataFile> removed_files;
  /// What was read to know which files; looked at in every attempt. Nothing: an append, or files
  /// that are to be removed whatever was added since.
  std::optional<ChangePlan> plan;
  /// Further keys of the snapshot summary; few and short, each costs in every later metadata file.
  Properties summary;
  /// The table that the files were made for; empty: whichever bears the name at the first attempt.
  std::string table_uuid;
  /// The schema that the files were written with; nothing: the current one at the first attempt.
  std::optional<std::int32_t> schema_id;
  /// Under what CommitRegistry has the files of this commit, of all changes the same; a UUID.
  /// Empty: the commit makes a record of its own.
  std::string in_flight_id;
  /// Runs in every attempt on the base just read, and returns the table properties to set. An error
  /// gives the whole commit up: it becomes the commit's error, unless an earlier attempt may have
  /// been applied.
  std::function<Result<Properties>(const TableMetadata& base)> on_base;
  /// Table properties that go, if they are there.
  std::vector<std::string> removed_properties;
};

/// How an applied commit came about.
struct CommitReport {
  std::string commit_id;
  int attempts = 0;
  int lost_races = 0;  ///< Attempts in vain because others' commits came first.
  /// True if a reply was lost and the tables themselves showed that the commit was applied.
  bool found_by_looking = false;
  std::vector<std::int64_t> snapshot_ids;  ///< In the order of the changes; 0: no snapshot.
  std::vector<LoadedTable> tables;         ///< As committed, or as found; in the same order.
};

/// Port: durable memory of files that may be there and that no table refers to yet, so that what a
/// crash leaves of a commit is found.
///
/// Implementation contract: what is noted is durable on return. Thread-safe.
class CommitRegistry {
 public:
  virtual ~CommitRegistry() = default;
  /// Before the first file of a commit in the table's folder of metadata, whose names all hold
  /// MarkOf(id). Nothing happens if `id` is on record for the table. Errors: kUnavailable.
  [[nodiscard]] virtual Status NoteCommit(const std::string& id, const TableIdentifier& table,
                                          const std::string& table_uuid) = 0;
  /// Before `location`, the first metadata file of a table to be. Errors: kInvalid, kUnavailable.
  [[nodiscard]] virtual Status NoteCreation(const std::string& id, const TableIdentifier& table,
                                            const std::string& table_uuid,
                                            const std::string& location) = 0;
  /// Every file of it is referred to, or gone.
  virtual void Resolve(const std::string& id) = 0;
};

/// What the names of a commit's manifests, lists and metadata files have in common: the beginning
/// of the id they are on record under. Empty if that is no UUID: nothing bears it.
[[nodiscard]] std::string_view MarkOf(std::string_view in_flight_id);

struct TableCommitterOptions {
  RetryConfig retry;
  std::string engine_name = "signaldb-writer";  ///< Stands in every snapshot summary.
  std::string engine_version = "0";
  /// Threads that write one attempt's metadata files; their fsyncs dominate. 1: the caller's only.
  std::size_t write_threads = 4;
};

/// Commits changes of several tables as one: all become visible, each once, or none does.
///
///   snapshot ids and manifests are made once and kept over attempts
///   attempt: for every table: read the pointer anew
///              ours is there (location in the metadata log, or snapshot)  -> applied
///              on_base, then list, snapshot and metadata on this base
///            write all files of all tables, durable
///            one Catalog::Commit
///              ok                      -> applied; what other attempts wrote is deleted
///              conflict, unavailable   -> attempt again
///              unknown                 -> attempt again, looking first; from now on every failure
///                                         is unknown, and nothing is deleted
///
/// Owns:          metadata files, manifest lists and manifests of its commits, until referenced;
///                each bears a mark that the registry has on record before the first is begun.
/// Does not own:  data files. They are garbage if the error is any but kUnknownOutcome and the
///                caller does not try again.
/// Lifetime:      borrows everything; all outlive it.
/// Threads:       thread-safe.
class TableCommitter {
 public:
  struct Collaborators {
    Catalog& catalog;
    FileIo& io;
    Clock& clock;
    Random& random;
    EventListener& events;
    MetadataCache& cache;
    CommitRegistry* registry = nullptr;  ///< Null: nothing outlives the process anyway.
  };

  TableCommitter(const Collaborators& with, TableCommitterOptions options);

  /// The table as it is now; the pointer is read from the catalog.
  /// Errors: kNotFound (no such table), kInvalid, kUnavailable, kCorrupt (the metadata file is
  /// missing or unreadable).
  [[nodiscard]] Result<LoadedTable> Load(const TableIdentifier& table);

  /// For looking only: may be as old as the cache's time to live. Errors: as Load.
  [[nodiscard]] Result<LoadedTable> LoadForReading(const TableIdentifier& table);

  /// The table, created as `definition` says if there is none, its namespace too. Whoever loses a
  /// race gets the winner's. An empty `table_uuid` and a zero `now_ms` are filled in.
  /// Errors: as Load but kNotFound; kInvalid (bad definition), kUnknownOutcome, kCancelled.
  [[nodiscard]] Result<LoadedTable> LoadOrCreate(const TableIdentifier& table,
                                                 const NewTable& definition,
                                                 std::stop_token stop = {});

  /// Commits `changes`, one per table. Blocks until applied, definitely failed, out of attempts or
  /// stopped. `commit_id` stands in the snapshot summaries as `signaldb.commit-id`.
  ///
  /// Errors:
  ///   kConflict        Others won every attempt; or `on_base` said so; or the plan does not hold
  ///                    any more, or a file to be removed is gone (named). Nothing applied.
  ///   kUnavailable     Catalog or store were away. Nothing applied.
  ///   kUnknownOutcome  May be applied now or later. Keep the data files.
  ///   kInvalid         A table cannot take the files (format version, spec or schema gone, a
  ///                    column dropped, renamed, replaced or added as required since, another
  ///                    table under the name); it is named.
  ///   kNotFound        A table is gone.
  ///   kCorrupt         A table's metadata or manifest list is missing or unreadable.
  ///   kCancelled       `stop` came before the first attempt.
  ///   and any kind that `on_base` returns.
  [[nodiscard]] Result<CommitReport> Commit(const std::string& commit_id,
                                            std::vector<TableChange> changes, std::stop_token stop);

 private:
  class CommitRun;

  [[nodiscard]] Result<LoadedTable> CreateOnce(const TableIdentifier& table,
                                               const NewTable& definition);
  [[nodiscard]] Status EnsureNamespace(const Namespace& levels);

  Catalog& catalog_;
  FileIo& io_;
  Clock& clock_;
  Random& random_;
  EventListener& events_;
  MetadataCache& cache_;
  CommitRegistry* const registry_;
  const TableCommitterOptions options_;
};

}  // namespace signaldb

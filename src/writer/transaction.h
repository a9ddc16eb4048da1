#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/random.h"
#include "iceberg/catalog.h"
#include "iceberg/commit/table_commit.h"
#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest.h"
#include "signaldb/result.h"
#include "writer/table_files.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// Rows of one or several tables that become visible together, in one snapshot a table, or never.
///
///   open ── Write* ──> open ── Commit ──> committed
///                        │        ├────> rolled back   (definitely not applied: its files are
///                        gone) │        └────> in doubt ── Commit or Rollback ──> one of the two
///                        above └─ Rollback, destruction, timeout ──> rolled back
///
/// Rows become data files at once, so memory stays bounded however long it lasts. The id stands in
/// the snapshot summaries as `signaldb.commit-id`, which is how an unknown outcome is found out:
/// by looking for it in every later attempt.
///
/// Owns:          its data files until a table refers to them.
/// Does not own:  the tables' creation, retries inside one commit (TableCommitter).
/// Lifetime:      borrows everything; all outlive it.
/// Threads:       thread-compatible.
class Transaction {
 public:
  struct Collaborators {
    TableCommitter& committer;
    FileIo& io;
    Clock& clock;
    Random& random;
    EventListener& events;
    FilesInFlight* in_flight = nullptr;  ///< Null: nothing outlives the process anyway.
    EncodingShare* encoding = nullptr;   ///< Null: no memory limit.
  };
  enum class State : std::uint8_t { kOpen, kInDoubt, kCommitted, kRolledBack };

  Transaction(const Collaborators& with, std::chrono::milliseconds timeout);
  /// Rolls back if open. Files of a transaction in doubt stay, and are looked at by the recovery of
  /// the next process.
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] State state() const { return state_; }

  /// True if it is open for longer than its timeout: it is rolled back now.
  bool RollBackIfTimedOut();

  /// Writes the rows of `batches` as data files for `table`: all of them, or nothing. The table is
  /// looked up once a transaction, and every later batch is written for that version of it; should
  /// its columns have moved when it is committed, the commit refuses.
  ///
  /// Errors: kInvalid (a batch that does not fit: names the column; the transaction is not open),
  /// kNotFound (no such table), kCancelled (timed out: rolled back), kUnavailable, kCorrupt. After
  /// all but kCancelled the transaction is as before.
  [[nodiscard]] Status Write(const TableIdentifier& table,
                             std::vector<std::shared_ptr<arrow::RecordBatch>> batches,
                             const FileOptions& options);

  /// One snapshot for each table that has rows; none at all without rows. In doubt: finds out, and
  /// commits if it was not applied.
  ///
  /// Errors: as TableCommitter::Commit. After kUnknownOutcome the transaction is in doubt, after
  /// all others it is rolled back; kInvalid also if it is over already, kCancelled if it timed out.
  [[nodiscard]] Result<CommitReport> Commit(std::stop_token stop);

  /// No snapshot and no file is left. In doubt: makes sure first that it can never be applied.
  /// Errors: kInvalid (it is over), kConflict (in doubt, and it was committed: nothing is undone),
  /// kUnknownOutcome (in doubt still: the catalog cannot be asked).
  [[nodiscard]] Status Rollback(std::string_view cause);

 private:
  using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;
  struct Share {
    LoadedTable table;
    std::vector<DataFile> files;
    std::int64_t rows = 0;
  };

  [[nodiscard]] Status CheckOpen(std::string_view doing);
  /// Brings the batches to the columns of the table, which is returned.
  [[nodiscard]] Result<LoadedTable> FitAll(const TableIdentifier& table, Batches& batches);
  [[nodiscard]] Result<std::vector<DataFile>> WriteFitted(
      const LoadedTable& table, std::vector<std::shared_ptr<arrow::RecordBatch>> fitted,
      const FileOptions& options);
  [[nodiscard]] std::vector<TableChange> Changes(bool& found) const;
  [[nodiscard]] Status MakeSureItCannotApply();
  void End(State state, std::string_view outcome);
  void DropFiles(std::string_view cause);
  void Say(Severity severity, std::string message,
           std::vector<std::pair<std::string_view, std::string>> fields) const;

  const Collaborators with_;
  const std::string id_;
  const Nanos begun_;
  const std::chrono::milliseconds timeout_;
  State state_ = State::kOpen;
  std::map<TableIdentifier, Share> shares_;
};

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/random.h"
#include "iceberg/commit/table_commit.h"
#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest.h"
#include "signaldb/result.h"
#include "writer/files_in_flight.h"
#include "writer/positioned_rows.h"
#include "writer/table_files.h"
#include "writer/watermark.h"

namespace signaldb {

/// The rows of one table, by the messages that brought them: those of one lane ascend.
struct PositionedTable {
  TableIdentifier table;
  /// Makes the table's definition, should it not exist. Empty: the table must exist.
  std::function<Result<NewTable>()> definition;
  std::vector<PositionedRows> messages;
};

/// What a PositionedCommit works with. Borrowed; all outlive it.
struct CommitCollaborators {
  TableCommitter& committer;
  FileIo& io;
  Clock& clock;
  Random& random;
  EventListener& events;
  FilesInFlight* in_flight = nullptr;  ///< Null: nothing outlives the process anyway.
};

/// Brings the rows of messages, of one source or of many, into their tables, all tables in one
/// atomic step, each row exactly once, over as many attempts as it takes.
///
///   attempt: load or create each table
///            drop the messages that its watermarks cover (an earlier attempt landed, or another
///            process was first)
///            encode what is left into data files, once
///            commit all tables; inside every try, on the base just read, no position may be
///            covered
///     applied  -> done
///     covered  -> these files are given up; the next attempt drops what is covered and encodes the
///                 rest
///     unknown  -> keep every file; the next attempt finds out by the watermarks
///
/// All messages of a dataset up to a cut are in the cut or in the tables already. So for a lane in
/// order a table that gets rows covers everything up to the lane's last position in the cut.
///
/// Owns:          the data files until a table refers to them: files that certainly no table refers
/// to are deleted. Does not own:  the pace of attempts (the caller's), acknowledging the source.
/// Threads:       confined to one thread at a time.
class PositionedCommit {
 public:
  PositionedCommit(CommitCollaborators with, FileOptions files,
                   std::vector<PositionedTable> tables);
  /// Deletes the files it wrote if no table can refer to them.
  ~PositionedCommit();

  /// Errors: those of TableCommitter::Commit and WriteDataFiles; kCorrupt (a watermark is
  /// unreadable, or covers a message of Delivery::kFirst: somebody else uses the source's
  /// identity). The rows are kept; call again, whatever the kind.
  [[nodiscard]] Status Attempt(std::stop_token stop);

  /// How often the call of Attempt that succeeded had been ready in vain because others came first.
  [[nodiscard]] int lost_races() const { return lost_races_; }

 private:
  struct Share {
    PositionedTable rows;
    std::vector<DataFile> files;
    // The table the files were made for: should it change under us, they are made anew.
    std::string table_uuid;
    std::int32_t schema_id = 0;
    bool encoded = false;
  };

  [[nodiscard]] Status Prepare(Share& share, const std::stop_token& stop);
  [[nodiscard]] Result<LoadedTable> Load(const PositionedTable& table, const std::stop_token& stop);
  [[nodiscard]] Status DropCovered(Share& share, const TableMetadata& metadata);
  [[nodiscard]] TableChange ChangeOf(const Share& share) const;
  [[nodiscard]] Result<Properties> WatermarksOn(const TableMetadata& base,
                                                const PositionedTable& rows) const;
  void Discard(Share& share);
  void ResolveFiles();

  const CommitCollaborators with_;
  const FileOptions file_options_;
  std::map<const SourceLane*, SourcePosition, ByKey> last_;  // Of each lane, over all tables.
  const std::string in_flight_id_;  // Of all files that any attempt writes.
  std::vector<Share> shares_;
  // A commit whose outcome was never learnt may refer to our files at any later time.
  bool maybe_applied_ = false;
  int lost_races_ = 0;
  bool files_remain_ = false;  // That could not be deleted.
};

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/source_position.h"
#include "iceberg/catalog.h"
#include "signaldb/result.h"
#include "telemetry/dead_letter.h"
#include "telemetry/decode.h"
#include "writer/positioned_commit.h"
#include "writer/positioned_rows.h"
#include "writer/table_files.h"
#include "writer/telemetry_tables.h"

namespace signaldb {

/// Which letters; all of them if nothing is said.
struct LetterFilter {
  std::optional<std::string> tenant;
  std::optional<std::string> dataset;
  std::optional<std::string> reason;  ///< Stands in the letter's reason.
  std::optional<Nanos> since;         ///< Received then or later, wall clock.
  std::optional<std::string> source;
  std::optional<SourcePosition> position;  ///< Among those that the letter stands for.
  std::optional<std::int32_t> part;

  [[nodiscard]] bool Holds(const DatasetId& id) const {
    return (!tenant || *tenant == id.tenant) && (!dataset || *dataset == id.dataset);
  }
  [[nodiscard]] bool Holds(const DeadLetter& letter) const;
};

/// What became of the letters of one dataset.
struct LetterReport {
  std::int64_t matched = 0;
  std::int64_t removed = 0;   ///< Replayed in full, or dropped.
  std::int64_t replaced = 0;  ///< By a letter with the records that are still rejected.
  std::int64_t left = 0;      ///< As they were.
  std::int64_t rows = 0;      ///< Added to other tables.
  /// Why letters were left or replaced, and how many; at most kReasonsMax, then "others".
  std::map<std::string, std::int64_t> reasons;
  static constexpr std::size_t kReasonsMax = 100;
};

/// Reads, replays and drops dead letters in the tables, whether a writer runs or not.
///
///   Replay, for each data file of the table:  decode its letters -> rows to their tables
///                                             letters left over -> a new data file
///                                             one commit: rows in, old file out, new file in
///
/// The commit fails if the old file is not there any more. So a letter's rows get into their tables
/// with the letter's removal or not at all: repeating a replay, however it ended, adds nothing, and
/// of two replays at the same time one gives way.
///
/// Lifetime: borrows everything; all outlive it.
/// Threads:  thread-compatible.
class LetterDesk {
 public:
  /// `decode`: the limits of today.
  LetterDesk(Catalog& catalog, const CommitCollaborators& with, FileOptions files,
             TelemetryTableOptions tables, const DecodeOptions& decode);

  /// Those that have a table of letters, in order. Errors: as Catalog.
  [[nodiscard]] Result<std::vector<DatasetId>> Datasets(const LetterFilter& filter);

  /// Calls `each` for the letters of a dataset that match, file by file; they are valid during the
  /// call only. Errors: as TableCommitter::Load, PlanFiles and ReadDataFile, and what `each`
  /// returns; kInvalid (not a table of letters).
  [[nodiscard]] Status ForEach(const DatasetId& dataset, const LetterFilter& filter,
                               const std::function<Status(const DeadLetter&)>& each);

  /// Decodes the letters that match under today's limits, and moves what can be rows now into the
  /// tables. A commit for each data file: after an error, those before it are done.
  ///
  /// Rows go to the dataset they were meant for; with `target` to that one, and so do letters of
  /// content kUnfit, which are left alone without it: nobody knows whose they are.
  /// Errors: as ForEach and TableCommitter::Commit; kConflict (the letters were changed
  /// meanwhile), kUnknownOutcome (repeat it to find out; nothing is doubled).
  [[nodiscard]] Result<LetterReport> Replay(const DatasetId& dataset, const LetterFilter& filter,
                                            const std::optional<DatasetId>& target = {},
                                            std::stop_token stop = {});

  /// Removes the letters that match for good. Errors: as Replay.
  [[nodiscard]] Result<LetterReport> Drop(const DatasetId& dataset, const LetterFilter& filter,
                                          std::stop_token stop = {});

 private:
  class FileEdit;
  struct Order {
    enum class Doing : std::uint8_t { kReplay, kDrop };
    Doing doing = Doing::kReplay;
    std::optional<DatasetId> target = {};
  };

  [[nodiscard]] Result<LetterReport> EditFiles(const Order& order, const DatasetId& dataset,
                                               const LetterFilter& filter, std::stop_token stop);

  Catalog& catalog_;
  const CommitCollaborators with_;
  const FileOptions files_;
  const TelemetryTableOptions tables_;
  const DecodeOptions decode_;
};

}  // namespace signaldb

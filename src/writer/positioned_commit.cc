#include "writer/positioned_commit.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "writer/fit_batch.h"

namespace signaldb {

namespace {

constexpr std::string_view kModule = "writer";

using Coverages = std::map<const SourceLane*, Coverage, ByKey>;

double Seconds(Nanos t) { return std::chrono::duration<double>(t).count(); }

// What each lane has in a table, as its watermark shows it once the messages are in.
//
// In order, one range whatever the gaps: what lies between the messages of a cut has no rows for
// its tables. Were they all listed, a busy neighbour would make every later metadata file longer.
Coverages RangesOf(const std::vector<PositionedRows>& messages) {
  Coverages ranges;
  for (const PositionedRows& message : messages) {
    std::vector<PositionRange>& above = ranges[message.lane.get()].above;
    if (message.lane->order() == LaneOrder::kInOrder && !above.empty()) {
      above.back().last = message.position;
    } else {
      above.push_back({message.position, message.position});
    }
  }
  for (auto& [lane, coverage] : ranges) {
    if (lane->order() == LaneOrder::kInOrder) continue;
    Coverage merged;
    merged.AddAll(std::move(coverage.above));
    // What begins at the first position of all is a range like the others, not yet a low watermark.
    if (merged.low > 0) merged.above.insert(merged.above.begin(), {1, merged.low});
    merged.low = 0;
    coverage = std::move(merged);
  }
  return ranges;
}

// What `table` covers of each lane that has messages here.
Result<Coverages> CoveragesIn(const TableMetadata& table,
                              const std::vector<PositionedRows>& messages) {
  Coverages coverages;
  for (const PositionedRows& message : messages) {
    const SourceLane* lane = message.lane.get();
    if (coverages.contains(lane)) continue;
    SIGNALDB_ASSIGN(Coverage coverage, CoverageIn(*lane, table));
    coverages.emplace(lane, std::move(coverage));
  }
  return coverages;
}

std::string RangesText(const std::vector<PositionedRows>& messages) {
  std::string text;
  for (const auto& [lane, coverage] : RangesOf(messages)) {
    if (!text.empty()) text += ' ';
    text += lane->key() + '=' + EncodeRanges(coverage.above);
  }
  return text;
}

}  // namespace

PositionedCommit::PositionedCommit(CommitCollaborators with, FileOptions files,
                                   std::vector<PositionedTable> tables)
    : with_(with), file_options_(files), in_flight_id_(ToString(UuidV7(with.clock, with.random))) {
  for (PositionedTable& table : tables) {
    for (const PositionedRows& message : table.messages) {
      SourcePosition& last = last_[message.lane.get()];
      last = std::max(last, message.position);
    }
    shares_.push_back({.rows = std::move(table)});
  }
}

PositionedCommit::~PositionedCommit() {
  for (Share& share : shares_) Discard(share);
  ResolveFiles();
}

// Files whose fate is not known stay on record: the next start looks whether a table has them.
void PositionedCommit::ResolveFiles() {
  if (with_.in_flight == nullptr || maybe_applied_ || files_remain_) return;
  with_.in_flight->Resolve(in_flight_id_);
}

void PositionedCommit::Discard(Share& share) {
  if (!maybe_applied_) files_remain_ |= !DeleteFiles(with_.io, with_.events, share.files);
  share.files.clear();
  share.encoded = false;
}

Result<LoadedTable> PositionedCommit::Load(const PositionedTable& table,
                                           const std::stop_token& stop) {
  if (!table.definition) return with_.committer.Load(table.table);
  SIGNALDB_ASSIGN(const NewTable definition, table.definition());
  return with_.committer.LoadOrCreate(table.table, definition, stop);
}

Status PositionedCommit::DropCovered(Share& share, const TableMetadata& metadata) {
  std::vector<PositionedRows>& messages = share.rows.messages;
  SIGNALDB_ASSIGN(const Coverages coverages, CoveragesIn(metadata, messages));
  const auto covered = [&](const PositionedRows& message) {
    return coverages.at(message.lane.get()).Covers(message.position);
  };
  const auto stolen = std::ranges::find_if(messages, [&](const PositionedRows& message) {
    return message.delivery == Delivery::kFirst && covered(message);
  });
  if (stolen != messages.end() && !maybe_applied_) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("the table has rows of another process under the position of a new "
                            "message: stop the process that runs on a copy of this log "
                            "table={} source={} position={}",
                            share.rows.table.ToText(), stolen->lane->key(), stolen->position));
  }
  const std::size_t dropped = std::erase_if(messages, covered);
  if (dropped == 0) return {};
  with_.events.Count("signaldb_writer_dedupe_hits_total", static_cast<double>(dropped));
  with_.events.Log(
      {.severity = Severity::kInfo,
       .module = kModule,
       .message = "messages are in the table already and were skipped",
       .fields = {{"table", share.rows.table.ToText()}, {"messages", std::to_string(dropped)}}});
  Discard(share);
  return {};
}

Status PositionedCommit::Prepare(Share& share, const std::stop_token& stop) {
  SIGNALDB_ASSIGN(const LoadedTable table, Load(share.rows, stop));
  SIGNALDB_TRY(DropCovered(share, *table.metadata));
  const std::vector<PositionedRows>& messages = share.rows.messages;
  if (share.encoded || messages.empty()) return {};
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (const PositionedRows& message : messages) {
    batches.push_back(message.rows);
    // Our own tables have the columns that rows are decoded to; another one has what it has by now.
    if (share.rows.definition) continue;
    SIGNALDB_ASSIGN(batches.back(), FitBatch(table.metadata->schema(), message.rows));
  }
  SIGNALDB_ASSIGN(share.files, WriteDataFiles({with_.io,
                                               with_.clock,
                                               with_.random,
                                               with_.events,
                                               with_.in_flight,
                                               {in_flight_id_, share.rows.table}},
                                              *table.metadata, std::move(batches), file_options_));
  share.table_uuid = table.metadata->table_uuid;
  share.schema_id = table.metadata->current_schema_id;
  share.encoded = true;
  return {};
}

Result<Properties> PositionedCommit::WatermarksOn(const TableMetadata& base,
                                                  const PositionedTable& rows) const {
  SIGNALDB_ASSIGN(Coverages coverages, CoveragesIn(base, rows.messages));
  for (const PositionedRows& message : rows.messages) {
    if (!coverages.at(message.lane.get()).Covers(message.position)) continue;
    return Fail(ErrorKind::kConflict,
                fmt::format("position is in the table already; looking again table={} source={} "
                            "position={}",
                            rows.table.ToText(), message.lane->key(), message.position));
  }
  Properties watermarks;
  const Coverages added = RangesOf(rows.messages);
  for (auto& [lane, coverage] : coverages) {
    if (lane->order() == LaneOrder::kInOrder) {
      coverage.RaiseLow(last_.at(lane));
    } else {
      coverage.AddAll(added.at(lane).above);
      coverage.RaiseLow(lane->floor());
    }
    watermarks[WatermarkProperty(lane->key())] = EncodeWatermark(lane->key(), coverage);
  }
  return watermarks;
}

TableChange PositionedCommit::ChangeOf(const Share& share) const {
  TableChange change;
  change.table = share.rows.table;
  change.added_files = share.files;
  change.table_uuid = share.table_uuid;
  change.in_flight_id = in_flight_id_;
  change.schema_id = share.schema_id;
  change.summary[std::string(kRangesInSummary)] = RangesText(share.rows.messages);
  change.on_base = [this, &share](const TableMetadata& base) {
    return WatermarksOn(base, share.rows);
  };
  return change;
}

Status PositionedCommit::Attempt(std::stop_token stop) {
  const Nanos begun = with_.clock.MonotonicNow();
  for (Share& share : shares_) SIGNALDB_TRY(Prepare(share, stop));
  with_.events.Observe("signaldb_writer_encode_duration_seconds",
                       Seconds(with_.clock.MonotonicNow() - begun));

  std::vector<TableChange> changes;
  for (const Share& share : shares_) {
    if (share.rows.messages.empty()) continue;
    // Messages without rows have no files on record.
    if (with_.in_flight != nullptr) {
      SIGNALDB_TRY(with_.in_flight->NoteCommit(in_flight_id_, share.rows.table, share.table_uuid));
    }
    changes.push_back(ChangeOf(share));
  }
  if (changes.empty()) {
    shares_.clear();
    return {};
  }
  const std::string commit_id = ToString(UuidV7(with_.clock, with_.random));
  Result<CommitReport> report = with_.committer.Commit(commit_id, std::move(changes), stop);
  if (report) {
    lost_races_ = report->lost_races;
    // The tables own the files now.
    shares_.clear();
    return {};
  }
  maybe_applied_ |= report.error().kind == ErrorKind::kUnknownOutcome;
  if (report.error().kind == ErrorKind::kInvalid || report.error().kind == ErrorKind::kCorrupt) {
    // A table changed under the files, or went away with them: they are made anew for what it is.
    for (Share& share : shares_) Discard(share);
  }
  return std::unexpected(std::move(report).error());
}

}  // namespace signaldb

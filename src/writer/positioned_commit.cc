#include "writer/positioned_commit.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace signaldb {

namespace {

constexpr std::string_view kModule = "writer";

double Seconds(Nanos t) { return std::chrono::duration<double>(t).count(); }

// One range, whatever the gaps: what lies between the messages of a cut has no rows for its tables.
// Were they all listed, a busy neighbour would make every later metadata file longer.
std::string RangeText(const SourceKey& source, const std::vector<PositionedRows>& messages) {
  return fmt::format("{}={}-{}", source, messages.front().position, messages.back().position);
}

}  // namespace

PositionedCommit::PositionedCommit(CommitCollaborators with, FileOptions files, SourceKey source,
                                   SourcePosition last, std::vector<PositionedTable> tables)
    : with_(with),
      file_options_(files),
      source_(std::move(source)),
      last_(last),
      in_flight_id_(ToString(UuidV7(with.clock, with.random))) {
  for (PositionedTable& table : tables) shares_.push_back({.rows = std::move(table)});
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

Status PositionedCommit::Prepare(Share& share, const std::stop_token& stop) {
  SIGNALDB_ASSIGN(const NewTable definition, share.rows.definition());
  SIGNALDB_ASSIGN(const LoadedTable table,
                  with_.committer.LoadOrCreate(share.rows.table, definition, stop));
  SIGNALDB_ASSIGN(const Coverage coverage, CoverageIn(source_, *table.metadata));
  std::vector<PositionedRows>& messages = share.rows.messages;
  const std::size_t dropped =
      std::erase_if(messages, [&](const PositionedRows& m) { return coverage.Covers(m.position); });
  if (dropped > 0) {
    with_.events.Count("signaldb_writer_dedupe_hits_total", static_cast<double>(dropped));
    with_.events.Log(
        {.severity = Severity::kInfo,
         .module = kModule,
         .message = "messages are in the table already and were skipped",
         .fields = {{"table", share.rows.table.ToText()}, {"messages", std::to_string(dropped)}}});
    Discard(share);
  }
  if (share.encoded || messages.empty()) return {};
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (const PositionedRows& message : messages) batches.push_back(message.rows);
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

TableChange PositionedCommit::ChangeOf(const Share& share, bool& covered) const {
  TableChange change;
  change.table = share.rows.table;
  change.added_files = share.files;
  change.table_uuid = share.table_uuid;
  change.schema_id = share.schema_id;
  change.summary[std::string(kRangesInSummary)] = RangeText(source_, share.rows.messages);
  change.on_base = [this, &share, &covered](const TableMetadata& base) -> Result<Properties> {
    SIGNALDB_ASSIGN(Coverage coverage, CoverageIn(source_, base));
    for (const PositionedRows& message : share.rows.messages) {
      if (!coverage.Covers(message.position)) continue;
      covered = true;
      return Fail(
          ErrorKind::kConflict,
          fmt::format(
              "position is in the table already; looking again table={} source={} position={}",
              share.rows.table.ToText(), source_, message.position));
    }
    coverage.RaiseLow(last_);
    return Properties{{WatermarkProperty(source_), EncodeWatermark(source_, coverage)}};
  };
  return change;
}

Status PositionedCommit::Attempt(std::stop_token stop) {
  const Nanos begun = with_.clock.MonotonicNow();
  for (Share& share : shares_) SIGNALDB_TRY(Prepare(share, stop));
  with_.events.Observe("signaldb_writer_encode_duration_seconds",
                       Seconds(with_.clock.MonotonicNow() - begun));

  bool covered = false;
  std::vector<TableChange> changes;
  for (const Share& share : shares_) {
    if (!share.rows.messages.empty()) changes.push_back(ChangeOf(share, covered));
  }
  if (changes.empty()) {
    shares_.clear();
    return {};
  }
  const std::string commit_id = ToString(UuidV7(with_.clock, with_.random));
  Result<CommitReport> report = with_.committer.Commit(commit_id, std::move(changes), stop);
  if (report) {
    // The tables own the files now.
    shares_.clear();
    return {};
  }
  maybe_applied_ |= report.error().kind == ErrorKind::kUnknownOutcome;
  if (report.error().kind == ErrorKind::kInvalid) {
    // A table changed under the files: they are made anew for what it is now.
    for (Share& share : shares_) Discard(share);
  }
  return std::unexpected(std::move(report).error());
}

}  // namespace signaldb

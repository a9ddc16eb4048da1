#include "writer/transaction.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <arrow/api.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include "iceberg/metadata/snapshot_expiry.h"
#include "writer/files_in_flight.h"
#include "writer/fit_batch.h"

namespace signaldb {

namespace {

constexpr std::string_view kModule = "writer";
constexpr std::string_view kCommitIdKey = "signaldb.commit-id";
constexpr std::string_view kFenceProperty = "signaldb.transaction-undone";

double Seconds(Nanos t) { return std::chrono::duration<double>(t).count(); }

bool HoldsCommit(const TableMetadata& metadata, const std::string& id) {
  return std::ranges::any_of(metadata.snapshots, [&](const auto& snapshot) {
    const auto found = snapshot->summary.find(kCommitIdKey);
    return found != snapshot->summary.end() && found->second == id;
  });
}

/// A commit that was not found may have been applied and expired since.
Status RefuseToGuess(const TableMetadata& base, const LoadedTable& written_for,
                     const std::string& id) {
  if (HasHistorySince(base, written_for.metadata->last_sequence_number)) return {};
  return Fail(ErrorKind::kUnknownOutcome,
              fmt::format("whether the transaction was committed cannot be told any more, the "
                          "snapshots since were expired; look for its rows table={} "
                          "transaction_id={}",
                          written_for.table.ToText(), id));
}

std::string_view ToString(Transaction::State state) {
  switch (state) {
    case Transaction::State::kOpen:
      return "open";
    case Transaction::State::kInDoubt:
      return "in doubt";
    case Transaction::State::kCommitted:
      return "committed";
    case Transaction::State::kRolledBack:
      return "rolled back";
  }
  return "";
}

/// Brings the batches to the table's columns; unchanged on error.
Status FitTo(const LoadedTable& table, std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> fitted;
  for (const auto& batch : batches) {
    SIGNALDB_ASSIGN(fitted.emplace_back(), FitBatch(table.metadata->schema(), batch));
    SIGNALDB_TRY(CheckTexts(*fitted.back()));
  }
  batches = std::move(fitted);
  return {};
}

}  // namespace

Transaction::Transaction(const Collaborators& with, std::chrono::milliseconds timeout)
    : with_(with),
      id_(signaldb::ToString(UuidV7(with.clock, with.random))),
      begun_(with.clock.MonotonicNow()),
      timeout_(timeout) {
  Say(Severity::kDebug, "transaction begun", {});
}

Transaction::~Transaction() {
  if (state_ == State::kOpen) {
    DropFiles("dropped");
  } else if (state_ == State::kInDoubt) {
    Say(Severity::kWarning,
        "transaction dropped while its outcome is unknown; its files stay until the next start "
        "finds out",
        {});
  }
}

void Transaction::Say(Severity severity, std::string message,
                      std::vector<std::pair<std::string_view, std::string>> fields) const {
  if (!with_.events.Wants(kModule, severity)) return;
  fields.emplace(fields.begin(), "transaction_id", id_);
  with_.events.Log({.severity = severity,
                    .module = kModule,
                    .message = std::move(message),
                    .fields = std::move(fields)});
}

void Transaction::End(State state, std::string_view outcome) {
  state_ = state;
  shares_.clear();
  with_.events.Count("signaldb_writer_transactions_total", 1, {{"outcome", outcome}});
  with_.events.Observe("signaldb_writer_transaction_duration_seconds",
                       Seconds(with_.clock.MonotonicNow() - begun_));
}

void Transaction::DropFiles(std::string_view cause) {
  std::size_t files = 0;
  bool gone = true;
  for (const auto& [table, share] : shares_) {
    files += share.files.size();
    gone &= DeleteFiles(with_.io, with_.events, share.files);
  }
  if (with_.in_flight != nullptr && gone) with_.in_flight->Resolve(id_);
  with_.events.Count("signaldb_writer_rollbacks_total", 1, {{"cause", cause}});
  Say(Severity::kInfo, "transaction rolled back",
      {{"cause", std::string(cause)}, {"files", std::to_string(files)}});
  End(State::kRolledBack, "rolled_back");
}

Status Transaction::CheckOpen(std::string_view doing) {
  if (state_ != State::kOpen) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("the transaction is {}, it cannot {} transaction_id={}",
                            ToString(state_), doing, id_));
  }
  const Nanos age = with_.clock.MonotonicNow() - begun_;
  if (!RollBackIfTimedOut()) return {};
  return Fail(ErrorKind::kCancelled,
              fmt::format("the transaction timed out and was rolled back; begin another, or raise "
                          "transaction_timeout transaction_id={} age_s={:.1f} timeout_s={:.1f}",
                          id_, Seconds(age), Seconds(timeout_)));
}

bool Transaction::RollBackIfTimedOut() {
  if (state_ != State::kOpen || with_.clock.MonotonicNow() - begun_ <= timeout_) return false;
  DropFiles("timeout");
  return true;
}

Result<LoadedTable> Transaction::FitAll(const TableIdentifier& table, Batches& batches) {
  const auto share = shares_.find(table);
  const bool begun = share != shares_.end();
  const auto seen =
      begun ? Result<LoadedTable>(share->second.table) : with_.committer.LoadForReading(table);
  if (!seen.has_value()) return seen;
  Status fitted = FitTo(*seen, batches);
  if (fitted.has_value()) return seen;
  // What was seen a while ago is not enough to refuse a batch by.
  if (begun || fitted.error().kind != ErrorKind::kInvalid) return std::unexpected(fitted.error());
  SIGNALDB_ASSIGN(const LoadedTable now, with_.committer.Load(table));
  if (now.metadata_location == seen->metadata_location) return std::unexpected(fitted.error());
  SIGNALDB_TRY(FitTo(now, batches));
  return now;
}

Result<std::vector<DataFile>> Transaction::WriteFitted(
    const LoadedTable& table, std::vector<std::shared_ptr<arrow::RecordBatch>> fitted,
    const FileOptions& options) {
  const FileCollaborators files{.io = with_.io,
                                .clock = with_.clock,
                                .random = with_.random,
                                .events = with_.events,
                                .in_flight = with_.in_flight,
                                .owner = {id_, table.table},
                                .encoding = with_.encoding};
  std::vector<DataFile> written;
  for (auto& group : GroupByEncoding(std::move(fitted))) {
    Result<std::vector<DataFile>> part =
        WriteDataFiles(files, *table.metadata, std::move(group), options);
    if (!part.has_value()) {
      static_cast<void>(DeleteFiles(with_.io, with_.events, written));
      return std::unexpected(std::move(part).error());
    }
    std::ranges::move(*part, std::back_inserter(written));
  }
  return written;
}

Status Transaction::Write(const TableIdentifier& table,
                          std::vector<std::shared_ptr<arrow::RecordBatch>> batches,
                          const FileOptions& options) {
  SIGNALDB_TRY(CheckOpen("take rows"));
  SIGNALDB_ASSIGN(const LoadedTable loaded, FitAll(table, batches));
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  for (const auto& batch : batches) {
    rows += batch->num_rows();
    bytes += arrow::util::TotalBufferSize(*batch);
  }
  std::erase_if(batches, [](const auto& batch) { return batch->num_rows() == 0; });
  if (batches.empty()) return {};
  const Nanos begun = with_.clock.MonotonicNow();
  SIGNALDB_ASSIGN(std::vector<DataFile> files, WriteFitted(loaded, std::move(batches), options));
  with_.events.Observe("signaldb_writer_encode_duration_seconds",
                       Seconds(with_.clock.MonotonicNow() - begun));
  with_.events.Observe("signaldb_writer_batch_rows", static_cast<double>(rows));
  with_.events.Observe("signaldb_writer_batch_bytes", static_cast<double>(bytes));
  Share& share = shares_.try_emplace(table, Share{loaded, {}, 0}).first->second;
  Say(Severity::kDebug, "rows written",
      {{"table", table.ToText()},
       {"rows", std::to_string(rows)},
       {"files", std::to_string(files.size())}});
  share.rows += rows;
  std::ranges::move(files, std::back_inserter(share.files));
  return {};
}

std::vector<TableChange> Transaction::Changes(bool& found) const {
  std::vector<TableChange> changes;
  for (const auto& [table, share] : shares_) {
    TableChange change;
    change.table = table;
    change.added_files = share.files;
    change.in_flight_id = id_;
    change.table_uuid = share.table.metadata->table_uuid;
    change.schema_id = share.table.metadata->current_schema_id;
    change.on_base = [this, &found, &share](const TableMetadata& base) -> Result<Properties> {
      if (!HoldsCommit(base, id_)) {
        if (state_ == State::kInDoubt) SIGNALDB_TRY(RefuseToGuess(base, share.table, id_));
        return Properties{};
      }
      found = true;
      return Fail(ErrorKind::kConflict,
                  fmt::format("the transaction is in the table already transaction_id={}", id_));
    };
    changes.push_back(std::move(change));
  }
  return changes;
}

Result<CommitReport> Transaction::Commit(std::stop_token stop) {
  if (state_ != State::kInDoubt) SIGNALDB_TRY(CheckOpen("be committed"));
  if (shares_.empty()) {
    if (with_.in_flight != nullptr) with_.in_flight->Resolve(id_);
    End(State::kCommitted, "committed");
    return CommitReport{.commit_id = id_};
  }
  const bool was_in_doubt = state_ == State::kInDoubt;
  bool found = false;
  Result<CommitReport> report = with_.committer.Commit(id_, Changes(found), std::move(stop));
  if (found) {
    // Of an earlier call that never learnt of its success: within one call the committer knows.
    report = CommitReport{.commit_id = id_, .attempts = 1, .found_by_looking = true};
  }
  if (report.has_value()) {
    if (with_.in_flight != nullptr) with_.in_flight->Resolve(id_);
    Say(Severity::kInfo, "transaction committed",
        {{"attempts", std::to_string(report->attempts)},
         {"found_by_looking", report->found_by_looking ? "true" : "false"}});
    End(State::kCommitted, "committed");
    return report;
  }
  const Error& error = report.error();
  // What an earlier call left in doubt, a definite failure of this one does not settle.
  if (error.kind == ErrorKind::kUnknownOutcome || was_in_doubt) {
    state_ = State::kInDoubt;
    Say(Severity::kWarning, "outcome of the commit is unknown", {{"error", error.message}});
    return Fail(ErrorKind::kUnknownOutcome,
                fmt::format("whether the transaction was committed is not known; commit or roll "
                            "back again to find out transaction_id={} cause=\"{}\"",
                            id_, error.message));
  }
  DropFiles("commit failed");
  return report;
}

Status Transaction::MakeSureItCannotApply() {
  // A change of any table's pointer defeats every late request of ours, since one commit checks all
  // its tables.
  bool found = false;
  TableChange fence;
  fence.table = shares_.begin()->first;
  fence.in_flight_id = id_;
  fence.table_uuid = shares_.begin()->second.table.metadata->table_uuid;
  fence.on_base = [this, &found](const TableMetadata& base) -> Result<Properties> {
    found = HoldsCommit(base, id_);
    if (found) return Fail(ErrorKind::kConflict, "it was committed");
    SIGNALDB_TRY(RefuseToGuess(base, shares_.begin()->second.table, id_));
    return Properties{{std::string(kFenceProperty), id_}};
  };
  std::vector<TableChange> changes;
  changes.push_back(std::move(fence));
  const Result<CommitReport> fenced = with_.committer.Commit(
      signaldb::ToString(UuidV7(with_.clock, with_.random)), std::move(changes), {});
  if (found) {
    if (with_.in_flight != nullptr) with_.in_flight->Resolve(id_);
    Say(Severity::kInfo, "transaction was committed before it could be rolled back", {});
    const std::string id = id_;
    End(State::kCommitted, "committed");
    return Fail(ErrorKind::kConflict,
                fmt::format("the transaction was committed, there is nothing to roll back "
                            "transaction_id={}",
                            id));
  }
  if (fenced.has_value()) return {};
  return Fail(ErrorKind::kUnknownOutcome,
              fmt::format("whether the transaction was committed is still not known; try again "
                          "transaction_id={} cause=\"{}\"",
                          id_, fenced.error().message));
}

Status Transaction::Rollback(std::string_view cause) {
  if (state_ == State::kInDoubt) {
    SIGNALDB_TRY(MakeSureItCannotApply());
  } else if (state_ != State::kOpen) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("the transaction is {}, it cannot be rolled back transaction_id={}",
                            ToString(state_), id_));
  }
  DropFiles(cause);
  return {};
}

}  // namespace signaldb

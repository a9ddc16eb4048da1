#include "writer/table_edit.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include "iceberg/arrow_error.h"
#include "iceberg/scan/bound_filter.h"
#include "iceberg/scan/table_scan.h"
#include "writer/files_in_flight.h"
#include "writer/fit_batch.h"

namespace signaldb {

namespace {

constexpr std::string_view kModule = "writer";
constexpr std::string_view kDeleteIsolation = "write.delete.isolation-level";
constexpr std::string_view kUpdateIsolation = "write.update.isolation-level";

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

Result<Isolation> IsolationOf(const TableMetadata& table, std::string_view property) {
  const auto found = table.properties.find(property);
  if (found == table.properties.end() || found->second == "serializable") {
    return Isolation::kSerializable;
  }
  if (found->second == "snapshot") return Isolation::kSnapshot;
  return Fail(ErrorKind::kInvalid,
              fmt::format("an isolation level is serializable or snapshot property={} value={:.40}",
                          property, found->second));
}

/// The rows that do not match, in memory of their own; null if all do.
Result<std::shared_ptr<arrow::RecordBatch>> Others(const std::shared_ptr<arrow::RecordBatch>& rows,
                                                   const std::vector<bool>& matches) {
  const std::int64_t matching = std::ranges::count(matches, true);
  if (matching == 0) return rows;
  if (matching == rows->num_rows()) return nullptr;
  arrow::BooleanBuilder others;
  arrow::Status made = others.Reserve(rows->num_rows());
  for (const bool match : matches) {
    if (made.ok()) others.UnsafeAppend(!match);
  }
  std::shared_ptr<arrow::Array> mask;
  if (made.ok()) made = others.Finish(&mask);
  if (!made.ok()) return std::unexpected(ErrorFromArrow(made, "choosing rows"));
  const auto chosen = arrow::compute::Filter(rows, mask);
  if (!chosen.ok()) return std::unexpected(ErrorFromArrow(chosen.status(), "choosing rows"));
  return chosen->record_batch();
}

/// Of rows that wait to be written anew: as many as are encoded at a time.
std::int64_t KeptBytesMax(const FileOptions& options, const EncodingShare* encoding) {
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(options.max_memory_per_batch_bytes,
                             std::int64_t{options.target_concurrent_batches}, &bytes)) {
    bytes = std::numeric_limits<std::int64_t>::max();
  }
  const std::int64_t limit = encoding == nullptr ? 0 : encoding->bytes_max();
  return limit > 0 ? std::min(bytes, limit) : bytes;
}

bool SamePartition(const DataFile& a, const DataFile& b) {
  return a.spec_id == b.spec_id && a.partition == b.partition;
}

}  // namespace

/// One edit from its plan to its end; see TableEditor.
class TableEditor::Edit {
 public:
  Edit(const TableEditor& owner, LoadedTable base)
      : with_(owner.with_),
        options_(owner.options_),
        id_(ToString(UuidV7(with_.clock, with_.random))),
        base_(std::move(base)),
        kept_bytes_max_(KeptBytesMax(options_, with_.encoding)) {
    change_.table = base_.table;
    change_.table_uuid = base_.metadata->table_uuid;
    change_.schema_id = base_.metadata->current_schema_id;
    change_.in_flight_id = id_;
  }
  /// New files that the table did not get are deleted.
  ~Edit() {
    if (!files_are_ours_) return;
    if (DeleteFiles(with_.io, with_.events, change_.added_files)) Resolve();
  }
  Edit(const Edit&) = delete;
  Edit& operator=(const Edit&) = delete;

  [[nodiscard]] Status Remove(const RowFilter& filter, std::string_view isolation_property) {
    SIGNALDB_ASSIGN(BoundFilter bound, BoundFilter::Bind(filter, base_.metadata->schema()));
    auto shared = std::make_shared<const BoundFilter>(std::move(bound));
    SIGNALDB_TRY(PlanOn(isolation_property,
                        [shared](const TableMetadata& now, const DataFile& file) -> Result<bool> {
                          SIGNALDB_ASSIGN(const Outcomes outcomes,
                                          shared->OutcomesIn(file, now.SpecById(file.spec_id)));
                          return (outcomes & kMayBeTrue) != 0;
                        }));
    SIGNALDB_ASSIGN(std::vector<DataFile> files,
                    PlanFiles(with_.io, *base_.metadata, shared->Necessary()));
    for (DataFile& file : files) SIGNALDB_TRY(RemoveFrom(std::move(file), *shared));
    return {};
  }

  [[nodiscard]] Status ReplacePartitionsOfAdded() {
    const auto replaced = std::make_shared<const std::vector<DataFile>>(change_.added_files);
    const auto concerns = [replaced](const DataFile& file) {
      return std::ranges::any_of(*replaced,
                                 [&](const DataFile& one) { return SamePartition(one, file); });
    };
    SIGNALDB_TRY(PlanOn(kUpdateIsolation,
                        [concerns](const TableMetadata&, const DataFile& file) -> Result<bool> {
                          return concerns(file);
                        }));
    change_.summary["replace-partitions"] = "true";
    SIGNALDB_ASSIGN(std::vector<DataFile> files, PlanFiles(with_.io, *base_.metadata));
    for (DataFile& file : files) {
      if (!concerns(file)) continue;
      report_.rows_deleted += file.record_count;
      change_.removed_files.push_back(std::move(file));
    }
    return {};
  }

  [[nodiscard]] Status Add(Batches batches) {
    for (auto& batch : batches) {
      SIGNALDB_ASSIGN(batch, FitBatch(base_.metadata->schema(), batch));
      SIGNALDB_TRY(CheckTexts(*batch));
      report_.rows_added += batch->num_rows();
    }
    std::erase_if(batches, [](const auto& batch) { return batch->num_rows() == 0; });
    for (auto& group : GroupByEncoding(std::move(batches))) SIGNALDB_TRY(Write(std::move(group)));
    return {};
  }

  [[nodiscard]] Result<EditReport> Commit(std::stop_token stop) {
    report_.files_removed = static_cast<std::int64_t>(change_.removed_files.size());
    if (change_.added_files.empty() && change_.removed_files.empty()) {
      report_.commit.commit_id = id_;
      return report_;
    }
    if (with_.in_flight != nullptr) {
      SIGNALDB_TRY(with_.in_flight->NoteCommit(id_, change_.table, change_.table_uuid));
    }
    Result<CommitReport> committed = with_.committer.Commit(id_, {change_}, std::move(stop));
    if (!committed.has_value()) {
      files_are_ours_ = committed.error().kind != ErrorKind::kUnknownOutcome;
      return std::unexpected(std::move(committed).error());
    }
    files_are_ours_ = false;
    Resolve();
    report_.commit = *std::move(committed);
    with_.events.Log({.severity = Severity::kInfo,
                      .module = kModule,
                      .message = "table edited",
                      .fields = {{"table", base_.table.ToText()},
                                 {"commit_id", id_},
                                 {"rows_deleted", std::to_string(report_.rows_deleted)},
                                 {"rows_added", std::to_string(report_.rows_added)},
                                 {"files_removed", std::to_string(report_.files_removed)},
                                 {"files_rewritten", std::to_string(report_.files_rewritten)}}});
    return report_;
  }

 private:
  using Concerns = std::function<Result<bool>(const TableMetadata&, const DataFile&)>;

  [[nodiscard]] Status PlanOn(std::string_view isolation_property, Concerns concerns) {
    SIGNALDB_ASSIGN(const Isolation isolation, IsolationOf(*base_.metadata, isolation_property));
    change_.plan = ChangePlan{.snapshot_id = base_.metadata->current_snapshot_id,
                              .isolation = isolation,
                              .concerns = std::move(concerns)};
    return {};
  }

  [[nodiscard]] Status RemoveFrom(DataFile file, const BoundFilter& filter) {
    const TableMetadata& table = *base_.metadata;
    SIGNALDB_ASSIGN(const Outcomes outcomes, filter.OutcomesIn(file, table.SpecById(file.spec_id)));
    if ((outcomes & kMayBeTrue) == 0) return {};
    std::int64_t matching = file.record_count;
    if (outcomes != kMayBeTrue) {
      const std::size_t files = change_.added_files.size();
      SIGNALDB_ASSIGN(const Reading first, WriteOthers(file, filter, 0));
      if (first.matching == 0) return {};
      if (first.unwritten) SIGNALDB_TRY(WriteOthers(file, filter, first.matching));
      matching = first.matching;
      report_.files_rewritten += change_.added_files.size() > files ? 1 : 0;
    }
    report_.rows_deleted += matching;
    change_.removed_files.push_back(std::move(file));
    return {};
  }

  struct Reading {
    std::int64_t matching = 0;
    /// Before the first matching row, there were more others than are kept: read the file again.
    bool unwritten = false;
  };

  /// Writes the rows of a file that stay, in as many files as memory asks for, once it is known
  /// that some row matches; `known` are known from before.
  [[nodiscard]] Result<Reading> WriteOthers(const DataFile& file, const BoundFilter& filter,
                                            std::int64_t known) {
    Reading reading;
    Batches kept;
    std::int64_t bytes = 0;
    SIGNALDB_TRY(ReadDataFile(with_.io, *base_.metadata, file, [&](const auto& rows) -> Status {
      const std::vector<bool> matches = filter.Matches(*rows);
      reading.matching += std::ranges::count(matches, true);
      if (reading.unwritten) return {};
      SIGNALDB_ASSIGN(auto others, Others(rows, matches));
      if (others == nullptr) return {};
      bytes += arrow::util::TotalBufferSize(*others);
      kept.push_back(std::move(others));
      if (bytes < kept_bytes_max_) return {};
      bytes = 0;
      const Batches full = std::exchange(kept, {});
      reading.unwritten = reading.matching + known == 0;
      return reading.unwritten ? Status() : Write(full);
    }));
    if (reading.matching == 0 || reading.unwritten || kept.empty()) return reading;
    SIGNALDB_TRY(Write(std::move(kept)));
    return reading;
  }

  [[nodiscard]] Status Write(Batches batches) {
    const FileCollaborators files{.io = with_.io,
                                  .clock = with_.clock,
                                  .random = with_.random,
                                  .events = with_.events,
                                  .in_flight = with_.in_flight,
                                  .owner = {id_, base_.table},
                                  .encoding = with_.encoding};
    SIGNALDB_ASSIGN(std::vector<DataFile> written,
                    WriteDataFiles(files, *base_.metadata, std::move(batches), options_));
    std::ranges::move(written, std::back_inserter(change_.added_files));
    return {};
  }

  void Resolve() {
    if (with_.in_flight != nullptr) with_.in_flight->Resolve(id_);
  }

  const Transaction::Collaborators with_;
  const FileOptions options_;
  const std::string id_;
  const LoadedTable base_;
  const std::int64_t kept_bytes_max_;
  TableChange change_;
  EditReport report_;
  bool files_are_ours_ = true;
};

TableEditor::TableEditor(const Transaction::Collaborators& with, FileOptions options)
    : with_(with), options_(options) {}

Result<EditReport> TableEditor::DeleteWhere(const TableIdentifier& table, const RowFilter& filter,
                                            std::stop_token stop) {
  SIGNALDB_ASSIGN(LoadedTable base, with_.committer.Load(table));
  Edit edit(*this, std::move(base));
  SIGNALDB_TRY(edit.Remove(filter, kDeleteIsolation));
  return edit.Commit(std::move(stop));
}

Result<EditReport> TableEditor::OverwriteWhere(const TableIdentifier& table,
                                               const RowFilter& filter, Batches batches,
                                               std::stop_token stop) {
  SIGNALDB_ASSIGN(LoadedTable base, with_.committer.Load(table));
  Edit edit(*this, std::move(base));
  SIGNALDB_TRY(edit.Add(std::move(batches)));
  SIGNALDB_TRY(edit.Remove(filter, kUpdateIsolation));
  return edit.Commit(std::move(stop));
}

Result<EditReport> TableEditor::ReplacePartitions(const TableIdentifier& table, Batches batches,
                                                  std::stop_token stop) {
  SIGNALDB_ASSIGN(LoadedTable base, with_.committer.Load(table));
  Edit edit(*this, std::move(base));
  SIGNALDB_TRY(edit.Add(std::move(batches)));
  SIGNALDB_TRY(edit.ReplacePartitionsOfAdded());
  return edit.Commit(std::move(stop));
}

}  // namespace signaldb

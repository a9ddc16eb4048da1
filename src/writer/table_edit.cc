#include "writer/table_edit.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

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

/// The rows that do not match, as slices of `rows`.
void KeepOthers(const arrow::RecordBatch& rows, const std::vector<bool>& matches, Batches& kept) {
  std::size_t begin = 0;
  while (begin < matches.size()) {
    std::size_t end = begin;
    while (end < matches.size() && !matches[end]) ++end;
    if (end > begin) {
      kept.push_back(
          rows.Slice(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end - begin)));
    }
    begin = end + 1;
  }
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
        base_(std::move(base)) {
    change_.table = base_.table;
    change_.table_uuid = base_.metadata->table_uuid;
    change_.schema_id = base_.metadata->current_schema_id;
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
    if (outcomes != kMayBeTrue) {
      Batches kept;
      std::int64_t matching = 0;
      SIGNALDB_TRY(ReadDataFile(with_.io, table, file, [&](const auto& rows) -> Status {
        const std::vector<bool> matches = filter.Matches(*rows);
        matching += std::ranges::count(matches, true);
        KeepOthers(*rows, matches, kept);
        return {};
      }));
      if (matching == 0) return {};
      report_.rows_deleted += matching;
      if (!kept.empty()) {
        ++report_.files_rewritten;
        SIGNALDB_TRY(Write(std::move(kept)));
      }
    } else {
      report_.rows_deleted += file.record_count;
    }
    change_.removed_files.push_back(std::move(file));
    return {};
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

#include "pipeline/table_cuts.h"

#include <memory>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>

namespace signaldb {

namespace {

class TableCutCommit final : public CutCommit {
 public:
  TableCutCommit(std::vector<MemoryBudget::Hold> holds, std::unique_ptr<PositionedCommit> commit)
      : holds_(std::move(holds)), commit_(std::move(commit)) {}

  Status Attempt(std::stop_token stop) override { return commit_->Attempt(std::move(stop)); }

 private:
  std::vector<MemoryBudget::Hold> holds_;  // The rows are in memory until the cut is committed.
  std::unique_ptr<PositionedCommit> commit_;
};

void ObserveBatch(EventListener& events, const std::vector<PositionedRows>& messages) {
  std::int64_t rows = 0;
  for (const PositionedRows& message : messages) rows += message.rows->num_rows();
  events.Observe("signaldb_writer_batch_rows", static_cast<double>(rows));
}

}  // namespace

BeginCutCommit CommitIntoTables(CommitCollaborators with, FileOptions files, SourceKey source,
                                TelemetryTableOptions options) {
  return
      [with, files, source = std::move(source), options = std::move(options)](Cut cut, CutReason) {
        with.events.Observe("signaldb_writer_batch_bytes", static_cast<double>(cut.bytes));
        std::vector<PositionedTable> tables;
        for (std::size_t i = 0; i < kTableKinds; ++i) {
          if (cut.tables[i].empty()) continue;
          ObserveBatch(with.events, cut.tables[i]);
          const auto kind = static_cast<TableKind>(i);
          tables.push_back({.table = TelemetryTableId(cut.dataset, kind),
                            .definition =
                                [with, options, dataset = cut.dataset, kind] {
                                  return MakeTelemetryTable(dataset, kind, options,
                                                            ToString(UuidV4(with.random)),
                                                            ToMillis(with.clock.WallNow()));
                                },
                            .messages = std::move(cut.tables[i])});
        }
        auto commit =
            std::make_unique<PositionedCommit>(with, files, source, cut.last, std::move(tables));
        return std::make_unique<TableCutCommit>(std::move(cut.holds), std::move(commit));
      };
}

IngestPipeline::CoverageLookup CoverageInTables(TableCommitter& committer, SourceKey source) {
  return [&committer, source = std::move(source)](const DatasetId& dataset,
                                                  TableKind kind) -> Result<Coverage> {
    const Result<LoadedTable> table = committer.Load(TelemetryTableId(dataset, kind));
    if (!table && table.error().kind == ErrorKind::kNotFound) return Coverage{};
    if (!table) return std::unexpected(table.error());
    return CoverageIn(source, *table->metadata);
  };
}

}  // namespace signaldb

#include "pipeline/table_cuts.h"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>

#include "telemetry/table_definition.h"

namespace signaldb {

namespace {

class TableCutCommit final : public CutCommit {
 public:
  TableCutCommit(std::vector<Cut::Message> messages, std::unique_ptr<PositionedCommit> commit)
      : messages_(std::move(messages)), commit_(std::move(commit)) {}

  Status Attempt(std::stop_token stop) override { return commit_->Attempt(std::move(stop)); }
  int lost_races() const override { return commit_->lost_races(); }

 private:
  std::vector<Cut::Message> messages_;  // Hold memory for the rows until they are committed.
  std::unique_ptr<PositionedCommit> commit_;
};

void ObserveBatch(EventListener& events, const std::vector<PositionedRows>& messages) {
  std::int64_t rows = 0;
  for (const PositionedRows& message : messages) rows += message.rows->num_rows();
  events.Observe("signaldb_writer_batch_rows", static_cast<double>(rows));
}

// How one of our tables is made; nothing for others.
std::function<Result<NewTable>()> DefinitionOfOurs(const CommitCollaborators& with,
                                                   const TelemetryTableOptions& options,
                                                   const DatasetId& dataset,
                                                   std::string_view table) {
  const TableDefinition* ours = FindDefinition(table);
  if (ours == nullptr) return {};
  return [with, options, dataset, kind = ours->kind] {
    return MakeTelemetryTable(dataset, kind, options, ToString(UuidV4(with.random)),
                              ToMillis(with.clock.WallNow()));
  };
}

}  // namespace

BeginCutCommit CommitIntoTables(CommitCollaborators with, FileOptions files,
                                TelemetryTableOptions options) {
  return [with, files, options = std::move(options)](Cut cut, CutReason) {
    with.events.Observe("signaldb_writer_batch_bytes", static_cast<double>(cut.bytes));
    std::vector<PositionedTable> tables;
    for (auto& [name, messages] : cut.tables) {
      ObserveBatch(with.events, messages);
      PositionedTable& table = tables.emplace_back();
      table.table = TableInDataset(cut.dataset, name);
      table.definition = DefinitionOfOurs(with, options, cut.dataset, name);
      table.messages = std::move(messages);
    }
    auto commit = std::make_unique<PositionedCommit>(with, files, std::move(tables));
    return std::make_unique<TableCutCommit>(std::move(cut.messages), std::move(commit));
  };
}

IngestPipeline::CoverageLookup CoverageInTables(TableCommitter& committer,
                                                std::shared_ptr<const SourceLane> lane) {
  return [&committer, lane = std::move(lane)](const DatasetId& dataset,
                                              const std::string& name) -> Result<Coverage> {
    const Result<LoadedTable> table = committer.Load(TableInDataset(dataset, name));
    if (!table && table.error().kind == ErrorKind::kNotFound) return Coverage{};
    if (!table) return std::unexpected(table.error());
    return CoverageIn(*lane, *table->metadata);
  };
}

}  // namespace signaldb

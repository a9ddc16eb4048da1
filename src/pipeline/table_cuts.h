#pragma once

#include <memory>

#include "pipeline/cut.h"
#include "pipeline/ingest_pipeline.h"
#include "writer/positioned_commit.h"
#include "writer/telemetry_tables.h"

namespace signaldb {

/// Cuts that end in the tables of their dataset: one atomic commit over all of them. Our own tables
/// are created when they are missing; a table that is not ours must exist. Everything that `with`
/// borrows outlives the cuts.
[[nodiscard]] BeginCutCommit CommitIntoTables(CommitCollaborators with, FileOptions files,
                                              TelemetryTableOptions tables);

/// What the tables already cover of `lane`; a table that does not exist covers nothing.
[[nodiscard]] IngestPipeline::CoverageLookup CoverageInTables(
    TableCommitter& committer, std::shared_ptr<const SourceLane> lane);

}  // namespace signaldb

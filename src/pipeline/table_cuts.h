#pragma once

#include "pipeline/cut.h"
#include "pipeline/ingest_pipeline.h"
#include "writer/positioned_commit.h"
#include "writer/telemetry_tables.h"

namespace signaldb {

/// Cuts that end in the telemetry tables of their dataset: one atomic commit over all of them.
/// Everything that `with` borrows outlives the cuts.
[[nodiscard]] BeginCutCommit CommitIntoTables(CommitCollaborators with, FileOptions files,
                                              SourceKey source, TelemetryTableOptions tables);

/// What the telemetry tables already cover of `source`; a table that does not exist covers nothing.
[[nodiscard]] IngestPipeline::CoverageLookup CoverageInTables(TableCommitter& committer,
                                                              SourceKey source);

}  // namespace signaldb

#pragma once

#include <string>
#include <string_view>

#include "base/event_listener.h"
#include "base/file_system.h"
#include "base/random.h"
#include "iceberg/catalog.h"
#include "iceberg/commit/table_commit.h"
#include "log/durable_log.h"
#include "signaldb/result.h"
#include "writer/watermark.h"

namespace signaldb {

// What ties a log's folder to the tables that its records go to.

/// Positions of a log that belong to one of its identities, as tables name them.
[[nodiscard]] SourceKey LogSourceKey(const Uuid& uuid);

/// Refuses a log that still holds records for other tables than those of `destination` (one line,
/// without secrets, that names catalog and warehouse); notes `destination` in the folder `dir` if
/// it holds none. Before anything is replayed or trimmed. Errors: kInvalid (refused), kUnavailable
/// (I/O).
[[nodiscard]] Status ClaimLog(FileSystem& files, EventListener& events, DurableLog& log,
                              const std::string& dir, std::string_view destination);

/// The highest position of `source` that any telemetry table of the catalog covers; 0 if none does.
/// Loads every telemetry table once. A table that cannot be read is passed over with an error
/// event: it must not keep the others from starting. Errors: kUnavailable and other retryable kinds
/// (the catalog or a disk is away: call again).
[[nodiscard]] Result<SourcePosition> HighestPositionInTables(Catalog& catalog,
                                                             TableCommitter& committer,
                                                             EventListener& events,
                                                             const SourceKey& source);

}  // namespace signaldb

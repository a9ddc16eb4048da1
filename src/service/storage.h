#pragma once

#include <memory>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/file_system.h"
#include "base/random.h"
#include "iceberg/catalog.h"
#include "iceberg/commit/metadata_cache.h"
#include "iceberg/commit/table_commit.h"
#include "iceberg/file_io.h"
#include "service/configuration.h"
#include "signaldb/result.h"
#include "telemetry/decode.h"
#include "writer/files_in_flight.h"
#include "writer/table_files.h"
#include "writer/telemetry_tables.h"

namespace signaldb {

/// Tables where the configuration has them. In the order of construction.
struct Storage {
  std::unique_ptr<FileIo> io;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<MetadataCache> cache;
  std::unique_ptr<FilesInFlight> in_flight;  ///< Null if nothing outlives the process.
  std::unique_ptr<TableCommitter> committer;
};

/// Opens store and catalog, and settles the files that processes which are gone have left.
/// Any number of processes may have the same storage open. Everything borrowed outlives it.
/// Errors: kInvalid (a location), kUnavailable (a disk, a database), kCorrupt.
[[nodiscard]] Result<Storage> OpenStorage(const ServiceConfiguration& values, FileSystem& files,
                                          Clock& clock, Random& random, EventListener& events);

/// How rows become data files.
[[nodiscard]] FileOptions FilesOf(const ServiceConfiguration& values);
/// How new tables are made.
[[nodiscard]] TelemetryTableOptions TablesOf(const ServiceConfiguration& values);
/// What records may hold. Without `received_at`.
[[nodiscard]] DecodeOptions DecodingOf(const ServiceConfiguration& values);

}  // namespace signaldb

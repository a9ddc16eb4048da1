#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/random.h"
#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"
#include "writer/encoding_room.h"
#include "writer/files_in_flight.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// How rows become data files.
struct FileOptions {
  std::int64_t max_rows_per_batch = 50'000;  ///< Of a slice, which becomes a row group.
  std::int64_t max_memory_per_batch_bytes = 128LL
                                            << 20;  ///< Of a slice; a single larger row goes alone.
  bool enable_auto_split = true;                    ///< Off: one slice, whatever its size.
  int target_concurrent_batches = 4;                ///< Files encoded at the same time.
};

struct FileCollaborators {
  FileIo& io;
  Clock& clock;
  Random& random;
  EventListener& events;
  FilesInFlight* in_flight = nullptr;  ///< Told of every name before its first byte, if there.
  FilesInFlight::Owner owner;          ///< Whose files they are, for `in_flight`.
  EncodingShare* encoding = nullptr;   ///< Each slice takes its room from it, if there.
};

/// Sorts `batches` by the table's sort order, splits them by partition and size, and writes them as
/// new data files under the table's location, durable. At most `target_concurrent_batches` slices
/// are encoded at once: those of different partitions, and of different parts of a large partition.
/// On error nothing of it is left behind.
/// Errors: kInvalid (a column that does not fit or that the table lacks; names it; a slice above
/// the memory limit), kUnavailable (the store; no room to encode), kUnknownOutcome (a file may be
/// left behind; no table refers to it).
[[nodiscard]] Result<std::vector<DataFile>> WriteDataFiles(
    const FileCollaborators& with, const TableMetadata& table,
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches, const FileOptions& options);

/// Whether WriteDataFiles can write files for the table as it is declared. Errors: kInvalid (names
/// the format version, property, or column).
[[nodiscard]] Status CheckTableCanBeWritten(const TableMetadata& table);

/// Deletes files that no table refers to; one that cannot be deleted is logged by name. True if all
/// are gone.
bool DeleteFiles(FileIo& io, EventListener& events, const std::vector<DataFile>& files);

}  // namespace signaldb

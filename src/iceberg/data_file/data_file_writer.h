#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// Everything about the files of one table that its metadata decides: columns by the current
/// schema, encoder settings by table properties (`write.parquet.*`, `write.metadata.metrics.*`, and
/// `signaldb.parquet.delta-encoding-enabled`, true by default), the default spec and sort order.
/// Sizes of files and row groups are the caller's business. Made once a table version.
/// Threads: thread-safe (immutable).
class DataFileFormat {
 public:
  /// Errors: kInvalid (a column or property we cannot write; names it).
  [[nodiscard]] static Result<std::shared_ptr<const DataFileFormat>> Make(
      const TableMetadata& metadata);
  virtual ~DataFileFormat() = default;
};

/// Whether the rows given are in the table's default sort order.
enum class RowOrder : std::uint8_t { kUnsorted, kSorted };

/// Writes the rows of one partition into one Parquet file with field ids, page checksums, page
/// index, bloom filters and our own column metrics. Each Write becomes a row group.
///
/// Encodings are such that every engine reads them: dictionaries that come in are passed on,
/// numbers of few values and texts that repeat get one, longs and times that grow are delta-packed,
/// all else is plain.
///
/// Threads: thread-compatible; several writers run side by side.
class DataFileWriter {
 public:
  /// `location` is new and unique. `partition` has one value a field of the default spec. With
  /// kSorted the file says so in its footer and its DataFile; the caller vouches for every Write.
  /// Errors: kInvalid (another number of partition values), and those of FileIo::Create.
  [[nodiscard]] static Result<std::unique_ptr<DataFileWriter>> Make(
      FileIo& io, std::shared_ptr<const DataFileFormat> format, std::string location,
      PartitionValues partition, RowOrder order);
  virtual ~DataFileWriter() = default;

  /// Columns are matched by name; strings may be dictionary<int32, utf8> at any depth. Missing
  /// optional columns become nulls, int becomes long and float double; columns that the table has
  /// not are left out. No rows, no row group.
  /// Errors: kInvalid (a column that does not fit or a null in a required one; names it; nothing of
  /// the batch is written and the writer goes on), kUnavailable (the file is lost).
  [[nodiscard]] virtual Status Write(const arrow::RecordBatch& rows) = 0;

  /// Closes the file, durable; at most once. Errors: as OutputFile::Finish, kInternal (called after
  /// a failure).
  [[nodiscard]] virtual Result<DataFile> Finish() = 0;

  /// Bytes written so far, without the footer, to decide when to roll.
  [[nodiscard]] virtual std::int64_t bytes_estimate() const = 0;
};

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "bench_rows.h"
#include "signaldb/iceberg_catalog.h"
#include "signaldb/iceberg_table_writer.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// Where files go. An fsync costs what the disk makes of it, and in memory nothing.
enum class Medium : std::uint8_t { kDisk, kMemory };
[[nodiscard]] std::string_view ToString(Medium medium);

/// Compression of pages.
enum class Codec : std::uint8_t {
  kDefault,  ///< Ours zstd level 1, as Iceberg says; plain files snappy, as pyarrow writes them.
  kNone,     ///< The default of Arrow's C++ writer.
  kSnappy,
  kZstd,  ///< Level 1.
};
[[nodiscard]] std::string_view ToString(Codec codec);

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

/// Ends the process, with the reason, if `status` is an error: figures of failures mislead.
void Check(const Status& status);
template <typename T>
T Check(Result<T> result) {
  if (!result.has_value()) Check(Status(std::unexpected(result.error())));
  return std::move(*result);
}

/// A folder of its own with a store and a SQLite catalog, removed with all that is in it. On disk
/// it is in $TMPDIR or /tmp, in memory in /dev/shm.
class BenchPlace {
 public:
  explicit BenchPlace(Medium medium);
  BenchPlace(const BenchPlace&) = delete;
  BenchPlace& operator=(const BenchPlace&) = delete;
  ~BenchPlace();

  [[nodiscard]] const std::string& path() const { return path_; }
  /// For tables that do not exist yet; writers that were made keep theirs.
  [[nodiscard]] Configuration& config() { return config_; }

  /// A writer for a table of such rows, made if missing; requests with these properties too.
  [[nodiscard]] std::unique_ptr<IcebergTableWriter> Writer(RowKind kind, Codec codec,
                                                           const StringMap& properties = {});

 private:
  std::string path_;
  Configuration config_;
  std::shared_ptr<ObjectStore> store_;
};

/// Files as programs without tables write them: Arrow's Parquet writer with default settings, one
/// file after the other in one folder. Each file and its folder are synced, as ours are.
class PlainParquet {
 public:
  PlainParquet(const std::string& folder, Codec codec);

  /// All batches as one file. Thread-safe.
  void Write(const Batches& batches);
  /// Not while Write runs.
  void RemoveFiles();

 private:
  const std::string folder_;
  const Codec codec_;
  std::unique_ptr<FileSystem> files_;
};

}  // namespace signaldb

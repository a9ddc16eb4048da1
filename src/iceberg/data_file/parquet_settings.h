#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <parquet/properties.h>

#include "iceberg/data_file/parquet_layout.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

/// Which metrics a column gets in the manifest (`write.metadata.metrics.*`).
struct MetricsMode {
  enum class Kind : std::uint8_t { kNone, kCounts, kTruncate, kFull };
  Kind kind = Kind::kTruncate;
  std::int32_t length = 16;  ///< Truncate: code points of a string, bytes of a binary.

  friend bool operator==(const MetricsMode&, const MetricsMode&) = default;
};

/// Whether a column is dictionary-encoded (`write.parquet.dict-encoding-enabled.column.X`).
enum class DictionaryUse : std::uint8_t {
  kAuto,    ///< Not said: dictionaries that come in are passed on, others are tried by sample.
  kWanted,  ///< true: values are hashed if need be.
  kNever,   ///< false.
};

/// How one column is written.
struct ColumnSettings {
  MetricsMode metrics;
  DictionaryUse dictionary = DictionaryUse::kAuto;
  bool statistics = true;  ///< In the Parquet footer and page index. Never inside lists and maps.
  bool bloom_filter = false;
  double bloom_fpp = 0.01;
  std::int64_t bloom_ndv = 0;  ///< 0: as many as there are values.
};

/// The table properties that shape its Parquet files, read once.
///
/// Threads: thread-safe (immutable).
struct ParquetSettings {
  std::vector<ColumnSettings> columns;  ///< By leaf ordinal.
  std::int64_t page_bytes_target = 1 << 20;
  std::int64_t page_rows_max = 20'000;
  std::int64_t dictionary_bytes_max = 2 << 20;
  std::int64_t bloom_bytes_max = 1 << 20;
  /// DELTA_BINARY_PACKED for longs and times (`signaldb.parquet.delta-encoding-enabled`). Spark
  /// with an Iceberg runtime before 1.10 reads it only with vectorization switched off.
  bool delta = true;
  parquet::Compression::type codec = parquet::Compression::ZSTD;
  int level = 0;
  /// For files with rows in the table's sort order (sorting_columns in the footer), and for others.
  std::shared_ptr<parquet::WriterProperties> sorted;
  std::shared_ptr<parquet::WriterProperties> unsorted;

  /// Errors: kInvalid (a property that matters and cannot be followed; names it).
  [[nodiscard]] static Result<ParquetSettings> Make(const TableMetadata& metadata,
                                                    const ParquetLayout& layout);
};

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <memory>

#include <parquet/bloom_filter.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>

#include "iceberg/data_file/column_metrics.h"
#include "iceberg/data_file/leaf_pages.h"
#include "iceberg/data_file/page_compressor.h"
#include "iceberg/data_file/parquet_settings.h"
#include "signaldb/result.h"

namespace signaldb {

/// Where a column chunk goes.
struct ChunkTarget {
  std::shared_ptr<arrow::io::OutputStream> sink;
  parquet::ColumnChunkMetaDataBuilder* metadata = nullptr;
  std::int16_t row_group = 0;
  parquet::ColumnIndexBuilder* column_index = nullptr;  ///< Null: no statistics.
  parquet::OffsetIndexBuilder* offset_index = nullptr;
};

/// What is known of a chunk after writing it.
struct WrittenChunk {
  ValueRange range;  ///< Without bounds inside lists and maps.
  std::unique_ptr<parquet::BlockSplitBloomFilter> bloom;
};

/// Memory that is used again from chunk to chunk. Threads: thread-compatible.
struct ChunkScratch {
  PageBuffer page;
  std::unique_ptr<PageCompressor> compressor;
};

/// Writes one column of one row group: picks the encoding, makes the pages, gathers metrics.
///
/// Why not parquet's column writers: they hash every value to build a dictionary that the decoder
/// had, take levels one by one, and cannot share those of a map's keys with its values.
///
/// Errors: kInvalid (a page beyond 2 GiB), kInternal; throws what parquet throws.
[[nodiscard]] Result<WrittenChunk> WriteColumnChunk(const LeafColumn& column,
                                                    const ParquetSettings& settings,
                                                    const ChunkTarget& target,
                                                    ChunkScratch& scratch);

}  // namespace signaldb

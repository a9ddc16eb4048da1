#pragma once

#include <memory>

#include "iceberg/data_file/parquet_settings.h"
#include "iceberg/data_file/rle_bit_packed.h"
#include "signaldb/result.h"

namespace arrow {
class Buffer;
}

namespace signaldb {

/// Compresses pages with one codec, keeping its working memory from page to page: a row group has
/// about a hundred pages, and zstd's context is a large allocation for each.
///
/// Threads: thread-compatible.
class PageCompressor {
 public:
  virtual ~PageCompressor() = default;

  /// Errors: kInvalid (a codec that this build has not), kUnavailable (memory).
  [[nodiscard]] static Result<std::unique_ptr<PageCompressor>> Make(
      parquet::Compression::type codec, int level);

  /// The result lives until the next call, and for codec uncompressed as long as `page`.
  /// Errors: kInternal (the codec failed).
  [[nodiscard]] virtual Result<std::shared_ptr<arrow::Buffer>> Compress(const PageBuffer& page) = 0;
};

}  // namespace signaldb

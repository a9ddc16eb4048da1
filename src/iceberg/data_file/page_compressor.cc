#include "iceberg/data_file/page_compressor.h"

#include <utility>

#include <arrow/buffer.h>
#include <arrow/util/compression.h>
#include <fmt/format.h>
#define ZSTD_STATIC_LINKING_ONLY  // For ZSTD_c_literalCompressionMode.
#include <zstd.h>

#include "iceberg/arrow_error.h"

namespace signaldb {

namespace {

std::shared_ptr<arrow::Buffer> Wrap(const PageBuffer& bytes) {
  return std::make_shared<arrow::Buffer>(bytes.data(), static_cast<std::int64_t>(bytes.size()));
}

class NoCompressor final : public PageCompressor {
 public:
  Result<std::shared_ptr<arrow::Buffer>> Compress(const PageBuffer& page) override {
    return Wrap(page);
  }
};

// Random ids have no repetitions to find, and looking for them takes most of the time. So at fast
// levels the head of a large page is compressed with and without the search; where the search
// hardly helps, the page goes without, by entropy coding alone.
class ZstdCompressor final : public PageCompressor {
 public:
  ZstdCompressor(ZSTD_CCtx* context, int level) : context_(context), level_(level) {}
  ~ZstdCompressor() override { ZSTD_freeCCtx(context_); }
  ZstdCompressor(const ZstdCompressor&) = delete;
  ZstdCompressor& operator=(const ZstdCompressor&) = delete;

  Result<std::shared_ptr<arrow::Buffer>> Compress(const PageBuffer& page) override {
    const std::size_t bound = ZSTD_compressBound(page.size());
    out_.Clear();
    std::uint8_t* to = out_.Reserve(bound);
    Search search = Search::kFull;
    if (level_ <= kFastLevelMax && page.size() >= kTrialPageBytesMin) {
      const std::size_t with = Run(Search::kFull, page.data(), kTrialBytes, to, bound);
      const std::size_t without = Run(Search::kSkip, page.data(), kTrialBytes, to, bound);
      if (ZSTD_isError(without) == 0 && without * 100 <= with * kLossPercentMax) {
        search = Search::kSkip;
      }
    }
    const std::size_t size = Run(search, page.data(), page.size(), to, bound);
    if (ZSTD_isError(size) != 0) {
      return Fail(ErrorKind::kInternal,
                  fmt::format("compressing a page: {}", ZSTD_getErrorName(size)));
    }
    out_.Advance(size);
    return Wrap(out_);
  }

 private:
  enum class Search : std::uint8_t { kFull, kSkip };

  static constexpr int kFastLevelMax = 1;
  static constexpr std::size_t kTrialBytes = 16 << 10;
  static constexpr std::size_t kTrialPageBytesMin = 8 * kTrialBytes;
  static constexpr std::size_t kLossPercentMax = 110;
  static constexpr int kFarApart = 4096;  // Bytes between two looks for a repetition.

  std::size_t Run(Search search, const std::uint8_t* from, std::size_t count, std::uint8_t* to,
                  std::size_t bound) {
    ZSTD_CCtx_reset(context_, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level_);
    if (search == Search::kSkip) {
      ZSTD_CCtx_setParameter(context_, ZSTD_c_strategy, ZSTD_fast);
      ZSTD_CCtx_setParameter(context_, ZSTD_c_targetLength, kFarApart);
      // A wide step alone would switch off entropy coding as well.
      ZSTD_CCtx_setParameter(context_, ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
    }
    return ZSTD_compress2(context_, to, bound, from, count);
  }

  ZSTD_CCtx* context_;
  int level_;
  PageBuffer out_;
};

class ArrowCompressor final : public PageCompressor {
 public:
  explicit ArrowCompressor(std::unique_ptr<arrow::util::Codec> codec) : codec_(std::move(codec)) {}

  Result<std::shared_ptr<arrow::Buffer>> Compress(const PageBuffer& page) override {
    const auto in_size = static_cast<std::int64_t>(page.size());
    const std::int64_t bound = codec_->MaxCompressedLen(in_size, page.data());
    out_.Clear();
    std::uint8_t* to = out_.Reserve(static_cast<std::size_t>(bound));
    const auto size = codec_->Compress(in_size, page.data(), bound, to);
    if (!size.ok()) {
      return std::unexpected(Error{ErrorKind::kInternal,
                                   fmt::format("compressing a page: {}", size.status().message())});
    }
    out_.Advance(static_cast<std::size_t>(*size));
    return Wrap(out_);
  }

 private:
  std::unique_ptr<arrow::util::Codec> codec_;
  PageBuffer out_;
};

}  // namespace

Result<std::unique_ptr<PageCompressor>> PageCompressor::Make(parquet::Compression::type codec,
                                                             int level) {
  if (codec == parquet::Compression::UNCOMPRESSED) return std::make_unique<NoCompressor>();
  if (codec == parquet::Compression::ZSTD) {
    ZSTD_CCtx* context = ZSTD_createCCtx();
    if (context == nullptr) {
      return Fail(ErrorKind::kUnavailable, "out of memory for a zstd context");
    }
    const bool named = level != arrow::util::kUseDefaultCompressionLevel;
    return std::make_unique<ZstdCompressor>(context, named ? level : ZSTD_defaultCLevel());
  }
  auto made = arrow::util::Codec::Create(codec, level);
  if (!made.ok()) {
    return std::unexpected(ErrorFromArrow(made.status(), "write.parquet.compression-codec"));
  }
  return std::make_unique<ArrowCompressor>(made.MoveValueUnsafe());
}

}  // namespace signaldb

#include "iceberg/page_compressor.h"

#include <utility>

#include <arrow/buffer.h>
#include <arrow/util/compression.h>
#include <fmt/format.h>
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
    const std::size_t size =
        ZSTD_compressCCtx(context_, to, bound, page.data(), page.size(), level_);
    if (ZSTD_isError(size) != 0) {
      return Fail(ErrorKind::kInternal,
                  fmt::format("compressing a page: {}", ZSTD_getErrorName(size)));
    }
    out_.Advance(size);
    return Wrap(out_);
  }

 private:
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

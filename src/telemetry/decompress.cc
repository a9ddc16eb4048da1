#include "telemetry/decompress.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include <zlib.h>
#include <zstd.h>

#include "signaldb/result.h"

namespace signaldb {
namespace {

constexpr std::uint64_t kRatioFreeBytes = 1 << 20;
constexpr int kZstdWindowLogMax = 23;          // 8 MiB.
constexpr std::uint64_t kFirstRatio = 16;      // Telemetry seldom compresses better.
constexpr std::uint64_t kPartMax = 256 << 10;  // Per call, so that the limits are looked at.

DecompressFailure FailureOf(BufferRefusal refusal) {
  return refusal == BufferRefusal::kTooLarge ? DecompressFailure::kTooLarge
                                             : DecompressFailure::kBudgetExhausted;
}

/// The output, with its limits.
class Output {
 public:
  Output(std::uint64_t input_bytes, DecompressLimits limits, MemoryBudget& budget)
      : buffer_(&budget, limits.bytes_max), input_bytes_(input_bytes), limits_(limits) {}

  /// A first allocation by what the data says of itself, as far as that is plausible.
  std::optional<DecompressFailure> Start(std::uint64_t announced) {
    const std::uint64_t plausible = std::max<std::uint64_t>(input_bytes_ * kFirstRatio, 1);
    const auto refusal = buffer_.Reserve(std::min({std::max<std::uint64_t>(announced, 1), plausible,
                                                   std::max<std::uint64_t>(limits_.bytes_max, 1)}));
    return refusal ? std::optional(FailureOf(*refusal)) : std::nullopt;
  }

  /// Room for the next part; nothing if a limit is reached. At the very limit one spare byte tells
  /// "exactly full" from "too large", without storing it.
  std::expected<std::span<std::byte>, DecompressFailure> Next() {
    if (limits_.ratio_max > 0 && buffer_.size() > kRatioFreeBytes &&
        buffer_.size() / limits_.ratio_max > input_bytes_) {
      return std::unexpected(DecompressFailure::kTooLarge);
    }
    if (buffer_.unused().empty()) {
      if (buffer_.size() == limits_.bytes_max) return std::span(&spare_, 1);
      if (const auto refusal = buffer_.Grow()) return std::unexpected(FailureOf(*refusal));
    }
    return buffer_.unused().first(std::min<std::size_t>(buffer_.unused().size(), kPartMax));
  }

  /// `bytes` of the last Next() have been filled.
  std::optional<DecompressFailure> Filled(std::span<std::byte> part, std::size_t bytes) {
    if (bytes == 0) return std::nullopt;
    if (part.data() == &spare_) return DecompressFailure::kTooLarge;
    buffer_.Advance(bytes);
    return std::nullopt;
  }

  BudgetedBuffer::Contents Finish() && { return std::move(buffer_).Finish(); }

 private:
  BudgetedBuffer buffer_;
  const std::uint64_t input_bytes_;
  const DecompressLimits limits_;
  std::byte spare_{};
};

using Decompressed = std::expected<BudgetedBuffer::Contents, DecompressFailure>;

struct InflateEnd {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};

Decompressed Gunzip(std::span<const std::byte> input, Output output) {
  z_stream stream{};
  // 16: a gzip header, not a zlib one.
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) {
    return std::unexpected(DecompressFailure::kBudgetExhausted);
  }
  const std::unique_ptr<z_stream, InflateEnd> end(&stream);
  if (input.size() > std::numeric_limits<uInt>::max()) {
    return std::unexpected(DecompressFailure::kTooLarge);
  }
  // zlib's interface is older than const; it does not write to its input.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input.data()));
  stream.avail_in = static_cast<uInt>(input.size());
  while (true) {
    const auto part = output.Next();
    if (!part) return std::unexpected(part.error());
    stream.next_out = reinterpret_cast<Bytef*>(part->data());
    stream.avail_out = static_cast<uInt>(part->size());
    const int code = inflate(&stream, Z_NO_FLUSH);
    if (const auto failure = output.Filled(*part, part->size() - stream.avail_out)) {
      return std::unexpected(*failure);
    }
    if (code == Z_MEM_ERROR) return std::unexpected(DecompressFailure::kBudgetExhausted);
    if (code == Z_STREAM_END) {
      if (stream.avail_in == 0) return std::move(output).Finish();
      // A further member. To stop here would lose its rows without a word.
      if (inflateReset(&stream) != Z_OK) return std::unexpected(DecompressFailure::kMalformed);
    } else if (code != Z_OK || (stream.avail_in == 0 && stream.avail_out > 0)) {
      return std::unexpected(DecompressFailure::kMalformed);
    }
  }
}

struct FreeDctx {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Decompressed Unzstd(std::span<const std::byte> input, Output output) {
  // One per thread: making one costs as much as a small request.
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeDctx> kContext(ZSTD_createDCtx());
  ZSTD_DCtx* const context = kContext.get();
  if (context == nullptr) return std::unexpected(DecompressFailure::kBudgetExhausted);
  ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, kZstdWindowLogMax);
  ZSTD_inBuffer in{input.data(), input.size(), 0};
  while (true) {
    const auto part = output.Next();
    if (!part) return std::unexpected(part.error());
    ZSTD_outBuffer out{part->data(), part->size(), 0};
    const std::size_t left = ZSTD_decompressStream(context, &out, &in);
    if (const auto failure = output.Filled(*part, out.pos)) return std::unexpected(*failure);
    if (ZSTD_isError(left) != 0U) return std::unexpected(DecompressFailure::kMalformed);
    const bool all_read = in.pos == in.size;
    if (left == 0 && all_read) return std::move(output).Finish();
    if (all_read && out.pos < out.size) return std::unexpected(DecompressFailure::kMalformed);
  }
}

std::uint64_t AnnouncedByGzip(std::span<const std::byte> input) {
  if (input.size() < 18) return 0;
  std::uint64_t size = 0;
  for (std::size_t i = 1; i <= 4; ++i) {
    size = size << 8 | std::to_integer<std::uint64_t>(input[input.size() - i]);
  }
  return size;
}

}  // namespace

std::expected<BudgetedBuffer::Contents, DecompressFailure> Decompress(
    ContentCoding coding, std::span<const std::byte> input, DecompressLimits limits,
    MemoryBudget& budget) {
  SIGNALDB_ASSERT(coding != ContentCoding::kIdentity);
  if (input.empty()) return std::unexpected(DecompressFailure::kMalformed);
  Output output(input.size(), limits, budget);
  const bool gzip = coding == ContentCoding::kGzip;
  std::uint64_t announced =
      gzip ? AnnouncedByGzip(input) : ZSTD_getFrameContentSize(input.data(), input.size());
  if (announced == ZSTD_CONTENTSIZE_UNKNOWN || announced == ZSTD_CONTENTSIZE_ERROR) announced = 0;
  if (const auto failure = output.Start(announced)) return std::unexpected(*failure);
  return gzip ? Gunzip(input, std::move(output)) : Unzstd(input, std::move(output));
}

}  // namespace signaldb

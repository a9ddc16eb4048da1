#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "base/budgeted_buffer.h"

namespace signaldb {

enum class ContentCoding : std::uint8_t { kIdentity, kGzip, kZstd };

enum class DecompressFailure : std::uint8_t {
  kMalformed,        ///< Not such data, cut off, or followed by something else.
  kTooLarge,         ///< Over `bytes_max` or `ratio_max`; nothing beyond was decompressed.
  kBudgetExhausted,  ///< No room now.
};

struct DecompressLimits {
  std::uint64_t bytes_max = 0;  ///< Of the output.
  std::uint64_t ratio_max = 0;  ///< Output over input, once 1 MiB has come out; 0: any.
};

/// Decompresses all members (gzip) or frames (zstd, window up to 8 MiB) of `input`. `coding` is not
/// kIdentity. Never allocates more than the limit and what it takes from `budget`.
[[nodiscard]] std::expected<BudgetedBuffer::Contents, DecompressFailure> Decompress(
    ContentCoding coding, std::span<const std::byte> input, DecompressLimits limits,
    MemoryBudget& budget);

}  // namespace signaldb

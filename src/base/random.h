#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>

#include "base/clock.h"

namespace signaldb {

/// Randomness behind a seam, so that a test replays from a seed.
///
/// Threads: thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  /// 64 uniformly distributed bits.
  [[nodiscard]] virtual std::uint64_t Next() = 0;

  /// Uniform in [0, bound); `bound` > 0.
  [[nodiscard]] std::uint64_t Below(std::uint64_t bound);
};

/// Bits from the kernel. Blocks only before the kernel's pool is first seeded.
class SystemRandom final : public Random {
 public:
  [[nodiscard]] std::uint64_t Next() override;
};

/// The same bits for the same seed (SplitMix64).
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  [[nodiscard]] std::uint64_t Next() override;

 private:
  std::mutex mutex_;
  std::uint64_t state_;
};

/// 16 bytes as RFC 9562 has them, big-endian.
using Uuid = std::array<std::uint8_t, 16>;

[[nodiscard]] Uuid UuidV4(Random& random);
/// Time-ordered; unique by its random bits, never by the clock.
[[nodiscard]] Uuid UuidV7(Clock& clock, Random& random);
/// 36 characters, lower case.
[[nodiscard]] std::string ToString(const Uuid& uuid);

}  // namespace signaldb

#include "base/random.h"

#include <sys/random.h>

#include "signaldb/result.h"

namespace signaldb {

std::uint64_t Random::Below(std::uint64_t bound) {
  SIGNALDB_ASSERT(bound > 0);
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
}

std::uint64_t SystemRandom::Next() {
  std::uint64_t bits = 0;
  // Up to 256 bytes the call is never interrupted and never short.
  SIGNALDB_ASSERT(getrandom(&bits, sizeof(bits), 0) == sizeof(bits));
  return bits;
}

std::uint64_t SeededRandom::Next() {
  const std::scoped_lock lock(mutex_);
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

namespace {

Uuid FromBits(std::uint64_t high, std::uint64_t low, std::uint64_t version) {
  high = (high & ~0xf000ULL) | (version << 12);
  low = (low & ~(3ULL << 62)) | (2ULL << 62);
  Uuid uuid;
  for (std::size_t i = 0; i < 8; ++i) {
    uuid[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    uuid[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return uuid;
}

}  // namespace

Uuid UuidV4(Random& random) {
  const std::uint64_t high = random.Next();
  return FromBits(high, random.Next(), 4);
}

Uuid UuidV7(Clock& clock, Random& random) {
  const auto millis = static_cast<std::uint64_t>(ToMillis(clock.WallNow()));
  const std::uint64_t high = (millis << 16) | (random.Next() & 0xffff);
  return FromBits(high, random.Next(), 7);
}

std::string ToString(const Uuid& uuid) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[uuid[i] >> 4];
    text += kHex[uuid[i] & 15];
  }
  return text;
}

}  // namespace signaldb

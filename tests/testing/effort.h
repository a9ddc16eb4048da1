#pragma once

#include <cstdint>
#include <cstdlib>

namespace signaldb::testing {

/// What the long tests do by default fits into a few minutes; the nightly run and a suspicion ask
/// for more, by the environment.

inline std::uint64_t NumberFromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  const std::uint64_t number = text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
  return number == 0 ? otherwise : number;
}

/// Loops over fault points visit every n-th: `by_default`, or SIGNALDB_FAULT_STRIDE. A test with
/// many loops starts each at another offset, so that together they visit all.
inline std::uint64_t FaultStride(std::uint64_t by_default) {
  return NumberFromEnvironment("SIGNALDB_FAULT_STRIDE", by_default);
}

/// Rounds of a random test: `by_default`, times SIGNALDB_ROUNDS_FACTOR.
inline std::uint64_t Rounds(std::uint64_t by_default) {
  return by_default * NumberFromEnvironment("SIGNALDB_ROUNDS_FACTOR", 1);
}

}  // namespace signaldb::testing

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace signaldb {

inline constexpr std::uint64_t kHighBits = 0x8080808080808080ULL;

[[nodiscard]] inline std::uint64_t Load64(const char* p) {
  std::uint64_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}

/// True if `text` is well-formed UTF-8 by Unicode's table 3-7: no surrogates, no overlong forms,
/// nothing above U+10FFFF. Reads ASCII eight bytes at a time.
[[nodiscard]] bool IsValidUtf8(std::string_view text);

}  // namespace signaldb

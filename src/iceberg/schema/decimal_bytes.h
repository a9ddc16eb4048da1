#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace signaldb {

/// Wide enough for every decimal of Iceberg (38 digits).
__extension__ using Int128 = __int128;

inline constexpr std::size_t kDecimalBytesMax = 16;

/// Big-endian two's complement of any length up to 16; nullopt if longer or empty.
[[nodiscard]] std::optional<Int128> DecimalFromBytes(std::string_view big_endian);

/// The shortest big-endian two's complement: 0 -> 00, 128 -> 00 80, -1 -> ff.
[[nodiscard]] std::string DecimalToBytes(Int128 unscaled);

/// "14.20" for 1420 and scale 2.
[[nodiscard]] std::string DecimalToText(Int128 unscaled, std::int32_t scale);

}  // namespace signaldb

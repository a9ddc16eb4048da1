#pragma once

#include <cstdint>
#include <string_view>

namespace signaldb {

/// Murmur3 x86 32-bit with seed 0, the hash of Iceberg's bucket transform.
[[nodiscard]] std::uint32_t Murmur3(std::string_view bytes);

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "signaldb/result.h"

namespace signaldb {

/// True if `bytes` begin as gzip files do.
[[nodiscard]] bool IsGzip(std::string_view bytes);

/// Errors: kInternal.
[[nodiscard]] Result<std::string> Gzip(std::string_view bytes);

/// Errors: kCorrupt (not gzip, cut short, or wrong checksum), kInvalid (more than `bytes_max`).
[[nodiscard]] Result<std::string> Gunzip(std::string_view bytes, std::size_t bytes_max);

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "signaldb/result.h"

namespace signaldb {

// How values are written in a configuration. Each function takes the whole of `text`, and its error
// (always kInvalid) says only what was expected, for the caller to name key and place.

[[nodiscard]] Result<std::int64_t> ParseInteger(std::string_view text);
[[nodiscard]] Result<double> ParseNumber(std::string_view text);
[[nodiscard]] Result<bool> ParseBoolean(std::string_view text);

/// "64MiB", "4GiB", "100KB", "512B", or a bare count of bytes.
[[nodiscard]] Result<std::int64_t> ParseBytes(std::string_view text);

/// "100ms", "5s", "2m", "24h", "7d"; or a bare integer of `bare_unit`, unless that is zero.
[[nodiscard]] Result<Nanos> ParseDuration(std::string_view text, Nanos bare_unit);

/// "2000-01-01T00:00:00Z" as the time since 1970; UTC only, fractions of a second allowed.
[[nodiscard]] Result<Nanos> ParseTimestamp(std::string_view text);

/// "127.0.0.1:4317", "[::1]:4317": a literal address and a port; port 0 lets the system choose.
[[nodiscard]] Status CheckAddress(std::string_view text);

/// The element of `known` that `text` was probably meant to be, or nothing if none is close.
class Nearest {
 public:
  explicit Nearest(std::string_view text) : text_(text) {}
  void Consider(std::string_view known);
  [[nodiscard]] std::string_view best() const { return best_; }

 private:
  std::string_view text_;
  std::string_view best_;
  std::size_t best_distance_ = SIZE_MAX;
};

}  // namespace signaldb

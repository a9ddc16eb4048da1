#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

#include "telemetry/columns.h"
#include "telemetry/decode_tally.h"
#include "telemetry/json_text.h"

namespace signaldb {

inline constexpr std::size_t kTraceIdBytes = 16;
inline constexpr std::size_t kSpanIdBytes = 8;

[[nodiscard]] inline bool IsAllZero(std::string_view id) {
  for (const char byte : id) {
    if (byte != 0) return false;
  }
  return true;
}

/// What an id is good for where it is optional: log records and exemplars. A wrong length is noted.
[[nodiscard]] inline bool IsUsableId(std::string_view id, std::size_t size, DecodeTally& tally) {
  if (id.size() == size) return !IsAllZero(id);
  if (!id.empty()) tally.Note(Oddity::kInvalidId);
  return false;
}

/// Appends a row of lower-case hex.
inline void PushHex(TextColumn& column, std::string_view id) {
  WriteHex(column.open().Extend(2 * id.size()), id);
  column.Close();
}

}  // namespace signaldb

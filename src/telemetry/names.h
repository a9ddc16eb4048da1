#pragma once

#include <string_view>

namespace signaldb {

/// Tenant and dataset ids become folders and catalog names, so they are checked, never repaired:
/// 1 to 64 of [A-Za-z0-9_-].
[[nodiscard]] constexpr bool IsValidTenantOrDataset(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  for (const char c : name) {
    const bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-';
    if (!ok) return false;
  }
  return true;
}

}  // namespace signaldb

#include "adapters/flight/entry_window.h"

#include <fmt/format.h>

#include "telemetry/arrow_request.h"
#include "telemetry/put_metadata.h"

namespace signaldb {

std::string EntryOf(std::string_view tenant, std::string_view dataset, std::string_view id) {
  return fmt::format("{}/{}/{}", tenant, dataset, id);
}

void RememberPut(EntryWindow& window, std::string_view tenant, std::string_view dataset,
                 std::span<const std::byte> body) {
  const auto parts = SplitArrowBody(body);
  if (!parts) return;
  const auto metadata = ParsePutMetadata(parts->metadata);
  if (!metadata || metadata->entry_id.empty()) return;
  window.Remember(EntryOf(tenant, dataset, metadata->entry_id));
}

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "signaldb/result.h"
#include "telemetry/ingest.h"
#include "telemetry/signal.h"

namespace signaldb {

/// The resources of a request that have the same values of the attributes asked for.
struct ResourceGroup {
  std::vector<std::optional<std::string>> values;  ///< One an attribute; nothing if it is absent.
  std::string body;                                ///< A request of these resources alone.
};

struct SplitRequest {
  /// That of the bodies: a JSON request comes out as protobuf.
  MessageEncoding encoding = MessageEncoding::kProtobuf;
  std::vector<ResourceGroup> groups;  ///< In the order in which their first resources stand.
};

/// Most groups of one request; each becomes rows of a dataset of its own.
inline constexpr std::size_t kResourceGroupsMax = 256;

/// Takes an OTLP request apart by attributes of its resources, such as one that names the tenant.
/// A request without resources is one group without values. Records are moved, not decoded: what
/// is wrong inside of them shows when the group is.
///
/// Of an attribute that a resource has twice the first text counts, as for `service.name`.
///
/// Errors: kInvalid (malformed; an attribute asked for that is no text; too many groups).
[[nodiscard]] Result<SplitRequest> SplitByResource(Signal signal, MessageEncoding encoding,
                                                   std::span<const std::byte> body,
                                                   std::span<const std::string> attributes);

}  // namespace signaldb

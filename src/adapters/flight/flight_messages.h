#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "signaldb/result.h"

namespace signaldb {

/// One message of a DoPut stream; views into its bytes.
struct FlightData {
  std::string_view header;  ///< The flatbuffer of an Arrow IPC message; empty if there is none.
  std::string_view body;    ///< Its buffers.
  std::string_view app_metadata;
  std::vector<std::string_view> path;  ///< Of the descriptor; empty if it names none.
};

/// Errors: kInvalid.
[[nodiscard]] Result<FlightData> ParseFlightData(std::span<const std::byte> message);

/// The type of an Action. Errors: kInvalid.
[[nodiscard]] Result<std::string> ParseActionType(std::span<const std::byte> message);

/// An ActionType, as ListActions lists it.
[[nodiscard]] std::string RenderActionType(std::string_view type, std::string_view description);

}  // namespace signaldb

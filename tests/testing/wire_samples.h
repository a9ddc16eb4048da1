#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/signal.h"
#include "testing/otlp_samples.h"

namespace signaldb::testing {

enum class WireBodies : std::uint8_t { kPlain, kLz4 };

/// The records of MakeOtlpRequest as an Arrow IPC stream of the wire schema v1: one batch, LZ4 as
/// senders write it. Attributes, resources, scopes, events and points say the same.
[[nodiscard]] std::string MakeWireStream(Signal signal, const OtlpSampleOptions& options,
                                         WireBodies bodies = WireBodies::kLz4);

/// The FlightData messages of a put of that stream: no descriptor, `metadata` with the schema if it
/// is not empty.
[[nodiscard]] std::vector<std::string> FlightMessages(std::string_view stream,
                                                      std::string_view metadata);

}  // namespace signaldb::testing

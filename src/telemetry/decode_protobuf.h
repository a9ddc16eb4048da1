#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "signaldb/result.h"
#include "telemetry/decode.h"
#include "telemetry/signal.h"

namespace signaldb {

/// Decodes an Export{Trace,Logs,Metrics}ServiceRequest in a single pass: what requests in every
/// encoding come to in the end. Errors: as DecodeMessage.
[[nodiscard]] Result<DecodedRequest> DecodeProtobuf(Signal signal, std::string_view body,
                                                    const DecodeOptions& options);

/// The same, and says in `kept` which record of the request, counted from 0, became which row. For
/// signals with one table, spans and log records.
[[nodiscard]] Result<DecodedRequest> DecodeProtobuf(Signal signal, std::string_view body,
                                                    const DecodeOptions& options,
                                                    std::vector<std::uint32_t>& kept);

}  // namespace signaldb

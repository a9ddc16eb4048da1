#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "signaldb/result.h"
#include "telemetry/ingest.h"
#include "telemetry/signal.h"

namespace signaldb {

/// A protobuf request that holds only some records of an OTLP request (spans, log records, data
/// points), each under its resource, scope and metric. Decoded, it gives the rows and rejections
/// that these records have in the whole request.
///
/// `records` are counted from 0 in the order in which they stand, ascending, as
/// DecodedRequest::rejected_records has them; `body` was decoded without an error.
///
/// Errors: kInvalid (malformed; not OTLP).
[[nodiscard]] Result<std::string> SelectRecords(Signal signal, MessageEncoding encoding,
                                                std::span<const std::byte> body,
                                                std::span<const std::uint32_t> records);

}  // namespace signaldb

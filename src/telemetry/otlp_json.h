#pragma once

#include <string>
#include <string_view>

#include "signaldb/result.h"
#include "telemetry/signal.h"

namespace signaldb {

/// The protobuf encoding of an OTLP/JSON request, so that one set of rules makes rows of both.
///
/// By the rules of OTLP/JSON: ids in hex of any case, other bytes in base64, enums as integers
/// only, 64-bit integers as decimal strings or numbers, lowerCamelCase names only, unknown names
/// ignored, null like an absent field. Of a name that an object has twice, the last one counts.
///
/// Errors: kInvalid (not JSON, or a field of the wrong type or out of range; says which).
[[nodiscard]] Result<std::string> OtlpJsonToProtobuf(Signal signal, std::string_view json);

}  // namespace signaldb

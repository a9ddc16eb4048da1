#pragma once

#include <string_view>

#include "telemetry/decode.h"

namespace signaldb::testing {

/// Decodes `body` twice and ends the process unless both runs agree, every batch is what Arrow
/// takes for valid, and counts and rows are within what `records_most` bytes could say.
///
/// Returns whether the request was accepted.
bool CheckDecoding(Signal signal, MessageEncoding encoding, std::string_view body);

/// One of the three signals.
[[nodiscard]] Signal SignalOf(unsigned number);

}  // namespace signaldb::testing

#pragma once

#include <cstdint>
#include <string_view>

#include "telemetry/pod_buffer.h"

namespace signaldb {

// Pieces of JSON text as our columns hold them (RFC 8259, no blanks).

void AppendUnsigned(TextBuffer& out, std::uint64_t value);
void AppendSigned(TextBuffer& out, std::int64_t value);

/// The shortest digits that read back as `value`, always with a point or an exponent: "1.0",
/// "1e+300"; "NaN", "+Inf" and "-Inf" without quotes.
void AppendDouble(TextBuffer& out, double value);

/// As AppendDouble, the non-finite ones in quotes.
void AppendJsonDouble(TextBuffer& out, double value);

/// Quotes and escapes `text`, which has to be UTF-8.
void AppendJsonString(TextBuffer& out, std::string_view text);

/// Two lower-case hex digits a byte.
void AppendHex(TextBuffer& out, std::string_view bytes);

/// `{"$otlp_type":"bytes","base64":"..."}`, the form that AnyValue bytes take in every column.
void AppendBytesObject(TextBuffer& out, std::string_view bytes);

/// Writes `2 * bytes.size()` lower-case hex digits to `out`.
void WriteHex(char* out, std::string_view bytes);

}  // namespace signaldb

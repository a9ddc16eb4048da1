#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "signaldb/result.h"
#include "telemetry/decode.h"
#include "telemetry/signal.h"

namespace signaldb {

/// A put as one request body: the Arrow IPC stream, its metadata (the sender's JSON, as sent) and
/// the length of that in four little-endian bytes. At the end, because readers of a stream stop
/// where it says that it ends, and its buffers stay aligned.
struct ArrowBody {
  std::span<const std::byte> stream;
  std::string_view metadata;
};

/// What follows the stream. `metadata` is below 4 GiB.
[[nodiscard]] std::string ArrowBodyTrailer(std::string_view metadata);

/// Errors: kInvalid (no such trailer).
[[nodiscard]] Result<ArrowBody> SplitArrowBody(std::span<const std::byte> body);

/// Decodes rows of a wire schema v1, a stream of spans, log records or metrics.
///
/// A row becomes an OTLP record first, so that the rules for time, ids, numbers and attributes, and
/// what is rejected and counted, are those of OTLP by construction. Then columns that the wire
/// form has nothing for become null.
///
/// Errors: kInvalid (not such a stream; a cell that cannot be read; above a limit). Names the
/// column and the row where it can.
[[nodiscard]] Result<DecodedRequest> DecodeArrowRequest(Signal signal,
                                                        std::span<const std::byte> body,
                                                        const DecodeOptions& options);

/// Decodes rows of a table that is not ours: as they are, in one batch that owns its memory. The
/// body's metadata is the table's name. Errors: kInvalid (not such a stream, above a limit),
/// kUnavailable (memory).
[[nodiscard]] Result<DecodedRequest> DecodeArrowRows(std::span<const std::byte> body,
                                                     const DecodeOptions& options);

}  // namespace signaldb

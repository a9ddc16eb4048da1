#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "signaldb/result.h"
#include "telemetry/ingest.h"
#include "telemetry/signal.h"

namespace signaldb {

/// What the durable log keeps beside the bytes of a request, so that a replay makes the same rows.
struct LogEntryHeader {
  std::string tenant;
  std::string dataset;
  Signal signal = Signal::kLogs;
  OtlpEncoding encoding = OtlpEncoding::kProtobuf;
  Nanos received_at{0};
  std::string request_id;

  friend bool operator==(const LogEntryHeader&, const LogEntryHeader&) = default;
};

/// Format: version 1, signal, encoding (a byte each), received_at (8 bytes, little-endian
/// nanoseconds), then tenant, dataset and request id, each behind a length byte. Strings beyond 255
/// bytes do not come this far; they are cut.
[[nodiscard]] std::string EncodeLogEntryHeader(const LogEntryHeader& header);

/// Errors: kCorrupt (not such a header, or names that no receiver would have let in).
[[nodiscard]] Result<LogEntryHeader> DecodeLogEntryHeader(std::string_view bytes);

}  // namespace signaldb

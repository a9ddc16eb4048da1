#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "signaldb/result.h"
#include "telemetry/decode.h"
#include "telemetry/ingest.h"
#include "telemetry/signal.h"

namespace signaldb {

/// What the durable log keeps beside the bytes of a request, so that a replay makes the same rows.
struct LogEntryHeader {
  std::string tenant;
  std::string dataset;
  Signal signal = Signal::kLogs;
  MessageEncoding encoding = MessageEncoding::kProtobuf;
  Nanos received_at{0};
  std::string request_id;
  /// What decided about each record when the request was answered: a replay under a changed
  /// configuration must keep what was acknowledged, and reject what was rejected.
  int depth_max = DecodeOptions{}.depth_max;
  std::int64_t attributes_max = DecodeOptions{}.attributes_max;
  Nanos timestamp_min = DecodeOptions{}.timestamp_min;
  Nanos timestamp_future_max = DecodeOptions{}.timestamp_future_max;

  friend bool operator==(const LogEntryHeader&, const LogEntryHeader&) = default;
};

/// Format: version 2, signal, encoding (a byte each), then received_at, depth_max, attributes_max,
/// timestamp_min and timestamp_future_max (8 bytes each, little-endian; times in nanoseconds), then
/// tenant, dataset and request id, each behind a length byte. Strings beyond 255 bytes do not come
/// this far; they are cut.
[[nodiscard]] std::string EncodeLogEntryHeader(const LogEntryHeader& header);

/// Errors: kCorrupt (not such a header, or names that no receiver would have let in).
[[nodiscard]] Result<LogEntryHeader> DecodeLogEntryHeader(std::string_view bytes);

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/source_position.h"
#include "telemetry/ingest.h"
#include "telemetry/signal.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// A message of which something can never become rows: why, where it came from, and all its bytes.
struct DeadLetter {
  std::string_view source;
  SourcePosition position = 0;
  std::int32_t part = 0;  ///< Of the message, counted from 0, where it feeds several datasets.
  Signal signal = Signal::kLogs;
  MessageEncoding encoding = MessageEncoding::kProtobuf;
  Nanos received_at{0};
  std::string_view reason;
  /// How many of its records were rejected; the others are in their tables. Nothing: all of it.
  std::optional<std::int64_t> rejected_records;
  std::span<const std::byte> message;
};

/// The letter as one row of the table of dead letters.
[[nodiscard]] std::shared_ptr<arrow::RecordBatch> RowOf(const DeadLetter& letter);

}  // namespace signaldb

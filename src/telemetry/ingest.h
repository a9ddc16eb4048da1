#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/memory_budget.h"
#include "signaldb/result.h"
#include "telemetry/signal.h"

namespace signaldb {

/// How the body of a request is written. The numbers are in the durable log: never reuse one.
enum class MessageEncoding : std::uint8_t {
  kProtobuf = 0,   ///< An OTLP Export*ServiceRequest.
  kJson = 1,       ///< The same as OTLP/JSON.
  kArrow = 2,      ///< A stream of an Arrow wire schema v1 (telemetry/arrow_request.h).
  kArrowRows = 3,  ///< A stream of rows for a table that is not ours; `signal` says nothing then.
};

/// "protobuf", "json": as in logs, and in the table of dead letters.
[[nodiscard]] constexpr std::string_view ToString(MessageEncoding encoding) {
  switch (encoding) {
    case MessageEncoding::kProtobuf:
      return "protobuf";
    case MessageEncoding::kJson:
      return "json";
    case MessageEncoding::kArrow:
      return "arrow";
    case MessageEncoding::kArrowRows:
      return "arrow_rows";
  }
  std::unreachable();
}

/// One request, decompressed, as a receiver hands it over.
struct IngestRequest {
  std::string tenant;   ///< Validated (telemetry/names.h).
  std::string dataset;  ///< Validated.
  Signal signal = Signal::kLogs;
  MessageEncoding encoding = MessageEncoding::kProtobuf;
  std::shared_ptr<const void> owner;  ///< Keeps `body` alive.
  std::span<const std::byte> body;    ///< What `encoding` says.
  Nanos received_at{
      0};  ///< Wall clock; travels with the message, so that a replay gives the same rows.
  std::string request_id;   ///< On every log line that concerns the request.
  MemoryBudget::Hold hold;  ///< Covers `body`; the ingest resizes it to what it keeps.
};

/// How a request ended.
struct IngestAnswer {
  /// Nothing: accepted, and durable. Otherwise nothing of the request was or will be stored:
  /// kInvalid: malformed, never retry. kUnavailable: retry later.
  std::optional<Error> error;
  std::chrono::seconds retry_after{1};  ///< With kUnavailable.
  std::int64_t rejected =
      0;  ///< Records refused inside an accepted request (OTLP partial success).
  std::string rejection_message;  ///< Why, for the client; may stand alone as a warning.
};

/// Port: where receivers hand requests, and learn when they are durable.
///
/// Implementation contract: `done` is called exactly once, from any thread, possibly before Accept
/// returns; success only after the bytes are durable; it must return quickly. Thread-safe.
class Ingest {
 public:
  using Done = std::move_only_function<void(IngestAnswer)>;

  virtual ~Ingest() = default;
  virtual void Accept(IngestRequest request, Done done) = 0;
};

}  // namespace signaldb

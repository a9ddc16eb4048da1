#pragma once

#include <span>
#include <string_view>

#include "telemetry/decode_session.h"
#include "telemetry/rows.h"

namespace signaldb {

/// One signal's records. The three requests differ in nothing else.
class RecordDecoder {
 public:
  virtual ~RecordDecoder() = default;

  /// Decodes one LogRecord, Span or Metric. False: give up the request (DecodeSession::failure).
  [[nodiscard]] virtual bool Decode(std::string_view record) = 0;
  /// The tables that records become rows of.
  [[nodiscard]] virtual std::span<Rows* const> tables() = 0;
};

/// Walks Export{Logs,Trace,Metrics}ServiceRequest: resources, their scopes, their records; gives
/// each record to `decoder` and each table's rows what their scope and resource say.
///
/// False: give up the request (DecodeSession::failure).
[[nodiscard]] bool DecodeEnvelope(std::string_view body, RecordDecoder& decoder,
                                  DecodeSession& session);

}  // namespace signaldb

#include "telemetry/decode.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "telemetry/decode_session.h"
#include "telemetry/logs_decoder.h"
#include "telemetry/metrics_decoder.h"
#include "telemetry/otlp_json.h"
#include "telemetry/traces_decoder.h"

namespace signaldb {
namespace {

/// Far above any receiver's limit; keeps 32-bit offsets of rendered text out of reach.
constexpr std::size_t kBodyBytesMax = std::size_t{256} << 20;

template <typename Decoder>
Result<DecodedRequest> DecodeProtobuf(Signal signal, std::string_view body,
                                      const DecodeOptions& options) {
  DecodeSession session(body, options);
  Decoder decoder(session);
  if (!DecodeEnvelope(body, decoder, session)) {
    return Fail(ErrorKind::kInvalid, fmt::format("request {} signal={} bytes={}", session.failure(),
                                                 ToString(signal), body.size()));
  }
  DecodedRequest request;
  for (Rows* rows : decoder.tables()) {
    if (rows->size() == 0) continue;
    request.accepted += static_cast<std::int64_t>(rows->size());
    request.tables.push_back({rows->kind(), rows->Finish()});
  }
  request.rejected = session.tally.rejected();
  request.rejection_message = session.tally.RejectionMessage(signal);
  request.notes = session.tally.Notes();
  return request;
}

Result<DecodedRequest> DecodeProtobuf(Signal signal, std::string_view body,
                                      const DecodeOptions& options) {
  switch (signal) {
    case Signal::kTraces:
      return DecodeProtobuf<TracesDecoder>(signal, body, options);
    case Signal::kLogs:
      return DecodeProtobuf<LogsDecoder>(signal, body, options);
    case Signal::kMetrics:
      return DecodeProtobuf<MetricsDecoder>(signal, body, options);
  }
  SIGNALDB_ASSERT(false);
}

}  // namespace

Result<DecodedRequest> DecodeMessage(Signal signal, MessageEncoding encoding,
                                     std::span<const std::byte> body,
                                     const DecodeOptions& options) {
  if (body.size() > kBodyBytesMax) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("request is too long to decode, send smaller batches bytes={} "
                            "bytes_max={}",
                            body.size(), kBodyBytesMax));
  }
  const std::string_view bytes(reinterpret_cast<const char*>(body.data()), body.size());
  if (encoding == MessageEncoding::kProtobuf) return DecodeProtobuf(signal, bytes, options);
  SIGNALDB_ASSIGN(const std::string transcoded, OtlpJsonToProtobuf(signal, bytes));
  return DecodeProtobuf(signal, transcoded, options);
}

}  // namespace signaldb

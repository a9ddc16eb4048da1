#include "telemetry/decode_protobuf.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "telemetry/decode_session.h"
#include "telemetry/logs_decoder.h"
#include "telemetry/metrics_decoder.h"
#include "telemetry/traces_decoder.h"

namespace signaldb {
namespace {

/// Writes down which record became which row. Rows that a resource or scope takes along with it
/// are cut off the end, so that what is left is looked at only where a record ends.
class KeepingDecoder final : public RecordDecoder {
 public:
  KeepingDecoder(RecordDecoder& decoder, std::vector<std::uint32_t>& kept)
      : decoder_(decoder), rows_(*decoder.tables().front()), kept_(kept) {}

  [[nodiscard]] bool Decode(std::string_view record) override {
    kept_.resize(rows_.size());
    const bool ok = decoder_.Decode(record);
    if (rows_.size() > kept_.size()) kept_.push_back(record_);
    ++record_;
    return ok;
  }
  [[nodiscard]] std::span<Rows* const> tables() override { return decoder_.tables(); }

 private:
  RecordDecoder& decoder_;
  const Rows& rows_;
  std::vector<std::uint32_t>& kept_;
  std::uint32_t record_ = 0;
};

Result<DecodedRequest> Decode(Signal signal, std::string_view body, RecordDecoder& decoder,
                              DecodeSession& session) {
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
  request.rejected_records = session.tally.rejected_records();
  request.notes = session.tally.Notes();
  return request;
}

template <typename Decoder>
Result<DecodedRequest> DecodeAs(Signal signal, std::string_view body, const DecodeOptions& options,
                                std::vector<std::uint32_t>* kept) {
  DecodeSession session(body, options);
  Decoder decoder(session);
  if (kept == nullptr) return Decode(signal, body, decoder, session);
  SIGNALDB_ASSERT(decoder.tables().size() == 1);
  KeepingDecoder keeping(decoder, *kept);
  Result<DecodedRequest> request = Decode(signal, body, keeping, session);
  kept->resize(request ? static_cast<std::size_t>(request->accepted) : 0);
  return request;
}

Result<DecodedRequest> Dispatch(Signal signal, std::string_view body, const DecodeOptions& options,
                                std::vector<std::uint32_t>* kept) {
  switch (signal) {
    case Signal::kTraces:
      return DecodeAs<TracesDecoder>(signal, body, options, kept);
    case Signal::kLogs:
      return DecodeAs<LogsDecoder>(signal, body, options, kept);
    case Signal::kMetrics:
      return DecodeAs<MetricsDecoder>(signal, body, options, kept);
  }
  SIGNALDB_ASSERT(false);
}

}  // namespace

Result<DecodedRequest> DecodeProtobuf(Signal signal, std::string_view body,
                                      const DecodeOptions& options) {
  return Dispatch(signal, body, options, nullptr);
}

Result<DecodedRequest> DecodeProtobuf(Signal signal, std::string_view body,
                                      const DecodeOptions& options,
                                      std::vector<std::uint32_t>& kept) {
  return Dispatch(signal, body, options, &kept);
}

}  // namespace signaldb

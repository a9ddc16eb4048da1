#include "adapters/otlp/receiver.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "base/http.h"
#include "telemetry/names.h"

namespace signaldb {
namespace {

std::string_view ToString(OtlpTransport transport) {
  return transport == OtlpTransport::kGrpc ? "otlp_grpc" : "otlp_http";
}

bool IsRetryable(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kConflict:
    case ErrorKind::kUnavailable:
    case ErrorKind::kUnknownOutcome:  // The port promises that nothing of it was stored.
    case ErrorKind::kCancelled:
      return true;
    case ErrorKind::kInvalid:
    case ErrorKind::kNotFound:
    case ErrorKind::kCorrupt:
    case ErrorKind::kInternal:
      return false;
  }
  return false;
}

Status CheckName(std::string_view name, std::string_view header) {
  if (IsValidTenantOrDataset(name)) return {};
  // The name itself stays out of the message: it may be anything.
  return Fail(ErrorKind::kInvalid,
              fmt::format("a name must be 1 to 64 of [A-Za-z0-9_-], header={}", header));
}

}  // namespace

std::string_view ToString(OtlpOutcome outcome) {
  constexpr std::array<std::string_view, 6> kNames = {"accepted",    "invalid",     "too_large",
                                                      "unsupported", "unavailable", "internal"};
  return kNames[static_cast<std::size_t>(outcome)];
}

RpcCode RpcCodeOf(OtlpOutcome outcome) {
  switch (outcome) {
    case OtlpOutcome::kAccepted:
      return RpcCode::kOk;
    case OtlpOutcome::kInvalid:
      return RpcCode::kInvalidArgument;
    case OtlpOutcome::kTooLarge:
      return RpcCode::kResourceExhausted;
    case OtlpOutcome::kUnsupported:
      return RpcCode::kUnimplemented;
    case OtlpOutcome::kUnavailable:
      return RpcCode::kUnavailable;
    case OtlpOutcome::kInternal:
      return RpcCode::kInternal;
  }
  return RpcCode::kInternal;
}

OtlpAnswer AnswerOf(IngestAnswer answer) {
  if (!answer.error) {
    return {.message = std::move(answer.rejection_message), .rejected = answer.rejected};
  }
  return AnswerOf(*std::move(answer.error), answer.retry_after);
}

OtlpAnswer AnswerOf(Error error, std::chrono::seconds retry_after) {
  OtlpAnswer answer;
  answer.message = std::move(error.message);
  if (error.kind == ErrorKind::kInvalid) {
    answer.outcome = OtlpOutcome::kInvalid;
  } else if (IsRetryable(error.kind)) {
    answer.outcome = OtlpOutcome::kUnavailable;
    answer.retry_after = std::max(retry_after, std::chrono::seconds(1));
  } else {
    answer.outcome = OtlpOutcome::kInternal;
  }
  return answer;
}

void OtlpRouteHeaders::Add(std::string_view name, std::string_view value) {
  if (name.size() < 2 || (name[0] | 0x20) != 'x' || name[1] != '-') return;
  if (HttpHeaders::SameName(name, "x-tenant-id") || HttpHeaders::SameName(name, "x-scope-orgid")) {
    Set(tenant_, value);
  } else if (HttpHeaders::SameName(name, "x-dataset-id")) {
    Set(dataset_, value);
  }
}

void OtlpRouteHeaders::Set(std::string_view& slot, std::string_view value) {
  if (value.find_first_not_of(" \t") == std::string_view::npos) return;
  contradicts_itself_ = contradicts_itself_ || (!slot.empty() && slot != value);
  slot = value;
}

OtlpReceiver::OtlpReceiver(Ingest& ingest, MemoryBudget& budget, Clock& clock, Random& random,
                           EventListener& events, OtlpReceiverOptions options)
    : ingest_(ingest),
      budget_(budget),
      clock_(clock),
      random_(random),
      events_(events),
      options_(std::move(options)) {}

Result<OtlpRoute> OtlpReceiver::Route(const OtlpRouteHeaders& headers) const {
  if (headers.contradicts_itself()) {
    return Fail(ErrorKind::kInvalid,
                "the headers contradict each other; send one tenant and one dataset, "
                "headers=x-tenant-id,x-scope-orgid,x-dataset-id");
  }
  OtlpRoute route{options_.default_tenant, options_.default_dataset};
  if (!headers.tenant().empty()) {
    SIGNALDB_TRY(CheckName(headers.tenant(), "x-tenant-id"));
    route.tenant = headers.tenant();
  }
  if (!headers.dataset().empty()) {
    SIGNALDB_TRY(CheckName(headers.dataset(), "x-dataset-id"));
    route.dataset = headers.dataset();
  }
  return route;
}

OtlpCall OtlpReceiver::Begin(OtlpTransport transport, Signal signal) {
  return {.transport = transport,
          .signal = signal,
          .request_id = ToString(UuidV7(clock_, random_)),
          .started = clock_.MonotonicNow()};
}

void OtlpReceiver::Submit(OtlpCall call, IngestRequest request, Reply reply) {
  request.signal = call.signal;
  request.request_id = call.request_id;
  request.received_at = clock_.WallNow();
  ingest_.Accept(std::move(request), [this, call = std::move(call),
                                      reply = std::move(reply)](IngestAnswer answer) mutable {
    OtlpAnswer mapped = AnswerOf(std::move(answer));
    End(call, mapped);
    reply(std::move(mapped));
  });
}

void OtlpReceiver::End(const OtlpCall& call, const OtlpAnswer& answer) {
  const std::string_view source = ToString(call.transport);
  events_.Count("signaldb_writer_requests_total", 1,
                {{"source", source},
                 {"signal", ToString(call.signal)},
                 {"outcome", ToString(answer.outcome)}});
  const std::chrono::duration<double> elapsed = clock_.MonotonicNow() - call.started;
  events_.Observe("signaldb_writer_request_duration_seconds", elapsed.count(),
                  {{"source", source}});
  if (answer.outcome == OtlpOutcome::kAccepted) return;
  // A client's fault, or a push back, is one line per request at most: only for those who look.
  const Severity severity =
      answer.outcome == OtlpOutcome::kInternal ? Severity::kError : Severity::kDebug;
  if (!events_.Wants("otlp", severity)) return;
  events_.Log({.severity = severity,
               .module = "otlp",
               .message = "request refused",
               .fields = {{"request_id", call.request_id},
                          {"source", std::string(source)},
                          {"signal", std::string(ToString(call.signal))},
                          {"outcome", std::string(ToString(answer.outcome))},
                          {"error", answer.message}}});
}

OtlpAnswer OtlpReceiver::Unavailable(std::string_view why) const {
  return {.outcome = OtlpOutcome::kUnavailable,
          .message = std::string(why),
          .retry_after = options_.retry_after};
}

OtlpAnswer OtlpReceiver::TooLarge() const {
  return {.outcome = OtlpOutcome::kTooLarge,
          .message = fmt::format("the request is over the limit; send smaller batches, "
                                 "bytes_max={}",
                                 options_.request_bytes_max)};
}

}  // namespace signaldb

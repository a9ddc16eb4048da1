#include "adapters/otlp/otlp_http_handler.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "adapters/otlp/otlp_response.h"
#include "telemetry/decompress.h"

namespace signaldb {
namespace {

/// What the head of a request says.
struct Export {
  Signal signal = Signal::kLogs;
  MessageEncoding encoding = MessageEncoding::kProtobuf;
  ContentCoding coding = ContentCoding::kIdentity;
  OtlpRoute route;
};

constexpr int kNotFoundCode = 5;

std::string_view ContentTypeOf(MessageEncoding encoding) {
  return encoding == MessageEncoding::kJson ? "application/json" : "application/x-protobuf";
}

std::optional<Signal> SignalOf(std::string_view path) {
  if (path == "/v1/traces") return Signal::kTraces;
  if (path == "/v1/logs") return Signal::kLogs;
  if (path == "/v1/metrics") return Signal::kMetrics;
  return std::nullopt;
}

std::string_view Trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<MessageEncoding> EncodingOf(const HttpHeaders& headers) {
  const std::string_view value = headers.Find("content-type").value_or("");
  const std::string_view type = Trimmed(value.substr(0, value.find(';')));
  if (HttpHeaders::SameName(type, "application/x-protobuf")) return MessageEncoding::kProtobuf;
  if (HttpHeaders::SameName(type, "application/json")) return MessageEncoding::kJson;
  return std::nullopt;
}

std::optional<ContentCoding> CodingOf(const HttpHeaders& headers) {
  std::optional<ContentCoding> coding = ContentCoding::kIdentity;
  bool seen = false;
  for (const auto& [name, value] : headers.fields()) {
    if (!HttpHeaders::SameName(name, "content-encoding")) continue;
    if (std::exchange(seen, true)) return std::nullopt;  // One coding over another: not ours.
    const std::string_view token = Trimmed(value);
    if (token.empty() || HttpHeaders::SameName(token, "identity") ||
        HttpHeaders::SameName(token, "none")) {
      coding = ContentCoding::kIdentity;
    } else if (HttpHeaders::SameName(token, "gzip") || HttpHeaders::SameName(token, "x-gzip")) {
      coding = ContentCoding::kGzip;
    } else if (HttpHeaders::SameName(token, "zstd")) {
      coding = ContentCoding::kZstd;
    } else {
      coding = std::nullopt;
    }
  }
  return coding;
}

int HttpStatusOf(OtlpOutcome outcome) {
  switch (outcome) {
    case OtlpOutcome::kAccepted:
      return 200;
    case OtlpOutcome::kInvalid:
      return 400;
    case OtlpOutcome::kTooLarge:
      return 413;
    case OtlpOutcome::kUnsupported:
      return 415;
    case OtlpOutcome::kUnavailable:
      return 503;
    case OtlpOutcome::kInternal:
      return 500;
  }
  return 500;
}

HttpResponse Render(const OtlpCall& call, MessageEncoding encoding, const OtlpAnswer& answer) {
  HttpResponse response;
  response.status = HttpStatusOf(answer.outcome);
  response.content_type = ContentTypeOf(encoding);
  response.headers.Add("x-request-id", call.request_id);
  if (answer.outcome == OtlpOutcome::kAccepted) {
    response.body = RenderExportResponse(encoding, call.signal, answer);
    return response;
  }
  if (answer.retry_after.count() > 0) {
    response.headers.Add("Retry-After", fmt::format_int(answer.retry_after.count()).str());
  }
  response.body = RenderRpcStatus(encoding, RpcCodeOf(answer.outcome), answer);
  return response;
}

HttpResponse NotFound(MessageEncoding encoding) {
  HttpResponse response;
  response.status = 404;
  response.content_type = ContentTypeOf(encoding);
  response.body =
      RenderRpcStatus(encoding, static_cast<RpcCode>(kNotFoundCode),
                      {.message = "no such path; there are /v1/traces, /v1/logs and /v1/metrics"});
  return response;
}

/// A refusal with its reason; `status` replaces the outcome's own where that is finer.
struct Refusal {
  OtlpAnswer answer;
  std::optional<int> status;
};

Refusal Unsupported(std::string message, int status) {
  return {{.outcome = OtlpOutcome::kUnsupported, .message = std::move(message)}, status};
}

std::expected<Export, Refusal> Read(const OtlpReceiver& receiver, const HttpRequestHead& head,
                                    Signal signal) {
  if (head.method != "POST") return std::unexpected(Unsupported("the method must be POST", 405));
  const auto encoding = EncodingOf(head.headers);
  if (!encoding) {
    return std::unexpected(
        Unsupported("the content type must be application/x-protobuf or application/json", 415));
  }
  const auto coding = CodingOf(head.headers);
  if (!coding) {
    return std::unexpected(Unsupported("the content encoding must be none, gzip or zstd", 415));
  }
  OtlpRouteHeaders names;
  for (const auto& [name, value] : head.headers.fields()) names.Add(name, value);
  auto route = receiver.Route(names);
  if (!route) {
    return std::unexpected(
        Refusal{AnswerOf(std::move(route).error(), receiver.options().retry_after), {}});
  }
  return Export{signal, *encoding, *coding, *std::move(route)};
}

OtlpAnswer AnswerOf(const OtlpReceiver& receiver, DecompressFailure failure) {
  switch (failure) {
    case DecompressFailure::kMalformed:
      return {.outcome = OtlpOutcome::kInvalid,
              .message = "the body cannot be decompressed as its content encoding says"};
    case DecompressFailure::kTooLarge:
      return receiver.TooLarge();
    case DecompressFailure::kBudgetExhausted:
      return receiver.Unavailable("out of memory for requests; retry later");
  }
  return receiver.TooLarge();
}

}  // namespace

std::expected<HttpAdmission, HttpResponse> OtlpHttpHandler::Admit(const HttpRequestHead& head) {
  const MessageEncoding encoding = EncodingOf(head.headers).value_or(MessageEncoding::kJson);
  const auto signal = SignalOf(head.path);
  if (!signal) return std::unexpected(NotFound(encoding));
  const auto refuse = [&](const Refusal& refusal) {
    const OtlpCall call = receiver_.Begin(OtlpTransport::kHttp, *signal);
    receiver_.End(call, refusal.answer);
    HttpResponse response = Render(call, encoding, refusal.answer);
    response.status = refusal.status.value_or(response.status);
    if (response.status == 405) response.headers.Add("Allow", "POST");
    return std::unexpected(std::move(response));
  };
  const auto parsed = Read(receiver_, head, *signal);
  if (!parsed) return refuse(parsed.error());
  if (receiver_.draining()) return refuse({receiver_.Unavailable("the server is stopping"), {}});
  return HttpAdmission{.body_bytes_max = receiver_.options().request_bytes_max,
                       .budget = &receiver_.budget()};
}

HttpResponse OtlpHttpHandler::Refuse(const HttpRequestHead& head, BufferRefusal why) {
  const OtlpCall call =
      receiver_.Begin(OtlpTransport::kHttp, SignalOf(head.path).value_or(Signal::kLogs));
  const OtlpAnswer answer = why == BufferRefusal::kTooLarge
                                ? receiver_.TooLarge()
                                : receiver_.Unavailable("out of memory for requests; retry later");
  receiver_.End(call, answer);
  return Render(call, EncodingOf(head.headers).value_or(MessageEncoding::kJson), answer);
}

void OtlpHttpHandler::Handle(HttpRequest http, Done done) {
  const auto signal = SignalOf(http.head.path);
  auto parsed = signal ? Read(receiver_, http.head, *signal)
                       : std::expected<Export, Refusal>(std::unexpected(Refusal{}));
  // The same head was admitted a moment ago.
  SIGNALDB_ASSERT(parsed.has_value());
  OtlpCall call = receiver_.Begin(OtlpTransport::kHttp, parsed->signal);

  IngestRequest request;
  request.tenant = std::move(parsed->route.tenant);
  request.dataset = std::move(parsed->route.dataset);
  request.encoding = parsed->encoding;
  request.body = http.body;
  request.owner = std::move(http.body_owner);
  request.hold = std::move(http.hold);
  if (parsed->coding != ContentCoding::kIdentity) {
    auto plain = Decompress(parsed->coding, http.body,
                            {.bytes_max = receiver_.options().request_bytes_max,
                             .ratio_max = receiver_.options().decompression_ratio_max},
                            receiver_.budget());
    if (!plain) {
      const OtlpAnswer answer = AnswerOf(receiver_, plain.error());
      receiver_.End(call, answer);
      done(Render(call, parsed->encoding, answer));
      return;
    }
    request.body = plain->bytes;
    request.owner = std::move(plain->owner);
    request.hold = std::move(plain->hold);
  }
  OtlpCall copy = call;
  receiver_.Submit(std::move(copy), std::move(request),
                   [call = std::move(call), encoding = parsed->encoding, done = std::move(done)](
                       const OtlpAnswer& answer) mutable { done(Render(call, encoding, answer)); });
}

}  // namespace signaldb

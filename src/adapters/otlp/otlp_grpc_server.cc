#include "adapters/otlp/otlp_grpc_server.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "adapters/otlp/otlp_response.h"
#include "rpc/message_bytes.h"
#include "rpc/rpc_call.h"
#include "telemetry/decompress.h"

namespace signaldb {
namespace {

constexpr std::string_view kNoMemory = "out of memory for requests; retry later";

std::optional<Signal> SignalOf(std::string_view method) {
  constexpr std::string_view kPrefix = "/opentelemetry.proto.collector.";
  if (!method.starts_with(kPrefix)) return std::nullopt;
  method.remove_prefix(kPrefix.size());
  if (method == "trace.v1.TraceService/Export") return Signal::kTraces;
  if (method == "logs.v1.LogsService/Export") return Signal::kLogs;
  if (method == "metrics.v1.MetricsService/Export") return Signal::kMetrics;
  return std::nullopt;
}

grpc::Status StatusOf(const OtlpAnswer& answer) {
  const RpcCode code = RpcCodeOf(answer.outcome);
  std::string details;
  if (answer.retry_after.count() > 0) {
    details = RenderRpcStatus(MessageEncoding::kProtobuf, code, answer);
  }
  return {static_cast<grpc::StatusCode>(code), SafeMessage(answer.message), details};
}

/// No export request begins so: it would be field 3 with wire type 7, which does not exist. gRPC
/// itself does not tell a compressed message from a plain one once it leaves it alone.
bool IsGzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

using Received = std::expected<BudgetedBuffer::Contents, OtlpAnswer>;

Received Gather(OtlpReceiver& receiver, grpc::ByteBuffer& message) {
  auto bytes = TakeMessageBytes(message, receiver.options().request_bytes_max, receiver.budget());
  if (bytes) return *std::move(bytes);
  switch (bytes.error()) {
    case MessageFailure::kTooLarge:
      return std::unexpected(receiver.TooLarge());
    case MessageFailure::kBudgetExhausted:
      return std::unexpected(receiver.Unavailable(kNoMemory));
    case MessageFailure::kUnreadable:
      break;
  }
  return std::unexpected(
      OtlpAnswer{.outcome = OtlpOutcome::kInvalid, .message = "the message cannot be read"});
}

Received Inflate(OtlpReceiver& receiver, std::span<const std::byte> bytes) {
  auto plain = Decompress(ContentCoding::kGzip, bytes,
                          {.bytes_max = receiver.options().request_bytes_max,
                           .ratio_max = receiver.options().decompression_ratio_max},
                          receiver.budget());
  if (plain) return *std::move(plain);
  switch (plain.error()) {
    case DecompressFailure::kTooLarge:
      return std::unexpected(receiver.TooLarge());
    case DecompressFailure::kBudgetExhausted:
      return std::unexpected(receiver.Unavailable(kNoMemory));
    case DecompressFailure::kMalformed:
      break;
  }
  return std::unexpected(
      OtlpAnswer{.outcome = OtlpOutcome::kInvalid, .message = "the message is not valid gzip"});
}

/// One request.
class ExportCall final : public RpcCall {
 public:
  ExportCall(OtlpReceiver& receiver, grpc::GenericCallbackServerContext& context, Signal signal)
      : receiver_(receiver), context_(context), signal_(signal) {
    if (const auto refusal = Admit()) {
      const OtlpCall call = receiver_.Begin(OtlpTransport::kGrpc, signal_);
      receiver_.End(call, *refusal);
      Reply(call.request_id, *refusal);
    } else {
      Read();
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      // Over the limit (then gRPC's own status goes out), or no message at all.
      return Answer({grpc::StatusCode::INVALID_ARGUMENT, "a call carries one request"});
    }
    OtlpCall call = receiver_.Begin(OtlpTransport::kGrpc, signal_);
    auto received = Gather(receiver_, message());
    if (received && IsGzip(received->bytes)) received = Inflate(receiver_, received->bytes);
    if (!received) {
      receiver_.End(call, received.error());
      Reply(call.request_id, received.error());
      return;
    }
    IngestRequest request;
    request.tenant = std::move(route_.tenant);
    request.dataset = std::move(route_.dataset);
    request.encoding = MessageEncoding::kProtobuf;
    request.body = received->bytes;
    request.owner = std::move(received->owner);
    request.hold = std::move(received->hold);
    OtlpCall copy = call;
    receiver_.Submit(
        std::move(copy), std::move(request),
        [this, may = ticket(), id = std::move(call.request_id)](const OtlpAnswer& answer) {
          // `this` is alive if and only if the ticket is still there.
          if (may.Take()) FinishWith(id, answer);
        });
  }

 private:
  ~ExportCall() override = default;

  /// Refuses by what is known before the message.
  std::optional<OtlpAnswer> Admit() {
    OtlpRouteHeaders names;
    for (const auto& [name, value] : context_.client_metadata()) {
      names.Add({name.data(), name.size()}, {value.data(), value.size()});
    }
    auto route = receiver_.Route(names);
    if (!route) return AnswerOf(std::move(route).error(), receiver_.options().retry_after);
    if (receiver_.draining()) return receiver_.Unavailable("the server is stopping");
    // How long the message is shows only when it is here; with nothing left it need not come.
    if (!receiver_.budget().TryTake(1)) return receiver_.Unavailable(kNoMemory);
    route_ = *std::move(route);
    return std::nullopt;
  }

  void Reply(const std::string& id, const OtlpAnswer& answer) {
    if (ticket().Take()) FinishWith(id, answer);
  }

  void FinishWith(const std::string& id, const OtlpAnswer& answer) {
    context_.AddInitialMetadata("x-request-id", id);
    if (answer.outcome != OtlpOutcome::kAccepted) {
      Finish(StatusOf(answer));
      return;
    }
    RpcCall::FinishWith(RenderExportResponse(MessageEncoding::kProtobuf, signal_, answer));
  }

  OtlpReceiver& receiver_;
  grpc::GenericCallbackServerContext& context_;
  const Signal signal_;
  OtlpRoute route_;
};

class ExportService final : public grpc::CallbackGenericService {
 public:
  explicit ExportService(OtlpReceiver& receiver) : receiver_(receiver) {}

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const auto signal = SignalOf(context->method());
    if (!signal) return CallbackGenericService::CreateReactor(context);  // UNIMPLEMENTED
    return new ExportCall(receiver_, *context, *signal);
  }

 private:
  OtlpReceiver& receiver_;
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> StartOtlpGrpcServer(OtlpReceiver& receiver,
                                                        GrpcServerOptions options) {
  options.name = "otlp/grpc";
  options.message_bytes_max = receiver.options().request_bytes_max;
  return GrpcServer::Start(std::make_unique<ExportService>(receiver), std::move(options));
}

}  // namespace signaldb

#include "adapters/otlp/otlp_grpc_server.h"

#include <atomic>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/support/slice.h>

#include "adapters/otlp/otlp_response.h"
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

std::span<const std::byte> BytesOf(const grpc::Slice& slice) {
  return {reinterpret_cast<const std::byte*>(slice.begin()), slice.size()};
}

/// No export request begins so: it would be field 3 with wire type 7, which does not exist. gRPC
/// itself does not tell a compressed message from a plain one once it leaves it alone.
bool IsGzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

using Received = std::expected<BudgetedBuffer::Contents, OtlpAnswer>;

/// The message in one piece: without a copy if gRPC has it so.
Received Gather(OtlpReceiver& receiver, grpc::ByteBuffer& message) {
  const auto no_memory = [&] { return std::unexpected(receiver.Unavailable(kNoMemory)); };
  std::vector<grpc::Slice> slices;
  if (message.Valid() && !message.Dump(&slices).ok()) {
    return std::unexpected(
        OtlpAnswer{.outcome = OtlpOutcome::kInvalid, .message = "the message cannot be read"});
  }
  message.Clear();
  if (slices.size() == 1) {
    BudgetedBuffer::Contents contents;
    contents.hold = receiver.budget().TryTake(static_cast<std::int64_t>(slices[0].size()));
    if (!contents.hold) return no_memory();
    // On the heap first: a short slice keeps its bytes inside itself.
    auto owner = std::make_shared<const grpc::Slice>(std::move(slices[0]));
    contents.bytes = BytesOf(*owner);
    contents.owner = std::move(owner);
    return contents;
  }
  std::size_t size = 0;
  for (const auto& slice : slices) size += slice.size();
  BudgetedBuffer buffer(&receiver.budget(), receiver.options().request_bytes_max);
  if (buffer.Reserve(size)) return no_memory();
  for (auto& slice : slices) {
    if (buffer.Append(BytesOf(slice))) return no_memory();
    slice = grpc::Slice();
  }
  return std::move(buffer).Finish();
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

/// One call. Deletes itself in OnDone, which gRPC calls after Finish and nothing else.
///
/// The answer may come when the call is cancelled and gone, so it goes through a Ticket that both
/// share: whoever takes it first finishes the call, and the other one does nothing.
///
/// Threads: gRPC's own, and that of the Ingest for the answer.
class ExportCall final : public grpc::ServerGenericBidiReactor {
 public:
  ExportCall(OtlpReceiver& receiver, grpc::GenericCallbackServerContext& context, Signal signal)
      : receiver_(receiver), context_(context), signal_(signal) {
    if (const auto refusal = Admit()) {
      const OtlpCall call = receiver_.Begin(OtlpTransport::kGrpc, signal_);
      receiver_.End(call, *refusal);
      Reply(call.request_id, *refusal);
    } else {
      StartRead(&message_);
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      // Over the limit (then gRPC's own status goes out), or no message at all.
      if (!ticket_->exchange(true)) {
        Finish({grpc::StatusCode::INVALID_ARGUMENT, "a call carries one request"});
      }
      return;
    }
    OtlpCall call = receiver_.Begin(OtlpTransport::kGrpc, signal_);
    auto received = Gather(receiver_, message_);
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
        [this, ticket = ticket_, id = std::move(call.request_id)](const OtlpAnswer& answer) {
          // `this` is alive if and only if the ticket is still there.
          if (!ticket->exchange(true)) FinishWith(id, answer);
        });
  }

  void OnCancel() override {
    if (!ticket_->exchange(true)) Finish(grpc::Status::CANCELLED);
  }

  void OnDone() override { delete this; }

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
    if (!ticket_->exchange(true)) FinishWith(id, answer);
  }

  void FinishWith(const std::string& id, const OtlpAnswer& answer) {
    context_.AddInitialMetadata("x-request-id", id);
    if (answer.outcome != OtlpOutcome::kAccepted) {
      Finish(StatusOf(answer));
      return;
    }
    const grpc::Slice bytes(RenderExportResponse(MessageEncoding::kProtobuf, signal_, answer));
    response_ = grpc::ByteBuffer(&bytes, 1);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }

  OtlpReceiver& receiver_;
  grpc::GenericCallbackServerContext& context_;
  const Signal signal_;
  OtlpRoute route_;
  grpc::ByteBuffer message_;
  grpc::ByteBuffer response_;
  const std::shared_ptr<std::atomic<bool>> ticket_ = std::make_shared<std::atomic<bool>>(false);
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

int Milliseconds(std::chrono::milliseconds duration) { return static_cast<int>(duration.count()); }

class GenericGrpcServer final : public OtlpGrpcServer {
 public:
  GenericGrpcServer(OtlpReceiver& receiver, OtlpGrpcOptions options)
      : service_(receiver),
        options_(std::move(options)),
        message_bytes_max_(receiver.options().request_bytes_max) {}
  ~GenericGrpcServer() override { Stop(std::chrono::nanoseconds(0)); }

  [[nodiscard]] Status Open();

  [[nodiscard]] std::uint16_t port() const override { return static_cast<std::uint16_t>(port_); }
  [[nodiscard]] std::string address() const override {
    return fmt::format("{}:{}", options_.listen.substr(0, options_.listen.rfind(':')), port_);
  }
  void Stop(std::chrono::nanoseconds grace) override {
    if (server_ == nullptr) return;
    const std::chrono::microseconds rounded =
        std::chrono::duration_cast<std::chrono::microseconds>(grace);
    server_->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                   gpr_time_from_micros(rounded.count(), GPR_TIMESPAN)));
    server_->Wait();
    server_.reset();
  }

 private:
  ExportService service_;
  const OtlpGrpcOptions options_;
  const std::uint64_t message_bytes_max_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

Status GenericGrpcServer::Open() {
  grpc::ServerBuilder builder;
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (!options_.certificate_pem.empty()) {
    grpc::SslServerCredentialsOptions tls;
    tls.pem_key_cert_pairs.push_back({options_.key_pem, options_.certificate_pem});
    credentials = grpc::SslServerCredentials(tls);
  }
  builder.AddListeningPort(options_.listen, credentials, &port_);
  builder.RegisterCallbackGenericService(&service_);
  builder.SetMaxReceiveMessageSize(static_cast<int>(
      std::min<std::uint64_t>(message_bytes_max_, std::numeric_limits<int>::max())));
  // gRPC inflates without a limit, so that 64 MiB could become 64 GiB: it is done here instead.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  // Else a second process could listen on the same port, and both would get half of the requests.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options_.streams_per_connection_max);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE,
                             static_cast<int>(options_.metadata_bytes_max));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options_.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(options_.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(options_.client_ping_interval_min));
  grpc::ResourceQuota quota("otlp_grpc");
  quota.Resize(options_.memory_bytes_max);
  builder.SetResourceQuota(quota);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port_ == 0) {
    server_.reset();
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot listen for otlp/grpc: the address is taken or wrong, or the "
                            "certificate or its key cannot be used, address={}",
                            options_.listen));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<OtlpGrpcServer>> OtlpGrpcServer::Start(OtlpReceiver& receiver,
                                                              OtlpGrpcOptions options) {
  auto server = std::make_unique<GenericGrpcServer>(receiver, std::move(options));
  SIGNALDB_TRY(server->Open());
  return server;
}

}  // namespace signaldb

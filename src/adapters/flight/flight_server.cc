#include "adapters/flight/flight_server.h"

#include <algorithm>
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

#include "adapters/flight/flight_messages.h"
#include "telemetry/decompress.h"

namespace signaldb {
namespace {

constexpr std::string_view kService = "/arrow.flight.protocol.FlightService/";
constexpr std::string_view kFlushAction = "flush";
/// Beside the bytes of a put that are allowed: so that a put that is a little too long gets our
/// answer, and not gRPC's own.
constexpr std::uint64_t kMessageSlack = 1 << 20;
/// What a client is told; anything may be quoted in it.
constexpr std::size_t kMessageBytesMax = 1'024;

/// gRPC's status messages are text; what is quoted from a client may be anything.
std::string SafeText(std::string_view text) {
  std::string safe(text.substr(0, kMessageBytesMax));
  std::ranges::replace_if(safe, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return safe;
}

grpc::Status StatusOf(const FlightAnswer& answer) {
  return {static_cast<grpc::StatusCode>(answer.code), SafeText(answer.message)};
}

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::span<const std::byte> BytesOf(const grpc::Slice& slice) {
  return {reinterpret_cast<const std::byte*>(slice.begin()), slice.size()};
}

/// gRPC does not tell a compressed message from a plain one once it leaves it alone. No FlightData
/// begins like either: their first fields would be of a type that does not exist, or unknown.
ContentCoding CodingOf(std::span<const std::byte> bytes) {
  const auto begins = [&](std::initializer_list<int> magic) {
    return bytes.size() >= magic.size() &&
           std::ranges::equal(bytes.first(magic.size()), magic,
                              [](std::byte a, int b) { return std::to_integer<int>(a) == b; });
  };
  if (begins({0x1f, 0x8b})) return ContentCoding::kGzip;
  if (begins({0x28, 0xb5, 0x2f, 0xfd})) return ContentCoding::kZstd;
  return ContentCoding::kIdentity;
}

std::string_view MetadataOf(const grpc::GenericCallbackServerContext& context,
                            const char* lower_case_name) {
  const auto found = context.client_metadata().find(lower_case_name);
  if (found == context.client_metadata().end()) return {};
  return {found->second.data(), found->second.size()};
}

/// Answers once, from whatever thread comes first: the answer of the Ingest may come when the call
/// is cancelled and gone, so whoever takes the ticket first finishes it, the other one does
/// nothing.
using Ticket = std::shared_ptr<std::atomic<bool>>;

/// One put. Deletes itself in OnDone, which gRPC calls after Finish and nothing else.
///
/// Threads: gRPC's own, and that of the Ingest for the answer.
class PutCall final : public grpc::ServerGenericBidiReactor {
 public:
  PutCall(FlightReceiver& receiver, grpc::GenericCallbackServerContext& context)
      : receiver_(receiver), context_(context), put_(receiver.BeginPut()) {
    auto refusal = receiver_.Authorize(MetadataOf(context_, "authorization"));
    if (!refusal) refusal = receiver_.AdmitPut();
    if (refusal) {
      Refuse(*refusal);
    } else {
      StartRead(&message_);
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) return EndOfStream();
    if (auto answer = AddMessage()) return Refuse(*answer);
    StartRead(&message_);
  }

  void OnCancel() override {
    if (!ticket_->exchange(true)) Finish(grpc::Status::CANCELLED);
  }

  void OnDone() override { delete this; }

 private:
  ~PutCall() override = default;

  void EndOfStream() {
    // A stream ends like this too when its client gives it up, which must store nothing.
    if (context_.IsCancelled()) return OnCancel();
    receiver_.Submit(std::move(put_), [this, ticket = ticket_](const FlightAnswer& answer) {
      // `this` is alive if and only if the ticket is still there.
      if (!ticket->exchange(true)) FinishWith(answer);
    });
  }

  /// Hands the message that was read to the receiver, in one piece and decompressed.
  std::optional<FlightAnswer> AddMessage() {
    std::vector<grpc::Slice> slices;
    if (!message_.Dump(&slices).ok())
      return FlightAnswer{FlightCode::kInvalidArgument, "a message cannot be read"};
    message_.Clear();
    if (slices.size() == 1) return AddBytes(BytesOf(slices[0]));
    std::size_t size = 0;
    for (const grpc::Slice& slice : slices) size += slice.size();
    BudgetedBuffer whole(&receiver_.budget(), receiver_.options().put_bytes_max + kMessageSlack);
    if (const auto refusal = whole.Reserve(size)) return NoRoom(*refusal);
    for (grpc::Slice& slice : slices) {
      if (const auto refusal = whole.Append(BytesOf(slice))) return NoRoom(*refusal);
      slice = grpc::Slice();
    }
    const BudgetedBuffer::Contents contents = std::move(whole).Finish();
    return AddBytes(contents.bytes);
  }

  std::optional<FlightAnswer> AddBytes(std::span<const std::byte> bytes) {
    const ContentCoding coding = CodingOf(bytes);
    if (coding == ContentCoding::kIdentity) return receiver_.Add(put_, bytes);
    const auto plain =
        Decompress(coding, bytes, {.bytes_max = receiver_.options().put_bytes_max + kMessageSlack},
                   receiver_.budget());
    if (plain) return receiver_.Add(put_, plain->bytes);
    switch (plain.error()) {
      case DecompressFailure::kTooLarge:
        return NoRoom(BufferRefusal::kTooLarge);
      case DecompressFailure::kBudgetExhausted:
        return NoRoom(BufferRefusal::kBudgetExhausted);
      case DecompressFailure::kMalformed:
        break;
    }
    return FlightAnswer{FlightCode::kInvalidArgument, "a message cannot be decompressed"};
  }

  [[nodiscard]] FlightAnswer NoRoom(BufferRefusal why) const { return receiver_.RefusalOf(why); }

  void Refuse(const FlightAnswer& answer) {
    if (ticket_->exchange(true)) return;
    receiver_.End(put_, "unknown", answer);
    put_.body = BudgetedBuffer();
    FinishWith(answer);
  }

  void FinishWith(const FlightAnswer& answer) {
    if (answer.code != FlightCode::kOk) {
      Finish(StatusOf(answer));
      return;
    }
    result_ = BufferOf("");  // A PutResult without app_metadata.
    StartWriteAndFinish(&result_, grpc::WriteOptions(), grpc::Status::OK);
  }

  FlightReceiver& receiver_;
  grpc::GenericCallbackServerContext& context_;
  FlightPut put_;
  grpc::ByteBuffer message_;
  grpc::ByteBuffer result_;
  const Ticket ticket_ = std::make_shared<std::atomic<bool>>(false);
};

/// A call with one request and no put: an action or a list. Deletes itself in OnDone.
class SmallCall final : public grpc::ServerGenericBidiReactor {
 public:
  SmallCall(FlightReceiver& receiver, grpc::GenericCallbackServerContext& context)
      : receiver_(receiver),
        context_(context),
        method_(std::string_view(context.method()).substr(kService.size())) {
    if (const auto refusal = receiver_.Authorize(MetadataOf(context_, "authorization"))) {
      Reply(*refusal);
    } else {
      StartRead(&message_);
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Reply({FlightCode::kInvalidArgument, "the call carries no message"});
    if (method_ == "DoAction") return Act();
    if (method_ == "ListActions") {
      if (ticket_->exchange(true)) return;
      result_ = BufferOf(RenderActionType(
          kFlushAction, "commits everything pending of the tenant in x-tenant-id"));
      StartWriteAndFinish(&result_, grpc::WriteOptions(), grpc::Status::OK);
      return;
    }
    Reply({});  // ListFlights: there are none.
  }

  void OnCancel() override {
    if (!ticket_->exchange(true)) Finish(grpc::Status::CANCELLED);
  }

  void OnDone() override { delete this; }

 private:
  ~SmallCall() override = default;

  void Act() {
    grpc::Slice message;
    const auto type = message_.DumpToSingleSlice(&message).ok()
                          ? ParseActionType(BytesOf(message))
                          : Fail(ErrorKind::kInvalid, "the message cannot be read");
    if (!type) return Reply({FlightCode::kInvalidArgument, type.error().message});
    if (*type != kFlushAction)
      return Reply({FlightCode::kUnimplemented, "there is no such action; the only one is flush"});
    receiver_.FlushScope(MetadataOf(context_, "x-tenant-id"), MetadataOf(context_, "x-dataset-id"),
                         [this, ticket = ticket_](const FlightAnswer& answer) {
                           // `this` is alive if and only if the ticket is still there.
                           if (!ticket->exchange(true)) Finish(StatusOf(answer));
                         });
  }

  void Reply(const FlightAnswer& answer) {
    if (!ticket_->exchange(true)) Finish(StatusOf(answer));
  }

  FlightReceiver& receiver_;
  grpc::GenericCallbackServerContext& context_;
  const std::string method_;
  grpc::ByteBuffer message_;
  grpc::ByteBuffer result_;
  const Ticket ticket_ = std::make_shared<std::atomic<bool>>(false);
};

class FlightService final : public grpc::CallbackGenericService {
 public:
  explicit FlightService(FlightReceiver& receiver) : receiver_(receiver) {}

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    std::string_view method = context->method();
    if (method.starts_with(kService)) {
      method.remove_prefix(kService.size());
      if (method == "DoPut") return new PutCall(receiver_, *context);
      if (method == "DoAction" || method == "ListActions" || method == "ListFlights")
        return new SmallCall(receiver_, *context);
    }
    return CallbackGenericService::CreateReactor(context);  // UNIMPLEMENTED
  }

 private:
  FlightReceiver& receiver_;
};

int Milliseconds(std::chrono::milliseconds duration) { return static_cast<int>(duration.count()); }

class GenericFlightServer final : public FlightServer {
 public:
  GenericFlightServer(FlightReceiver& receiver, FlightServerOptions options)
      : service_(receiver),
        options_(std::move(options)),
        message_bytes_max_(receiver.options().put_bytes_max + kMessageSlack) {}
  ~GenericFlightServer() override { Stop(std::chrono::nanoseconds(0)); }

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
  FlightService service_;
  const FlightServerOptions options_;
  const std::uint64_t message_bytes_max_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

Status GenericFlightServer::Open() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options_.listen, grpc::InsecureServerCredentials(), &port_);
  builder.RegisterCallbackGenericService(&service_);
  builder.SetMaxReceiveMessageSize(static_cast<int>(
      std::min<std::uint64_t>(message_bytes_max_, std::numeric_limits<int>::max())));
  // gRPC inflates without a limit, so that 64 MiB could become 64 GiB, and it knows no zstd: it is
  // done here instead.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  // Else a second process could listen on the same port, and both would get half of the puts.
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
  grpc::ResourceQuota quota("flight");
  quota.Resize(options_.memory_bytes_max);
  builder.SetResourceQuota(quota);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port_ == 0) {
    server_.reset();
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot listen for arrow flight: the address is taken or wrong, "
                            "address={}",
                            options_.listen));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<FlightServer>> FlightServer::Start(FlightReceiver& receiver,
                                                          FlightServerOptions options) {
  auto server = std::make_unique<GenericFlightServer>(receiver, std::move(options));
  SIGNALDB_TRY(server->Open());
  return server;
}

}  // namespace signaldb

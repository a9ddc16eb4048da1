#include "adapters/flight/flight_server.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "adapters/flight/flight_messages.h"
#include "rpc/message_bytes.h"
#include "rpc/rpc_call.h"
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

std::uint64_t MessageBytesMax(const FlightReceiver& receiver) {
  return receiver.options().put_bytes_max + kMessageSlack;
}

std::string_view MetadataOf(const grpc::GenericCallbackServerContext& context,
                            const char* lower_case_name) {
  const auto found = context.client_metadata().find(lower_case_name);
  if (found == context.client_metadata().end()) return {};
  return {found->second.data(), found->second.size()};
}

/// One put.
class PutCall final : public RpcCall {
 public:
  PutCall(FlightReceiver& receiver, grpc::GenericCallbackServerContext& context)
      : receiver_(receiver), context_(context), put_(receiver.BeginPut()) {
    auto refusal = receiver_.Authorize(MetadataOf(context_, "authorization"));
    if (!refusal) refusal = receiver_.AdmitPut();
    if (refusal) {
      Refuse(*refusal);
    } else {
      Read();
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) return EndOfStream();
    if (auto answer = AddMessage()) return Refuse(*answer);
    Read();
  }

 private:
  ~PutCall() override = default;

  void EndOfStream() {
    // A stream ends like this too when its client gives it up, which must store nothing.
    if (context_.IsCancelled()) return OnCancel();
    receiver_.Submit(std::move(put_), [this, may = ticket()](const FlightAnswer& answer) {
      // `this` is alive if and only if the ticket is still there.
      if (may.Take()) FinishWith(answer);
    });
  }

  /// Hands the message that was read to the receiver, in one piece and decompressed.
  std::optional<FlightAnswer> AddMessage() {
    const auto whole = TakeMessageBytes(message(), MessageBytesMax(receiver_), receiver_.budget());
    if (whole) return AddBytes(whole->bytes);
    switch (whole.error()) {
      case MessageFailure::kTooLarge:
        return NoRoom(BufferRefusal::kTooLarge);
      case MessageFailure::kBudgetExhausted:
        return NoRoom(BufferRefusal::kBudgetExhausted);
      case MessageFailure::kUnreadable:
        break;
    }
    return FlightAnswer{FlightCode::kInvalidArgument, "a message cannot be read"};
  }

  std::optional<FlightAnswer> AddBytes(std::span<const std::byte> bytes) {
    const ContentCoding coding = CodingOf(bytes);
    if (coding == ContentCoding::kIdentity) return receiver_.Add(put_, bytes);
    const auto plain =
        Decompress(coding, bytes, {.bytes_max = MessageBytesMax(receiver_)}, receiver_.budget());
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
    if (!ticket().Take()) return;
    receiver_.End(put_, "unknown", answer);
    put_.body = BudgetedBuffer();
    FinishWith(answer);
  }

  void FinishWith(const FlightAnswer& answer) {
    if (answer.code != FlightCode::kOk) {
      Finish(StatusOf(answer));
      return;
    }
    RpcCall::FinishWith("");  // A PutResult without app_metadata.
  }

  FlightReceiver& receiver_;
  grpc::GenericCallbackServerContext& context_;
  FlightPut put_;
};

/// A call with one request and no put: an action or a list.
class SmallCall final : public RpcCall {
 public:
  SmallCall(FlightReceiver& receiver, grpc::GenericCallbackServerContext& context)
      : receiver_(receiver),
        context_(context),
        method_(std::string_view(context.method()).substr(kService.size())) {
    if (const auto refusal = receiver_.Authorize(MetadataOf(context_, "authorization"))) {
      Reply(*refusal);
    } else {
      Read();
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Reply({FlightCode::kInvalidArgument, "the call carries no message"});
    if (method_ == "DoAction") return Act();
    if (method_ == "ListActions") {
      if (!ticket().Take()) return;
      return FinishWith(RenderActionType(
          kFlushAction, "commits everything pending of the tenant in x-tenant-id"));
    }
    Reply({});  // ListFlights: there are none.
  }

 private:
  ~SmallCall() override = default;

  void Act() {
    const auto bytes = TakeMessageBytes(message(), MessageBytesMax(receiver_), receiver_.budget());
    const auto type = bytes ? ParseActionType(bytes->bytes)
                            : Fail(ErrorKind::kInvalid, "the message cannot be read");
    if (!type) return Reply({FlightCode::kInvalidArgument, type.error().message});
    if (*type != kFlushAction)
      return Reply({FlightCode::kUnimplemented, "there is no such action; the only one is flush"});
    receiver_.FlushScope(MetadataOf(context_, "x-tenant-id"), MetadataOf(context_, "x-dataset-id"),
                         [this, may = ticket()](const FlightAnswer& answer) {
                           // `this` is alive if and only if the ticket is still there.
                           if (may.Take()) Finish(StatusOf(answer));
                         });
  }

  void Reply(const FlightAnswer& answer) { Answer(StatusOf(answer)); }

  FlightReceiver& receiver_;
  grpc::GenericCallbackServerContext& context_;
  const std::string method_;
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

}  // namespace

Result<std::unique_ptr<GrpcServer>> StartFlightServer(FlightReceiver& receiver,
                                                      GrpcServerOptions options) {
  options.name = "arrow flight";
  options.message_bytes_max = MessageBytesMax(receiver);
  return GrpcServer::Start(std::make_unique<FlightService>(receiver), std::move(options));
}

}  // namespace signaldb

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

namespace signaldb::testing {

inline constexpr const char* kGrpcTraces =
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
inline constexpr const char* kGrpcLogs =
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
inline constexpr const char* kGrpcMetrics =
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// What a call is made of.
struct GrpcCall {
  std::string method = kGrpcLogs;
  std::string body{};
  std::vector<std::pair<std::string, std::string>> metadata{};
  grpc_compression_algorithm compression = GRPC_COMPRESS_NONE;
  std::chrono::milliseconds timeout{20'000};
};

struct GrpcOutcome {
  grpc::Status status;
  std::string body;
  std::string request_id;
};

/// Calls without generated classes, on a channel of its own.
class GrpcClient {
 public:
  explicit GrpcClient(std::uint16_t port, std::shared_ptr<grpc::ChannelCredentials> credentials =
                                              grpc::InsecureChannelCredentials()) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    arguments.SetInt("grpc.use_local_subchannel_pool", 1);
    channel_ = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port),
                                         std::move(credentials), arguments);
    stub_ = std::make_unique<grpc::GenericStub>(channel_);
  }

  GrpcOutcome Call(const GrpcCall& call) {
    grpc::ClientContext context;
    for (const auto& [name, value] : call.metadata) context.AddMetadata(name, value);
    context.set_compression_algorithm(call.compression);
    context.set_deadline(std::chrono::system_clock::now() + call.timeout);
    const grpc::Slice slice(call.body);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::CompletionQueue queue;
    GrpcOutcome outcome;
    auto rpc = stub_->PrepareUnaryCall(&context, call.method, request, &queue);
    rpc->StartCall();
    rpc->Finish(&response, &outcome.status, this);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    std::vector<grpc::Slice> slices;
    if (outcome.status.ok() && response.Dump(&slices).ok()) {
      for (const auto& part : slices) {
        outcome.body.append(reinterpret_cast<const char*>(part.begin()), part.size());
      }
    }
    const auto& initial = context.GetServerInitialMetadata();
    if (const auto id = initial.find("x-request-id"); id != initial.end()) {
      outcome.request_id = {id->second.data(), id->second.size()};
    }
    return outcome;
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
};

}  // namespace signaldb::testing

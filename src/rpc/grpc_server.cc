#include "rpc/grpc_server.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

namespace signaldb {
namespace {

int Milliseconds(std::chrono::milliseconds duration) { return static_cast<int>(duration.count()); }

int IntOf(std::uint64_t bytes) {
  return static_cast<int>(std::min<std::uint64_t>(bytes, std::numeric_limits<int>::max()));
}

std::shared_ptr<grpc::ServerCredentials> CredentialsOf(const GrpcServerOptions& options) {
  if (options.certificate_pem.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs.push_back({options.key_pem, options.certificate_pem});
  return grpc::SslServerCredentials(tls);
}

void Limit(grpc::ServerBuilder& builder, const GrpcServerOptions& options) {
  builder.SetMaxReceiveMessageSize(IntOf(options.message_bytes_max));
  // gRPC inflates without a limit, so that 64 MiB could become 64 GiB: the service does it instead.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  // Else a second process could listen on the same port, and both would get half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.streams_per_connection_max);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, IntOf(options.metadata_bytes_max));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(options.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(options.client_ping_interval_min));
  grpc::ResourceQuota quota(options.name);
  quota.Resize(options.memory_bytes_max);
  builder.SetResourceQuota(quota);
}

}  // namespace

GrpcServer::GrpcServer(std::unique_ptr<grpc::CallbackGenericService> service,
                       GrpcServerOptions options)
    : service_(std::move(service)), options_(std::move(options)) {}

GrpcServer::~GrpcServer() { Stop(std::chrono::nanoseconds(0)); }

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    std::unique_ptr<grpc::CallbackGenericService> service, GrpcServerOptions options) {
  std::unique_ptr<GrpcServer> server(new GrpcServer(std::move(service), std::move(options)));
  SIGNALDB_TRY(server->Open());
  return server;
}

Status GrpcServer::Open() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options_.listen, CredentialsOf(options_), &port_);
  builder.RegisterCallbackGenericService(service_.get());
  Limit(builder, options_);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port_ == 0) {
    server_.reset();
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot listen for {}: the address is taken or wrong, or the "
                            "certificate or its key cannot be used, address={}",
                            options_.name, options_.listen));
  }
  return {};
}

std::string GrpcServer::address() const {
  return fmt::format("{}:{}", options_.listen.substr(0, options_.listen.rfind(':')), port_);
}

void GrpcServer::Stop(std::chrono::nanoseconds grace) {
  if (server_ == nullptr) return;
  const auto rounded = std::chrono::duration_cast<std::chrono::microseconds>(grace);
  server_->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                 gpr_time_from_micros(rounded.count(), GPR_TIMESPAN)));
  server_->Wait();
  server_.reset();
}

}  // namespace signaldb

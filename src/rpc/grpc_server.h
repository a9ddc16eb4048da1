#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "signaldb/result.h"

namespace grpc {
class CallbackGenericService;
class Server;
}  // namespace grpc

namespace signaldb {

struct GrpcServerOptions {
  std::string name{};             ///< What it speaks, for messages and gRPC's quota: "otlp/grpc".
  std::string listen{};           ///< An address with its port; port 0: a free one.
  std::string certificate_pem{};  ///< PEM text; with `key_pem` empty: no TLS.
  std::string key_pem{};
  std::uint64_t message_bytes_max = 64ULL
                                    << 20;  ///< Of one message as it comes, compressed or not.
  int streams_per_connection_max = 128;
  /// What gRPC may hold for connections and messages that are being received; the budget of who
  /// answers covers what is complete.
  std::size_t memory_bytes_max = 256 << 20;
  std::size_t metadata_bytes_max = 64 << 10;
  std::chrono::seconds keepalive_time{60};     ///< Without a byte for so long: ping the client.
  std::chrono::seconds keepalive_timeout{20};  ///< No answer to the ping: close.
  std::chrono::seconds client_ping_interval_min{
      10};  ///< A client that pings more often is cut off.
};

/// A gRPC server for one generic service, which gets its messages as the bytes that came: gRPC
/// inflates without a limit, so it is told not to, and the service has to do it.
///
/// Owns:     the socket, the service, and what a connection may cost.
/// Threads:  thread-safe.
class GrpcServer {
 public:
  /// Binds, listens and serves from here on.
  /// Errors: kUnavailable (the address cannot be bound, or the certificate cannot be used).
  [[nodiscard]] static Result<std::unique_ptr<GrpcServer>> Start(
      std::unique_ptr<grpc::CallbackGenericService> service, GrpcServerOptions options);
  /// Stops without grace if Stop was not called.
  ~GrpcServer();

  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  /// The port that is really listened on.
  [[nodiscard]] std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }
  [[nodiscard]] std::string address() const;

  /// Refuses new calls at once, lets those in flight end until `grace` has passed, cancels the
  /// rest. Answers that come later are dropped. Idempotent.
  void Stop(std::chrono::nanoseconds grace);

 private:
  GrpcServer(std::unique_ptr<grpc::CallbackGenericService> service, GrpcServerOptions options);
  [[nodiscard]] Status Open();

  const std::unique_ptr<grpc::CallbackGenericService> service_;
  const GrpcServerOptions options_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;  // Null once stopped.
};

}  // namespace signaldb

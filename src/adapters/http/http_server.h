#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/http.h"
#include "signaldb/result.h"

namespace signaldb {

/// A certificate chain and its private key, as PEM text (not paths). Both empty: no TLS.
struct HttpTlsOptions {
  std::string certificate_pem;
  std::string key_pem;
};

/// Limits of one server. Every default bounds what one client can cost.
struct HttpServerOptions {
  std::string listen =
      "127.0.0.1:0";  ///< IPv4 `a.b.c.d:port` or IPv6 `[::1]:port`; port 0: a free one.
  HttpTlsOptions tls;
  unsigned threads = 1;             ///< Each with its own epoll loop.
  unsigned connections_max = 1024;  ///< Further ones are closed at once.
  unsigned connections_per_ip_max = 128;
  std::size_t header_bytes_max = 64
                                 << 10;  ///< Request line and headers; also a connection's buffer.
  unsigned headers_max = 100;
  std::chrono::seconds idle_timeout{
      60};  ///< No byte for so long: closed. Not while an answer is pending.
  /// From the start of a connection or the end of its last request, `idle_timeout` plus this may
  /// pass until the next head is complete, however its bytes are spread.
  std::chrono::seconds header_timeout{10};
  std::uint64_t body_bytes_per_second_min =
      1024;  ///< On average, after the first `header_timeout`.
  /// A refused body is read and thrown away up to here, so that the client sees the answer and not
  /// a reset; a longer one ends the connection.
  std::uint64_t drain_bytes_max = 128 << 20;
};

/// HTTP/1.1 for one handler, on libmicrohttpd. README.md draws the life of a request.
///
/// Lifetime: borrows `handler`, `clock` and `events`; they outlive this object.
/// Threads:  thread-safe. The handler runs on the server's threads.
class HttpServer {
 public:
  /// Binds, listens and serves from here on.
  /// Errors: kInvalid (the address or the certificate cannot be read), kUnavailable (the address
  /// cannot be bound, or threads cannot be started).
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> Start(HttpHandler& handler, Clock& clock,
                                                                 EventListener& events,
                                                                 HttpServerOptions options);
  /// Stops without grace if Stop was not called.
  virtual ~HttpServer() = default;

  /// The port that is really listened on.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  /// `address:port`, as a client can use it.
  [[nodiscard]] virtual std::string address() const = 0;
  /// Requests whose head was read and whose answer has not been sent.
  [[nodiscard]] virtual std::size_t requests_in_flight() const = 0;

  /// Refuses new connections at once, lets requests in flight end until `grace` has passed (each
  /// answer closes its connection), answers 503 to those still waiting then, and joins the threads.
  /// Idempotent. Blocks up to `grace` and a second.
  virtual void Stop(Nanos grace) = 0;
};

}  // namespace signaldb

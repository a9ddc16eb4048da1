#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "adapters/flight/flight_receiver.h"
#include "signaldb/result.h"

namespace signaldb {

struct FlightServerOptions {
  std::string listen = "127.0.0.1:50061";  ///< Port 0: a free one.
  int streams_per_connection_max = 128;
  /// What gRPC may hold for connections and messages that are being received; the budget of the
  /// receiver covers what is complete.
  std::size_t memory_bytes_max = 256 << 20;
  std::size_t metadata_bytes_max = 64 << 10;
  std::chrono::seconds keepalive_time{60};     ///< Without a byte for so long: ping the client.
  std::chrono::seconds keepalive_timeout{20};  ///< No answer to the ping: close.
  std::chrono::seconds client_ping_interval_min{
      10};  ///< A client that pings more often is cut off.
};

/// Arrow Flight: DoPut, DoAction("flush"), ListActions and an empty ListFlights, on raw bytes.
///
/// Lifetime: borrows `receiver`, which outlives this object and every answer.
/// Threads:  thread-safe.
class FlightServer {
 public:
  /// Binds, listens and serves from here on. Errors: kUnavailable (the address cannot be bound).
  [[nodiscard]] static Result<std::unique_ptr<FlightServer>> Start(FlightReceiver& receiver,
                                                                   FlightServerOptions options);
  /// Stops without grace if Stop was not called.
  virtual ~FlightServer() = default;

  /// The port that is really listened on.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual std::string address() const = 0;

  /// Refuses new calls at once, lets those in flight end until `grace` has passed, cancels the
  /// rest. Answers that come later are dropped. Idempotent.
  virtual void Stop(std::chrono::nanoseconds grace) = 0;
};

}  // namespace signaldb

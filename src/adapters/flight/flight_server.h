#pragma once

#include <memory>

#include "adapters/flight/flight_receiver.h"
#include "rpc/grpc_server.h"
#include "signaldb/result.h"

namespace signaldb {

/// Arrow Flight: DoPut, DoAction("flush"), ListActions and an empty ListFlights, on raw bytes. Sets
/// the name and the limit of messages in `options`.
///
/// Lifetime: borrows `receiver`, which outlives the server and every answer.
/// Errors: kUnavailable (the address cannot be bound, or the certificate cannot be used).
[[nodiscard]] Result<std::unique_ptr<GrpcServer>> StartFlightServer(FlightReceiver& receiver,
                                                                    GrpcServerOptions options);

}  // namespace signaldb

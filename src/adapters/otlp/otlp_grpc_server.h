#pragma once

#include <memory>

#include "adapters/otlp/receiver.h"
#include "rpc/grpc_server.h"
#include "signaldb/result.h"

namespace signaldb {

/// OTLP/gRPC: the Export methods of the three collector services, on raw bytes. Sets the name and
/// the limit of messages in `options`.
///
/// Lifetime: borrows `receiver`, which outlives the server and every answer.
/// Errors: kUnavailable (the address cannot be bound, or the certificate cannot be used).
[[nodiscard]] Result<std::unique_ptr<GrpcServer>> StartOtlpGrpcServer(OtlpReceiver& receiver,
                                                                      GrpcServerOptions options);

}  // namespace signaldb

#pragma once

#include <string>
#include <string_view>

#include "adapters/otlp/receiver.h"
#include "telemetry/ingest.h"
#include "telemetry/signal.h"

namespace signaldb {

/// An Export*ServiceResponse: with `partial_success` only if something was rejected or there is a
/// warning. `answer` is kAccepted.
[[nodiscard]] std::string RenderExportResponse(MessageEncoding encoding, Signal signal,
                                               const OtlpAnswer& answer);

/// A google.rpc.Status; with a RetryInfo if `answer` says when to retry.
[[nodiscard]] std::string RenderRpcStatus(MessageEncoding encoding, RpcCode code,
                                          const OtlpAnswer& answer);

/// `text` as protobuf and JSON strings must be: UTF-8 (foreign bytes become '?'), and not long.
[[nodiscard]] std::string SafeMessage(std::string_view text);

}  // namespace signaldb

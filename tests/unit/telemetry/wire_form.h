#pragma once

#include <memory>
#include <string>

#include <google/protobuf/message.h>

#include "telemetry/signal.h"

namespace signaldb::testing {

/// Takes out of a request what the wire schemas have no room for: so that the rest must be equal.
void KeepWhatTheWireCarries(google::protobuf::Message& request);

/// The rows of a wire batch as a JSON array, written as a sender does that receives OTLP.
[[nodiscard]] std::string WireRows(Signal signal, const google::protobuf::Message& request);

}  // namespace signaldb::testing

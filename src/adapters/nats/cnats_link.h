#pragma once

#include "adapters/nats/nats_link.h"
#include "adapters/nats/nats_options.h"
#include "base/event_listener.h"

namespace signaldb {

/// Connects to one server with cnats: its own reconnection is off, its messages are never dropped
/// for being many (what was asked for bounds them), the server's certificate must be for the host
/// that the URL names.
///
/// Errors: kUnavailable (away, or does not let us in), kInvalid (a file that cannot be used, a URL
/// that is none).
[[nodiscard]] Result<std::unique_ptr<NatsLink>> ConnectToNats(const std::string& server,
                                                              const NatsAccess& access,
                                                              Nanos timeout);

/// Translates a natsStatus; the only place that knows what they mean.
[[nodiscard]] Error ErrorFromNats(int status, std::string_view doing, std::string_view detail);

}  // namespace signaldb

#pragma once

#include <string>
#include <vector>

#include "adapters/nats/jetstream_api.h"
#include "adapters/nats/nats_options.h"
#include "signaldb/result.h"

namespace signaldb {

/// Whether a consumer gives each message again until it is acknowledged, one by one; everything
/// else here rests on that. Errors: kInvalid (names the setting and what it must be).
[[nodiscard]] Status CheckConsumer(const ConsumerState& consumer, const NatsSourceOptions& options);

/// What works, but will hurt: one line each, with the setting and what it should be.
[[nodiscard]] std::vector<std::string> WarningsOf(const ConsumerState& consumer,
                                                  const NatsSourceOptions& options);

}  // namespace signaldb

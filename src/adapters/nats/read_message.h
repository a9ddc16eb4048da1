#pragma once

#include <cstdint>
#include <span>

#include "adapters/nats/nats_link.h"
#include "adapters/nats/nats_options.h"
#include "base/memory_budget.h"
#include "signaldb/result.h"
#include "telemetry/decompress.h"
#include "telemetry/source.h"

namespace signaldb {

/// How messages are read.
struct NatsReading {
  std::span<const NatsSubject> subjects;  ///< The first that matches counts; at least one.
  DecompressLimits limits;
};

/// A delivery as the pipeline takes it: signal by its subject, encoding by Content-Type or by its
/// first byte, tenant and dataset by its headers, decompressed. `position` and `received_at` come
/// from the subject of its acknowledgement, which the caller has seen to be one.
///
/// What can never be rows is marked unfit, with the bytes as received.
/// Errors: kUnavailable (the budget has no room to decompress).
[[nodiscard]] Result<SourceMessage> ReadNatsMessage(const NatsMessage& message,
                                                    const NatsReading& reading,
                                                    MemoryBudget& budget);

}  // namespace signaldb

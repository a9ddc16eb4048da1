#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/file_system.h"
#include "base/memory_budget.h"
#include "base/random.h"
#include "service/configuration.h"
#include "telemetry/source.h"

namespace signaldb {

/// What queues that are read borrow; outlives them.
struct QueueSourceParts {
  FileSystem& files;
  Clock& clock;
  Random& random;
  EventListener& events;
  MemoryBudget& budget;
};

/// A source for each `[[nats]]` block, not started.
[[nodiscard]] std::vector<std::unique_ptr<Source>> MakeQueueSources(
    const ServiceConfiguration& values, const QueueSourceParts& parts);

}  // namespace signaldb

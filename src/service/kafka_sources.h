#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "service/configuration.h"
#include "signaldb/result.h"
#include "telemetry/source.h"

namespace signaldb {

class TableCommitter;

/// What sources of Kafka borrow; outlives them.
struct KafkaSourceParts {
  Clock& clock;
  EventListener& events;
  TableCommitter& committer;  ///< Asked what tables cover, to notice topics that were made anew.
};

/// A source for each `[[kafka]]` block, not started.
/// Errors: kInvalid (what librdkafka refuses; names the block).
[[nodiscard]] Result<std::vector<std::unique_ptr<Source>>> MakeKafkaSources(
    const ServiceConfiguration& values, const KafkaSourceParts& parts);

}  // namespace signaldb

#pragma once

#include <optional>
#include <string>

#include "service/configuration.h"

namespace signaldb {

/// A place in the blocks that does not go with another one.
struct BlockClash {
  std::string key;  ///< The later of both, numbered: "kafka.1.topics.0.topic".
  std::string what;
};

/// The first two blocks, or routes of one, that would read the same messages. Positions are the
/// same for every group of Kafka, so a second reader would store all of a topic again or nothing of
/// it; and of two that share a durable consumer each would acknowledge for the other.
///
/// Servers are compared as text: the same cluster by other addresses is noticed when it is
/// connected to (SourceIntake::OpenLane).
[[nodiscard]] std::optional<BlockClash> FindClash(const ServiceConfiguration& values);

}  // namespace signaldb

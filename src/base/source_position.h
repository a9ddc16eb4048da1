#pragma once

#include <cstdint>
#include <string>

namespace signaldb {

/// Where a message stands in its source; positions of one source only grow, the first is 1.
using SourcePosition = std::uint64_t;

/// A source as tables name it, with everything that makes its positions unique: the embedded log is
/// "log/<uuid>", a Kafka partition "kafka/<cluster id>/<topic>/<partition>", a JetStream consumer
/// "nats/<stream>/<created>/<consumer>". Holds no space and no '='.
using SourceKey = std::string;

}  // namespace signaldb

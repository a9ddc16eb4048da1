#pragma once

#include "signaldb/config.h"
#include "signaldb/result.h"

namespace signaldb {

/// Whether the values can be worked with. Errors: kInvalid (names the field).
[[nodiscard]] Status CheckConfig(const BatchOptimizationConfig& config);
[[nodiscard]] Status CheckConfig(const RetryConfig& config);
[[nodiscard]] Status CheckConfig(const CatalogPoolConfig& config);
[[nodiscard]] Status CheckConfig(const MemoryConfig& config);
/// All of them.
[[nodiscard]] Status CheckConfig(const Configuration& config);

}  // namespace signaldb

#include "library/check_config.h"

#include <fmt/format.h>

namespace signaldb {

namespace {

std::unexpected<Error> Refuse(std::string_view field, std::string_view want) {
  return Fail(ErrorKind::kInvalid, fmt::format("configuration: expected {} field={}", want, field));
}

}  // namespace

Status CheckConfig(const BatchOptimizationConfig& config) {
  constexpr int kConcurrentMax = 1'024;
  if (config.max_rows_per_batch < 1) return Refuse("max_rows_per_batch", "at least 1");
  if (config.max_memory_per_batch_bytes < 1) {
    return Refuse("max_memory_per_batch_bytes", "at least 1");
  }
  if (config.target_concurrent_batches < 1 || config.target_concurrent_batches > kConcurrentMax) {
    return Refuse("target_concurrent_batches", "1 to 1024");
  }
  if (config.catalog_cache_ttl_seconds < 0) return Refuse("catalog_cache_ttl_seconds", "0 or more");
  return {};
}

Status CheckConfig(const RetryConfig& config) {
  if (config.max_attempts < 1) return Refuse("max_attempts", "at least 1");
  if (config.initial_delay.count() < 0) return Refuse("initial_delay", "0 or more");
  if (config.max_delay < config.initial_delay) {
    return Refuse("max_delay", "no less than initial_delay");
  }
  if (!(config.backoff_multiplier >= 1)) return Refuse("backoff_multiplier", "at least 1");
  return {};
}

Status CheckConfig(const CatalogPoolConfig& config) {
  if (config.max_connections < 1) return Refuse("max_connections", "at least 1");
  if (config.min_connections < 0 || config.min_connections > config.max_connections) {
    return Refuse("min_connections", "0 to max_connections");
  }
  if (config.connection_timeout_ms < 1) return Refuse("connection_timeout_ms", "at least 1");
  if (config.idle_timeout_seconds < 1) return Refuse("idle_timeout_seconds", "at least 1");
  if (config.max_lifetime_seconds < 1) return Refuse("max_lifetime_seconds", "at least 1");
  return {};
}

Status CheckConfig(const MemoryConfig& config) {
  if (config.limit_bytes < 0) return Refuse("memory.limit_bytes", "0 or more");
  if (config.wait_timeout.count() < 0) return Refuse("memory.wait_timeout", "0 or more");
  return {};
}

Status CheckConfig(const Configuration& config) {
  SIGNALDB_TRY(CheckConfig(config.batch));
  SIGNALDB_TRY(CheckConfig(config.memory));
  SIGNALDB_TRY(CheckConfig(config.catalog_pool));
  if (config.transaction_timeout.count() < 1) return Refuse("transaction_timeout", "at least 1ms");
  return CheckConfig(config.retry);
}

}  // namespace signaldb

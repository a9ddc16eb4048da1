#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/event_listener.h"

namespace signaldb {

/// Holds the metrics of base/metric_names.h and writes them as Prometheus reads them.
///
/// Threads: thread-safe.
class MetricRegistry {
 public:
  /// Label sets a metric may have. Values beyond them are counted under `other`, so that values
  /// from outside (a tenant) cannot fill the memory.
  static constexpr std::size_t kLabelSetsMax = 1'000;

  MetricRegistry();
  ~MetricRegistry();

  /// Each aborts the process if `metric` is not in kMetrics, or of another type.
  void Count(std::string_view metric, double by, MetricLabels labels);
  void Gauge(std::string_view metric, double value, MetricLabels labels);
  void Observe(std::string_view metric, double value, MetricLabels labels);

  /// All metrics that have a sample, in the text format 0.0.4.
  [[nodiscard]] std::string Text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace signaldb

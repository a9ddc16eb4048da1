#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signaldb {

enum class Severity : std::uint8_t { kDebug, kInfo, kWarning, kError };

/// A log line as data. The listener adds the time and picks the format.
struct LogEvent {
  Severity severity = Severity::kInfo;
  std::string_view
      module;  ///< Folder name of the speaker ("log", "pipeline", "otlp"): levels are set by it.
  std::string message;  ///< Lower case, no final stop, no variables.
  /// The variables: `tenant`, `table`, `request_id`, `commit_id`, `snapshot_id`, `error`, ...
  std::vector<std::pair<std::string_view, std::string>> fields;
};

/// Label names and values of one metric sample. Values are few and never from outside unchecked.
using MetricLabels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// The one way out for logs and metrics; the library picks neither logger nor registry.
///
/// Metric names are those of base/metric_names.h; an unknown name is a broken invariant.
///
/// Threads: thread-safe. Never blocks for long, never fails.
class EventListener {
 public:
  virtual ~EventListener() = default;

  /// False if a line of this module and severity would be thrown away: skip building it.
  [[nodiscard]] virtual bool Wants(std::string_view module, Severity severity) const = 0;
  virtual void Log(LogEvent event) = 0;
  /// Adds to a counter.
  virtual void Count(std::string_view metric, double by, MetricLabels labels = {}) = 0;
  /// Sets a gauge.
  virtual void Gauge(std::string_view metric, double value, MetricLabels labels = {}) = 0;
  /// Adds one observation to a histogram.
  virtual void Observe(std::string_view metric, double value, MetricLabels labels = {}) = 0;
};

/// Throws everything away.
class NullEventListener final : public EventListener {
 public:
  [[nodiscard]] bool Wants(std::string_view, Severity) const override { return false; }
  void Log(LogEvent) override {}
  void Count(std::string_view, double, MetricLabels) override {}
  void Gauge(std::string_view, double, MetricLabels) override {}
  void Observe(std::string_view, double, MetricLabels) override {}
};

}  // namespace signaldb

#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/event_listener.h"

namespace signaldb::testing {

/// Keeps every line and sample for a test to look at.
///
/// Threads: thread-safe.
class RecordingListener final : public EventListener {
 public:
  [[nodiscard]] bool Wants(std::string_view, Severity) const override { return true; }
  void Log(LogEvent event) override {
    const std::scoped_lock lock(mutex_);
    events_.push_back(std::move(event));
  }
  void Count(std::string_view metric, double by, MetricLabels labels = {}) override {
    const std::scoped_lock lock(mutex_);
    counters_[Name(metric, labels)] += by;
  }
  void Gauge(std::string_view metric, double value, MetricLabels labels = {}) override {
    const std::scoped_lock lock(mutex_);
    gauges_[Name(metric, labels)] = value;
  }
  void Observe(std::string_view metric, double value, MetricLabels labels = {}) override {
    const std::scoped_lock lock(mutex_);
    observations_[Name(metric, labels)].push_back(value);
  }

  /// Of a metric with its labels, as in `name{key=value,...}`.
  [[nodiscard]] double counter(const std::string& name) const {
    const std::scoped_lock lock(mutex_);
    const auto found = counters_.find(name);
    return found == counters_.end() ? 0 : found->second;
  }
  [[nodiscard]] double gauge(const std::string& name) const {
    const std::scoped_lock lock(mutex_);
    const auto found = gauges_.find(name);
    return found == gauges_.end() ? 0 : found->second;
  }
  [[nodiscard]] std::vector<double> observations(const std::string& name) const {
    const std::scoped_lock lock(mutex_);
    const auto found = observations_.find(name);
    return found == observations_.end() ? std::vector<double>{} : found->second;
  }
  [[nodiscard]] std::vector<LogEvent> events() const {
    const std::scoped_lock lock(mutex_);
    return events_;
  }
  /// Whether a line of at least this severity has `part` in its message.
  [[nodiscard]] bool Said(Severity severity, std::string_view part) const {
    const std::scoped_lock lock(mutex_);
    for (const LogEvent& event : events_) {
      if (event.severity >= severity && event.message.find(part) != std::string::npos) return true;
    }
    return false;
  }

 private:
  [[nodiscard]] static std::string Name(std::string_view metric, MetricLabels labels) {
    std::string name(metric);
    for (const auto& [key, value] : labels) {
      name.append(name.ends_with('}') ? "" : "{").append(key).append("=").append(value).append("}");
    }
    return name;
  }

  mutable std::mutex mutex_;
  std::vector<LogEvent> events_;
  std::map<std::string, double> counters_;
  std::map<std::string, double> gauges_;
  std::map<std::string, std::vector<double>> observations_;
};

}  // namespace signaldb::testing

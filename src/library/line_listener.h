#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "base/event_listener.h"

namespace signaldb {

/// Hands log events on as lines of text, and drops metrics: a program that embeds the writer has
/// its own.
///
/// Threads: thread-safe; one line at a time.
class LineListener final : public EventListener {
 public:
  explicit LineListener(std::function<void(const std::string& line)> on_line)
      : on_line_(std::move(on_line)) {}

  [[nodiscard]] bool Wants(std::string_view module, Severity severity) const override;
  void Log(LogEvent event) override;
  void Count(std::string_view, double, MetricLabels) override {}
  void Gauge(std::string_view, double, MetricLabels) override {}
  void Observe(std::string_view, double, MetricLabels) override {}

 private:
  const std::function<void(const std::string& line)> on_line_;
  std::mutex mutex_;
};

}  // namespace signaldb

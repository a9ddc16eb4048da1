#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/event_listener.h"
#include "service/configuration.h"
#include "service/log_levels.h"
#include "service/log_line.h"
#include "service/metric_registry.h"

namespace signaldb {

/// The listener of the service: log lines to a stream, metrics to a registry.
///
/// Lines are written by a thread of spdlog's behind a bounded queue. A reader that has stopped
/// reading must not stop the pipeline, so the oldest waiting lines are given up then, and counted
/// in signaldb_writer_dropped_log_lines_total: the only data this process ever drops.
///
/// Lifetime: borrows `clock` and `out`; both outlive this object.
/// Threads:  thread-safe.
class EventLog final : public EventListener {
 public:
  /// Lines that wait for the writing thread.
  static constexpr std::size_t kLinesWaitingMax = 8'192;

  EventLog(LogFormat format, LogLevels levels, Clock& clock, std::ostream& out);
  /// Writes what still waits, and what the repeat filter holds back.
  ~EventLog() override;

  [[nodiscard]] bool Wants(std::string_view module, Severity severity) const override;
  void Log(LogEvent event) override;
  void Count(std::string_view metric, double by, MetricLabels labels) override;
  void Gauge(std::string_view metric, double value, MetricLabels labels) override;
  void Observe(std::string_view metric, double value, MetricLabels labels) override;

  /// What /metrics answers.
  [[nodiscard]] std::string MetricsText();

 private:
  class LineWriter;

  void Write(const LogEvent& event);
  void WriteHeldBack(const RepeatFilter::HeldBack& held_back);

  const LogFormat format_;
  const LogLevels levels_;
  Clock& clock_;
  MetricRegistry metrics_;
  std::mutex mutex_;
  RepeatFilter repeats_;           // Guarded by mutex_.
  std::size_t dropped_counted_{};  // Guarded by mutex_.
  std::unique_ptr<LineWriter> writer_;
};

}  // namespace signaldb

#include "service/event_log.h"

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/ostream_sink.h>

namespace signaldb {

/// spdlog's queue and thread around the stream; the lines come formatted.
class EventLog::LineWriter {
 public:
  explicit LineWriter(std::ostream& out)
      : pool_(std::make_shared<spdlog::details::thread_pool>(kLinesWaitingMax, 1)),
        logger_(std::make_shared<spdlog::async_logger>(
            "signaldb", std::make_shared<spdlog::sinks::ostream_sink_mt>(out, /*force_flush=*/true),
            pool_, spdlog::async_overflow_policy::overrun_oldest)) {
    logger_->set_pattern("%v");
    logger_->set_level(spdlog::level::trace);
  }

  void Write(std::string_view line) {
    // The overload without a format: braces in a line are only braces.
    logger_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }

  [[nodiscard]] std::size_t dropped() const { return pool_->overrun_counter(); }

 private:
  // Shared because spdlog's logger keeps a weak pointer to the pool. The pool's destructor, which
  // comes second, writes what waits.
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

EventLog::EventLog(LogFormat format, LogLevels levels, Clock& clock, std::ostream& out)
    : format_(format),
      levels_(std::move(levels)),
      clock_(clock),
      writer_(std::make_unique<LineWriter>(out)) {}

EventLog::~EventLog() {
  const std::scoped_lock lock(mutex_);
  for (const auto& held_back : repeats_.TakeAll()) WriteHeldBack(held_back);
}

bool EventLog::Wants(std::string_view module, Severity severity) const {
  return severity >= levels_.Of(module);
}

void EventLog::Log(LogEvent event) {
  if (!Wants(event.module, event.severity)) return;
  const std::scoped_lock lock(mutex_);
  const Nanos now = clock_.MonotonicNow();
  for (const auto& held_back : repeats_.TakeEnded(now)) WriteHeldBack(held_back);
  if (repeats_.Passes(event, now)) Write(event);
}

void EventLog::WriteHeldBack(const RepeatFilter::HeldBack& held_back) {
  Write({.severity = held_back.severity,
         .module = held_back.module,
         .message = held_back.message,
         .fields = {{"lines_held_back", std::to_string(held_back.lines)}}});
}

void EventLog::Write(const LogEvent& event) {
  writer_->Write(FormatLogLine(event, clock_.WallNow(), format_));
}

void EventLog::Count(std::string_view metric, double by, MetricLabels labels) {
  metrics_.Count(metric, by, labels);
}

void EventLog::Gauge(std::string_view metric, double value, MetricLabels labels) {
  metrics_.Gauge(metric, value, labels);
}

void EventLog::Observe(std::string_view metric, double value, MetricLabels labels) {
  metrics_.Observe(metric, value, labels);
}

std::string EventLog::MetricsText() {
  const std::scoped_lock lock(mutex_);
  const std::size_t dropped = writer_->dropped();
  metrics_.Count("signaldb_writer_dropped_log_lines_total",
                 static_cast<double>(dropped - dropped_counted_), {});
  dropped_counted_ = dropped;
  return metrics_.Text();
}

}  // namespace signaldb

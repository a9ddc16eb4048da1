#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/event_listener.h"
#include "signaldb/metrics.h"

namespace signaldb {

/// Hands log events to the program that embeds the library, as lines of text, and metrics to its
/// listener.
///
/// Threads: thread-safe; one line at a time.
class ProgramListener final : public EventListener {
 public:
  ProgramListener(std::function<void(const std::string& line)> on_line,
                  std::shared_ptr<MetricListener> metrics)
      : on_line_(std::move(on_line)), metrics_(std::move(metrics)) {}

  [[nodiscard]] bool Wants(std::string_view module, Severity severity) const override;
  void Log(LogEvent event) override;
  void Count(std::string_view metric, double by, MetricLabels labels) override;
  void Gauge(std::string_view metric, double value, MetricLabels labels) override;
  void Observe(std::string_view metric, double value, MetricLabels labels) override;

  [[nodiscard]] const std::shared_ptr<MetricListener>& metrics() const { return metrics_; }

 private:
  const std::function<void(const std::string& line)> on_line_;
  const std::shared_ptr<MetricListener> metrics_;
  std::mutex mutex_;
};

/// The listener of what several writers share: tells each metric listener among them once, and logs
/// to the first that wants it. Those who come later are told the gauges as they stand.
///
/// Lifetime: lives as long as what it listens to; writers come and go by their seats.
/// Threads:  thread-safe. After a seat is gone nothing of its listener is called any more.
class SharedListener final : public EventListener {
 public:
  /// A writer's place; leaves with it.
  class Seat {
   public:
    Seat() = default;
    Seat(std::shared_ptr<SharedListener> at, std::shared_ptr<ProgramListener> who);
    Seat(Seat&&) noexcept = default;
    Seat& operator=(Seat&& other) noexcept;
    ~Seat() { Leave(); }

   private:
    void Leave();

    std::shared_ptr<SharedListener> at_;
    std::shared_ptr<ProgramListener> who_;
  };

  [[nodiscard]] bool Wants(std::string_view module, Severity severity) const override;
  void Log(LogEvent event) override;
  void Count(std::string_view metric, double by, MetricLabels labels) override;
  void Gauge(std::string_view metric, double value, MetricLabels labels) override;
  void Observe(std::string_view metric, double value, MetricLabels labels) override;

 private:
  using OwnLabels = std::vector<std::pair<std::string, std::string>>;

  void FindDistinctLocked();
  void TellGauges(MetricListener& listener);

  mutable std::shared_mutex mutex_;
  std::vector<std::shared_ptr<ProgramListener>> seats_;
  std::vector<MetricListener*> distinct_;  // Of the seats, each once.
  std::mutex gauges_mutex_;
  std::map<std::pair<std::string, OwnLabels>, double> gauges_;
};

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signaldb {

/// Gets every number the library has to tell, as it comes up. Names, types and labels stand in
/// docs/reference/metrics.md. Implement it to feed a metrics library of your own, or take
/// MetricTotals.
///
/// Threads: called from any thread, several at a time. Must return soon and not call the library.
class MetricListener {
 public:
  /// Names and values; valid only during the call.
  using Labels = std::span<const std::pair<std::string_view, std::string_view>>;

  virtual ~MetricListener() = default;
  /// Adds to a counter.
  virtual void Count(std::string_view metric, double by, Labels labels) = 0;
  /// Sets a gauge.
  virtual void Gauge(std::string_view metric, double value, Labels labels) = 0;
  /// Adds one observation to a histogram.
  virtual void Observe(std::string_view metric, double value, Labels labels) = 0;
};

/// One metric with one set of labels.
struct MetricSample {
  enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram };

  std::string name;
  std::string help;
  Kind kind = Kind::kCounter;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;         ///< Of a histogram: the sum of all observations.
  std::uint64_t count = 0;  ///< Observations of a histogram.
  /// Upper bounds, and how many observations are at or below them: cumulative, without infinity.
  std::vector<std::pair<double, std::uint64_t>> buckets;
};

/// Adds everything up, for an exporter that asks from time to time:
///
///   const auto totals = std::make_shared<MetricTotals>();
///   config.metrics = totals;
///   ...
///   for (const MetricSample& sample : totals->Snapshot()) Export(sample);
///
/// Threads: thread-safe.
class MetricTotals final : public MetricListener {
 public:
  /// Label sets a metric may have. Values beyond them are counted under `other`.
  static constexpr std::size_t kLabelSetsMax = 1'000;

  MetricTotals();
  ~MetricTotals() override;

  void Count(std::string_view metric, double by, Labels labels) override;
  void Gauge(std::string_view metric, double value, Labels labels) override;
  void Observe(std::string_view metric, double value, Labels labels) override;

  /// What was told so far, by name and labels in order.
  [[nodiscard]] std::vector<MetricSample> Snapshot() const;
  /// The counter or gauge, or the count of the histogram, with exactly these labels; 0 if it was
  /// never told.
  [[nodiscard]] double Value(
      std::string_view metric,
      const std::vector<std::pair<std::string, std::string>>& labels = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace signaldb

#include "service/metric_registry.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <sstream>
#include <utility>
#include <variant>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "base/metric_names.h"
#include "signaldb/result.h"

namespace signaldb {
namespace {

using Histogram = prometheus::Histogram;

/// The samples of one metric. A short list is searched faster than prometheus::Family, which makes
/// a map of strings for each look.
template <typename Metric>
class Samples {
 public:
  Samples(prometheus::Family<Metric>& family, std::vector<double> buckets)
      : family_(family), buckets_(std::move(buckets)) {}

  Metric& Of(MetricLabels labels) {
    {
      const std::shared_lock lock(mutex_);
      if (Metric* found = Find(labels)) return *found;
    }
    const std::unique_lock lock(mutex_);
    if (Metric* found = Find(labels)) return *found;
    const bool is_full = samples_.size() >= MetricRegistry::kLabelSetsMax;
    prometheus::Labels owned;
    for (const auto& [name, value] : labels) {
      owned.emplace(name, is_full ? std::string("other") : std::string(value));
    }
    Metric& metric = Add(owned);
    if (!is_full) samples_.push_back({{owned.begin(), owned.end()}, &metric});
    return metric;
  }

 private:
  struct Sample {
    std::vector<std::pair<std::string, std::string>> labels;
    Metric* metric;
  };

  Metric* Find(MetricLabels labels) const {
    for (const Sample& sample : samples_) {
      const bool same = sample.labels.size() == labels.size() &&
                        std::ranges::all_of(labels, [&](const auto& label) {
                          return std::ranges::any_of(sample.labels, [&](const auto& other) {
                            return other.first == label.first && other.second == label.second;
                          });
                        });
      if (same) return sample.metric;
    }
    return nullptr;
  }

  /// Gives the sample that is there already for the same labels.
  Metric& Add(const prometheus::Labels& labels) {
    if constexpr (std::is_same_v<Metric, Histogram>) {
      return family_.Add(labels, buckets_);
    } else {
      return family_.Add(labels);
    }
  }

  prometheus::Family<Metric>& family_;
  const std::vector<double> buckets_;  // Of a histogram.
  mutable std::shared_mutex mutex_;
  std::vector<Sample> samples_;
};

using Counters = Samples<prometheus::Counter>;
using Gauges = Samples<prometheus::Gauge>;
using Histograms = Samples<Histogram>;

}  // namespace

struct MetricRegistry::State {
  prometheus::Registry registry;
  std::map<std::string_view, std::unique_ptr<Counters>> counters;
  std::map<std::string_view, std::unique_ptr<Gauges>> gauges;
  std::map<std::string_view, std::unique_ptr<Histograms>> histograms;
};

MetricRegistry::MetricRegistry() : state_(std::make_unique<State>()) {
  for (const MetricDefinition& metric : kMetrics) {
    const std::string name(metric.name);
    const std::string help(metric.help);
    switch (metric.type) {
      case MetricType::kCounter: {
        auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry);
        state_->counters.emplace(metric.name,
                                 std::make_unique<Counters>(family, std::vector<double>()));
        break;
      }
      case MetricType::kGauge: {
        auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry);
        state_->gauges.emplace(metric.name,
                               std::make_unique<Gauges>(family, std::vector<double>()));
        break;
      }
      case MetricType::kHistogram: {
        auto& family =
            prometheus::BuildHistogram().Name(name).Help(help).Register(state_->registry);
        const std::span<const double> bounds = name.ends_with("_seconds")
                                                   ? std::span<const double>(kLatencyBuckets)
                                                   : std::span<const double>(kSizeBuckets);
        state_->histograms.emplace(metric.name,
                                   std::make_unique<Histograms>(
                                       family, std::vector<double>(bounds.begin(), bounds.end())));
        break;
      }
    }
  }
}

MetricRegistry::~MetricRegistry() = default;

void MetricRegistry::Count(std::string_view metric, double by, MetricLabels labels) {
  const auto found = state_->counters.find(metric);
  SIGNALDB_ASSERT(found != state_->counters.end());
  found->second->Of(labels).Increment(by);
}

void MetricRegistry::Gauge(std::string_view metric, double value, MetricLabels labels) {
  const auto found = state_->gauges.find(metric);
  SIGNALDB_ASSERT(found != state_->gauges.end());
  found->second->Of(labels).Set(value);
}

void MetricRegistry::Observe(std::string_view metric, double value, MetricLabels labels) {
  const auto found = state_->histograms.find(metric);
  SIGNALDB_ASSERT(found != state_->histograms.end());
  found->second->Of(labels).Observe(value);
}

std::string MetricRegistry::Text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, state_->registry.Collect());
  return std::move(out).str();
}

}  // namespace signaldb

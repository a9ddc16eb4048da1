#include <algorithm>
#include <map>
#include <mutex>

#include "base/metric_names.h"
#include "signaldb/metrics.h"

namespace signaldb {

namespace {

using OwnLabels = std::vector<std::pair<std::string, std::string>>;

std::span<const double> BoundsOf(std::string_view metric) {
  if (metric.ends_with("_seconds")) return kLatencyBuckets;
  return kSizeBuckets;
}

std::string_view HelpOf(std::string_view metric) {
  const auto found = std::ranges::find(kMetrics, metric, &MetricDefinition::name);
  return found == kMetrics.end() ? std::string_view() : found->help;
}

OwnLabels Owned(MetricListener::Labels labels) {
  OwnLabels own;
  own.reserve(labels.size());
  for (const auto& [name, value] : labels) own.emplace_back(name, value);
  std::ranges::sort(own);
  return own;
}

}  // namespace

struct MetricTotals::State {
  std::mutex mutex;
  std::map<std::string, std::map<OwnLabels, MetricSample>, std::less<>> samples;

  MetricSample& OfLocked(std::string_view metric, MetricSample::Kind kind, Labels labels) {
    auto family = samples.find(metric);
    if (family == samples.end()) family = samples.try_emplace(std::string(metric)).first;
    OwnLabels own = Owned(labels);
    auto found = family->second.find(own);
    if (found != family->second.end()) return found->second;
    if (family->second.size() >= kLabelSetsMax) {
      for (auto& [name, value] : own) value = "other";
    }
    found = family->second.try_emplace(own).first;
    MetricSample& sample = found->second;
    if (!sample.name.empty()) return sample;
    sample.name = metric;
    sample.help = HelpOf(metric);
    sample.kind = kind;
    sample.labels = std::move(own);
    if (kind == MetricSample::Kind::kHistogram) {
      for (const double bound : BoundsOf(metric)) sample.buckets.emplace_back(bound, 0);
    }
    return sample;
  }
};

MetricTotals::MetricTotals() : state_(std::make_unique<State>()) {}
MetricTotals::~MetricTotals() = default;

void MetricTotals::Count(std::string_view metric, double by, Labels labels) {
  const std::scoped_lock lock(state_->mutex);
  state_->OfLocked(metric, MetricSample::Kind::kCounter, labels).value += by;
}

void MetricTotals::Gauge(std::string_view metric, double value, Labels labels) {
  const std::scoped_lock lock(state_->mutex);
  state_->OfLocked(metric, MetricSample::Kind::kGauge, labels).value = value;
}

void MetricTotals::Observe(std::string_view metric, double value, Labels labels) {
  const std::scoped_lock lock(state_->mutex);
  MetricSample& sample = state_->OfLocked(metric, MetricSample::Kind::kHistogram, labels);
  sample.value += value;
  ++sample.count;
  for (auto& [bound, count] : sample.buckets) count += value <= bound ? 1U : 0U;
}

std::vector<MetricSample> MetricTotals::Snapshot() const {
  const std::scoped_lock lock(state_->mutex);
  std::vector<MetricSample> all;
  for (const auto& [name, family] : state_->samples) {
    for (const auto& [labels, sample] : family) all.push_back(sample);
  }
  return all;
}

double MetricTotals::Value(std::string_view metric, const OwnLabels& labels) const {
  OwnLabels sorted = labels;
  std::ranges::sort(sorted);
  const std::scoped_lock lock(state_->mutex);
  const auto family = state_->samples.find(metric);
  if (family == state_->samples.end()) return 0;
  const auto found = family->second.find(sorted);
  if (found == family->second.end()) return 0;
  const MetricSample& sample = found->second;
  return sample.kind == MetricSample::Kind::kHistogram ? static_cast<double>(sample.count)
                                                       : sample.value;
}

}  // namespace signaldb

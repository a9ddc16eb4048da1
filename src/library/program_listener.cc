#include "library/program_listener.h"

#include <algorithm>
#include <array>

namespace signaldb {

namespace {

constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warn", "error"};

// A line stays one line, whatever a value holds.
void AppendQuoted(std::string_view text, std::string& line) {
  line += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') line += '\\';
    line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  line += '"';
}

MetricListener::Labels AsSpan(MetricLabels labels) { return {labels.begin(), labels.size()}; }

}  // namespace

bool ProgramListener::Wants(std::string_view /*module*/, Severity /*severity*/) const {
  return on_line_ != nullptr;
}

void ProgramListener::Log(LogEvent event) {
  if (on_line_ == nullptr) return;
  std::string line = "level=";
  line += kLevels[static_cast<std::size_t>(event.severity)];
  line += " module=";
  line += event.module;
  line += " message=";
  AppendQuoted(event.message, line);
  for (const auto& [key, value] : event.fields) {
    line += ' ';
    line += key;
    line += '=';
    if (value.find_first_of(" \"\\\n\t=") == std::string::npos && !value.empty()) {
      line += value;
    } else {
      AppendQuoted(value, line);
    }
  }
  const std::scoped_lock lock(mutex_);
  on_line_(line);
}

void ProgramListener::Count(std::string_view metric, double by, MetricLabels labels) {
  if (metrics_ != nullptr) metrics_->Count(metric, by, AsSpan(labels));
}

void ProgramListener::Gauge(std::string_view metric, double value, MetricLabels labels) {
  if (metrics_ != nullptr) metrics_->Gauge(metric, value, AsSpan(labels));
}

void ProgramListener::Observe(std::string_view metric, double value, MetricLabels labels) {
  if (metrics_ != nullptr) metrics_->Observe(metric, value, AsSpan(labels));
}

SharedListener::Seat::Seat(std::shared_ptr<SharedListener> at, std::shared_ptr<ProgramListener> who)
    : at_(std::move(at)), who_(std::move(who)) {
  const std::unique_lock lock(at_->mutex_);
  const std::size_t before = at_->distinct_.size();
  at_->seats_.push_back(who_);
  at_->FindDistinctLocked();
  if (at_->distinct_.size() > before) at_->TellGauges(*at_->distinct_.back());
}

SharedListener::Seat& SharedListener::Seat::operator=(Seat&& other) noexcept {
  if (this != &other) {
    Leave();
    at_ = std::move(other.at_);
    who_ = std::move(other.who_);
  }
  return *this;
}

void SharedListener::Seat::Leave() {
  if (at_ == nullptr) return;
  const std::unique_lock lock(at_->mutex_);
  at_->seats_.erase(std::ranges::find(at_->seats_, who_));
  at_->FindDistinctLocked();
}

void SharedListener::FindDistinctLocked() {
  distinct_.clear();
  for (const auto& seat : seats_) {
    MetricListener* const metrics = seat->metrics().get();
    if (metrics == nullptr || std::ranges::find(distinct_, metrics) != distinct_.end()) continue;
    distinct_.push_back(metrics);
  }
}

void SharedListener::TellGauges(MetricListener& listener) {
  const std::scoped_lock lock(gauges_mutex_);
  for (const auto& [key, value] : gauges_) {
    std::vector<std::pair<std::string_view, std::string_view>> labels;
    for (const auto& [name, text] : key.second) labels.emplace_back(name, text);
    listener.Gauge(key.first, value, labels);
  }
}

bool SharedListener::Wants(std::string_view module, Severity severity) const {
  const std::shared_lock lock(mutex_);
  return std::ranges::any_of(seats_,
                             [&](const auto& seat) { return seat->Wants(module, severity); });
}

void SharedListener::Log(LogEvent event) {
  const std::shared_lock lock(mutex_);
  const auto first = std::ranges::find_if(
      seats_, [&](const auto& seat) { return seat->Wants(event.module, event.severity); });
  if (first != seats_.end()) (*first)->Log(std::move(event));
}

void SharedListener::Count(std::string_view metric, double by, MetricLabels labels) {
  const std::shared_lock lock(mutex_);
  for (MetricListener* const listener : distinct_) listener->Count(metric, by, AsSpan(labels));
}

void SharedListener::Gauge(std::string_view metric, double value, MetricLabels labels) {
  const std::shared_lock lock(mutex_);
  {
    OwnLabels own;
    for (const auto& [name, text] : labels) own.emplace_back(name, text);
    const std::scoped_lock gauges(gauges_mutex_);
    gauges_.insert_or_assign({std::string(metric), std::move(own)}, value);
  }
  for (MetricListener* const listener : distinct_) listener->Gauge(metric, value, AsSpan(labels));
}

void SharedListener::Observe(std::string_view metric, double value, MetricLabels labels) {
  const std::shared_lock lock(mutex_);
  for (MetricListener* const listener : distinct_) {
    listener->Observe(metric, value, AsSpan(labels));
  }
}

}  // namespace signaldb

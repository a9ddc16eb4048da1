#include "measurement.h"

#include <algorithm>
#include <chrono>
#include <cstddef>

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include "base/clock.h"

namespace signaldb {

namespace {

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

using Member = double Cost::*;

std::vector<double> Values(const std::vector<Cost>& costs, Member member) {
  std::vector<double> values;
  for (const Cost& cost : costs) values.push_back(cost.*member);
  return values;
}

// Each pair by itself: what disturbs the machine for a while disturbs both.
std::vector<double> Speeds(const std::vector<Cost>& ours, const std::vector<Cost>& theirs,
                           Member member) {
  std::vector<double> speeds;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    speeds.push_back(theirs[i].*member / std::max(ours[i].*member, 1e-9));
  }
  return speeds;
}

}  // namespace

Cost CostOf(const std::function<void()>& work) {
  const SystemClock clock;
  const double cpu = CpuSeconds();
  const Nanos begun = clock.MonotonicNow();
  work();
  const Nanos done = clock.MonotonicNow();
  return {.wall_s = std::chrono::duration<double>(done - begun).count(),
          .cpu_s = CpuSeconds() - cpu};
}

double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  const double part = at - static_cast<double>(below);
  return values[below] * (1 - part) + values[above] * part;
}

void PairedCosts::Add(const Cost& ours, const Cost& theirs) {
  ours_.push_back(ours);
  theirs_.push_back(theirs);
}

void PairedCosts::Report(benchmark::State& state, double rows) const {
  const double ours = Quantile(Values(ours_, &Cost::wall_s), 0.5);
  const double theirs = Quantile(Values(theirs_, &Cost::wall_s), 0.5);
  const std::vector<double> speeds = Speeds(ours_, theirs_, &Cost::wall_s);
  auto& counters = state.counters;
  counters["ours_ms"] = ours * 1e3;
  counters["theirs_ms"] = theirs * 1e3;
  counters["ours_cpu_ms"] = Quantile(Values(ours_, &Cost::cpu_s), 0.5) * 1e3;
  counters["theirs_cpu_ms"] = Quantile(Values(theirs_, &Cost::cpu_s), 0.5) * 1e3;
  counters["rows_per_s"] = rows / ours;
  counters["their_rows_per_s"] = rows / theirs;
  counters["speed"] = Quantile(speeds, 0.5);
  counters["speed_p25"] = Quantile(speeds, 0.25);
  counters["speed_p75"] = Quantile(speeds, 0.75);
  counters["cpu_speed"] = Quantile(Speeds(ours_, theirs_, &Cost::cpu_s), 0.5);
}

void RunPairs(benchmark::State& state, double rows, const Contest& contest) {
  contest.ours();
  contest.theirs();
  if (contest.tidy_up) contest.tidy_up();
  PairedCosts costs;
  std::size_t turn = 0;
  for (auto unused : state) {
    static_cast<void>(unused);
    Cost ours;
    Cost theirs;
    if (turn++ % 2 == 0) {
      ours = CostOf(contest.ours);
      theirs = CostOf(contest.theirs);
    } else {
      theirs = CostOf(contest.theirs);
      ours = CostOf(contest.ours);
    }
    if (contest.tidy_up) contest.tidy_up();
    costs.Add(ours, theirs);
    state.SetIterationTime(ours.wall_s);
  }
  costs.Report(state, rows);
}

}  // namespace signaldb

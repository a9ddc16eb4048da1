#pragma once

#include <functional>
#include <vector>

namespace benchmark {
class State;
}

namespace signaldb {

/// What some work took.
struct Cost {
  double wall_s = 0;
  double cpu_s = 0;  ///< User and system time of all threads of the process.
};

[[nodiscard]] Cost CostOf(const std::function<void()>& work);

/// The value below which the share `q` of `values` lies; 0 of none.
[[nodiscard]] double Quantile(std::vector<double> values, double q);

/// Two ways of doing the same, done by turns so that both see the same machine.
class PairedCosts {
 public:
  void Add(const Cost& ours, const Cost& theirs);

  /// Sets the counters of a benchmark for `rows` rows a turn:
  ///   ours_ms, theirs_ms            medians by wall clock; _cpu_ms by CPU time
  ///   rows_per_s, their_rows_per_s  by wall clock
  ///   speed                         median over the pairs of theirs / ours: above 1, ours is
  ///   faster;
  ///                                 speed_p25 and speed_p75 are its quartiles
  ///   cpu_speed                     the same by CPU time
  void Report(benchmark::State& state, double rows) const;

 private:
  std::vector<Cost> ours_;
  std::vector<Cost> theirs_;
};

struct Contest {
  std::function<void()> ours;
  std::function<void()> theirs;
  std::function<void()> tidy_up;  ///< After each pair, not measured.
};

/// Once each to warm up, then in pairs as often as the benchmark iterates, who is first by turns.
/// The time of the benchmark is that of ours.
void RunPairs(benchmark::State& state, double rows, const Contest& contest);

}  // namespace signaldb

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace signaldb {

/// What an OTLP request carries.
enum class Signal : std::uint8_t { kTraces, kLogs, kMetrics };

/// "traces", "logs", "metrics": as in OTLP/HTTP paths, logs and metric labels.
[[nodiscard]] constexpr std::string_view ToString(Signal signal) {
  constexpr std::array<std::string_view, 3> kNames = {"traces", "logs", "metrics"};
  return kNames[static_cast<std::size_t>(signal)];
}

/// Our tables. A metrics request may feed several; what can never be rows of the others goes to the
/// dead letters.
enum class TableKind : std::uint8_t {
  kTraces,
  kLogs,
  kMetricsGauge,
  kMetricsSum,
  kMetricsHistogram,
  kMetricsExponentialHistogram,
  kMetricsSummary,
  kDeadLetters,
};
inline constexpr std::size_t kTableKinds = 8;

}  // namespace signaldb

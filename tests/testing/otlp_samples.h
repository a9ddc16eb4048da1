#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "telemetry/signal.h"

namespace signaldb::testing {

/// What a made-up OTLP request looks like.
struct OtlpSampleOptions {
  std::uint64_t seed = 1;
  int resources = 4;
  int scopes_per_resource = 1;
  /// Log records, spans or data points, spread evenly over the scopes.
  int records = 1'000;
  int record_attributes = 5;
  int resource_attributes = 6;
  /// Event time of the first record; the others follow a millisecond apart.
  std::uint64_t first_time_unix_nano = 1'764'000'000'000'000'000;
  /// Number of the first record. It stands in an attribute of every record (`sample.sequence`), so
  /// that tests can tell lost rows and doubled rows.
  std::uint64_t first_sequence = 0;
};

/// The attribute that numbers records, from OtlpSampleOptions::first_sequence on.
inline constexpr std::string_view kSampleSequence = "sample.sequence";

/// An encoded Export{Logs,Trace,Metrics}ServiceRequest. The same options give the same bytes.
///
/// A record takes about 300 bytes; metrics have points of all five kinds in turn, ten a metric.
[[nodiscard]] std::string MakeOtlpRequest(Signal signal, const OtlpSampleOptions& options);

[[nodiscard]] inline std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace signaldb::testing

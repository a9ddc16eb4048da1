// What does one record cost from received bytes to Arrow rows? One core, no I/O.
#include <benchmark/benchmark.h>

#include "telemetry/arrow_request.h"
#include "telemetry/decode.h"
#include "testing/otlp_samples.h"
#include "testing/wire_batches.h"
#include "testing/wire_samples.h"

namespace signaldb {
namespace {

/// The same records in either encoding.
std::string BodyOf(Signal signal, MessageEncoding encoding,
                   const testing::OtlpSampleOptions& what) {
  if (encoding == MessageEncoding::kProtobuf) return testing::MakeOtlpRequest(signal, what);
  return testing::MakeWireStream(signal, what) + ArrowBodyTrailer(testing::WireMetadata(signal));
}

/// Decodes requests of `records` records each; the counters say what one record costs and takes.
void DecodeRequests(benchmark::State& state, Signal signal, MessageEncoding encoding) {
  const auto records = static_cast<int>(state.range(0));
  const std::string body = BodyOf(signal, encoding, {.records = records});
  const DecodeOptions options{.received_at = Nanos{1'764'000'000'000'000'000}};
  for (auto _ : state) {
    auto decoded = DecodeMessage(signal, encoding, testing::AsBytes(body), options);
    if (!decoded.has_value() || decoded->accepted != records) {
      state.SkipWithError("the request was not decoded");
      return;
    }
    benchmark::DoNotOptimize(decoded);
  }
  const auto done = static_cast<double>(state.iterations()) * records;
  state.counters["per_record"] =
      benchmark::Counter(done, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes_per_record"] = static_cast<double>(body.size()) / records;
}

#define SIGNALDB_DECODE_BENCH(name, signal, encoding)                                \
  BENCHMARK_CAPTURE(DecodeRequests, name, Signal::signal, MessageEncoding::encoding) \
      ->Arg(100)                                                                     \
      ->Arg(1'000)                                                                   \
      ->Arg(10'000)

SIGNALDB_DECODE_BENCH(logs, kLogs, kProtobuf);
SIGNALDB_DECODE_BENCH(traces, kTraces, kProtobuf);
SIGNALDB_DECODE_BENCH(metrics, kMetrics, kProtobuf);
SIGNALDB_DECODE_BENCH(wire_logs, kLogs, kArrow);
SIGNALDB_DECODE_BENCH(wire_traces, kTraces, kArrow);
SIGNALDB_DECODE_BENCH(wire_metrics, kMetrics, kArrow);

}  // namespace
}  // namespace signaldb

#include "bench_rows.h"

#include <array>
#include <cstddef>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>

namespace signaldb {

namespace {

constexpr std::int64_t kDay = 20'779;  // 2026-11-22, in days since 1970.
constexpr std::int64_t kFirstMicros = kDay * 86'400 * 1'000'000;

// SplitMix64: the same on every machine.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  std::uint64_t Below(std::uint64_t limit) { return Next() % limit; }

 private:
  std::uint64_t state_;
};

void Check(const arrow::Status& status) {
  if (!status.ok()) status.Abort();
}

std::vector<std::string> Words(std::string_view stem, std::size_t count) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < count; ++i) words.push_back(fmt::format("{}-{:03}", stem, i));
  return words;
}

std::shared_ptr<arrow::DataType> Micros() {
  return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
}

std::shared_ptr<arrow::RecordBatch> MakeGauges(std::int64_t rows, Numbers numbers) {
  const std::vector<std::string> service_words = Words("service", 20);
  const std::vector<std::string> metric_words = Words("process.runtime.metric", 100);
  arrow::TimestampBuilder times(Micros(), arrow::default_memory_pool());
  arrow::StringBuilder services;
  arrow::StringBuilder metrics;
  arrow::DoubleBuilder values;
  arrow::Date32Builder days;
  arrow::Int32Builder hours;
  double value = 40;
  for (std::int64_t i = 0; i < rows; ++i) {
    value += static_cast<double>(numbers.Below(2'001)) / 1e3 - 1;
    Check(times.Append(kFirstMicros + i * 1'000));
    Check(services.Append(service_words[numbers.Below(service_words.size())]));
    Check(metrics.Append(metric_words[numbers.Below(metric_words.size())]));
    Check(values.Append(value));
    Check(days.Append(static_cast<std::int32_t>(kDay)));
    Check(hours.Append(static_cast<std::int32_t>(i / 3'600'000)));
  }
  const auto schema = arrow::schema({arrow::field("timestamp", times.type(), false),
                                     arrow::field("service_name", arrow::utf8(), false),
                                     arrow::field("metric_name", arrow::utf8(), false),
                                     arrow::field("value", arrow::float64(), false),
                                     arrow::field("date_day", arrow::date32(), false),
                                     arrow::field("hour", arrow::int32(), false)});
  return arrow::RecordBatch::Make(
      schema, rows,
      {times.Finish().ValueOrDie(), services.Finish().ValueOrDie(), metrics.Finish().ValueOrDie(),
       values.Finish().ValueOrDie(), days.Finish().ValueOrDie(), hours.Finish().ValueOrDie()});
}

std::shared_ptr<arrow::RecordBatch> MakeRequests(std::int64_t rows, Numbers numbers) {
  constexpr std::array<std::string_view, 4> kMethods = {"GET", "POST", "PUT", "DELETE"};
  constexpr std::array<std::int32_t, 5> kStatuses = {200, 200, 200, 404, 503};
  const std::vector<std::string> service_words = Words("service", 20);
  const std::vector<std::string> host_words = Words("host-eu-central", 200);
  const std::vector<std::string> path_words = Words("/api/v1/customers/orders", 500);
  arrow::TimestampBuilder times(Micros(), arrow::default_memory_pool());
  arrow::StringBuilder services;
  arrow::StringBuilder hosts;
  arrow::StringBuilder methods;
  arrow::StringBuilder paths;
  arrow::Int32Builder statuses;
  arrow::DoubleBuilder durations;
  arrow::Int64Builder sizes;
  arrow::StringBuilder ids;
  std::int64_t time = kFirstMicros;
  for (std::int64_t i = 0; i < rows; ++i) {
    time += static_cast<std::int64_t>(numbers.Below(2'000));
    Check(times.Append(time));
    Check(services.Append(service_words[numbers.Below(service_words.size())]));
    Check(hosts.Append(host_words[numbers.Below(host_words.size())]));
    Check(methods.Append(kMethods[numbers.Below(kMethods.size())]));
    Check(paths.Append(path_words[numbers.Below(path_words.size())]));
    Check(statuses.Append(kStatuses[numbers.Below(kStatuses.size())]));
    Check(durations.Append(static_cast<double>(numbers.Below(1'000'000)) / 1e3));
    if (numbers.Below(10) == 0) {
      Check(sizes.AppendNull());
    } else {
      Check(sizes.Append(static_cast<std::int64_t>(numbers.Below(100'000))));
    }
    Check(ids.Append(fmt::format("{:016x}", numbers.Next())));
  }
  const auto schema = arrow::schema(
      {arrow::field("timestamp", times.type(), false),
       arrow::field("service_name", arrow::utf8(), false),
       arrow::field("host", arrow::utf8(), false), arrow::field("method", arrow::utf8()),
       arrow::field("path", arrow::utf8()), arrow::field("status", arrow::int32()),
       arrow::field("duration_ms", arrow::float64()),
       arrow::field("response_bytes", arrow::int64()),
       arrow::field("request_id", arrow::utf8(), false)});
  return arrow::RecordBatch::Make(
      schema, rows,
      {times.Finish().ValueOrDie(), services.Finish().ValueOrDie(), hosts.Finish().ValueOrDie(),
       methods.Finish().ValueOrDie(), paths.Finish().ValueOrDie(), statuses.Finish().ValueOrDie(),
       durations.Finish().ValueOrDie(), sizes.Finish().ValueOrDie(), ids.Finish().ValueOrDie()});
}

}  // namespace

std::string_view ToString(RowKind kind) { return kind == RowKind::kGauges ? "gauges" : "requests"; }

std::shared_ptr<arrow::RecordBatch> MakeRows(RowKind kind, std::int64_t rows, std::uint64_t seed) {
  return kind == RowKind::kGauges ? MakeGauges(rows, Numbers(seed))
                                  : MakeRequests(rows, Numbers(seed));
}

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include <arrow/api.h>

/// Rows for the table metrics_gauge, one a second: its required columns, all others are optional.
/// Ends the process if Arrow has no memory.
inline std::shared_ptr<arrow::RecordBatch> MakeGaugeBatch(std::int64_t rows) {
  constexpr std::int64_t kDay = 20'779;  // 2026-11-22, in days since 1970.
  constexpr std::int64_t kSecondsOfDay = 86'400;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  arrow::StringBuilder services;
  arrow::StringBuilder names;
  arrow::DoubleBuilder values;
  arrow::Date32Builder days;
  arrow::Int32Builder hours;
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t second = kDay * kSecondsOfDay + i;
    const bool done = times.Append(second * 1'000'000).ok() && services.Append("boiler").ok() &&
                      names.Append("temperature").ok() &&
                      values.Append(40 + static_cast<double>(i % 10)).ok() &&
                      days.Append(static_cast<std::int32_t>(second / kSecondsOfDay)).ok() &&
                      hours.Append(static_cast<std::int32_t>(second % kSecondsOfDay / 3'600)).ok();
    if (!done) std::abort();
  }
  const auto schema = arrow::schema({arrow::field("timestamp", times.type(), false),
                                     arrow::field("service_name", arrow::utf8(), false),
                                     arrow::field("metric_name", arrow::utf8(), false),
                                     arrow::field("value", arrow::float64(), false),
                                     arrow::field("date_day", arrow::date32(), false),
                                     arrow::field("hour", arrow::int32(), false)});
  return arrow::RecordBatch::Make(
      schema, rows,
      {times.Finish().ValueOrDie(), services.Finish().ValueOrDie(), names.Finish().ValueOrDie(),
       values.Finish().ValueOrDie(), days.Finish().ValueOrDie(), hours.Finish().ValueOrDie()});
}

#include "telemetry/metric_rows.h"

namespace signaldb {

void MetricRows::EndMetric(const MetricValues& metric) {
  const std::size_t rows = open_in_metric();
  if (rows == 0) return;
  FillMetric(metric, rows);
  metric_name.Fill(metric.name, rows);
  metric_description.FillOrNull(metric.description, rows);
  metric_unit.FillOrNull(metric.unit, rows);
  metric_metadata.Fill(metric.metadata, rows);
}

void MetricRows::PushPoint(const PointValues& point, DecodeSession& session) {
  auto& tally = session.tally;
  const std::int64_t start = StoredNanos(point.start_time, tally);
  attributes.EndRow(tally);
  if (exemplars.open_size() != 0) exemplars.open().Push(']');
  exemplars.CloseOrNull();
  PushMicrosOrNull(start_timestamp, start);
  flags.Push(static_cast<std::int32_t>(point.flags));
  time_unix_nano.Push(StoredNanos(point.time, tally));
  start_time_unix_nano.Push(start);
  PushTimestamp(session.clock.Micros(point.time, tally));
}

void MetricRows::DropPoint() {
  attributes.DropRow();
  exemplars.Reopen();
  ReopenTexts();
}

void MetricRows::TruncateOwn(std::size_t rows) {
  attributes.Truncate(rows);
  exemplars.Truncate(rows);
  start_timestamp.Truncate(rows);
  flags.Truncate(rows);
  time_unix_nano.Truncate(rows);
  start_time_unix_nano.Truncate(rows);
  metric_name.Truncate(rows);
  metric_description.Truncate(rows);
  metric_unit.Truncate(rows);
  metric_metadata.Truncate(rows);
}

void MetricRows::FinishOwn(BatchAssembler& batch) {
  batch.Add("attributes", attributes);
  batch.Add("exemplars", exemplars);
  batch.Add("start_timestamp", start_timestamp);
  batch.Add("flags", flags);
  batch.Add("time_unix_nano", time_unix_nano);
  batch.Add("start_time_unix_nano", start_time_unix_nano);
  batch.Add("metric_name", metric_name);
  batch.Add("metric_description", metric_description);
  batch.Add("metric_unit", metric_unit);
  batch.Add("metric_metadata", metric_metadata);
}

void NumberRows::FillMetric(const MetricValues& metric, std::size_t rows) {
  if (kind() != TableKind::kMetricsSum) return;
  aggregation_temporality_.Fill(metric.aggregation_temporality, rows);
  is_monotonic_.Fill(metric.is_monotonic, rows);
}

void NumberRows::TruncateOwn(std::size_t rows) {
  MetricRows::TruncateOwn(rows);
  value.Truncate(rows);
  value_int.Truncate(rows);
  aggregation_temporality_.Truncate(rows);
  is_monotonic_.Truncate(rows);
}

void NumberRows::FinishOwn(BatchAssembler& batch) {
  MetricRows::FinishOwn(batch);
  batch.Add("value", value);
  batch.Add("value_int", value_int);
  if (kind() != TableKind::kMetricsSum) return;
  batch.Add("aggregation_temporality", aggregation_temporality_);
  batch.Add("is_monotonic", is_monotonic_);
}

void HistogramRows::ReopenTexts() {
  bucket_counts.Reopen();
  explicit_bounds.Reopen();
}

void HistogramRows::FillMetric(const MetricValues& metric, std::size_t rows) {
  aggregation_temporality_.Fill(metric.aggregation_temporality, rows);
}

void HistogramRows::TruncateOwn(std::size_t rows) {
  MetricRows::TruncateOwn(rows);
  count.Truncate(rows);
  sum.Truncate(rows);
  min.Truncate(rows);
  max.Truncate(rows);
  bucket_counts.Truncate(rows);
  explicit_bounds.Truncate(rows);
  aggregation_temporality_.Truncate(rows);
}

void HistogramRows::FinishOwn(BatchAssembler& batch) {
  MetricRows::FinishOwn(batch);
  batch.Add("count", count);
  batch.Add("sum", sum);
  batch.Add("min", min);
  batch.Add("max", max);
  batch.Add("bucket_counts", bucket_counts);
  batch.Add("explicit_bounds", explicit_bounds);
  batch.Add("aggregation_temporality", aggregation_temporality_);
}

void ExponentialHistogramRows::ReopenTexts() {
  positive_bucket_counts.Reopen();
  negative_bucket_counts.Reopen();
}

void ExponentialHistogramRows::FillMetric(const MetricValues& metric, std::size_t rows) {
  aggregation_temporality_.Fill(metric.aggregation_temporality, rows);
}

void ExponentialHistogramRows::TruncateOwn(std::size_t rows) {
  MetricRows::TruncateOwn(rows);
  count.Truncate(rows);
  sum.Truncate(rows);
  min.Truncate(rows);
  max.Truncate(rows);
  scale.Truncate(rows);
  zero_count.Truncate(rows);
  positive_offset.Truncate(rows);
  positive_bucket_counts.Truncate(rows);
  negative_offset.Truncate(rows);
  negative_bucket_counts.Truncate(rows);
  zero_threshold.Truncate(rows);
  aggregation_temporality_.Truncate(rows);
}

void ExponentialHistogramRows::FinishOwn(BatchAssembler& batch) {
  MetricRows::FinishOwn(batch);
  batch.Add("count", count);
  batch.Add("sum", sum);
  batch.Add("min", min);
  batch.Add("max", max);
  batch.Add("scale", scale);
  batch.Add("zero_count", zero_count);
  batch.Add("positive_offset", positive_offset);
  batch.Add("positive_bucket_counts", positive_bucket_counts);
  batch.Add("negative_offset", negative_offset);
  batch.Add("negative_bucket_counts", negative_bucket_counts);
  batch.Add("zero_threshold", zero_threshold);
  batch.Add("aggregation_temporality", aggregation_temporality_);
}

void SummaryRows::ReopenTexts() { quantile_values.Reopen(); }

void SummaryRows::TruncateOwn(std::size_t rows) {
  MetricRows::TruncateOwn(rows);
  count.Truncate(rows);
  sum.Truncate(rows);
  quantile_values.Truncate(rows);
}

void SummaryRows::FinishOwn(BatchAssembler& batch) {
  MetricRows::FinishOwn(batch);
  batch.Add("count", count);
  batch.Add("sum", sum);
  batch.Add("quantile_values", quantile_values);
}

}  // namespace signaldb

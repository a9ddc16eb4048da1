#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "telemetry/decode_session.h"
#include "telemetry/rows.h"

namespace signaldb {

/// What all points of a metric share.
struct MetricValues {
  std::string_view name;
  std::string_view description;
  std::string_view unit;
  SharedAttributes metadata;
  std::int32_t aggregation_temporality = 0;
  bool is_monotonic = false;
};

/// What points of every kind have; their attributes and exemplars are in the table already.
struct PointValues {
  std::uint64_t time = 0;
  std::uint64_t start_time = 0;
  std::uint32_t flags = 0;
};

/// Rows of a metrics table while they are decoded: the columns that all five have.
class MetricRows : public Rows {
 public:
  using Rows::Rows;

  /// Rows whose metric has not ended yet.
  [[nodiscard]] std::size_t open_in_metric() const { return size() - metric_name.size(); }
  /// Fills the open rows.
  void EndMetric(const MetricValues& metric);
  /// Ends a point's row, after the columns of its kind.
  void PushPoint(const PointValues& point, DecodeSession& session);
  /// Forgets what was appended for a point that gets no row.
  void DropPoint();

  RecordAttributes attributes;
  TextColumn exemplars;
  FixedColumn<std::int64_t> start_timestamp;
  FixedColumn<std::int32_t> flags;
  FixedColumn<std::int64_t> time_unix_nano;
  FixedColumn<std::int64_t> start_time_unix_nano;
  DictionaryColumn metric_name;
  DictionaryColumn metric_description;
  DictionaryColumn metric_unit;
  SharedAttributesColumn metric_metadata;

 protected:
  /// Text columns of a kind that may have something after their last row.
  virtual void ReopenTexts() {}
  virtual void FillMetric(const MetricValues& metric, std::size_t rows) = 0;

  void TruncateOwn(std::size_t rows) override;
  void FinishOwn(BatchAssembler& batch) override;
};

/// Rows of `metrics_gauge` and `metrics_sum`.
class NumberRows final : public MetricRows {
 public:
  using MetricRows::MetricRows;

  FixedColumn<double> value;
  FixedColumn<std::int64_t> value_int;

 private:
  void FillMetric(const MetricValues& metric, std::size_t rows) override;
  void TruncateOwn(std::size_t rows) override;
  void FinishOwn(BatchAssembler& batch) override;

  FixedColumn<std::int32_t> aggregation_temporality_;  // Sums only, as the next.
  BoolColumn is_monotonic_;
};

/// Rows of `metrics_histogram`.
class HistogramRows final : public MetricRows {
 public:
  HistogramRows() : MetricRows(TableKind::kMetricsHistogram) {}

  FixedColumn<std::int64_t> count;
  FixedColumn<double> sum;
  FixedColumn<double> min;
  FixedColumn<double> max;
  TextColumn bucket_counts;
  TextColumn explicit_bounds;

 private:
  void ReopenTexts() override;
  void FillMetric(const MetricValues& metric, std::size_t rows) override;
  void TruncateOwn(std::size_t rows) override;
  void FinishOwn(BatchAssembler& batch) override;

  FixedColumn<std::int32_t> aggregation_temporality_;
};

/// Rows of `metrics_exponential_histogram`.
class ExponentialHistogramRows final : public MetricRows {
 public:
  ExponentialHistogramRows() : MetricRows(TableKind::kMetricsExponentialHistogram) {}

  FixedColumn<std::int64_t> count;
  FixedColumn<double> sum;
  FixedColumn<double> min;
  FixedColumn<double> max;
  FixedColumn<std::int32_t> scale;
  FixedColumn<std::int64_t> zero_count;
  FixedColumn<std::int32_t> positive_offset;
  TextColumn positive_bucket_counts;
  FixedColumn<std::int32_t> negative_offset;
  TextColumn negative_bucket_counts;
  FixedColumn<double> zero_threshold;

 private:
  void ReopenTexts() override;
  void FillMetric(const MetricValues& metric, std::size_t rows) override;
  void TruncateOwn(std::size_t rows) override;
  void FinishOwn(BatchAssembler& batch) override;

  FixedColumn<std::int32_t> aggregation_temporality_;
};

/// Rows of `metrics_summary`.
class SummaryRows final : public MetricRows {
 public:
  SummaryRows() : MetricRows(TableKind::kMetricsSummary) {}

  FixedColumn<std::int64_t> count;
  FixedColumn<double> sum;
  TextColumn quantile_values;

 private:
  void ReopenTexts() override;
  void FillMetric(const MetricValues&, std::size_t) override {}
  void TruncateOwn(std::size_t rows) override;
  void FinishOwn(BatchAssembler& batch) override;
};

}  // namespace signaldb

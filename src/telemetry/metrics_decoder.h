#pragma once

#include <array>
#include <string_view>

#include "telemetry/metric_rows.h"
#include "telemetry/otlp_envelope.h"

namespace signaldb {

/// Decodes Metrics, whose points go to a table for each kind.
class MetricsDecoder final : public RecordDecoder {
 public:
  explicit MetricsDecoder(DecodeSession& session) : session_(session) {}

  [[nodiscard]] bool Decode(std::string_view metric) override;
  [[nodiscard]] std::span<Rows* const> tables() override { return tables_; }

 private:
  /// The five kinds, by the numbers of Metric's fields.
  enum class DataKind : std::uint8_t {
    kNone = 0,
    kGauge = 5,
    kSum = 7,
    kHistogram = 9,
    kExponentialHistogram = 10,
    kSummary = 11,
  };

  [[nodiscard]] bool ReadMetadata(std::string_view metric);
  [[nodiscard]] bool EndMetric(MetricRows& rows, std::string_view metric,
                               const DecodeTally::Mark& before);
  [[nodiscard]] MetricRows& RowsOf(DataKind kind);
  /// Reads the points of one Gauge, Sum, ... and counts them.
  [[nodiscard]] bool DecodeData(DataKind kind, std::string_view data, std::int64_t& points);
  /// The same for data that another kind replaced: only its form matters.
  [[nodiscard]] bool DiscardData(DataKind kind, std::string_view data);
  [[nodiscard]] bool DecodePoint(DataKind kind, std::string_view point);

  [[nodiscard]] bool NumberPoint(NumberRows& rows, std::string_view bytes);
  [[nodiscard]] bool HistogramPoint(std::string_view bytes);
  [[nodiscard]] bool ExponentialHistogramPoint(std::string_view bytes);
  [[nodiscard]] bool SummaryPoint(std::string_view bytes);

  [[nodiscard]] bool AppendBuckets(const MessageBytes& buckets, TextColumn& counts,
                                   FixedColumn<std::int32_t>& offset);
  [[nodiscard]] bool AppendQuantile(std::string_view bytes);
  [[nodiscard]] bool AppendExemplar(std::string_view bytes, TextColumn& exemplars);
  [[nodiscard]] bool AddAttribute(MetricRows& rows, std::string_view key_value);
  /// True if the current point gets a row; forgets what it appended if not.
  [[nodiscard]] bool IsAccepted(MetricRows& rows);
  [[nodiscard]] bool EndPoint(MetricRows& rows, const PointValues& point);
  /// The count as a long; rejects the point if it is too large.
  [[nodiscard]] std::int64_t CheckedCount(std::uint64_t count);

  DecodeSession& session_;
  MetricValues metric_;
  NumberRows gauge_{TableKind::kMetricsGauge};
  NumberRows sum_{TableKind::kMetricsSum};
  HistogramRows histogram_;
  ExponentialHistogramRows exponential_histogram_;
  SummaryRows summary_;
  std::array<Rows*, 5> tables_ = {&gauge_, &sum_, &histogram_, &exponential_histogram_, &summary_};
};

}  // namespace signaldb

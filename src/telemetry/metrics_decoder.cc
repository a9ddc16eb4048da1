#include "telemetry/metrics_decoder.h"

#include <bit>
#include <limits>
#include <optional>

#include "telemetry/json_text.h"
#include "telemetry/span_ids.h"
#include "telemetry/wire_reader.h"

namespace signaldb {
namespace {

using enum WireType;

/// Bit 0 of a point's flags: there is no value, whatever the point says.
constexpr std::uint32_t kNoRecordedValue = 1;

/// A number that came as double, as integer, or not at all; the last one on the wire counts.
struct Number {
  enum class Kind : std::uint8_t { kNone, kDouble, kInt } kind = Kind::kNone;
  std::uint64_t bits = 0;

  [[nodiscard]] double AsDouble() const {
    switch (kind) {
      case Kind::kDouble:
        return std::bit_cast<double>(bits);
      case Kind::kInt:
        return static_cast<double>(static_cast<std::int64_t>(bits));
      case Kind::kNone:
        break;
    }
    return std::numeric_limits<double>::quiet_NaN();
  }
};

void BeginElement(TextColumn& array) { array.open().Push(array.open_size() == 0 ? '[' : ','); }

void CloseArray(TextColumn& array) {
  if (array.open_size() == 0) array.open().Push('[');
  array.open().Push(']');
  array.Close();
}

/// Appends packed 8-byte numbers to an open JSON array. False if the last one is cut off.
template <typename Append>
bool AppendPackedFixed(std::string_view packed, TextColumn& array, std::size_t& count,
                       Append append) {
  WireReader reader(packed);
  while (reader.more()) {
    const std::uint64_t bits = reader.Fixed64();
    if (!reader.ok()) return false;
    BeginElement(array);
    append(array.open(), bits);
    ++count;
  }
  return true;
}

void AppendCount(TextBuffer& out, std::uint64_t bits) { AppendUnsigned(out, bits); }
void AppendBound(TextBuffer& out, std::uint64_t bits) {
  AppendJsonDouble(out, std::bit_cast<double>(bits));
}

void PushOptional(FixedColumn<double>& column, const std::optional<double>& value) {
  if (!value) return column.PushNull();
  column.Push(*value);
}

}  // namespace

bool MetricsDecoder::Decode(std::string_view metric) {
  const auto before = session_.tally.mark();
  JoinedMessages joined;
  MessageBytes data;
  auto kind = DataKind::kNone;
  metric_.name = metric_.description = metric_.unit = {};
  WireReader reader(metric);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        metric_.name = reader.Bytes();
        break;
      case Tag(2, kLength):
        metric_.description = reader.Bytes();
        break;
      case Tag(3, kLength):
        metric_.unit = reader.Bytes();
        break;
      case Tag(5, kLength):
      case Tag(7, kLength):
      case Tag(9, kLength):
      case Tag(10, kLength):
      case Tag(11, kLength): {
        const auto found = static_cast<DataKind>(reader.tag() >> 3);
        if (kind != found && kind != DataKind::kNone) {
          if (!DiscardData(kind, data.view())) return false;
          data = {};
        }
        kind = found;
        data.Add(reader.Bytes(), joined);
        break;
      }
      default:
        reader.Skip();
    }
  }
  if (!reader.ok()) return false;
  std::int64_t points = 0;
  if (kind != DataKind::kNone && !DecodeData(kind, data.view(), points)) return false;
  if (points == 0) {
    session_.tally.BeginShared();
    session_.tally.Note(Oddity::kEmptyMetric);
    static_cast<void>(session_.tally.EndShared());
  }
  return EndMetric(RowsOf(kind), metric, before);
}

bool MetricsDecoder::EndMetric(MetricRows& rows, std::string_view metric,
                               const DecodeTally::Mark& before) {
  auto& tally = session_.tally;
  tally.BeginShared();
  session_.renderer.ForgetJoined();
  if (!ReadMetadata(metric)) return false;
  const std::size_t open = rows.open_in_metric();
  const Rejection reason = tally.EndShared();
  if (reason != Rejection::kNone) {
    rows.Truncate(rows.size() - open);
    tally.Drop(static_cast<std::int64_t>(open), reason, before);
    return true;
  }
  if (!session_.CheckRepeated(metric_.metadata.entries().size(), open)) return false;
  rows.EndMetric(metric_);
  return true;
}

bool MetricsDecoder::ReadMetadata(std::string_view metric) {
  metric_.metadata.Clear();
  WireReader reader(metric);
  while (reader.Next()) {
    if (reader.tag() != Tag(12, kLength)) {
      reader.Skip();
    } else if (!metric_.metadata.Add(reader.Bytes(), session_.renderer, session_.tally,
                                     session_.options.attributes_max)) {
      return false;
    }
  }
  session_.CheckUtf8(metric_.name);
  session_.CheckUtf8(metric_.description);
  session_.CheckUtf8(metric_.unit);
  return metric_.metadata.Render(session_.renderer);
}

MetricRows& MetricsDecoder::RowsOf(DataKind kind) {
  switch (kind) {
    case DataKind::kSum:
      return sum_;
    case DataKind::kHistogram:
      return histogram_;
    case DataKind::kExponentialHistogram:
      return exponential_histogram_;
    case DataKind::kSummary:
      return summary_;
    case DataKind::kGauge:
    case DataKind::kNone:
      break;
  }
  return gauge_;
}

bool MetricsDecoder::DecodeData(DataKind kind, std::string_view data, std::int64_t& points) {
  const bool has_temporality = kind != DataKind::kGauge && kind != DataKind::kSummary;
  metric_.aggregation_temporality = 0;
  metric_.is_monotonic = false;
  WireReader reader(data);
  while (reader.Next()) {
    if (reader.tag() == Tag(1, kLength)) {
      ++points;
      if (!DecodePoint(kind, reader.Bytes())) return false;
    } else if (reader.tag() == Tag(2, kVarint) && has_temporality) {
      metric_.aggregation_temporality = static_cast<std::int32_t>(reader.Varint());
    } else if (reader.tag() == Tag(3, kVarint) && kind == DataKind::kSum) {
      metric_.is_monotonic = reader.Varint() != 0;
    } else {
      reader.Skip();
    }
  }
  return reader.ok();
}

bool MetricsDecoder::DiscardData(DataKind kind, std::string_view data) {
  MetricRows& rows = RowsOf(kind);
  const std::size_t size = rows.size();
  const DecodeTally tally = session_.tally;
  std::int64_t points = 0;
  if (!DecodeData(kind, data, points)) return false;
  rows.Truncate(size);
  session_.tally = tally;
  return true;
}

bool MetricsDecoder::DecodePoint(DataKind kind, std::string_view point) {
  if (!session_.BeginRecord()) return false;
  RowsOf(kind).attributes.BeginRow();
  switch (kind) {
    case DataKind::kGauge:
      return NumberPoint(gauge_, point);
    case DataKind::kSum:
      return NumberPoint(sum_, point);
    case DataKind::kHistogram:
      return HistogramPoint(point);
    case DataKind::kExponentialHistogram:
      return ExponentialHistogramPoint(point);
    case DataKind::kSummary:
      return SummaryPoint(point);
    case DataKind::kNone:
      break;
  }
  return false;
}

bool MetricsDecoder::AddAttribute(MetricRows& rows, std::string_view key_value) {
  return rows.attributes.Add(key_value, session_.renderer, session_.tally, session_.readable,
                             session_.options.attributes_max);
}

bool MetricsDecoder::IsAccepted(MetricRows& rows) {
  if (session_.tally.rejection() == Rejection::kNone) [[likely]]
    return true;
  rows.DropPoint();
  static_cast<void>(session_.tally.EndRecord());
  return false;
}

bool MetricsDecoder::EndPoint(MetricRows& rows, const PointValues& point) {
  rows.PushPoint(point, session_);
  static_cast<void>(session_.tally.EndRecord());
  return session_.CheckText(rows.attributes.text_bytes());
}

std::int64_t MetricsDecoder::CheckedCount(std::uint64_t count) {
  if (count > INT64_MAX) session_.tally.Reject(Rejection::kCountOutOfRange);
  return static_cast<std::int64_t>(count);
}

bool MetricsDecoder::NumberPoint(NumberRows& rows, std::string_view bytes) {
  PointValues point;
  Number value;
  WireReader reader(bytes);
  while (reader.Next()) {
    bool well_formed = true;
    switch (reader.tag()) {
      case Tag(2, kFixed64):
        point.start_time = reader.Fixed64();
        break;
      case Tag(3, kFixed64):
        point.time = reader.Fixed64();
        break;
      case Tag(4, kFixed64):
        value = {Number::Kind::kDouble, reader.Fixed64()};
        break;
      case Tag(5, kLength):
        well_formed = AppendExemplar(reader.Bytes(), rows.exemplars);
        break;
      case Tag(6, kFixed64):
        value = {Number::Kind::kInt, reader.Fixed64()};
        break;
      case Tag(7, kLength):
        well_formed = AddAttribute(rows, reader.Bytes());
        break;
      case Tag(8, kVarint):
        point.flags = static_cast<std::uint32_t>(reader.Varint());
        break;
      default:
        reader.Skip();
    }
    if (!well_formed) return false;
  }
  if (!reader.ok()) return false;
  if (!IsAccepted(rows)) return true;
  if ((point.flags & kNoRecordedValue) != 0) value = {};
  rows.value.Push(value.AsDouble());
  if (value.kind == Number::Kind::kInt) {
    rows.value_int.Push(static_cast<std::int64_t>(value.bits));
  } else {
    rows.value_int.PushNull();
  }
  return EndPoint(rows, point);
}

// NOLINTNEXTLINE(readability-function-size): a table of cases.
bool MetricsDecoder::HistogramPoint(std::string_view bytes) {
  auto& rows = histogram_;
  PointValues point;
  std::uint64_t count = 0;
  std::size_t buckets = 0;
  std::size_t bounds = 0;
  std::optional<double> sum;
  std::optional<double> min;
  std::optional<double> max;
  WireReader reader(bytes);
  while (reader.Next()) {
    bool well_formed = true;
    switch (reader.tag()) {
      case Tag(2, kFixed64):
        point.start_time = reader.Fixed64();
        break;
      case Tag(3, kFixed64):
        point.time = reader.Fixed64();
        break;
      case Tag(4, kFixed64):
        count = reader.Fixed64();
        break;
      case Tag(5, kFixed64):
        sum = reader.Double();
        break;
      case Tag(6, kLength):
        well_formed = AppendPackedFixed(reader.Bytes(), rows.bucket_counts, buckets, AppendCount);
        break;
      case Tag(6, kFixed64):
        BeginElement(rows.bucket_counts);
        AppendCount(rows.bucket_counts.open(), reader.Fixed64());
        ++buckets;
        break;
      case Tag(7, kLength):
        well_formed = AppendPackedFixed(reader.Bytes(), rows.explicit_bounds, bounds, AppendBound);
        break;
      case Tag(7, kFixed64):
        BeginElement(rows.explicit_bounds);
        AppendBound(rows.explicit_bounds.open(), reader.Fixed64());
        ++bounds;
        break;
      case Tag(8, kLength):
        well_formed = AppendExemplar(reader.Bytes(), rows.exemplars);
        break;
      case Tag(9, kLength):
        well_formed = AddAttribute(rows, reader.Bytes());
        break;
      case Tag(10, kVarint):
        point.flags = static_cast<std::uint32_t>(reader.Varint());
        break;
      case Tag(11, kFixed64):
        min = reader.Double();
        break;
      case Tag(12, kFixed64):
        max = reader.Double();
        break;
      default:
        reader.Skip();
    }
    if (!well_formed) return false;
  }
  if (!reader.ok()) return false;
  const std::int64_t checked_count = CheckedCount(count);
  if (!IsAccepted(rows)) return true;
  const bool usual_shape = buckets == 0 ? bounds == 0 : buckets == bounds + 1;
  if (!usual_shape) session_.tally.Note(Oddity::kHistogramShape);
  rows.count.Push(checked_count);
  PushOptional(rows.sum, sum);
  PushOptional(rows.min, min);
  PushOptional(rows.max, max);
  CloseArray(rows.bucket_counts);
  CloseArray(rows.explicit_bounds);
  return session_.CheckText(rows.bucket_counts.bytes()) &&
         session_.CheckText(rows.explicit_bounds.bytes()) && EndPoint(rows, point);
}

// NOLINTNEXTLINE(readability-function-size): a table of cases.
bool MetricsDecoder::ExponentialHistogramPoint(std::string_view bytes) {
  auto& rows = exponential_histogram_;
  auto& joined = session_.renderer.joined();
  PointValues point;
  std::uint64_t count = 0;
  std::uint64_t zero_count = 0;
  std::int32_t scale = 0;
  double zero_threshold = 0;
  std::optional<double> sum;
  std::optional<double> min;
  std::optional<double> max;
  MessageBytes positive;
  MessageBytes negative;
  WireReader reader(bytes);
  while (reader.Next()) {
    bool well_formed = true;
    switch (reader.tag()) {
      case Tag(1, kLength):
        well_formed = AddAttribute(rows, reader.Bytes());
        break;
      case Tag(2, kFixed64):
        point.start_time = reader.Fixed64();
        break;
      case Tag(3, kFixed64):
        point.time = reader.Fixed64();
        break;
      case Tag(4, kFixed64):
        count = reader.Fixed64();
        break;
      case Tag(5, kFixed64):
        sum = reader.Double();
        break;
      case Tag(6, kVarint):
        scale = ZigZag32(reader.Varint());
        break;
      case Tag(7, kFixed64):
        zero_count = reader.Fixed64();
        break;
      case Tag(8, kLength):
        positive.Add(reader.Bytes(), joined);
        break;
      case Tag(9, kLength):
        negative.Add(reader.Bytes(), joined);
        break;
      case Tag(10, kVarint):
        point.flags = static_cast<std::uint32_t>(reader.Varint());
        break;
      case Tag(11, kLength):
        well_formed = AppendExemplar(reader.Bytes(), rows.exemplars);
        break;
      case Tag(12, kFixed64):
        min = reader.Double();
        break;
      case Tag(13, kFixed64):
        max = reader.Double();
        break;
      case Tag(14, kFixed64):
        zero_threshold = reader.Double();
        break;
      default:
        reader.Skip();
    }
    if (!well_formed) return false;
  }
  const std::int64_t checked_count = CheckedCount(count);
  const std::int64_t checked_zero_count = CheckedCount(zero_count);
  const std::size_t row = rows.size();
  if (!reader.ok() || !AppendBuckets(positive, rows.positive_bucket_counts, rows.positive_offset) ||
      !AppendBuckets(negative, rows.negative_bucket_counts, rows.negative_offset)) {
    return false;
  }
  if (!IsAccepted(rows)) {
    rows.Truncate(row);  // The buckets.
    return true;
  }
  rows.count.Push(checked_count);
  PushOptional(rows.sum, sum);
  PushOptional(rows.min, min);
  PushOptional(rows.max, max);
  rows.scale.Push(scale);
  rows.zero_count.Push(checked_zero_count);
  rows.zero_threshold.Push(zero_threshold);
  return session_.CheckText(rows.positive_bucket_counts.bytes()) &&
         session_.CheckText(rows.negative_bucket_counts.bytes()) && EndPoint(rows, point);
}

bool MetricsDecoder::AppendBuckets(const MessageBytes& buckets, TextColumn& counts,
                                   FixedColumn<std::int32_t>& offset) {
  if (!buckets.present()) {
    counts.PushNull();
    offset.PushNull();
    return true;
  }
  std::int32_t first = 0;
  WireReader reader(buckets.view());
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kVarint):
        first = ZigZag32(reader.Varint());
        break;
      case Tag(2, kVarint):
        BeginElement(counts);
        AppendUnsigned(counts.open(), reader.Varint());
        break;
      case Tag(2, kLength): {
        WireReader packed(reader.Bytes());
        while (packed.more()) {
          BeginElement(counts);
          AppendUnsigned(counts.open(), packed.Varint());
        }
        if (!packed.ok()) return false;
        break;
      }
      default:
        reader.Skip();
    }
  }
  CloseArray(counts);
  offset.Push(first);
  return reader.ok();
}

bool MetricsDecoder::SummaryPoint(std::string_view bytes) {
  auto& rows = summary_;
  PointValues point;
  std::uint64_t count = 0;
  double sum = 0;
  WireReader reader(bytes);
  while (reader.Next()) {
    bool well_formed = true;
    switch (reader.tag()) {
      case Tag(2, kFixed64):
        point.start_time = reader.Fixed64();
        break;
      case Tag(3, kFixed64):
        point.time = reader.Fixed64();
        break;
      case Tag(4, kFixed64):
        count = reader.Fixed64();
        break;
      case Tag(5, kFixed64):
        sum = reader.Double();
        break;
      case Tag(6, kLength):
        well_formed = AppendQuantile(reader.Bytes());
        break;
      case Tag(7, kLength):
        well_formed = AddAttribute(rows, reader.Bytes());
        break;
      case Tag(8, kVarint):
        point.flags = static_cast<std::uint32_t>(reader.Varint());
        break;
      default:
        reader.Skip();
    }
    if (!well_formed) return false;
  }
  if (!reader.ok()) return false;
  const std::int64_t checked_count = CheckedCount(count);
  if (!IsAccepted(rows)) return true;
  rows.count.Push(checked_count);
  rows.sum.Push(sum);
  CloseArray(rows.quantile_values);
  return EndPoint(rows, point);
}

bool MetricsDecoder::AppendQuantile(std::string_view bytes) {
  double quantile = 0;
  double value = 0;
  WireReader reader(bytes);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kFixed64):
        quantile = reader.Double();
        break;
      case Tag(2, kFixed64):
        value = reader.Double();
        break;
      default:
        reader.Skip();
    }
  }
  auto& out = summary_.quantile_values;
  BeginElement(out);
  AppendText(out.open(), R"({"quantile":)");
  AppendJsonDouble(out.open(), quantile);
  AppendText(out.open(), R"(,"value":)");
  AppendJsonDouble(out.open(), value);
  out.open().Push('}');
  return reader.ok() && session_.CheckText(out.open().size());
}

bool MetricsDecoder::AppendExemplar(std::string_view bytes, TextColumn& exemplars) {
  std::uint64_t time = 0;
  Number value;
  std::string_view trace_id;
  std::string_view span_id;
  session_.renderer.BeginList();
  WireReader reader(bytes);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(2, kFixed64):
        time = reader.Fixed64();
        break;
      case Tag(3, kFixed64):
        value = {Number::Kind::kDouble, reader.Fixed64()};
        break;
      case Tag(4, kLength):
        span_id = reader.Bytes();
        break;
      case Tag(5, kLength):
        trace_id = reader.Bytes();
        break;
      case Tag(6, kFixed64):
        value = {Number::Kind::kInt, reader.Fixed64()};
        break;
      case Tag(7, kLength):
        if (!session_.renderer.AddToList(reader.Bytes())) return false;
        break;
      default:
        reader.Skip();
    }
  }
  BeginElement(exemplars);
  auto& out = exemplars.open();
  AppendText(out, R"({"time_unix_nano":)");
  AppendUnsigned(out, time);
  AppendText(out, R"(,"value":)");
  switch (value.kind) {
    case Number::Kind::kDouble:
      AppendJsonDouble(out, value.AsDouble());
      break;
    case Number::Kind::kInt:
      AppendSigned(out, static_cast<std::int64_t>(value.bits));
      break;
    case Number::Kind::kNone:
      AppendText(out, "null");
      break;
  }
  AppendText(out, R"(,"filtered_attributes":)");
  if (!session_.renderer.AppendListAsObject(out)) return false;
  const auto append_id = [&](std::string_view name, std::string_view id, std::size_t size) {
    if (!IsUsableId(id, size, session_.tally)) return;
    AppendText(out, name);
    AppendHex(out, id);
    out.Push('"');
  };
  append_id(R"(,"trace_id":")", trace_id, kTraceIdBytes);
  append_id(R"(,"span_id":")", span_id, kSpanIdBytes);
  out.Push('}');
  return reader.ok() && session_.CheckText(out.size());
}

}  // namespace signaldb

// Wire schema v1 of metrics, as OTLP Metrics: a row is a metric, its points are JSON.
#include <array>
#include <limits>
#include <optional>

#include <arrow/api.h>
#include <fmt/format.h>

#include "telemetry/arrow_records.h"
#include "telemetry/json_any_value.h"
#include "telemetry/scalar_text.h"

namespace signaldb {
namespace {

using protozero::pbf_writer;
using enum CellType;
using enum CellPresence;
using Kind = JsonTree::Kind;
using Nodes = std::vector<JsonTree::Node>;

enum Column : std::size_t {
  kName,
  kDescription,
  kUnit,
  kStart,
  kTime,
  kAttributes,
  kResource,
  kScope,
  kMetricType,
  kData,
  kTemporality,
  kIsMonotonic,
};

constexpr auto kColumns = std::to_array<CellSpec>({
    {"name", kText, kRequired},
    {"description", kText, kOptional},
    {"unit", kText, kOptional},
    {"start_time_unix_nano", kUnsigned, kOptional},
    {"time_unix_nano", kUnsigned, kRequired},
    {"attributes_json", kText, kOptional},
    {"resource_json", kText, kOptional},
    {"scope_json", kText, kOptional},
    {"metric_type", kText, kRequired},
    {"data_json", kText, kRequired},
    {"aggregation_temporality", kSigned, kOptional},
    {"is_monotonic", kBool, kOptional},
});

constexpr std::array<std::string_view, 2> kAbsent = {"resource_dropped_attributes_count",
                                                     "scope_dropped_attr_count"};

/// Fields of points, as the five messages number them; 0 where a message has no such field.
struct PointTags {
  std::uint32_t data;  ///< Of the points in Metric.
  std::uint32_t attributes;
  std::uint32_t exemplars;
  std::uint32_t flags;
};

constexpr PointTags TagsOf(TableKind kind) {
  switch (kind) {
    case TableKind::kMetricsSum:
      return {7, 7, 5, 8};
    case TableKind::kMetricsHistogram:
      return {9, 9, 8, 10};
    case TableKind::kMetricsExponentialHistogram:
      return {10, 1, 11, 10};
    case TableKind::kMetricsSummary:
      return {11, 7, 0, 8};
    default:
      return {5, 7, 5, 8};
  }
}

bool HasOneNumber(TableKind kind) {
  return kind == TableKind::kMetricsGauge || kind == TableKind::kMetricsSum;
}

std::optional<TableKind> KindOf(std::string_view metric_type) {
  if (metric_type == "gauge") return TableKind::kMetricsGauge;
  if (metric_type == "sum") return TableKind::kMetricsSum;
  if (metric_type == "histogram") return TableKind::kMetricsHistogram;
  if (metric_type == "exponential_histogram") return TableKind::kMetricsExponentialHistogram;
  if (metric_type == "summary") return TableKind::kMetricsSummary;
  return std::nullopt;
}

/// Writes the points of one data_json. The first thing that is wrong is remembered by its name, and
/// what is written then is thrown away.
class PointWriter {
 public:
  PointWriter(const Nodes& nodes, const std::string& bytes)
      : nodes_(nodes), bytes_(bytes), values_(nodes, bytes) {}

  struct Times {
    std::uint64_t start = 0;
    std::uint64_t time = 0;
  };

  /// The point at `at` as field 1 of `data`; `times` are those of a point that names none.
  void Point(std::size_t at, TableKind kind, Times times, pbf_writer& data);
  [[nodiscard]] std::string_view wrong() const { return wrong_; }

 private:
  void Number(std::size_t at, pbf_writer& out);
  void Histogram(std::size_t at, pbf_writer& out);
  void ExponentialHistogram(std::size_t at, pbf_writer& out);
  void Summary(std::size_t at, pbf_writer& out);
  void Exemplar(std::size_t at, pbf_writer& out);
  void Buckets(std::size_t at, std::string_view name, std::uint32_t tag, pbf_writer& out);
  /// A number, a text that stands for one, or nothing: fields `real` and `integer`.
  void AnyNumber(std::size_t at, std::uint32_t real, std::uint32_t integer, pbf_writer& out);
  void Attributes(std::size_t object, std::string_view name, std::uint32_t tag, pbf_writer& out);
  void Id(std::size_t object, std::string_view name, std::uint32_t tag, pbf_writer& out);

  /// The member's node if it is there and not null.
  [[nodiscard]] std::optional<std::size_t> Member(std::size_t object, std::string_view name);
  /// The members of an array or nothing; `each` gets the node.
  template <typename Each>
  void ForEach(std::size_t object, std::string_view name, Each each);
  template <typename T>
  [[nodiscard]] std::optional<T> Integer(std::size_t object, std::string_view name);
  [[nodiscard]] std::optional<double> Real(std::size_t object, std::string_view name);
  [[nodiscard]] std::optional<double> RealAt(std::size_t at, std::string_view name);
  template <typename T>
  [[nodiscard]] std::optional<T> IntegerAt(std::size_t at, std::string_view name);

  void Fault(std::string_view name) {
    if (wrong_.empty()) wrong_ = name;
  }

  const Nodes& nodes_;
  const std::string& bytes_;
  const JsonAnyValueWriter values_;
  std::string_view wrong_;
};

std::optional<std::size_t> PointWriter::Member(std::size_t object, std::string_view name) {
  const std::size_t at = FindMember(nodes_, object, name);
  if (at == 0 || nodes_[at].kind == Kind::kNull) return std::nullopt;
  return at;
}

template <typename T>
std::optional<T> PointWriter::IntegerAt(std::size_t at, std::string_view name) {
  const auto& node = nodes_[at];
  std::optional<T> value;
  if (node.kind == Kind::kNumber || node.kind == Kind::kString) value = ParseInteger<T>(node.text);
  if (!value) Fault(name);
  return value;
}

template <typename T>
std::optional<T> PointWriter::Integer(std::size_t object, std::string_view name) {
  const auto at = Member(object, name);
  return at ? IntegerAt<T>(*at, name) : std::nullopt;
}

std::optional<double> PointWriter::RealAt(std::size_t at, std::string_view name) {
  const auto& node = nodes_[at];
  std::optional<double> value;
  if (node.kind == Kind::kNull) return std::numeric_limits<double>::quiet_NaN();
  if (node.kind == Kind::kNumber || node.kind == Kind::kString) value = ParseDouble(node.text);
  if (!value) Fault(name);
  return value;
}

std::optional<double> PointWriter::Real(std::size_t object, std::string_view name) {
  const auto at = Member(object, name);
  return at ? RealAt(*at, name) : std::nullopt;
}

template <typename Each>
void PointWriter::ForEach(std::size_t object, std::string_view name, Each each) {
  const auto array = Member(object, name);
  if (!array) return;
  if (nodes_[*array].kind != Kind::kArray) return Fault(name);
  for (std::size_t at = *array + 1; at < nodes_[*array].next; at = nodes_[at].next) each(at);
}

void PointWriter::Attributes(std::size_t object, std::string_view name, std::uint32_t tag,
                             pbf_writer& out) {
  const auto at = Member(object, name);
  if (!at) return;
  if (nodes_[*at].kind != Kind::kObject || !values_.Members(*at, tag, out)) Fault(name);
}

void PointWriter::Id(std::size_t object, std::string_view name, std::uint32_t tag,
                     pbf_writer& out) {
  const auto at = Member(object, name);
  if (!at) return;
  if (nodes_[*at].kind != Kind::kString) return Fault(name);
  // What is no hex has no length that is right: the decoder leaves it out and counts it.
  if (!nodes_[*at].text.empty()) out.add_bytes(tag, ParseHex(nodes_[*at].text).value_or("?"));
}

void PointWriter::AnyNumber(std::size_t at, std::uint32_t real, std::uint32_t integer,
                            pbf_writer& out) {
  const auto& node = nodes_[at];
  const bool whole =
      node.kind == Kind::kNumber && node.text.find_first_of(".eE") == std::string_view::npos;
  if (const auto value = whole ? ParseInteger<std::int64_t>(node.text) : std::nullopt) {
    out.add_sfixed64(integer, *value);
  } else if (const auto number = RealAt(at, "value")) {
    out.add_double(real, *number);
  }
}

void PointWriter::Point(std::size_t at, TableKind kind, Times times, pbf_writer& data) {
  if (nodes_[at].kind != Kind::kObject) return Fault("point");
  const PointTags tags = TagsOf(kind);
  pbf_writer out(data, 1);
  out.add_fixed64(2, Integer<std::uint64_t>(at, "start_time_unix_nano").value_or(times.start));
  out.add_fixed64(3, Integer<std::uint64_t>(at, "time_unix_nano").value_or(times.time));
  Attributes(at, "attributes", tags.attributes, out);
  if (const auto flags = Integer<std::uint32_t>(at, "flags")) out.add_uint32(tags.flags, *flags);
  if (tags.exemplars != 0) {
    ForEach(at, "exemplars", [&](std::size_t exemplar) {
      pbf_writer nested(out, tags.exemplars);
      Exemplar(exemplar, nested);
    });
  }
  switch (kind) {
    case TableKind::kMetricsHistogram:
      return Histogram(at, out);
    case TableKind::kMetricsExponentialHistogram:
      return ExponentialHistogram(at, out);
    case TableKind::kMetricsSummary:
      return Summary(at, out);
    default:
      return Number(at, out);
  }
}

void PointWriter::Number(std::size_t at, pbf_writer& out) {
  if (const auto value = Member(at, "value")) AnyNumber(*value, 4, 6, out);
}

void PointWriter::Histogram(std::size_t at, pbf_writer& out) {
  if (const auto count = Integer<std::uint64_t>(at, "count")) out.add_fixed64(4, *count);
  if (const auto sum = Real(at, "sum")) out.add_double(5, *sum);
  ForEach(at, "bucket_counts", [&](std::size_t item) {
    if (const auto n = IntegerAt<std::uint64_t>(item, "bucket_counts")) out.add_fixed64(6, *n);
  });
  ForEach(at, "explicit_bounds", [&](std::size_t item) {
    if (const auto bound = RealAt(item, "explicit_bounds")) out.add_double(7, *bound);
  });
  if (const auto min = Real(at, "min")) out.add_double(11, *min);
  if (const auto max = Real(at, "max")) out.add_double(12, *max);
}

void PointWriter::ExponentialHistogram(std::size_t at, pbf_writer& out) {
  if (const auto count = Integer<std::uint64_t>(at, "count")) out.add_fixed64(4, *count);
  if (const auto sum = Real(at, "sum")) out.add_double(5, *sum);
  if (const auto scale = Integer<std::int32_t>(at, "scale")) out.add_sint32(6, *scale);
  if (const auto zeros = Integer<std::uint64_t>(at, "zero_count")) out.add_fixed64(7, *zeros);
  Buckets(at, "positive", 8, out);
  Buckets(at, "negative", 9, out);
  if (const auto min = Real(at, "min")) out.add_double(12, *min);
  if (const auto max = Real(at, "max")) out.add_double(13, *max);
  if (const auto threshold = Real(at, "zero_threshold")) out.add_double(14, *threshold);
}

void PointWriter::Buckets(std::size_t at, std::string_view name, std::uint32_t tag,
                          pbf_writer& out) {
  const auto buckets = Member(at, name);
  if (!buckets) return;
  if (nodes_[*buckets].kind != Kind::kObject) return Fault(name);
  const std::size_t before = bytes_.size();
  {
    pbf_writer nested(out, tag);
    if (const auto offset = Integer<std::int32_t>(*buckets, "offset"))
      nested.add_sint32(1, *offset);
    ForEach(*buckets, "bucket_counts", [&](std::size_t item) {
      if (const auto n = IntegerAt<std::uint64_t>(item, "bucket_counts")) nested.add_uint64(2, *n);
    });
  }
  if (bytes_.size() == before) out.add_message(tag, "", 0);
}

void PointWriter::Summary(std::size_t at, pbf_writer& out) {
  if (const auto count = Integer<std::uint64_t>(at, "count")) out.add_fixed64(4, *count);
  if (const auto sum = Real(at, "sum")) out.add_double(5, *sum);
  ForEach(at, "quantile_values", [&](std::size_t item) {
    if (nodes_[item].kind != Kind::kObject) return Fault("quantile_values");
    pbf_writer nested(out, 6);
    nested.add_double(1, Real(item, "quantile").value_or(0));
    nested.add_double(2, Real(item, "value").value_or(0));
  });
}

void PointWriter::Exemplar(std::size_t at, pbf_writer& out) {
  if (nodes_[at].kind != Kind::kObject) return Fault("exemplars");
  out.add_fixed64(2, Integer<std::uint64_t>(at, "time_unix_nano").value_or(0));
  if (const auto value = Member(at, "value")) AnyNumber(*value, 3, 6, out);
  Id(at, "span_id", 4, out);
  Id(at, "trace_id", 5, out);
  Attributes(at, "filtered_attributes", 7, out);
}

class ArrowMetrics final : public ArrowRecords {
 public:
  explicit ArrowMetrics(std::optional<TableKind> table) : table_(table) {}

  [[nodiscard]] Status Bind(const arrow::RecordBatch& batch, std::int64_t first_row) override {
    SIGNALDB_ASSIGN(cells_, BindCells(batch, kColumns, unknown_columns_));
    json_.Bind(first_row);
    return {};
  }

  [[nodiscard]] ResourceCells Resource(std::int64_t row) const override {
    return {.json = Text(kResource, row), .schema_url = {}};
  }
  [[nodiscard]] ScopeCells Scope(std::int64_t row) const override {
    ScopeCells scope;
    scope.json = Text(kScope, row);
    return scope;
  }
  [[nodiscard]] CellRemarks Remarks(std::int64_t) const override { return {}; }

  [[nodiscard]] Status Write(std::int64_t row, std::string& record) override;

  [[nodiscard]] std::span<const std::string_view> nullable_columns() const override { return {}; }
  [[nodiscard]] std::span<const std::string_view> absent_columns() const override {
    return kAbsent;
  }

 private:
  [[nodiscard]] std::string_view Text(Column column, std::int64_t row) const {
    return cells_[column].TextOrEmpty(row);
  }
  [[nodiscard]] Result<TableKind> KindOfRow(std::int64_t row) const;
  [[nodiscard]] Status AddData(std::int64_t row, TableKind kind, pbf_writer& out,
                               const std::string& bytes) const;

  const std::optional<TableKind> table_;
  JsonCells json_;
  std::vector<ArrowCells> cells_;
};

Result<TableKind> ArrowMetrics::KindOfRow(std::int64_t row) const {
  const std::string_view type = Text(kMetricType, row);
  const auto kind = KindOf(type);
  if (!kind) return std::unexpected(json_.Wrong("metric type is unknown", "metric_type", row));
  if (!table_ || *table_ == *kind) return *kind;
  // Points of gauges and sums look alike; of others a part would be lost without a word.
  if (HasOneNumber(*kind) && HasOneNumber(*table_)) return *table_;
  return std::unexpected(
      json_.Wrong("metric does not fit into the table that the put names", "metric_type", row));
}

Status ArrowMetrics::Write(std::int64_t row, std::string& record) {
  SIGNALDB_ASSIGN(const TableKind kind, KindOfRow(row));
  pbf_writer out(record);
  const auto add_text = [&](std::uint32_t tag, std::string_view text) {
    if (!text.empty()) out.add_string(tag, text.data(), text.size());
  };
  add_text(1, Text(kName, row));
  add_text(2, Text(kDescription, row));
  add_text(3, Text(kUnit, row));
  SIGNALDB_TRY(AddData(row, kind, out, record));
  return json_.Attributes(Text(kAttributes, row), "attributes_json", row, 12, out, record);
}

Status ArrowMetrics::AddData(std::int64_t row, TableKind kind, pbf_writer& out,
                             const std::string& bytes) const {
  const auto tree = JsonTree::Parse(Text(kData, row));
  if (!tree) return std::unexpected(json_.Wrong(tree.error(), "data_json", row));
  const Nodes& nodes = tree->nodes();
  if (nodes.front().kind != Kind::kArray) {
    return std::unexpected(json_.Wrong("cell is not a JSON array of points", "data_json", row));
  }
  const std::int64_t temporality = cells_[kTemporality].Signed(row);
  if (temporality != static_cast<std::int32_t>(temporality)) {
    return std::unexpected(json_.Wrong("number is out of range", "aggregation_temporality", row));
  }
  PointWriter points(nodes, bytes);
  const std::size_t before = bytes.size();
  {
    pbf_writer data(out, TagsOf(kind).data);
    for (std::size_t at = 1; at < nodes.size(); at = nodes[at].next) {
      points.Point(at, kind,
                   {.start = cells_[kStart].Unsigned(row), .time = cells_[kTime].Unsigned(row)},
                   data);
    }
    if (temporality != 0) data.add_int32(2, static_cast<std::int32_t>(temporality));
    if (cells_[kIsMonotonic].Bool(row)) data.add_bool(3, true);
  }
  if (bytes.size() == before) out.add_message(TagsOf(kind).data, "", 0);
  if (points.wrong().empty()) return {};
  return std::unexpected(
      json_.Wrong(fmt::format("cell has a point with a wrong field field={}", points.wrong()),
                  "data_json", row));
}

}  // namespace

std::unique_ptr<ArrowRecords> MakeArrowMetrics(std::optional<TableKind> table) {
  return std::make_unique<ArrowMetrics>(table);
}

}  // namespace signaldb

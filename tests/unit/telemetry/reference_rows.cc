#include "reference_rows.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <opentelemetry/proto/collector/logs/v1/logs_service.pb.h>
#include <opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.pb.h>

namespace signaldb::testing {
namespace {

namespace otlp = opentelemetry::proto;
using otlp::common::v1::AnyValue;
using otlp::common::v1::KeyValue;
using KeyValues = google::protobuf::RepeatedPtrField<KeyValue>;
using Notes = std::map<std::string, std::int64_t>;

constexpr std::uint64_t kInt64Max = std::numeric_limits<std::int64_t>::max();

/// What is found out about a record, or about what records share.
struct Findings {
  bool rejected = false;
  Notes notes;

  void Add(const Findings& other) {
    rejected = rejected || other.rejected;
    for (const auto& [label, count] : other.notes) notes[label] += count;
  }
};

bool IsUtf8(const std::string& text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto at = [&](std::size_t k) -> unsigned {
      return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0;
    };
    const unsigned lead = at(0);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    unsigned point = length == 1 ? lead : lead & (0x7fU >> length);
    for (std::size_t k = 1; k < length; ++k) {
      if ((at(k) & 0xc0) != 0x80) return false;
      point = (point << 6) | (at(k) & 0x3f);
    }
    constexpr unsigned kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (lead >= 0x80 && (lead < 0xc0 || lead > 0xf7 || point < kLeast[length])) return false;
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
    i += length;
  }
  return true;
}

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

bool Zero(const std::string& id) { return id.find_first_not_of('\0') == std::string::npos; }

std::string Base64(const std::string& bytes) {
  constexpr const char* kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bits;
  for (const char byte : bytes) bits += fmt::format("{:08b}", static_cast<unsigned char>(byte));
  std::string text;
  for (std::size_t i = 0; i < bits.size(); i += 6) {
    std::string group = bits.substr(i, 6);
    group.resize(6, '0');
    text += kDigits[std::stoi(group, nullptr, 2)];
  }
  while (text.size() % 4 != 0) text += '=';
  return text;
}

std::string Real(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "+Inf" : "-Inf";
  // Shortest digits are what to_chars promises; that they read back is checked here.
  std::string text(64, '\0');
  text.resize(static_cast<std::size_t>(
      std::to_chars(text.data(), text.data() + text.size(), number).ptr - text.data()));
  if (std::strtod(text.c_str(), nullptr) != number) return "does not read back";
  if (text.find('.') == std::string::npos && text.find('e') == std::string::npos) text += ".0";
  return text;
}

std::string JsonReal(double number) {
  return std::isfinite(number) ? Real(number) : '"' + Real(number) + '"';
}

std::string JsonText(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        json += "\\\"";
        break;
      case '\\':
        json += "\\\\";
        break;
      case '\b':
        json += "\\b";
        break;
      case '\f':
        json += "\\f";
        break;
      case '\n':
        json += "\\n";
        break;
      case '\r':
        json += "\\r";
        break;
      case '\t':
        json += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          json += fmt::format("\\u{:04x}", static_cast<int>(c));
        } else {
          json += c;
        }
    }
  }
  return json + '"';
}

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

/// One request. Each function is a section of the rules.
class Book {
 public:
  explicit Book(const DecodeOptions& options) : options_(options) {}

  void Decode(const otlp::collector::logs::v1::ExportLogsServiceRequest& request);
  void Decode(const otlp::collector::trace::v1::ExportTraceServiceRequest& request);
  void Decode(const otlp::collector::metrics::v1::ExportMetricsServiceRequest& request);

  ReferenceRequest result;

 private:
  struct PendingRow {
    TableKind table;
    TableRow row;
  };
  /// Rows and findings that go if what they share is rejected.
  struct Pending {
    std::vector<PendingRow> rows;
    std::int64_t rejected = 0;
    Notes notes;
  };

  static std::string Checked(const std::string& text, Findings& findings) {
    if (!IsUtf8(text)) findings.rejected = true;
    return text;
  }
  static std::string TextOrNull(const std::string& text, Findings& findings) {
    return text.empty() ? NullCell() : TextCell(Checked(text, findings));
  }

  // AnyValue.
  std::string Json(const AnyValue& value, int depth, Findings& findings);
  std::optional<std::string> Plain(const AnyValue& value, Findings& findings);
  std::string JsonObject(const KeyValues& pairs, int depth, Findings& findings);
  TextMap Map(const KeyValues& pairs, Findings& findings);

  // Time.
  std::int64_t EventMicros(std::uint64_t nanos, Findings& findings);
  static std::int64_t Nanos64(std::uint64_t nanos, Findings& findings);
  void PutTime(TableRow& row, std::uint64_t nanos, Findings& findings);

  // Shared parts.
  template <typename Scope, typename Container>
  void ScopeCells(const Scope& scope, const Container& container, const char* dropped,
                  TableRow& cells, Findings& findings);
  template <typename Resource, typename Container>
  void ResourceCells(const Resource& resource, const Container& container, TableRow& cells,
                     Findings& findings);
  static void Finish(Pending& inner, const Findings& shared, const TableRow& cells, Pending& outer);
  static void Record(PendingRow row, const Findings& findings, Pending& pending);

  PendingRow Log(const otlp::logs::v1::LogRecord& log, Findings& findings);
  PendingRow Span(const otlp::trace::v1::Span& span, Findings& findings);
  std::string Event(const otlp::trace::v1::Span::Event& event, Findings& findings);
  std::string Link(const otlp::trace::v1::Span::Link& link, Findings& findings);

  void Metric(const otlp::metrics::v1::Metric& metric, Pending& outer);
  template <typename Point>
  void PointCells(const Point& point, TableRow& row, Findings& findings);
  void Number(const otlp::metrics::v1::NumberDataPoint& point, TableRow& row, Findings& findings);
  void Histogram(const otlp::metrics::v1::HistogramDataPoint& point, TableRow& row, Findings& f);
  void Exponential(const otlp::metrics::v1::ExponentialHistogramDataPoint& point, TableRow& row,
                   Findings& findings);
  void Summary(const otlp::metrics::v1::SummaryDataPoint& point, TableRow& row, Findings& findings);
  template <typename Point>
  std::string Exemplars(const Point& point, Findings& findings);
  static std::string Count(std::uint64_t count, Findings& findings) {
    if (count > kInt64Max) findings.rejected = true;
    return NumberCell(static_cast<std::int64_t>(count));
  }

  void Store(Pending& pending);

  const DecodeOptions options_;
};

std::string Book::Json(const AnyValue& value, int depth, Findings& findings) {
  if (depth > options_.depth_max) {
    findings.rejected = true;
    return "";
  }
  switch (value.value_case()) {
    case AnyValue::kStringValue:
      return JsonText(Checked(value.string_value(), findings));
    case AnyValue::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case AnyValue::kIntValue:
      return fmt::format("{}", value.int_value());
    case AnyValue::kDoubleValue:
      return JsonReal(value.double_value());
    case AnyValue::kBytesValue:
      return R"({"$otlp_type":"bytes","base64":")" + Base64(value.bytes_value()) + R"("})";
    case AnyValue::kArrayValue: {
      std::vector<std::string> items;
      for (const auto& item : value.array_value().values()) {
        items.push_back(Json(item, depth + 1, findings));
      }
      return "[" + Join(items) + "]";
    }
    case AnyValue::kKvlistValue:
      return JsonObject(value.kvlist_value().values(), depth, findings);
    case AnyValue::kStringValueStrindex:
      ++findings.notes["string_index"];
      return "null";
    case AnyValue::VALUE_NOT_SET:
      return "null";
  }
  return "";
}

std::optional<std::string> Book::Plain(const AnyValue& value, Findings& findings) {
  switch (value.value_case()) {
    case AnyValue::kStringValue:
      return Checked(value.string_value(), findings);
    case AnyValue::kDoubleValue:
      return Real(value.double_value());
    case AnyValue::VALUE_NOT_SET:
      return std::nullopt;
    case AnyValue::kStringValueStrindex:
      ++findings.notes["string_index"];
      return std::nullopt;
    default:
      return Json(value, 1, findings);
  }
}

/// The last pair of every key stays, in the order sent.
std::string Book::JsonObject(const KeyValues& pairs, int depth, Findings& findings) {
  std::vector<std::string> members;
  std::set<std::string> seen;
  for (int i = pairs.size() - 1; i >= 0; --i) {
    const auto& pair = pairs[i];
    if (pair.key_strindex() != 0) ++findings.notes["string_index"];
    const auto value = Json(pair.value(), depth + 1, findings);
    const auto key = Checked(pair.key(), findings);
    if (seen.insert(key).second) {
      members.insert(members.begin(), JsonText(key) + ":" + value);
    } else {
      ++findings.notes["duplicate_attribute_key"];
    }
  }
  return "{" + Join(members) + "}";
}

TextMap Book::Map(const KeyValues& pairs, Findings& findings) {
  TextMap map;
  if (pairs.size() > options_.attributes_max) findings.rejected = true;
  for (const auto& pair : pairs) {
    if (pair.key_strindex() != 0) ++findings.notes["string_index"];
    const auto key = Checked(pair.key(), findings);
    if (map.contains(key)) ++findings.notes["duplicate_attribute_key"];
    map[key] = Plain(pair.value(), findings);
  }
  return map;
}

std::int64_t Book::Nanos64(std::uint64_t nanos, Findings& findings) {
  if (nanos <= kInt64Max) return static_cast<std::int64_t>(nanos);
  ++findings.notes["time_overflow"];
  return std::numeric_limits<std::int64_t>::max();
}

std::int64_t Book::EventMicros(std::uint64_t nanos, Findings& findings) {
  const std::int64_t received = options_.received_at.count();
  const auto time = static_cast<std::int64_t>(std::min(nanos, kInt64Max));
  const char* why = nullptr;
  if (time == 0) {
    why = "zero";
  } else if (time < options_.timestamp_min.count()) {
    why = "past";
  } else if (time > received + options_.timestamp_future_max.count()) {
    why = "future";
  }
  if (why != nullptr) ++findings.notes[why];
  return (why != nullptr ? received : time) / 1000;
}

void Book::PutTime(TableRow& row, std::uint64_t nanos, Findings& findings) {
  const std::int64_t micros = EventMicros(nanos, findings);
  row["timestamp"] = NumberCell(micros);
  row["date_day"] = NumberCell(micros / 1'000'000 / 86'400);
  row["hour"] = NumberCell(micros / 1'000'000 / 3'600 % 24);
}

template <typename Scope, typename Container>
void Book::ScopeCells(const Scope& scope, const Container& container, const char* dropped,
                      TableRow& cells, Findings& findings) {
  cells["scope_name"] = TextOrNull(scope.name(), findings);
  cells["scope_version"] = TextOrNull(scope.version(), findings);
  cells["scope_schema_url"] = TextOrNull(container.schema_url(), findings);
  cells["scope_attributes"] = MapCell(Map(scope.attributes(), findings));
  std::int64_t count = scope.dropped_attributes_count();
  if (std::string(dropped) == "scope_dropped_attr_count") {
    count = std::min<std::int64_t>(count, std::numeric_limits<std::int32_t>::max());
  }
  cells[dropped] = NumberCell(count);
}

template <typename Resource, typename Container>
void Book::ResourceCells(const Resource& resource, const Container& container, TableRow& cells,
                         Findings& findings) {
  cells["resource_schema_url"] = TextOrNull(container.schema_url(), findings);
  cells["resource_attributes"] = MapCell(Map(resource.attributes(), findings));
  cells["resource_dropped_attributes_count"] = NumberCell(resource.dropped_attributes_count());
  std::string service = "unknown";
  for (const auto& pair : resource.attributes()) {  // The last one decides, whatever it is.
    if (pair.key() == "service.name") {
      service = pair.value().string_value().empty() ? "unknown" : pair.value().string_value();
    }
  }
  cells["service_name"] = TextCell(service);
}

void Book::Record(PendingRow row, const Findings& findings, Pending& pending) {
  if (findings.rejected) {
    ++pending.rejected;
    return;
  }
  pending.rows.push_back(std::move(row));
  for (const auto& [label, count] : findings.notes) pending.notes[label] += count;
}

void Book::Finish(Pending& inner, const Findings& shared, const TableRow& cells, Pending& outer) {
  outer.rejected += inner.rejected;
  if (shared.rejected) {
    outer.rejected += static_cast<std::int64_t>(inner.rows.size());
    return;
  }
  for (auto& row : inner.rows) {
    row.row.insert(cells.begin(), cells.end());
    outer.rows.push_back(std::move(row));
  }
  for (const auto& [label, count] : inner.notes) outer.notes[label] += count;
  for (const auto& [label, count] : shared.notes) outer.notes[label] += count;
}

void Book::Store(Pending& pending) {
  for (auto& [table, row] : pending.rows) result.tables[table].push_back(std::move(row));
  result.rejected += pending.rejected;
  for (const auto& [label, count] : pending.notes) {
    if (count != 0) result.notes[label] += count;
  }
}

void Book::Decode(const otlp::collector::logs::v1::ExportLogsServiceRequest& request) {
  for (const auto& resource : request.resource_logs()) {
    Pending of_resource;
    for (const auto& scope : resource.scope_logs()) {
      Pending of_scope;
      for (const auto& log : scope.log_records()) {
        Findings findings;
        auto row = Log(log, findings);
        Record(std::move(row), findings, of_scope);
      }
      Findings findings;
      TableRow cells;
      ScopeCells(scope.scope(), scope, "scope_dropped_attributes_count", cells, findings);
      Finish(of_scope, findings, cells, of_resource);
    }
    Findings findings;
    TableRow cells;
    Pending all;
    ResourceCells(resource.resource(), resource, cells, findings);
    Finish(of_resource, findings, cells, all);
    Store(all);
  }
}

void Book::Decode(const otlp::collector::trace::v1::ExportTraceServiceRequest& request) {
  for (const auto& resource : request.resource_spans()) {
    Pending of_resource;
    for (const auto& scope : resource.scope_spans()) {
      Pending of_scope;
      for (const auto& span : scope.spans()) {
        Findings findings;
        auto row = Span(span, findings);
        Record(std::move(row), findings, of_scope);
      }
      Findings findings;
      TableRow cells;
      ScopeCells(scope.scope(), scope, "scope_dropped_attributes_count", cells, findings);
      Finish(of_scope, findings, cells, of_resource);
    }
    Findings findings;
    TableRow cells;
    Pending all;
    ResourceCells(resource.resource(), resource, cells, findings);
    Finish(of_resource, findings, cells, all);
    Store(all);
  }
}

void Book::Decode(const otlp::collector::metrics::v1::ExportMetricsServiceRequest& request) {
  for (const auto& resource : request.resource_metrics()) {
    Pending of_resource;
    for (const auto& scope : resource.scope_metrics()) {
      Pending of_scope;
      for (const auto& metric : scope.metrics()) Metric(metric, of_scope);
      Findings findings;
      TableRow cells;
      ScopeCells(scope.scope(), scope, "scope_dropped_attr_count", cells, findings);
      Finish(of_scope, findings, cells, of_resource);
    }
    Findings findings;
    TableRow cells;
    Pending all;
    ResourceCells(resource.resource(), resource, cells, findings);
    Finish(of_resource, findings, cells, all);
    Store(all);
  }
}

Book::PendingRow Book::Log(const otlp::logs::v1::LogRecord& log, Findings& findings) {
  TableRow row;
  PutTime(row, log.time_unix_nano() != 0 ? log.time_unix_nano() : log.observed_time_unix_nano(),
          findings);
  const std::int64_t observed = Nanos64(log.observed_time_unix_nano(), findings);
  row["observed_timestamp"] = observed == 0 ? NullCell() : NumberCell(observed / 1000);
  const auto id = [&](const std::string& bytes, std::size_t size) {
    if (!bytes.empty() && bytes.size() != size) ++findings.notes["invalid_id"];
    return bytes.size() != size || Zero(bytes) ? NullCell() : TextCell(Hex(bytes));
  };
  row["trace_id"] = id(log.trace_id(), 16);
  row["span_id"] = id(log.span_id(), 8);
  row["trace_flags"] = NumberCell(static_cast<std::int32_t>(log.flags()));
  row["severity_text"] = TextOrNull(log.severity_text(), findings);
  row["severity_number"] = NumberCell(log.severity_number());
  const auto body = Plain(log.body(), findings);
  row["body"] = body ? TextCell(*body) : NullCell();
  row["log_attributes"] = MapCell(Map(log.attributes(), findings));
  row["time_unix_nano"] = NumberCell(Nanos64(log.time_unix_nano(), findings));
  row["observed_time_unix_nano"] = NumberCell(observed);
  row["event_name"] = TextOrNull(log.event_name(), findings);
  row["dropped_attributes_count"] = NumberCell(log.dropped_attributes_count());
  return {TableKind::kLogs, row};
}

Book::PendingRow Book::Span(const otlp::trace::v1::Span& span, Findings& findings) {
  TableRow row;
  const auto id = [&](const std::string& bytes, std::size_t size) {
    if (!bytes.empty() && bytes.size() != size) findings.rejected = true;
    if (Zero(bytes)) ++findings.notes["zero_id"];
    return TextCell(Zero(bytes) ? std::string(2 * size, '0') : Hex(bytes));
  };
  row["trace_id"] = id(span.trace_id(), 16);
  row["span_id"] = id(span.span_id(), 8);
  const auto& parent = span.parent_span_id();
  if (!parent.empty() && parent.size() != 8) findings.rejected = true;
  row["parent_span_id"] = Zero(parent) ? NullCell() : TextCell(Hex(parent));
  row["is_root"] = BoolCell(Zero(parent));
  row["span_name"] = TextCell(Checked(span.name(), findings));
  const std::uint64_t start = span.start_time_unix_nano();
  const std::uint64_t end = span.end_time_unix_nano();
  row["start_time_unix_nano"] = NumberCell(Nanos64(start, findings));
  row["end_time_unix_nano"] = NumberCell(Nanos64(end, findings));
  row["duration_nanos"] =
      NumberCell(end < start ? 0 : static_cast<std::int64_t>(std::min(end - start, kInt64Max)));
  PutTime(row, start, findings);
  const std::map<int, std::string> kinds = {
      {2, "Server"}, {3, "Client"}, {4, "Producer"}, {5, "Consumer"}};
  row["span_kind"] = TextCell(kinds.contains(span.kind()) ? kinds.at(span.kind()) : "Internal");
  row["span_kind_number"] = NumberCell(span.kind());
  const int code = span.status().code();
  row["status_code"] = TextCell(code == 1 ? "Ok" : code == 2 ? "Error" : "Unspecified");
  row["status_code_number"] = NumberCell(code);
  row["status_message"] = TextOrNull(span.status().message(), findings);
  row["span_attributes"] = MapCell(Map(span.attributes(), findings));
  std::vector<std::string> events;
  for (const auto& event : span.events()) events.push_back(Event(event, findings));
  row["events"] = TextCell("[" + Join(events) + "]");
  std::vector<std::string> links;
  for (const auto& link : span.links()) links.push_back(Link(link, findings));
  row["links"] = TextCell("[" + Join(links) + "]");
  row["trace_state"] = TextOrNull(span.trace_state(), findings);
  row["dropped_attributes_count"] = NumberCell(span.dropped_attributes_count());
  row["dropped_events_count"] = NumberCell(span.dropped_events_count());
  row["dropped_links_count"] = NumberCell(span.dropped_links_count());
  row["flags"] = NumberCell(static_cast<std::int32_t>(span.flags()));
  return {TableKind::kTraces, row};
}

std::string Book::Event(const otlp::trace::v1::Span::Event& event, Findings& findings) {
  if (event.attributes_size() > options_.attributes_max) findings.rejected = true;
  const auto attributes = JsonObject(event.attributes(), 0, findings);
  std::vector<std::string> members = {
      "\"name\":" + JsonText(Checked(event.name(), findings)),
      fmt::format("\"timestamp_unix_nano\":{}", event.time_unix_nano()),
      "\"attributes_json\":" + (event.attributes().empty() ? "null" : JsonText(attributes)),
  };
  if (event.dropped_attributes_count() != 0) {
    members.push_back(
        fmt::format("\"dropped_attributes_count\":{}", event.dropped_attributes_count()));
  }
  return "{" + Join(members) + "}";
}

std::string Book::Link(const otlp::trace::v1::Span::Link& link, Findings& findings) {
  if (link.attributes_size() > options_.attributes_max) findings.rejected = true;
  const auto attributes = JsonObject(link.attributes(), 0, findings);
  std::vector<std::string> members = {
      "\"trace_id\":" + JsonText(Hex(link.trace_id())),
      "\"span_id\":" + JsonText(Hex(link.span_id())),
      "\"attributes_json\":" + (link.attributes().empty() ? "null" : JsonText(attributes)),
  };
  if (!link.trace_state().empty()) {
    members.push_back("\"trace_state\":" + JsonText(Checked(link.trace_state(), findings)));
  }
  if (link.flags() != 0) members.push_back(fmt::format("\"flags\":{}", link.flags()));
  if (link.dropped_attributes_count() != 0) {
    members.push_back(
        fmt::format("\"dropped_attributes_count\":{}", link.dropped_attributes_count()));
  }
  return "{" + Join(members) + "}";
}

void Book::Metric(const otlp::metrics::v1::Metric& metric, Pending& outer) {
  Pending points;
  TableRow cells;
  Findings shared;
  const auto add = [&](TableKind table, const auto& data, auto fill) {
    for (const auto& point : data) {
      Findings findings;
      TableRow row;
      PointCells(point, row, findings);
      fill(point, row, findings);
      Record({table, row}, findings, points);
    }
    if (data.empty()) ++shared.notes["empty_metric"];
  };
  using otlp::metrics::v1::Metric;
  switch (metric.data_case()) {
    case Metric::kGauge:
      add(TableKind::kMetricsGauge, metric.gauge().data_points(),
          [this](auto& p, auto& r, auto& f) { Number(p, r, f); });
      break;
    case Metric::kSum:
      add(TableKind::kMetricsSum, metric.sum().data_points(),
          [this](auto& p, auto& r, auto& f) { Number(p, r, f); });
      cells["aggregation_temporality"] = NumberCell(metric.sum().aggregation_temporality());
      cells["is_monotonic"] = BoolCell(metric.sum().is_monotonic());
      break;
    case Metric::kHistogram:
      add(TableKind::kMetricsHistogram, metric.histogram().data_points(),
          [this](auto& p, auto& r, auto& f) { Histogram(p, r, f); });
      cells["aggregation_temporality"] = NumberCell(metric.histogram().aggregation_temporality());
      break;
    case Metric::kExponentialHistogram:
      add(TableKind::kMetricsExponentialHistogram, metric.exponential_histogram().data_points(),
          [this](auto& p, auto& r, auto& f) { Exponential(p, r, f); });
      cells["aggregation_temporality"] =
          NumberCell(metric.exponential_histogram().aggregation_temporality());
      break;
    case Metric::kSummary:
      add(TableKind::kMetricsSummary, metric.summary().data_points(),
          [this](auto& p, auto& r, auto& f) { Summary(p, r, f); });
      break;
    case Metric::DATA_NOT_SET:
      ++shared.notes["empty_metric"];
      break;
  }
  cells["metric_name"] = TextCell(Checked(metric.name(), shared));
  cells["metric_description"] = TextOrNull(metric.description(), shared);
  cells["metric_unit"] = TextOrNull(metric.unit(), shared);
  cells["metric_metadata"] = MapCell(Map(metric.metadata(), shared));
  Finish(points, shared, cells, outer);
}

template <typename Point>
void Book::PointCells(const Point& point, TableRow& row, Findings& findings) {
  PutTime(row, point.time_unix_nano(), findings);
  row["time_unix_nano"] = NumberCell(Nanos64(point.time_unix_nano(), findings));
  const std::int64_t start = Nanos64(point.start_time_unix_nano(), findings);
  row["start_time_unix_nano"] = NumberCell(start);
  row["start_timestamp"] = start == 0 ? NullCell() : NumberCell(start / 1000);
  row["flags"] = NumberCell(static_cast<std::int32_t>(point.flags()));
  row["attributes"] = MapCell(Map(point.attributes(), findings));
  row["exemplars"] = NullCell();
}

template <typename Point>
std::string Book::Exemplars(const Point& point, Findings& findings) {
  std::vector<std::string> all;
  for (const auto& exemplar : point.exemplars()) {
    if (exemplar.filtered_attributes_size() > options_.attributes_max) findings.rejected = true;
    std::string value = "null";
    if (exemplar.has_as_int()) value = fmt::format("{}", exemplar.as_int());
    if (exemplar.has_as_double()) value = JsonReal(exemplar.as_double());
    std::string json = fmt::format(R"({{"time_unix_nano":{},"value":{},"filtered_attributes":{})",
                                   exemplar.time_unix_nano(), value,
                                   JsonObject(exemplar.filtered_attributes(), 0, findings));
    const auto id = [&](const char* name, const std::string& bytes, std::size_t size) {
      if (!bytes.empty() && bytes.size() != size) ++findings.notes["invalid_id"];
      if (bytes.size() == size && !Zero(bytes)) {
        json += fmt::format(R"(,"{}":"{}")", name, Hex(bytes));
      }
    };
    id("trace_id", exemplar.trace_id(), 16);
    id("span_id", exemplar.span_id(), 8);
    all.push_back(json + "}");
  }
  return all.empty() ? NullCell() : TextCell("[" + Join(all) + "]");
}

void Book::Number(const otlp::metrics::v1::NumberDataPoint& point, TableRow& row,
                  Findings& findings) {
  row["exemplars"] = Exemplars(point, findings);
  const bool none = (point.flags() & 1) != 0;
  row["value"] = RealCell(std::nan(""));
  row["value_int"] = NullCell();
  if (!none && point.has_as_double()) row["value"] = RealCell(point.as_double());
  if (!none && point.has_as_int()) {
    row["value"] = RealCell(static_cast<double>(point.as_int()));
    row["value_int"] = NumberCell(point.as_int());
  }
}

void Book::Histogram(const otlp::metrics::v1::HistogramDataPoint& point, TableRow& row,
                     Findings& f) {
  row["exemplars"] = Exemplars(point, f);
  row["count"] = Count(point.count(), f);
  row["sum"] = point.has_sum() ? RealCell(point.sum()) : NullCell();
  row["min"] = point.has_min() ? RealCell(point.min()) : NullCell();
  row["max"] = point.has_max() ? RealCell(point.max()) : NullCell();
  std::vector<std::string> counts;
  for (const auto count : point.bucket_counts()) counts.push_back(fmt::format("{}", count));
  std::vector<std::string> bounds;
  for (const auto bound : point.explicit_bounds()) bounds.push_back(JsonReal(bound));
  row["bucket_counts"] = TextCell("[" + Join(counts) + "]");
  row["explicit_bounds"] = TextCell("[" + Join(bounds) + "]");
  const bool fits = counts.size() == bounds.size() + 1 || (counts.empty() && bounds.empty());
  if (!fits) ++f.notes["histogram_shape"];
}

void Book::Exponential(const otlp::metrics::v1::ExponentialHistogramDataPoint& point, TableRow& row,
                       Findings& findings) {
  row["exemplars"] = Exemplars(point, findings);
  row["count"] = Count(point.count(), findings);
  row["zero_count"] = Count(point.zero_count(), findings);
  row["sum"] = point.has_sum() ? RealCell(point.sum()) : NullCell();
  row["min"] = point.has_min() ? RealCell(point.min()) : NullCell();
  row["max"] = point.has_max() ? RealCell(point.max()) : NullCell();
  row["scale"] = NumberCell(point.scale());
  row["zero_threshold"] = RealCell(point.zero_threshold());
  const auto buckets = [&](bool present, const auto& side, const std::string& name) {
    std::vector<std::string> counts;
    for (const auto count : side.bucket_counts()) counts.push_back(fmt::format("{}", count));
    row[name + "_offset"] = present ? NumberCell(side.offset()) : NullCell();
    row[name + "_bucket_counts"] = present ? TextCell("[" + Join(counts) + "]") : NullCell();
  };
  buckets(point.has_positive(), point.positive(), "positive");
  buckets(point.has_negative(), point.negative(), "negative");
}

void Book::Summary(const otlp::metrics::v1::SummaryDataPoint& point, TableRow& row,
                   Findings& findings) {
  row["count"] = Count(point.count(), findings);
  row["sum"] = RealCell(point.sum());
  std::vector<std::string> quantiles;
  for (const auto& quantile : point.quantile_values()) {
    quantiles.push_back(fmt::format(R"({{"quantile":{},"value":{}}})",
                                    JsonReal(quantile.quantile()), JsonReal(quantile.value())));
  }
  row["quantile_values"] = TextCell("[" + Join(quantiles) + "]");
}

template <typename Request>
ReferenceRequest Decode(const std::string& body, const DecodeOptions& options) {
  constexpr int kRecursionMax = 10'000;
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const std::uint8_t*>(body.data()),
                                                static_cast<int>(body.size()));
  stream.SetRecursionLimit(kRecursionMax);
  Request request;
  Book book(options);
  if (!request.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    return book.result;
  }
  book.result.well_formed = true;
  book.Decode(request);
  return book.result;
}

}  // namespace

ReferenceRequest DecodeByTheBook(Signal signal, const std::string& body,
                                 const DecodeOptions& options) {
  switch (signal) {
    case Signal::kLogs:
      return Decode<otlp::collector::logs::v1::ExportLogsServiceRequest>(body, options);
    case Signal::kTraces:
      return Decode<otlp::collector::trace::v1::ExportTraceServiceRequest>(body, options);
    case Signal::kMetrics:
      return Decode<otlp::collector::metrics::v1::ExportMetricsServiceRequest>(body, options);
  }
  return {};
}

}  // namespace signaldb::testing

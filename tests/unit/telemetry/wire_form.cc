#include "wire_form.h"

#include <cmath>

#include <fmt/format.h>
#include <opentelemetry/proto/collector/logs/v1/logs_service.pb.h>
#include <opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.pb.h>

namespace signaldb::testing {
namespace {

namespace otlp = opentelemetry::proto;
using google::protobuf::Message;
using otlp::common::v1::AnyValue;
using otlp::common::v1::KeyValue;
using KeyValues = google::protobuf::RepeatedPtrField<KeyValue>;

std::string Quoted(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      json += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      if (c == '"' || c == '\\') json += '\\';
      json += c;
    }
  }
  return json + "\"";
}

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02X}", static_cast<unsigned char>(byte));
  return hex;
}

std::string Base64(const std::string& bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63U];
    }
  }
  return text;
}

std::string Real(double value) {
  if (std::isnan(value)) return R"("NaN")";
  if (std::isinf(value)) return value > 0 ? R"("+Inf")" : R"("-Inf")";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string Value(const AnyValue& value);

std::string Attributes(const KeyValues& attributes) {
  std::string json;
  for (const auto& pair : attributes)
    json += (json.empty() ? "" : ",") + Quoted(pair.key()) + ":" + Value(pair.value());
  return "{" + json + "}";
}

std::string Value(const AnyValue& value) {
  switch (value.value_case()) {
    case AnyValue::kStringValue:
      return Quoted(value.string_value());
    case AnyValue::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case AnyValue::kIntValue:
      return std::to_string(value.int_value());
    case AnyValue::kDoubleValue:
      return Real(value.double_value());
    case AnyValue::kBytesValue:
      return R"({"$otlp_type":"bytes","base64":")" + Base64(value.bytes_value()) + "\"}";
    case AnyValue::kKvlistValue:
      return Attributes(value.kvlist_value().values());
    case AnyValue::kArrayValue: {
      std::string json;
      for (const auto& item : value.array_value().values())
        json += (json.empty() ? "" : ",") + Value(item);
      return "[" + json + "]";
    }
    default:
      return "null";
  }
}

/// Members of one JSON object, in order.
class Object {
 public:
  Object& Raw(const std::string& name, const std::string& json) {
    text_ += (text_.empty() ? "" : ",") + Quoted(name) + ":" + json;
    return *this;
  }
  Object& Text(const std::string& name, const std::string& text) { return Raw(name, Quoted(text)); }
  Object& TextOrNull(const std::string& name, const std::string& text) {
    return text.empty() ? *this : Text(name, text);
  }
  template <typename T>
  Object& Number(const std::string& name, T number) {
    return Raw(name, fmt::format("{}", number));
  }
  [[nodiscard]] std::string Close() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

template <typename Items, typename Each>
std::string Array(const Items& items, Each each) {
  std::string json;
  for (const auto& item : items) json += (json.empty() ? "" : ",") + each(item);
  return "[" + json + "]";
}

std::string ServiceName(const otlp::resource::v1::Resource& resource) {
  std::string name;
  for (const auto& pair : resource.attributes()) {
    if (pair.key() == "service.name") name = pair.value().string_value();
  }
  return name.empty() ? "unknown" : name;
}

std::string Scope(const otlp::common::v1::InstrumentationScope& scope) {
  return Object()
      .Text("name", scope.name())
      .Text("version", scope.version())
      .Raw("attributes", Attributes(scope.attributes()))
      .Close();
}

std::string KindName(int kind) {
  constexpr const char* kNames[] = {"Internal", "Internal", "Server",
                                    "Client",   "Producer", "Consumer"};
  return kind >= 0 && kind < 6 ? kNames[kind] : "Internal";
}
std::string StatusName(int code) { return code == 1 ? "Ok" : code == 2 ? "Error" : "Unspecified"; }

std::string AttributesOrNull(const KeyValues& attributes) {
  return attributes.empty() ? "null" : Quoted(Attributes(attributes));
}

template <typename ResourceSpans, typename ScopeSpans>
std::string SpanRow(const ResourceSpans& resource, const ScopeSpans& scope,
                    const otlp::trace::v1::Span& span) {
  Object row;
  row.Text("trace_id", Hex(span.trace_id())).Text("span_id", Hex(span.span_id()));
  row.TextOrNull("parent_span_id", Hex(span.parent_span_id()));
  row.Text("name", span.name()).Text("service_name", ServiceName(resource.resource()));
  row.Number("start_time_unix_nano", span.start_time_unix_nano());
  row.Number("end_time_unix_nano", span.end_time_unix_nano()).Number("duration_nano", 0);
  row.Text("span_kind", KindName(span.kind()));
  row.Text("status_code", StatusName(span.status().code()));
  row.TextOrNull("status_message", span.status().message()).Raw("is_root", "false");
  row.Text("attributes_json", Attributes(span.attributes()));
  row.Text("resource_json", Attributes(resource.resource().attributes()));
  row.Raw("events", Array(span.events(), [](const auto& event) {
            return Object()
                .Text("name", event.name())
                .Number("timestamp_unix_nano", event.time_unix_nano())
                .Raw("attributes_json", AttributesOrNull(event.attributes()))
                .Close();
          }));
  row.Raw("links", Array(span.links(), [](const auto& link) {
            return Object()
                .Text("trace_id", Hex(link.trace_id()))
                .Text("span_id", Hex(link.span_id()))
                .Raw("attributes_json", AttributesOrNull(link.attributes()))
                .Close();
          }));
  row.TextOrNull("trace_state", span.trace_state());
  row.TextOrNull("resource_schema_url", resource.schema_url());
  row.TextOrNull("scope_name", scope.scope().name());
  row.TextOrNull("scope_version", scope.scope().version());
  row.TextOrNull("scope_schema_url", scope.schema_url());
  row.Text("scope_attributes", Attributes(scope.scope().attributes()));
  row.Number("span_kind_number", static_cast<int>(span.kind()));
  row.Number("status_code_number", static_cast<int>(span.status().code()));
  row.Number("dropped_attributes_count", span.dropped_attributes_count());
  row.Number("dropped_events_count", span.dropped_events_count());
  row.Number("dropped_links_count", span.dropped_links_count());
  return row.Close();
}

template <typename ResourceLogs, typename ScopeLogs>
std::string LogRow(const ResourceLogs& resource, const ScopeLogs& scope,
                   const otlp::logs::v1::LogRecord& log) {
  Object row;
  row.Number("time_unix_nano", log.time_unix_nano());
  row.Number("observed_time_unix_nano", log.observed_time_unix_nano());
  row.Number("severity_number", static_cast<int>(log.severity_number()));
  row.TextOrNull("severity_text", log.severity_text());
  if (log.has_body()) row.Text("body", Value(log.body()));
  row.Text("trace_id", Hex(log.trace_id())).Text("span_id", Hex(log.span_id()));
  row.Number("flags", log.flags()).Text("attributes_json", Attributes(log.attributes()));
  row.Text("resource_json", Attributes(resource.resource().attributes()));
  row.Text("scope_json", Scope(scope.scope()));
  row.Number("dropped_attributes_count", log.dropped_attributes_count());
  row.Text("service_name", ServiceName(resource.resource()));
  row.TextOrNull("event_name", log.event_name());
  return row.Close();
}

template <typename Point>
Object PointHead(const Point& point) {
  Object json;
  json.Number("start_time_unix_nano", point.start_time_unix_nano());
  json.Number("time_unix_nano", point.time_unix_nano());
  json.Raw("attributes", Attributes(point.attributes())).Number("flags", point.flags());
  return json;
}

template <typename Point>
void AddExemplars(Object& json, const Point& point) {
  json.Raw("exemplars", Array(point.exemplars(), [](const auto& exemplar) {
             Object one;
             one.Number("time_unix_nano", exemplar.time_unix_nano());
             if (exemplar.has_as_int()) one.Number("value", exemplar.as_int());
             if (exemplar.has_as_double()) one.Raw("value", Real(exemplar.as_double()));
             one.Raw("filtered_attributes", Attributes(exemplar.filtered_attributes()));
             one.TextOrNull("trace_id", Hex(exemplar.trace_id()));
             one.TextOrNull("span_id", Hex(exemplar.span_id()));
             return one.Close();
           }));
}

std::string NumberPoint(const otlp::metrics::v1::NumberDataPoint& point) {
  Object json = PointHead(point);
  AddExemplars(json, point);
  if (point.has_as_int()) json.Number("value", point.as_int());
  if (point.has_as_double()) json.Raw("value", Real(point.as_double()));
  if (!point.has_as_int() && !point.has_as_double()) json.Raw("value", "null");
  return json.Close();
}

template <typename Point>
void AddRange(Object& json, const Point& point) {
  json.Number("count", point.count());
  if (point.has_sum()) json.Raw("sum", Real(point.sum()));
  if (point.has_min()) json.Raw("min", Real(point.min()));
  if (point.has_max()) json.Raw("max", Real(point.max()));
}

template <typename Counts>
std::string CountArray(const Counts& counts) {
  return Array(counts, [](std::uint64_t count) { return std::to_string(count); });
}

std::string HistogramPoint(const otlp::metrics::v1::HistogramDataPoint& point) {
  Object json = PointHead(point);
  AddExemplars(json, point);
  AddRange(json, point);
  json.Raw("bucket_counts", CountArray(point.bucket_counts()));
  json.Raw("explicit_bounds", Array(point.explicit_bounds(), Real));
  return json.Close();
}

std::string Buckets(const otlp::metrics::v1::ExponentialHistogramDataPoint::Buckets& buckets) {
  return Object()
      .Number("offset", buckets.offset())
      .Raw("bucket_counts", CountArray(buckets.bucket_counts()))
      .Close();
}

std::string ExponentialPoint(const otlp::metrics::v1::ExponentialHistogramDataPoint& point) {
  Object json = PointHead(point);
  AddExemplars(json, point);
  AddRange(json, point);
  json.Number("scale", point.scale()).Number("zero_count", point.zero_count());
  if (point.has_positive()) json.Raw("positive", Buckets(point.positive()));
  if (point.has_negative()) json.Raw("negative", Buckets(point.negative()));
  json.Raw("zero_threshold", Real(point.zero_threshold()));
  return json.Close();
}

std::string SummaryPoint(const otlp::metrics::v1::SummaryDataPoint& point) {
  Object json = PointHead(point);
  json.Number("count", point.count()).Raw("sum", Real(point.sum()));
  json.Raw("quantile_values", Array(point.quantile_values(), [](const auto& quantile) {
             return Object()
                 .Raw("quantile", Real(quantile.quantile()))
                 .Raw("value", Real(quantile.value()))
                 .Close();
           }));
  return json.Close();
}

void AddData(Object& row, const otlp::metrics::v1::Metric& metric) {
  using otlp::metrics::v1::Metric;
  const auto data = [&](const char* type, const std::string& points, int temporality) {
    row.Text("metric_type", type).Text("data_json", points);
    row.Number("aggregation_temporality", temporality);
  };
  switch (metric.data_case()) {
    case Metric::kSum:
      data("sum", Array(metric.sum().data_points(), NumberPoint),
           metric.sum().aggregation_temporality());
      row.Raw("is_monotonic", metric.sum().is_monotonic() ? "true" : "false");
      return;
    case Metric::kHistogram:
      return data("histogram", Array(metric.histogram().data_points(), HistogramPoint),
                  metric.histogram().aggregation_temporality());
    case Metric::kExponentialHistogram:
      return data("exponential_histogram",
                  Array(metric.exponential_histogram().data_points(), ExponentialPoint),
                  metric.exponential_histogram().aggregation_temporality());
    case Metric::kSummary:
      return data("summary", Array(metric.summary().data_points(), SummaryPoint), 0);
    default:
      return data("gauge", Array(metric.gauge().data_points(), NumberPoint), 0);
  }
}

template <typename ResourceMetrics, typename ScopeMetrics>
std::string MetricRow(const ResourceMetrics& resource, const ScopeMetrics& scope,
                      const otlp::metrics::v1::Metric& metric) {
  Object row;
  row.Text("name", metric.name()).TextOrNull("description", metric.description());
  row.TextOrNull("unit", metric.unit()).Number("time_unix_nano", 1);
  row.Text("attributes_json", Attributes(metric.metadata()));
  row.Text("resource_json", Attributes(resource.resource().attributes()));
  row.Text("scope_json", Scope(scope.scope()));
  AddData(row, metric);
  return row.Close();
}

void Clear(Message& message, const char* name) {
  const auto* field = message.GetDescriptor()->FindFieldByName(name);
  if (field != nullptr) message.GetReflection()->ClearField(&message, field);
}

}  // namespace

void KeepWhatTheWireCarries(Message& request) {
  const std::string type = request.GetDescriptor()->name();
  const bool spans = request.GetDescriptor()->full_name().find(".trace.") != std::string::npos;
  if (auto* value = dynamic_cast<AnyValue*>(&request)) {
    if (value->value_case() == AnyValue::kDoubleValue && !std::isfinite(value->double_value()))
      value->set_double_value(0.5);
    if (value->value_case() == AnyValue::kStringValueStrindex) value->clear_value();
  }
  Clear(request, "key_strindex");
  Clear(request, "entity_refs");
  if (!spans) Clear(request, "schema_url");
  if (type == "Resource" || type == "InstrumentationScope" || type == "Event" || type == "Link")
    Clear(request, "dropped_attributes_count");
  if (type == "Link") Clear(request, "trace_state");
  if (type == "Link" || type == "Span") Clear(request, "flags");
  if (auto* resource = dynamic_cast<otlp::resource::v1::Resource*>(&request)) {
    // Alone, and with an object for its value, it is what the nested form looks like.
    for (auto& pair : *resource->mutable_attributes()) {
      if (pair.key() == "attributes" && pair.value().has_kvlist_value())
        pair.set_key("attributes_");
    }
  }
  const auto& reflection = *request.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(request, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      KeepWhatTheWireCarries(*reflection.MutableMessage(&request, field));
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(request, field); ++i)
      KeepWhatTheWireCarries(*reflection.MutableRepeatedMessage(&request, field, i));
  }
}

std::string WireRows(Signal signal, const Message& request) {
  std::string json;
  const auto add = [&](const std::string& row) { json += (json.empty() ? "" : ",\n") + row; };
  if (signal == Signal::kTraces) {
    using Request = otlp::collector::trace::v1::ExportTraceServiceRequest;
    for (const auto& resource : dynamic_cast<const Request&>(request).resource_spans()) {
      for (const auto& scope : resource.scope_spans()) {
        for (const auto& span : scope.spans()) add(SpanRow(resource, scope, span));
      }
    }
  } else if (signal == Signal::kLogs) {
    using Request = otlp::collector::logs::v1::ExportLogsServiceRequest;
    for (const auto& resource : dynamic_cast<const Request&>(request).resource_logs()) {
      for (const auto& scope : resource.scope_logs()) {
        for (const auto& log : scope.log_records()) add(LogRow(resource, scope, log));
      }
    }
  } else {
    using Request = otlp::collector::metrics::v1::ExportMetricsServiceRequest;
    for (const auto& resource : dynamic_cast<const Request&>(request).resource_metrics()) {
      for (const auto& scope : resource.scope_metrics()) {
        for (const auto& metric : scope.metrics()) add(MetricRow(resource, scope, metric));
      }
    }
  }
  return "[" + json + "]";
}

}  // namespace signaldb::testing

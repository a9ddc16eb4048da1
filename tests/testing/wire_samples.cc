#include "testing/wire_samples.h"

#include <array>
#include <cstdint>
#include <utility>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/message.h>
#include <arrow/util/compression.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "testing/wire_batches.h"

namespace signaldb::testing {
namespace {

using protozero::pbf_reader;

/// A JSON string. What the samples hold needs no other escapes.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

/// The members of one JSON object.
class JsonObject {
 public:
  void Add(std::string_view key, std::string_view json) {
    text_ += fmt::format("{}{}:{}", text_.size() > 1 ? "," : "", Quoted(key), json);
  }
  void AddText(std::string_view key, std::string_view text) { Add(key, Quoted(text)); }
  template <typename Number>
  void AddNumber(std::string_view key, Number number) {
    Add(key, fmt::format("{}", number));
  }
  [[nodiscard]] std::string text() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

std::string Array(const std::vector<std::string>& items) {
  return fmt::format("[{}]", fmt::join(items, ","));
}

std::string_view View(protozero::data_view view) { return {view.data(), view.size()}; }

std::string StringOf(pbf_reader any) {
  std::string text;
  while (any.next(1)) text = any.get_string();
  return text;
}

void AddPair(pbf_reader pair, JsonObject& attributes) {
  std::string key;
  while (pair.next()) {
    if (pair.tag() == 1) {
      key = pair.get_string();
    } else {
      attributes.AddText(key, StringOf(pair.get_message()));
    }
  }
}

/// What rows take from around them.
struct Surroundings {
  std::string resource_json;
  std::string service_name;
  std::string scope_name;
  std::string scope_version;
};

void AddResource(const Surroundings& around, JsonObject& row) {
  row.AddText("resource_json", around.resource_json);
}

void AddScopeJson(const Surroundings& around, JsonObject& row) {
  JsonObject scope;
  scope.AddText("name", around.scope_name);
  scope.AddText("version", around.scope_version);
  row.AddText("scope_json", scope.text());
}

std::string LogRow(pbf_reader log, const Surroundings& around) {
  JsonObject row;
  JsonObject attributes;
  while (log.next()) {
    switch (log.tag()) {
      case 1:
        row.AddNumber("time_unix_nano", log.get_fixed64());
        break;
      case 2:
        row.AddNumber("severity_number", log.get_enum());
        break;
      case 3:
        row.AddText("severity_text", log.get_string());
        break;
      case 5:
        row.AddText("body", Quoted(StringOf(log.get_message())));
        break;
      case 6:
        AddPair(log.get_message(), attributes);
        break;
      case 8:
        row.AddNumber("flags", log.get_fixed32());
        break;
      case 9:
        row.AddText("trace_id", Hex(View(log.get_view())));
        break;
      case 10:
        row.AddText("span_id", Hex(View(log.get_view())));
        break;
      case 11:
        row.AddNumber("observed_time_unix_nano", log.get_fixed64());
        break;
      default:
        log.skip();
    }
  }
  row.AddText("attributes_json", attributes.text());
  row.AddText("service_name", around.service_name);
  AddResource(around, row);
  AddScopeJson(around, row);
  return row.text();
}

std::string EventJson(pbf_reader event) {
  JsonObject json;
  JsonObject attributes;
  while (event.next()) {
    if (event.tag() == 1) {
      json.AddNumber("timestamp_unix_nano", event.get_fixed64());
    } else if (event.tag() == 2) {
      json.AddText("name", event.get_string());
    } else {
      AddPair(event.get_message(), attributes);
    }
  }
  json.AddText("attributes_json", attributes.text());
  return json.text();
}

std::string SpanRow(pbf_reader span, const Surroundings& around) {
  constexpr std::array<std::string_view, 6> kKinds = {"Unspecified", "Internal", "Server",
                                                      "Client",      "Producer", "Consumer"};
  JsonObject row;
  JsonObject attributes;
  std::vector<std::string> events;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  bool is_root = true;
  while (span.next()) {
    switch (span.tag()) {
      case 1:
        row.AddText("trace_id", Hex(View(span.get_view())));
        break;
      case 2:
        row.AddText("span_id", Hex(View(span.get_view())));
        break;
      case 4:
        row.AddText("parent_span_id", Hex(View(span.get_view())));
        is_root = false;
        break;
      case 5:
        row.AddText("name", span.get_string());
        break;
      case 6: {
        const std::int32_t kind = span.get_enum();
        row.AddText("span_kind", kKinds.at(static_cast<std::size_t>(kind)));
        row.AddNumber("span_kind_number", kind);
        break;
      }
      case 7:
        start = span.get_fixed64();
        break;
      case 8:
        end = span.get_fixed64();
        break;
      case 9:
        AddPair(span.get_message(), attributes);
        break;
      case 11:
        events.push_back(EventJson(span.get_message()));
        break;
      case 15: {
        pbf_reader status = span.get_message();
        status.next(3);
        const std::int32_t code = status.get_enum();
        row.AddText("status_code", code == 2 ? "Error" : "Ok");
        row.AddNumber("status_code_number", code);
        break;
      }
      default:
        span.skip();
    }
  }
  row.AddNumber("start_time_unix_nano", start);
  row.AddNumber("end_time_unix_nano", end);
  row.AddNumber("duration_nano", end - start);
  row.Add("is_root", is_root ? "true" : "false");
  row.AddText("attributes_json", attributes.text());
  row.Add("events", Array(events));
  row.Add("links", "[]");
  row.AddText("service_name", around.service_name);
  AddResource(around, row);
  row.AddText("scope_name", around.scope_name);
  row.AddText("scope_version", around.scope_version);
  return row.text();
}

template <typename Range>
std::string Numbers(const Range& range) {
  return fmt::format("[{}]", fmt::join(range.begin(), range.end(), ","));
}

/// Of number and summary points.
std::string PlainPoint(pbf_reader point, bool is_summary) {
  JsonObject json;
  JsonObject attributes;
  std::vector<std::string> quantiles;
  while (point.next()) {
    switch (point.tag()) {
      case 2:
        json.AddNumber("start_time_unix_nano", point.get_fixed64());
        break;
      case 3:
        json.AddNumber("time_unix_nano", point.get_fixed64());
        break;
      case 4:
        if (is_summary) {
          json.AddNumber("count", point.get_fixed64());
        } else {
          json.AddNumber("value", point.get_double());
        }
        break;
      case 5:
        json.AddNumber("sum", point.get_double());
        break;
      case 6:
        if (is_summary) {
          pbf_reader value = point.get_message();
          JsonObject quantile;
          while (value.next())
            quantile.AddNumber(value.tag() == 1 ? "quantile" : "value", value.get_double());
          quantiles.push_back(quantile.text());
        } else {
          json.AddNumber("value", point.get_sfixed64());
        }
        break;
      default:
        AddPair(point.get_message(), attributes);
    }
  }
  if (is_summary) json.Add("quantile_values", Array(quantiles));
  json.Add("attributes", attributes.text());
  return json.text();
}

std::string HistogramPoint(pbf_reader point) {
  JsonObject json;
  JsonObject attributes;
  while (point.next()) {
    switch (point.tag()) {
      case 2:
        json.AddNumber("start_time_unix_nano", point.get_fixed64());
        break;
      case 3:
        json.AddNumber("time_unix_nano", point.get_fixed64());
        break;
      case 4:
        json.AddNumber("count", point.get_fixed64());
        break;
      case 5:
        json.AddNumber("sum", point.get_double());
        break;
      case 6:
        json.Add("bucket_counts", Numbers(point.get_packed_fixed64()));
        break;
      case 7:
        json.Add("explicit_bounds", Numbers(point.get_packed_double()));
        break;
      case 11:
        json.AddNumber("min", point.get_double());
        break;
      case 12:
        json.AddNumber("max", point.get_double());
        break;
      default:
        AddPair(point.get_message(), attributes);
    }
  }
  json.Add("attributes", attributes.text());
  return json.text();
}

std::string ExponentialPoint(pbf_reader point) {
  JsonObject json;
  JsonObject attributes;
  while (point.next()) {
    switch (point.tag()) {
      case 1:
        AddPair(point.get_message(), attributes);
        break;
      case 2:
        json.AddNumber("start_time_unix_nano", point.get_fixed64());
        break;
      case 3:
        json.AddNumber("time_unix_nano", point.get_fixed64());
        break;
      case 4:
        json.AddNumber("count", point.get_fixed64());
        break;
      case 5:
        json.AddNumber("sum", point.get_double());
        break;
      case 6:
        json.AddNumber("scale", point.get_sint32());
        break;
      case 7:
        json.AddNumber("zero_count", point.get_fixed64());
        break;
      default: {
        pbf_reader buckets = point.get_message();
        JsonObject positive;
        while (buckets.next()) {
          if (buckets.tag() == 1) {
            positive.AddNumber("offset", buckets.get_sint32());
          } else {
            positive.Add("bucket_counts", Numbers(buckets.get_packed_uint64()));
          }
        }
        json.Add("positive", positive.text());
      }
    }
  }
  json.Add("attributes", attributes.text());
  return json.text();
}

/// A row for each metric, whose time is that of no point: each has its own.
std::string MetricRow(pbf_reader metric, const Surroundings& around) {
  JsonObject row;
  row.AddNumber("time_unix_nano", 0);
  while (metric.next()) {
    const std::uint32_t tag = metric.tag();
    if (tag <= 3) {
      constexpr std::array<std::string_view, 3> kColumns = {"name", "description", "unit"};
      row.AddText(kColumns.at(tag - 1), metric.get_string());
      continue;
    }
    std::vector<std::string> points;
    for (pbf_reader data = metric.get_message(); data.next();) {
      if (data.tag() == 2) {
        row.AddNumber("aggregation_temporality", data.get_enum());
      } else if (data.tag() == 3) {
        row.Add("is_monotonic", data.get_bool() ? "true" : "false");
      } else {
        points.push_back(tag == 9    ? HistogramPoint(data.get_message())
                         : tag == 10 ? ExponentialPoint(data.get_message())
                                     : PlainPoint(data.get_message(), tag == 11));
      }
    }
    row.AddText("metric_type", tag == 5    ? "gauge"
                               : tag == 7  ? "sum"
                               : tag == 9  ? "histogram"
                               : tag == 10 ? "exponential_histogram"
                                           : "summary");
    row.AddText("data_json", Array(points));
  }
  AddResource(around, row);
  AddScopeJson(around, row);
  return row.text();
}

Surroundings ResourceOf(pbf_reader resource) {
  Surroundings around;
  JsonObject attributes;
  while (resource.next(1)) {
    pbf_reader pair = resource.get_message();
    AddPair(pair, attributes);
    pair.next(1);
    if (pair.get_string() != "service.name") continue;
    pair.next(2);
    around.service_name = StringOf(pair.get_message());
  }
  around.resource_json = attributes.text();
  return around;
}

void AddRows(Signal signal, pbf_reader scope, Surroundings around, std::vector<std::string>& rows) {
  while (scope.next()) {
    if (scope.tag() == 1) {
      for (pbf_reader own = scope.get_message(); own.next();)
        (own.tag() == 1 ? around.scope_name : around.scope_version) = own.get_string();
    } else if (scope.tag() == 2) {
      rows.push_back(signal == Signal::kLogs     ? LogRow(scope.get_message(), around)
                     : signal == Signal::kTraces ? SpanRow(scope.get_message(), around)
                                                 : MetricRow(scope.get_message(), around));
    } else {
      scope.skip();
    }
  }
}

}  // namespace

std::string MakeWireStream(Signal signal, const OtlpSampleOptions& options, WireBodies bodies) {
  const std::string otlp = MakeOtlpRequest(signal, options);
  std::vector<std::string> rows;
  for (pbf_reader request(otlp); request.next(1);) {
    Surroundings around;
    for (pbf_reader of_resource = request.get_message(); of_resource.next();) {
      if (of_resource.tag() == 1) {
        around = ResourceOf(of_resource.get_message());
      } else {
        AddRows(signal, of_resource.get_message(), around, rows);
      }
    }
  }
  const auto schema = WireSchema(signal);
  auto written = arrow::ipc::IpcWriteOptions::Defaults();
  if (bodies == WireBodies::kLz4)
    written.codec = arrow::util::Codec::Create(arrow::Compression::LZ4_FRAME).ValueOrDie();
  return IpcStream(schema, {WireBatch(schema, Array(rows))}, written);
}

std::vector<std::string> FlightMessages(std::string_view stream, std::string_view metadata) {
  arrow::io::BufferReader source(std::make_shared<arrow::Buffer>(stream));
  const auto reader = arrow::ipc::MessageReader::Open(&source);
  std::vector<std::string> messages;
  while (const auto message = reader->ReadNextMessage().ValueOrDie()) {
    std::string bytes;
    protozero::pbf_writer out(bytes);
    const std::string_view header(*message->metadata());
    out.add_bytes(2, header.data(), header.size());
    if (messages.empty() && !metadata.empty()) out.add_bytes(3, metadata.data(), metadata.size());
    const auto body = message->body();
    const std::string_view buffers = body == nullptr ? std::string_view() : std::string_view(*body);
    out.add_bytes(1000, buffers.data(), buffers.size());
    messages.push_back(std::move(bytes));
  }
  return messages;
}

}  // namespace signaldb::testing

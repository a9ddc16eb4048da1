#include "testing/wire_batches.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/json/from_string.h>

namespace signaldb::testing {
namespace {

using arrow::field;

constexpr bool kNot = false;

void Check(const arrow::Status& status) {
  if (!status.ok()) status.Abort();
}

arrow::FieldVector SpanFields() {
  const auto text = arrow::utf8();
  const auto event = arrow::struct_({field("name", text, kNot),
                                     field("timestamp_unix_nano", arrow::uint64(), kNot),
                                     field("attributes_json", text)});
  const auto link = arrow::struct_({field("trace_id", text, kNot), field("span_id", text, kNot),
                                    field("attributes_json", text)});
  return {field("trace_id", text, kNot),
          field("span_id", text, kNot),
          field("parent_span_id", text),
          field("name", text, kNot),
          field("service_name", text, kNot),
          field("start_time_unix_nano", arrow::uint64(), kNot),
          field("end_time_unix_nano", arrow::uint64(), kNot),
          field("duration_nano", arrow::uint64(), kNot),
          field("span_kind", text, kNot),
          field("status_code", text, kNot),
          field("status_message", text),
          field("is_root", arrow::boolean(), kNot),
          field("attributes_json", text),
          field("resource_json", text),
          field("events", arrow::list(field("item", event))),
          field("links", arrow::list(field("item", link))),
          field("trace_state", text),
          field("resource_schema_url", text),
          field("scope_name", text),
          field("scope_version", text),
          field("scope_schema_url", text),
          field("scope_attributes", text),
          field("span_kind_number", arrow::int32()),
          field("status_code_number", arrow::int32()),
          field("dropped_attributes_count", arrow::int64()),
          field("dropped_events_count", arrow::int64()),
          field("dropped_links_count", arrow::int64())};
}

arrow::FieldVector LogFields() {
  const auto text = arrow::utf8();
  return {field("time_unix_nano", arrow::uint64(), kNot),
          field("observed_time_unix_nano", arrow::uint64(), kNot),
          field("severity_number", arrow::int32()),
          field("severity_text", text),
          field("body", text),
          field("trace_id", arrow::binary()),
          field("span_id", arrow::binary()),
          field("flags", arrow::uint32()),
          field("attributes_json", text),
          field("resource_json", text),
          field("scope_json", text),
          field("dropped_attributes_count", arrow::uint32()),
          field("service_name", text),
          field("event_name", text)};
}

arrow::FieldVector MetricFields() {
  const auto text = arrow::utf8();
  return {field("name", text, kNot),
          field("description", text),
          field("unit", text),
          field("start_time_unix_nano", arrow::uint64()),
          field("time_unix_nano", arrow::uint64(), kNot),
          field("attributes_json", text),
          field("resource_json", text),
          field("scope_json", text),
          field("metric_type", text, kNot),
          field("data_json", text, kNot),
          field("aggregation_temporality", arrow::int32()),
          field("is_monotonic", arrow::boolean())};
}

/// A column of hex texts as bytes.
std::shared_ptr<arrow::Array> FromHex(const arrow::Array& hex) {
  const auto& texts = dynamic_cast<const arrow::StringArray&>(hex);
  arrow::BinaryBuilder bytes;
  for (std::int64_t row = 0; row < texts.length(); ++row) {
    if (texts.IsNull(row)) {
      Check(bytes.AppendNull());
      continue;
    }
    std::string value;
    const std::string text = texts.GetString(row);
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
      value += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
    Check(bytes.Append(value));
  }
  return bytes.Finish().ValueOrDie();
}

}  // namespace

std::shared_ptr<arrow::Schema> WireSchema(Signal signal) {
  switch (signal) {
    case Signal::kTraces:
      return arrow::schema(SpanFields());
    case Signal::kLogs:
      return arrow::schema(LogFields());
    case Signal::kMetrics:
      break;
  }
  return arrow::schema(MetricFields());
}

std::shared_ptr<arrow::RecordBatch> WireBatch(const std::shared_ptr<arrow::Schema>& schema,
                                              const std::string& json) {
  // Rows may leave out columns that the schema says are never null: some tests want them so.
  arrow::FieldVector lenient;
  for (const auto& column : schema->fields()) {
    const bool binary = column->type()->id() == arrow::Type::BINARY;
    lenient.push_back(arrow::field(column->name(), binary ? arrow::utf8() : column->type()));
  }
  const auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(lenient), json).ValueOrDie();
  const auto batch = arrow::RecordBatch::FromStructArray(rows).ValueOrDie();
  auto columns = batch->columns();
  for (int i = 0; i < schema->num_fields(); ++i) {
    auto& column = columns[static_cast<std::size_t>(i)];
    if (schema->field(i)->type()->id() == arrow::Type::BINARY) column = FromHex(*column);
  }
  return arrow::RecordBatch::Make(schema, batch->num_rows(), std::move(columns));
}

std::string IpcStream(const std::shared_ptr<arrow::Schema>& schema,
                      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                      const arrow::ipc::IpcWriteOptions& options) {
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto writer = arrow::ipc::MakeStreamWriter(sink, schema, options).ValueOrDie();
  for (const auto& batch : batches) Check(writer->WriteRecordBatch(*batch));
  Check(writer->Close());
  return sink->Finish().ValueOrDie()->ToString();
}

std::string WireMetadata(Signal signal, std::string_view more) {
  return R"({"schema_version":"v1","signal_type":")" + std::string(ToString(signal)) +
         R"(","tenant_id":"acme","dataset_id":"prod")" + std::string(more) + "}";
}

}  // namespace signaldb::testing

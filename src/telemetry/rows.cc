#include "telemetry/rows.h"

#include <algorithm>
#include <limits>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "signaldb/result.h"
#include "telemetry/table_definition.h"

namespace signaldb {
namespace {

constexpr std::int64_t kMicrosPerHour = 3'600'000'000;
constexpr std::int64_t kHoursPerDay = 24;

std::int64_t FloorDiv(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return a % b < 0 ? quotient - 1 : quotient;
}

}  // namespace

BatchAssembler::BatchAssembler(TableKind table, std::size_t rows)
    : x_schema(DefinitionOf(table).decoded_schema), x_rows(rows) {
  x_columns.resize(static_cast<std::size_t>(x_schema->num_fields()));
}

BatchAssembler::~BatchAssembler() = default;

std::size_t BatchAssembler::IndexOf(std::string_view name) const {
  const auto& fields = x_schema->fields();
  const auto found = std::ranges::find(
      fields, name, [](const auto& field) -> std::string_view { return field->name(); });
  SIGNALDB_ASSERT(found != fields.end());
  return static_cast<std::size_t>(found - fields.begin());
}

const ArrowType& BatchAssembler::TypeAt(std::size_t at) const {
  return x_schema->field(static_cast<int>(at))->type();
}

void BatchAssembler::Set(std::size_t at, ArrowData data) {
  SIGNALDB_ASSERT(x_columns[at] == nullptr);
  SIGNALDB_ASSERT(static_cast<std::size_t>(data->length) == x_rows);
  x_columns[at] = std::move(data);
}

std::shared_ptr<arrow::RecordBatch> BatchAssembler::Finish() {
  for (const auto& column : x_columns) SIGNALDB_ASSERT(column != nullptr);
  return arrow::RecordBatch::Make(x_schema, static_cast<std::int64_t>(x_rows),
                                  std::move(x_columns));
}

void Rows::EndScope(const ScopeValues& scope) {
  const std::size_t rows = open_in_scope();
  if (rows == 0) return;
  x_scope_name.FillOrNull(scope.name, rows);
  x_scope_version.FillOrNull(scope.version, rows);
  x_scope_schema_url.FillOrNull(scope.schema_url, rows);
  x_scope_attributes.Fill(scope.attributes, rows);
  x_scope_dropped.Fill(scope.dropped_attributes, rows);
}

void Rows::EndResource(const ResourceValues& resource) {
  const std::size_t rows = open_in_resource();
  if (rows == 0) return;
  x_service_name.Fill(resource.service_name, rows);
  x_resource_schema_url.FillOrNull(resource.schema_url, rows);
  x_resource_attributes.Fill(resource.attributes, rows);
  x_resource_dropped.Fill(resource.dropped_attributes, rows);
}

void Rows::Truncate(std::size_t rows) {
  TruncateOwn(rows);
  x_timestamp.Truncate(rows);
  x_service_name.Truncate(rows);
  x_resource_schema_url.Truncate(rows);
  x_resource_attributes.Truncate(rows);
  x_resource_dropped.Truncate(rows);
  x_scope_name.Truncate(rows);
  x_scope_version.Truncate(rows);
  x_scope_schema_url.Truncate(rows);
  x_scope_attributes.Truncate(rows);
  x_scope_dropped.Truncate(rows);
}

std::shared_ptr<arrow::RecordBatch> Rows::Finish() {
  BatchAssembler batch(x_kind, size());
  FixedColumn<std::int32_t> date_day;
  FixedColumn<std::int32_t> hour;
  // Neighbours mostly share their hour, so that the divisions are rare.
  std::int64_t hour_begin = std::numeric_limits<std::int64_t>::max();
  std::int32_t day_now = 0;
  std::int32_t hour_now = 0;
  for (std::size_t row = 0; row < size(); ++row) {
    const std::int64_t micros = x_timestamp.values()[row];
    if (micros < hour_begin || micros - hour_begin >= kMicrosPerHour) {
      const std::int64_t hours = FloorDiv(micros, kMicrosPerHour);
      const std::int64_t days = FloorDiv(hours, kHoursPerDay);
      hour_begin = hours * kMicrosPerHour;
      day_now = static_cast<std::int32_t>(days);
      hour_now = static_cast<std::int32_t>(hours - days * kHoursPerDay);
    }
    date_day.Push(day_now);
    hour.Push(hour_now);
  }
  FinishOwn(batch);
  if (x_kind == TableKind::kTraces || x_kind == TableKind::kLogs) {
    batch.Add("scope_dropped_attributes_count", x_scope_dropped);
  } else {
    FixedColumn<std::int32_t> saturated;
    constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
    for (std::size_t row = 0; row < size(); ++row) {
      saturated.Push(static_cast<std::int32_t>(std::min(x_scope_dropped.values()[row], kMax)));
    }
    batch.Add("scope_dropped_attr_count", saturated);
  }
  batch.Add("timestamp", x_timestamp);
  batch.Add("date_day", date_day);
  batch.Add("hour", hour);
  batch.Add("service_name", x_service_name);
  batch.Add("resource_schema_url", x_resource_schema_url);
  batch.Add("resource_attributes", x_resource_attributes);
  batch.Add("resource_dropped_attributes_count", x_resource_dropped);
  batch.Add("scope_name", x_scope_name);
  batch.Add("scope_version", x_scope_version);
  batch.Add("scope_schema_url", x_scope_schema_url);
  batch.Add("scope_attributes", x_scope_attributes);
  return batch.Finish();
}

}  // namespace signaldb

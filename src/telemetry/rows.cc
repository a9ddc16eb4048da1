#include "telemetry/rows.h"

#include <algorithm>
#include <limits>

#include <arrow/array/data.h>
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
    : schema_(DefinitionOf(table).decoded_schema), rows_(rows) {
  columns_.resize(static_cast<std::size_t>(schema_->num_fields()));
}

BatchAssembler::~BatchAssembler() = default;

std::size_t BatchAssembler::IndexOf(std::string_view name) const {
  const auto& fields = schema_->fields();
  const auto found = std::ranges::find(
      fields, name, [](const auto& field) -> std::string_view { return field->name(); });
  SIGNALDB_ASSERT(found != fields.end());
  return static_cast<std::size_t>(found - fields.begin());
}

const ArrowType& BatchAssembler::TypeAt(std::size_t at) const {
  return schema_->field(static_cast<int>(at))->type();
}

void BatchAssembler::Set(std::size_t at, ArrowData data) {
  SIGNALDB_ASSERT(columns_[at] == nullptr);
  SIGNALDB_ASSERT(static_cast<std::size_t>(data->length) == rows_);
  columns_[at] = std::move(data);
}

std::shared_ptr<arrow::RecordBatch> BatchAssembler::Finish() {
  for (const auto& column : columns_) SIGNALDB_ASSERT(column != nullptr);
  return arrow::RecordBatch::Make(schema_, static_cast<std::int64_t>(rows_), std::move(columns_));
}

void Rows::EndScope(const ScopeValues& scope) {
  const std::size_t rows = open_in_scope();
  if (rows == 0) return;
  scope_name_.FillOrNull(scope.name, rows);
  scope_version_.FillOrNull(scope.version, rows);
  scope_schema_url_.FillOrNull(scope.schema_url, rows);
  scope_attributes_.Fill(scope.attributes, rows);
  scope_dropped_.Fill(scope.dropped_attributes, rows);
}

void Rows::EndResource(const ResourceValues& resource) {
  const std::size_t rows = open_in_resource();
  if (rows == 0) return;
  service_name_.Fill(resource.service_name, rows);
  resource_schema_url_.FillOrNull(resource.schema_url, rows);
  resource_attributes_.Fill(resource.attributes, rows);
  resource_dropped_.Fill(resource.dropped_attributes, rows);
}

void Rows::Truncate(std::size_t rows) {
  TruncateOwn(rows);
  timestamp_.Truncate(rows);
  service_name_.Truncate(rows);
  resource_schema_url_.Truncate(rows);
  resource_attributes_.Truncate(rows);
  resource_dropped_.Truncate(rows);
  scope_name_.Truncate(rows);
  scope_version_.Truncate(rows);
  scope_schema_url_.Truncate(rows);
  scope_attributes_.Truncate(rows);
  scope_dropped_.Truncate(rows);
}

std::shared_ptr<arrow::RecordBatch> Rows::Finish() {
  BatchAssembler batch(kind_, size());
  FixedColumn<std::int32_t> date_day;
  FixedColumn<std::int32_t> hour;
  // Neighbours mostly share their hour, so that the divisions are rare.
  std::int64_t hour_begin = std::numeric_limits<std::int64_t>::max();
  std::int32_t day_now = 0;
  std::int32_t hour_now = 0;
  for (std::size_t row = 0; row < size(); ++row) {
    const std::int64_t micros = timestamp_.values()[row];
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
  if (kind_ == TableKind::kTraces || kind_ == TableKind::kLogs) {
    batch.Add("scope_dropped_attributes_count", scope_dropped_);
  } else {
    FixedColumn<std::int32_t> saturated;
    constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
    for (std::size_t row = 0; row < size(); ++row) {
      saturated.Push(static_cast<std::int32_t>(std::min(scope_dropped_.values()[row], kMax)));
    }
    batch.Add("scope_dropped_attr_count", saturated);
  }
  batch.Add("timestamp", timestamp_);
  batch.Add("date_day", date_day);
  batch.Add("hour", hour);
  batch.Add("service_name", service_name_);
  batch.Add("resource_schema_url", resource_schema_url_);
  batch.Add("resource_attributes", resource_attributes_);
  batch.Add("resource_dropped_attributes_count", resource_dropped_);
  batch.Add("scope_name", scope_name_);
  batch.Add("scope_version", scope_version_);
  batch.Add("scope_schema_url", scope_schema_url_);
  batch.Add("scope_attributes", scope_attributes_);
  return batch.Finish();
}

}  // namespace signaldb

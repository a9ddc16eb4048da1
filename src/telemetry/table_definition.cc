#include "telemetry/table_definition.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include "signaldb/result.h"

namespace signaldb {
namespace {

enum class ColumnType : std::uint8_t {
  kText,
  kLong,
  kInt,
  kDouble,
  kBool,
  kTimestamp,
  kDate,
  kMap,
  kBytes,
};

/// How often texts of a column repeat from row to row, which decides about dictionaries.
enum class Repetition : std::uint8_t {
  kRare,
  kCommon,  ///< Texts of the column; keys and values of a map.
  kKeys,    ///< Keys of a map, not its values.
};

enum class Presence : std::uint8_t { kRequired, kOptional };

struct ColumnSpec {
  std::string_view name;
  ColumnType type;
  Presence presence;
  Repetition repetition = Repetition::kRare;
};

constexpr ColumnSpec Required(std::string_view name, ColumnType type,
                              Repetition repetition = Repetition::kRare) {
  return {name, type, Presence::kRequired, repetition};
}

constexpr ColumnSpec Optional(std::string_view name, ColumnType type,
                              Repetition repetition = Repetition::kRare) {
  return {name, type, Presence::kOptional, repetition};
}

using enum ColumnType;
using enum Repetition;

constexpr auto kTracesColumns = std::to_array<ColumnSpec>({
    Required("trace_id", kText),
    Required("span_id", kText),
    Optional("parent_span_id", kText),
    Required("span_name", kText, kCommon),
    Required("service_name", kText, kCommon),
    Required("start_time_unix_nano", kLong),
    Required("end_time_unix_nano", kLong),
    Required("duration_nanos", kLong),
    Required("span_kind", kText, kCommon),
    Required("status_code", kText, kCommon),
    Optional("status_message", kText),
    Required("is_root", kBool),
    Optional("span_attributes", kMap, kKeys),
    Optional("resource_attributes", kMap, kCommon),
    Optional("events", kText),
    Optional("links", kText),
    Optional("trace_state", kText),
    Optional("resource_schema_url", kText, kCommon),
    Optional("scope_name", kText, kCommon),
    Optional("scope_version", kText, kCommon),
    Optional("scope_schema_url", kText, kCommon),
    Optional("scope_attributes", kMap, kCommon),
    Required("timestamp", kTimestamp),
    Required("date_day", kDate),
    Required("hour", kInt),
    Optional("span_kind_number", kInt),
    Optional("status_code_number", kInt),
    Optional("dropped_attributes_count", kLong),
    Optional("dropped_events_count", kLong),
    Optional("dropped_links_count", kLong),
    Optional("flags", kInt),
    Optional("resource_dropped_attributes_count", kLong),
    Optional("scope_dropped_attributes_count", kLong),
});

constexpr auto kLogsColumns = std::to_array<ColumnSpec>({
    Required("timestamp", kTimestamp),
    Optional("observed_timestamp", kTimestamp),
    Optional("trace_id", kText),
    Optional("span_id", kText),
    Optional("trace_flags", kInt),
    Optional("severity_text", kText, kCommon),
    Optional("severity_number", kInt),
    Required("service_name", kText, kCommon),
    Optional("body", kText),
    Optional("resource_schema_url", kText, kCommon),
    Optional("resource_attributes", kMap, kCommon),
    Optional("scope_schema_url", kText, kCommon),
    Optional("scope_name", kText, kCommon),
    Optional("scope_version", kText, kCommon),
    Optional("scope_attributes", kMap, kCommon),
    Optional("log_attributes", kMap, kKeys),
    Required("date_day", kDate),
    Required("hour", kInt),
    Optional("time_unix_nano", kLong),
    Optional("observed_time_unix_nano", kLong),
    Optional("event_name", kText, kCommon),
    Optional("dropped_attributes_count", kLong),
    Optional("resource_dropped_attributes_count", kLong),
    Optional("scope_dropped_attributes_count", kLong),
});

// The metric tables begin and end alike; what a kind adds stands in between.
constexpr auto kMetricHead = std::to_array<ColumnSpec>({
    Required("timestamp", kTimestamp),
    Optional("start_timestamp", kTimestamp),
    Required("service_name", kText, kCommon),
    Required("metric_name", kText, kCommon),
    Optional("metric_description", kText, kCommon),
    Optional("metric_unit", kText, kCommon),
});

constexpr auto kMetricScope = std::to_array<ColumnSpec>({
    Optional("resource_schema_url", kText, kCommon),
    Optional("resource_attributes", kMap, kCommon),
    Optional("scope_name", kText, kCommon),
    Optional("scope_version", kText, kCommon),
    Optional("scope_schema_url", kText, kCommon),
    Optional("scope_attributes", kMap, kCommon),
    Optional("scope_dropped_attr_count", kInt),
    Optional("attributes", kMap, kKeys),
    Optional("exemplars", kText),
    Required("date_day", kDate),
    Required("hour", kInt),
    Optional("time_unix_nano", kLong),
    Optional("start_time_unix_nano", kLong),
});

constexpr auto kMetricTail = std::to_array<ColumnSpec>({
    Optional("metric_metadata", kMap, kCommon),
    Optional("resource_dropped_attributes_count", kLong),
});

constexpr auto kValueInt = std::to_array<ColumnSpec>({Optional("value_int", kLong)});

constexpr auto kGaugeColumns = std::to_array<ColumnSpec>({
    Required("value", kDouble),
    Optional("flags", kInt),
});

constexpr auto kSumColumns = std::to_array<ColumnSpec>({
    Required("value", kDouble),
    Optional("flags", kInt),
    Required("aggregation_temporality", kInt),
    Required("is_monotonic", kBool),
});

constexpr auto kHistogramColumns = std::to_array<ColumnSpec>({
    Required("count", kLong),
    Optional("sum", kDouble),
    Optional("min", kDouble),
    Optional("max", kDouble),
    Optional("bucket_counts", kText),
    Optional("explicit_bounds", kText),
    Optional("flags", kInt),
    Required("aggregation_temporality", kInt),
});

constexpr auto kExponentialHistogramColumns = std::to_array<ColumnSpec>({
    Required("count", kLong),
    Optional("sum", kDouble),
    Optional("min", kDouble),
    Optional("max", kDouble),
    Optional("scale", kInt),
    Optional("zero_count", kLong),
    Optional("positive_offset", kInt),
    Optional("positive_bucket_counts", kText),
    Optional("negative_offset", kInt),
    Optional("negative_bucket_counts", kText),
    Optional("flags", kInt),
    Required("aggregation_temporality", kInt),
    Optional("zero_threshold", kDouble),
});

constexpr auto kSummaryColumns = std::to_array<ColumnSpec>({
    Required("count", kLong),
    Required("sum", kDouble),
    Optional("quantile_values", kText),
    Optional("flags", kInt),
});

constexpr auto kDeadLettersColumns = std::to_array<ColumnSpec>({
    Required("timestamp", kTimestamp),
    Required("source", kText, kCommon),
    Required("position", kLong),
    Required("part", kInt),
    Required("signal", kText, kCommon),
    Required("encoding", kText, kCommon),
    Required("reason", kText, kCommon),
    Optional("rejected_records", kLong),
    Required("message_bytes", kLong),
    Required("message", kBytes),
    Required("content", kText, kCommon),
    Optional("message_xxh64", kText),
    Required("messages", kLong),
    Required("first_position", kLong),
    Optional("for_tenant", kText, kCommon),
    Optional("for_dataset", kText, kCommon),
});

std::vector<ColumnSpec> ColumnsOf(TableKind kind) {
  std::vector<ColumnSpec> columns;
  const auto add = [&](std::span<const ColumnSpec> more) {
    columns.insert(columns.end(), more.begin(), more.end());
  };
  const auto add_metric = [&](std::span<const ColumnSpec> own, std::span<const ColumnSpec> late) {
    add(kMetricHead);
    add(own);
    add(kMetricScope);
    add(late);
    add(kMetricTail);
  };
  switch (kind) {
    case TableKind::kTraces:
      add(kTracesColumns);
      break;
    case TableKind::kLogs:
      add(kLogsColumns);
      break;
    case TableKind::kMetricsGauge:
      add_metric(kGaugeColumns, kValueInt);
      break;
    case TableKind::kMetricsSum:
      add_metric(kSumColumns, kValueInt);
      break;
    case TableKind::kMetricsHistogram:
      add_metric(kHistogramColumns, {});
      break;
    case TableKind::kMetricsExponentialHistogram:
      add_metric(kExponentialHistogramColumns, {});
      break;
    case TableKind::kMetricsSummary:
      add_metric(kSummaryColumns, {});
      break;
    case TableKind::kDeadLetters:
      add(kDeadLettersColumns);
      break;
  }
  return columns;
}

/// Whether texts stand as themselves or as references into a dictionary.
enum class Form : std::uint8_t { kStored, kDecoded };

std::shared_ptr<arrow::DataType> TextType(bool dictionary) {
  return dictionary ? arrow::dictionary(arrow::int32(), arrow::utf8()) : arrow::utf8();
}

std::shared_ptr<const arrow::KeyValueMetadata> FieldId(int id) {
  return arrow::key_value_metadata({"PARQUET:field_id"}, {std::to_string(id)});
}

std::shared_ptr<arrow::DataType> ArrowType(const ColumnSpec& column, Form form, int& nested_id) {
  const bool decoded = form == Form::kDecoded;
  switch (column.type) {
    case kText:
      return TextType(decoded && column.repetition == kCommon);
    case kLong:
      return arrow::int64();
    case kInt:
      return arrow::int32();
    case kDouble:
      return arrow::float64();
    case kBool:
      return arrow::boolean();
    case kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case kDate:
      return arrow::date32();
    case kMap: {
      auto key = arrow::field("key", TextType(decoded), false, FieldId(nested_id++));
      auto value = arrow::field("value", TextType(decoded && column.repetition == kCommon), true,
                                FieldId(nested_id++));
      return std::make_shared<arrow::MapType>(std::move(key), std::move(value));
    }
    case kBytes:
      return arrow::binary();
  }
  SIGNALDB_ASSERT(false);
}

std::shared_ptr<arrow::Schema> SchemaOf(std::span<const ColumnSpec> columns, Form form) {
  int id = 1;
  int nested_id = static_cast<int>(columns.size()) + 1;
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (const auto& column : columns) {
    fields.push_back(arrow::field(std::string(column.name), ArrowType(column, form, nested_id),
                                  column.presence == Presence::kOptional, FieldId(id++)));
  }
  return arrow::schema(std::move(fields));
}

/// Columns too long or too varied for their bounds to help anybody skip a file.
constexpr auto kCountsOnly = std::to_array<std::string_view>({
    "body",
    "message",
    "status_message",
    "exemplars",
    "events",
    "links",
    "bucket_counts",
    "explicit_bounds",
    "positive_bucket_counts",
    "negative_bucket_counts",
    "quantile_values",
});

std::vector<std::pair<std::string, std::string>> PropertiesOf(TableKind kind,
                                                              std::span<const ColumnSpec> columns) {
  // A commit every few seconds makes hundreds of snapshots an hour, many writers make thousands,
  // and each costs in every later metadata file. 240 commits, twenty minutes at one every five
  // seconds, are enough for every query to find the files of its snapshot, and for readers of
  // changes that come every few minutes.
  std::vector<std::pair<std::string, std::string>> properties = {
      {"signaldb.expire-on-commit.enabled", "true"},
      {"history.expire.max-snapshot-age-ms", "3600000"},
      {"history.expire.min-snapshots-to-keep", "20"},
      {"signaldb.expire-on-commit.max-snapshots", "240"},
      {"write.metadata.delete-after-commit.enabled", "true"},
      {"write.metadata.previous-versions-max", "20"},
      {"write.parquet.compression-codec", "zstd"},
      {"write.parquet.compression-level", "1"},
      {"signaldb.schema.version", "writer-v1"},
  };
  if (kind == TableKind::kTraces || kind == TableKind::kLogs) {
    for (const std::string column : {"trace_id", "span_id"}) {
      properties.emplace_back("write.parquet.bloom-filter-enabled.column." + column, "true");
      properties.emplace_back("write.parquet.bloom-filter-fpp.column." + column, "0.01");
    }
    properties.emplace_back("write.parquet.bloom-filter-ndv.column.trace_id", "50000");
  }
  for (const auto& column : columns) {
    if (std::ranges::find(kCountsOnly, column.name) == kCountsOnly.end()) continue;
    properties.emplace_back("write.metadata.metrics.column." + std::string(column.name), "counts");
  }
  return properties;
}

constexpr std::array<std::string_view, kTableKinds> kNames = {
    "traces",
    "logs",
    "metrics_gauge",
    "metrics_sum",
    "metrics_histogram",
    "metrics_exponential_histogram",
    "metrics_summary",
    "dead_letters",
};

std::vector<std::string_view> SortColumnsOf(TableKind kind) {
  switch (kind) {
    case TableKind::kTraces:
    case TableKind::kLogs:
      return {"service_name", "timestamp"};
    case TableKind::kDeadLetters:
      return {"source", "position"};
    case TableKind::kMetricsGauge:
    case TableKind::kMetricsSum:
    case TableKind::kMetricsHistogram:
    case TableKind::kMetricsExponentialHistogram:
    case TableKind::kMetricsSummary:
      break;
  }
  return {"metric_name", "service_name", "timestamp"};
}

TableDefinition MakeDefinition(TableKind kind) {
  const auto columns = ColumnsOf(kind);
  return {.kind = kind,
          .name = kNames[static_cast<std::size_t>(kind)],
          .schema = SchemaOf(columns, Form::kStored),
          .decoded_schema = SchemaOf(columns, Form::kDecoded),
          .partition_column = "timestamp",
          .sort_columns = SortColumnsOf(kind),
          .properties = PropertiesOf(kind, columns)};
}

}  // namespace

const TableDefinition& DefinitionOf(TableKind kind) {
  static const auto kDefinitions = [] {
    std::array<TableDefinition, kTableKinds> all;
    for (std::size_t i = 0; i < kTableKinds; ++i)
      all[i] = MakeDefinition(static_cast<TableKind>(i));
    return all;
  }();
  return kDefinitions[static_cast<std::size_t>(kind)];
}

const TableDefinition* FindDefinition(std::string_view name) {
  for (std::size_t i = 0; i < kTableKinds; ++i) {
    const TableDefinition& definition = DefinitionOf(static_cast<TableKind>(i));
    if (definition.name == name) return &definition;
  }
  return nullptr;
}

}  // namespace signaldb

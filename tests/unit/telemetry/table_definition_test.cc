#include "telemetry/table_definition.h"

#include <map>
#include <set>
#include <string>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace signaldb {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::Pair;

constexpr std::array<TableKind, kTableKinds> kAll = {
    TableKind::kTraces,           TableKind::kLogs,
    TableKind::kMetricsGauge,     TableKind::kMetricsSum,
    TableKind::kMetricsHistogram, TableKind::kMetricsExponentialHistogram,
    TableKind::kMetricsSummary,   TableKind::kDeadLetters,
};

int IdOf(const arrow::Field& field) {
  return std::stoi(field.metadata()->Get("PARQUET:field_id").ValueOr("-1"));
}

/// "12 span_name string!" a line, "!" for required; maps with the ids of key and value.
std::string Describe(const arrow::Schema& schema) {
  std::string text;
  for (const auto& field : schema.fields()) {
    text += std::to_string(IdOf(*field)) + " " + field->name() + " ";
    if (field->type()->id() == arrow::Type::MAP) {
      const auto& map = static_cast<const arrow::MapType&>(*field->type());
      text += "map " + std::to_string(IdOf(*map.key_field())) + " " +
              std::to_string(IdOf(*map.item_field()));
    } else {
      text += field->type()->ToString();
    }
    text += field->nullable() ? "\n" : "!\n";
  }
  return text;
}

int LastId(const arrow::Schema& schema) {
  int last = 0;
  for (const auto& field : schema.fields()) {
    last = std::max(last, IdOf(*field));
    if (field->type()->id() != arrow::Type::MAP) continue;
    const auto& map = static_cast<const arrow::MapType&>(*field->type());
    last = std::max({last, IdOf(*map.key_field()), IdOf(*map.item_field())});
  }
  return last;
}

TEST(TableDefinition, HasTheColumnsOfTraces) {
  EXPECT_EQ(
      Describe(*DefinitionOf(TableKind::kTraces).schema),
      "1 trace_id string!\n2 span_id string!\n3 parent_span_id string\n4 span_name string!\n"
      "5 service_name string!\n6 start_time_unix_nano int64!\n7 end_time_unix_nano int64!\n"
      "8 duration_nanos int64!\n9 span_kind string!\n10 status_code string!\n"
      "11 status_message string\n12 is_root bool!\n13 span_attributes map 34 35\n"
      "14 resource_attributes map 36 37\n15 events string\n16 links string\n"
      "17 trace_state string\n18 resource_schema_url string\n19 scope_name string\n"
      "20 scope_version string\n21 scope_schema_url string\n22 scope_attributes map 38 39\n"
      "23 timestamp timestamp[us, tz=UTC]!\n24 date_day date32[day]!\n25 hour int32!\n"
      "26 span_kind_number int32\n27 status_code_number int32\n"
      "28 dropped_attributes_count int64\n29 dropped_events_count int64\n"
      "30 dropped_links_count int64\n31 flags int32\n"
      "32 resource_dropped_attributes_count int64\n33 scope_dropped_attributes_count int64\n");
}

TEST(TableDefinition, HasTheColumnsOfLogs) {
  EXPECT_EQ(
      Describe(*DefinitionOf(TableKind::kLogs).schema),
      "1 timestamp timestamp[us, tz=UTC]!\n2 observed_timestamp timestamp[us, tz=UTC]\n"
      "3 trace_id string\n4 span_id string\n5 trace_flags int32\n6 severity_text string\n"
      "7 severity_number int32\n8 service_name string!\n9 body string\n"
      "10 resource_schema_url string\n11 resource_attributes map 25 26\n"
      "12 scope_schema_url string\n13 scope_name string\n14 scope_version string\n"
      "15 scope_attributes map 27 28\n16 log_attributes map 29 30\n17 date_day date32[day]!\n"
      "18 hour int32!\n19 time_unix_nano int64\n20 observed_time_unix_nano int64\n"
      "21 event_name string\n22 dropped_attributes_count int64\n"
      "23 resource_dropped_attributes_count int64\n24 scope_dropped_attributes_count int64\n");
}

TEST(TableDefinition, HasTheColumnsOfGauges) {
  EXPECT_EQ(Describe(*DefinitionOf(TableKind::kMetricsGauge).schema),
            "1 timestamp timestamp[us, tz=UTC]!\n2 start_timestamp timestamp[us, tz=UTC]\n"
            "3 service_name string!\n4 metric_name string!\n5 metric_description string\n"
            "6 metric_unit string\n7 value double!\n8 flags int32\n9 resource_schema_url string\n"
            "10 resource_attributes map 25 26\n11 scope_name string\n12 scope_version string\n"
            "13 scope_schema_url string\n14 scope_attributes map 27 28\n"
            "15 scope_dropped_attr_count int32\n16 attributes map 29 30\n17 exemplars string\n"
            "18 date_day date32[day]!\n19 hour int32!\n20 time_unix_nano int64\n"
            "21 start_time_unix_nano int64\n22 value_int int64\n23 metric_metadata map 31 32\n"
            "24 resource_dropped_attributes_count int64\n");
}

TEST(TableDefinition, HasTheColumnsOfExponentialHistograms) {
  EXPECT_EQ(Describe(*DefinitionOf(TableKind::kMetricsExponentialHistogram).schema),
            "1 timestamp timestamp[us, tz=UTC]!\n2 start_timestamp timestamp[us, tz=UTC]\n"
            "3 service_name string!\n4 metric_name string!\n5 metric_description string\n"
            "6 metric_unit string\n7 count int64!\n8 sum double\n9 min double\n10 max double\n"
            "11 scale int32\n12 zero_count int64\n13 positive_offset int32\n"
            "14 positive_bucket_counts string\n15 negative_offset int32\n"
            "16 negative_bucket_counts string\n17 flags int32\n18 aggregation_temporality int32!\n"
            "19 zero_threshold double\n20 resource_schema_url string\n"
            "21 resource_attributes map 35 36\n22 scope_name string\n23 scope_version string\n"
            "24 scope_schema_url string\n25 scope_attributes map 37 38\n"
            "26 scope_dropped_attr_count int32\n27 attributes map 39 40\n28 exemplars string\n"
            "29 date_day date32[day]!\n30 hour int32!\n31 time_unix_nano int64\n"
            "32 start_time_unix_nano int64\n33 metric_metadata map 41 42\n"
            "34 resource_dropped_attributes_count int64\n");
}

TEST(TableDefinition, AssignsTheIdsOfTheManual) {
  const std::map<TableKind, std::pair<std::string, int>> expected = {
      {TableKind::kTraces, {"traces", 39}},
      {TableKind::kLogs, {"logs", 30}},
      {TableKind::kMetricsGauge, {"metrics_gauge", 32}},
      {TableKind::kMetricsSum, {"metrics_sum", 34}},
      {TableKind::kMetricsHistogram, {"metrics_histogram", 37}},
      {TableKind::kMetricsExponentialHistogram, {"metrics_exponential_histogram", 42}},
      {TableKind::kMetricsSummary, {"metrics_summary", 33}},
      {TableKind::kDeadLetters, {"dead_letters", 16}},
  };
  for (const TableKind kind : kAll) {
    const auto& [name, last_id] = expected.at(kind);
    EXPECT_EQ(DefinitionOf(kind).name, name);
    EXPECT_EQ(LastId(*DefinitionOf(kind).schema), last_id) << name;
    EXPECT_EQ(LastId(*DefinitionOf(kind).decoded_schema), last_id) << name;
  }
}

TEST(TableDefinition, DecodesIntoTheSameColumnsOfTheSameIds) {
  for (const TableKind kind : kAll) {
    const auto& table = DefinitionOf(kind);
    ASSERT_EQ(table.schema->num_fields(), table.decoded_schema->num_fields());
    for (int i = 0; i < table.schema->num_fields(); ++i) {
      const auto& stored = *table.schema->field(i);
      const auto& decoded = *table.decoded_schema->field(i);
      EXPECT_EQ(stored.name(), decoded.name());
      EXPECT_EQ(stored.nullable(), decoded.nullable());
      EXPECT_EQ(IdOf(stored), IdOf(decoded));
      const bool text = stored.type()->id() == arrow::Type::STRING;
      const bool dictionary = decoded.type()->id() == arrow::Type::DICTIONARY;
      EXPECT_TRUE(dictionary ? text : stored.type()->id() == decoded.type()->id()) << stored.name();
    }
  }
}

TEST(TableDefinition, HasDictionariesWhereTextsRepeat) {
  const auto& logs = *DefinitionOf(TableKind::kLogs).decoded_schema;
  const auto dictionary = arrow::dictionary(arrow::int32(), arrow::utf8());
  EXPECT_TRUE(logs.GetFieldByName("service_name")->type()->Equals(dictionary));
  EXPECT_TRUE(logs.GetFieldByName("body")->type()->Equals(arrow::utf8()));
  EXPECT_TRUE(logs.GetFieldByName("trace_id")->type()->Equals(arrow::utf8()));
  const auto& own =
      static_cast<const arrow::MapType&>(*logs.GetFieldByName("log_attributes")->type());
  EXPECT_TRUE(own.key_type()->Equals(dictionary));
  EXPECT_TRUE(own.item_type()->Equals(arrow::utf8()));
  const auto& shared =
      static_cast<const arrow::MapType&>(*logs.GetFieldByName("resource_attributes")->type());
  EXPECT_TRUE(shared.key_type()->Equals(dictionary));
  EXPECT_TRUE(shared.item_type()->Equals(dictionary));
}

TEST(TableDefinition, SortsMetricsByNameFirst) {
  EXPECT_THAT(DefinitionOf(TableKind::kLogs).sort_columns,
              ElementsAre("service_name", "timestamp"));
  EXPECT_THAT(DefinitionOf(TableKind::kTraces).sort_columns,
              ElementsAre("service_name", "timestamp"));
  EXPECT_THAT(DefinitionOf(TableKind::kMetricsSummary).sort_columns,
              ElementsAre("metric_name", "service_name", "timestamp"));
}

TEST(TableDefinition, HasThePropertiesOfANewTable) {
  const auto& logs = DefinitionOf(TableKind::kLogs).properties;
  EXPECT_THAT(logs, Contains(Pair("write.metadata.delete-after-commit.enabled", "true")));
  EXPECT_THAT(logs, Contains(Pair("write.metadata.previous-versions-max", "20")));
  EXPECT_THAT(logs, Contains(Pair("signaldb.expire-on-commit.enabled", "true")));
  EXPECT_THAT(logs, Contains(Pair("history.expire.max-snapshot-age-ms", "3600000")));
  EXPECT_THAT(logs, Contains(Pair("history.expire.min-snapshots-to-keep", "20")));
  EXPECT_THAT(logs, Contains(Pair("signaldb.expire-on-commit.max-snapshots", "240")));
  EXPECT_THAT(logs, Contains(Pair("write.parquet.compression-codec", "zstd")));
  EXPECT_THAT(logs, Contains(Pair("write.parquet.compression-level", "1")));
  EXPECT_THAT(logs, Contains(Pair("signaldb.schema.version", "writer-v1")));
  EXPECT_THAT(logs, Contains(Pair("write.parquet.bloom-filter-enabled.column.trace_id", "true")));
  EXPECT_THAT(logs, Contains(Pair("write.parquet.bloom-filter-enabled.column.span_id", "true")));
  EXPECT_THAT(logs, Contains(Pair("write.parquet.bloom-filter-fpp.column.span_id", "0.01")));
  EXPECT_THAT(logs, Contains(Pair("write.parquet.bloom-filter-ndv.column.trace_id", "50000")));
  EXPECT_THAT(logs, Contains(Pair("write.metadata.metrics.column.body", "counts")));
  const auto& gauge = DefinitionOf(TableKind::kMetricsGauge).properties;
  EXPECT_THAT(gauge, Contains(Pair("write.metadata.metrics.column.exemplars", "counts")));
  EXPECT_THAT(gauge,
              Not(Contains(Pair("write.parquet.bloom-filter-enabled.column.trace_id", "true"))));
}

}  // namespace
}  // namespace signaldb

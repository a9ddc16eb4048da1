#include <gtest/gtest.h>

#include "iceberg/metadata/gzip.h"
#include "iceberg/metadata/table_metadata.h"
#include "testing/matchers.h"
#include "unit/iceberg/iceberg_printers.h"
#include "unit/iceberg/metadata_documents.h"

namespace signaldb {
namespace {

using testing::Changed;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::kV1Minimal;
using testing::kV2;
using testing::kV2Minimal;
using testing::kV3;
using ::testing::Pair;

TEST(ParseTableMetadata, ReadsEverythingOfVersion2) {
  const auto parsed = ParseTableMetadata(kV2);
  ASSERT_THAT(parsed, IsOk());
  const TableMetadata& m = *parsed;
  EXPECT_EQ(m.format_version, 2);
  EXPECT_EQ(m.table_uuid, "5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10");
  EXPECT_EQ(m.location, "s3://bucket/wh/logs");
  EXPECT_EQ(m.last_sequence_number, 2);
  EXPECT_EQ(m.last_updated_ms, 1700000002000);
  EXPECT_EQ(m.last_column_id, 6);
  EXPECT_EQ(m.schemas.size(), 2u);
  EXPECT_EQ(m.schema().schema_id, 1);
  EXPECT_THAT(m.schema().identifier_field_ids, ElementsAre(1));
  EXPECT_EQ(m.schema().fields[0].doc, "when \"it\" was");
  EXPECT_EQ(m.schema().FindById(4)->type, Type::Decimal(9, 2));
  EXPECT_TRUE(m.schema().FindById(6)->required);
  EXPECT_EQ(m.partition_spec().fields[0].transform.kind, TransformKind::kHour);
  EXPECT_EQ(m.last_partition_id, 1000);
  EXPECT_FALSE(m.sort_order().fields[0].ascending);
  EXPECT_FALSE(m.sort_order().fields[0].nulls_first);
  EXPECT_EQ(m.properties.at("owner"), "ops");
  EXPECT_EQ(m.statistics_json, R"([{"snapshot-id": 3051729675574597004, "blob-metadata": []}])");
  EXPECT_EQ(m.partition_statistics_json, "[ ]");
  EXPECT_EQ(m.snapshot_log.size(), 2u);
  EXPECT_EQ(m.metadata_log[0].metadata_file, "s3://bucket/wh/logs/metadata/00000-a.json");
  EXPECT_EQ(m.refs.at("main").min_snapshots_to_keep, 5);
  EXPECT_FALSE(m.refs.at("keep").is_branch);
  EXPECT_EQ(m.refs.at("keep").max_ref_age_ms, 86400000);
}

TEST(ParseTableMetadata, ReadsSnapshotsAndKeepsTheirText) {
  const auto parsed = ParseTableMetadata(kV2);
  ASSERT_THAT(parsed, IsOk());
  ASSERT_EQ(parsed->snapshots.size(), 2u);
  const Snapshot& first = *parsed->snapshots[0];
  EXPECT_EQ(first.snapshot_id, 3051729675574597004);
  EXPECT_EQ(first.parent_snapshot_id, std::nullopt);
  EXPECT_EQ(first.schema_id, std::nullopt);
  EXPECT_THAT(first.summary, ElementsAre(Pair("added-records", "7")));
  const Snapshot& second = *parsed->current_snapshot();
  EXPECT_EQ(second.sequence_number, 2);
  EXPECT_EQ(second.parent_snapshot_id, first.snapshot_id);
  EXPECT_EQ(second.timestamp_ms, 1700000002000);
  EXPECT_EQ(second.operation, "overwrite");
  EXPECT_THAT(second.summary, ElementsAre(Pair("total-records", "9")));
  EXPECT_EQ(second.manifest_list, "s3://bucket/wh/logs/metadata/snap-2.avro");
  EXPECT_EQ(second.schema_id, 1);
  EXPECT_TRUE(second.json.starts_with(R"({"sequence-number": 2, "snapshot-id": 305572967)"));
  EXPECT_TRUE(second.json.ends_with(R"("unheard-of": {"deep": [1, {"x": null}]}})"));
}

TEST(ParseTableMetadata, ReadsTheOldestFormOfVersion1) {
  const auto parsed = ParseTableMetadata(kV1Minimal);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->table_uuid, "");
  EXPECT_EQ(parsed->last_sequence_number, 0);
  EXPECT_EQ(parsed->schema().schema_id, 0);
  ASSERT_EQ(parsed->partition_spec().fields.size(), 2u);
  EXPECT_EQ(parsed->partition_spec().fields[0].field_id, 1000);
  EXPECT_EQ(parsed->partition_spec().fields[1].field_id, 1001);
  EXPECT_EQ(parsed->last_partition_id, 1001);
  EXPECT_EQ(parsed->default_sort_order_id, 0);
  EXPECT_TRUE(parsed->sort_order().fields.empty());
  EXPECT_EQ(parsed->refs.at("main").snapshot_id, 7);
  EXPECT_EQ(parsed->current_snapshot()->operation, "");
}

TEST(ParseTableMetadata, ReadsVersion3) {
  const auto parsed = ParseTableMetadata(kV3);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->next_row_id, 50);
  EXPECT_EQ(parsed->current_snapshot()->first_row_id, 0);
  EXPECT_EQ(parsed->current_snapshot()->added_rows, 50);
  EXPECT_EQ(parsed->schema().fields[1].initial_default, "0.1");
  EXPECT_EQ(parsed->schema().fields[1].write_default, R"({"1":1,"2":"bar"})");
  EXPECT_EQ(parsed->partition_spec().fields[0].source_id, 1);
  EXPECT_EQ(parsed->encryption_keys_json, R"([{"key-id": "k", "encrypted-key-metadata": "AAEC"}])");
  EXPECT_TRUE(parsed->sort_order().fields.empty());
}

TEST(ParseTableMetadata, TakesEveryWayToSayThatThereIsNoSnapshot) {
  for (const std::string_view none : {"-1", "null"}) {
    const auto parsed = ParseTableMetadata(Changed(kV2Minimal, "/current-snapshot-id", none));
    ASSERT_THAT(parsed, IsOk()) << none;
    EXPECT_EQ(parsed->current_snapshot(), nullptr);
    EXPECT_TRUE(parsed->refs.empty());
  }
  const auto absent = ParseTableMetadata(kV2Minimal);
  ASSERT_THAT(absent, IsOk());
  EXPECT_EQ(absent->current_snapshot_id, std::nullopt);
}

TEST(ParseTableMetadata, RecognisesGzipByItsFirstBytes) {
  const auto packed = Gzip(kV2);
  ASSERT_THAT(packed, IsOk());
  const auto parsed = ParseTableMetadata(*packed);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->snapshots.size(), 2u);
  EXPECT_THAT(ParseTableMetadata(packed->substr(0, packed->size() - 1)),
              IsError(ErrorKind::kCorrupt));
  EXPECT_THAT(ParseTableMetadata(*packed + "x"), IsError(ErrorKind::kCorrupt));
  std::string broken = *packed;
  broken[broken.size() / 2] ^= 1;
  EXPECT_THAT(ParseTableMetadata(broken), IsError(ErrorKind::kCorrupt));
}

TEST(ParseTableMetadata, RefusesFilesAboveTheLimit) {
  std::string padded(kV2Minimal);
  padded.resize(kMetadataBytesMax, ' ');
  EXPECT_THAT(ParseTableMetadata(padded), IsOk());
  padded += ' ';
  EXPECT_THAT(ParseTableMetadata(padded), IsErrorSaying(ErrorKind::kInvalid, "bytes_max=67108864"));
  EXPECT_THAT(ParseTableMetadata(*Gzip(padded)),
              IsErrorSaying(ErrorKind::kInvalid, "bytes_max=67108864"));
}

TEST(ParseTableMetadata, RefusesTextThatIsNotOneJsonObject) {
  std::string zero(kV2Minimal);
  zero += '\0';
  std::string not_utf8(kV2Minimal);
  not_utf8.replace(not_utf8.find("file:"), 1, "\xff");
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"),
                                  std::string("7"), std::string(kV2Minimal) + "}", zero, not_utf8,
                                  std::string(kV2.substr(0, kV2.size() / 2))}) {
    EXPECT_THAT(ParseTableMetadata(text), IsError(ErrorKind::kCorrupt)) << text.substr(0, 20);
  }
}

TEST(ParseTableMetadata, RefusesTextNestedTooDeeply) {
  const auto nested = [](int depth) {
    const auto count = static_cast<std::size_t>(depth);
    return Changed(kV2Minimal, "/x", std::string(count, '[') + std::string(count, ']'));
  };
  EXPECT_THAT(ParseTableMetadata(nested(127)), IsOk());
  EXPECT_THAT(ParseTableMetadata(nested(128)), IsError(ErrorKind::kCorrupt));
  EXPECT_THAT(ParseTableMetadata(std::string(1'000'000, '[')), IsError(ErrorKind::kCorrupt));
}

struct BadCase {
  std::string_view document;
  const char* pointer;
  std::string_view value;  // Empty: the key is removed.
  std::string_view key;    // As the message names it.
};

TEST(ParseTableMetadata, NamesTheKeyThatIsMissingOrWrong) {
  const BadCase cases[] = {
      {kV2, "/format-version", "", "key=format-version"},
      {kV2, "/format-version", "\"2\"", "key=format-version"},
      {kV2, "/table-uuid", "", "key=table-uuid"},
      {kV2, "/table-uuid", "5", "key=table-uuid"},
      {kV2, "/location", "", "key=location"},
      {kV2, "/last-sequence-number", "", "key=last-sequence-number"},
      {kV2, "/last-sequence-number", "1.5", "key=last-sequence-number"},
      {kV2, "/last-updated-ms", "", "key=last-updated-ms"},
      {kV2, "/last-updated-ms", "99999999999999999999", "key=last-updated-ms"},
      {kV2, "/last-column-id", "", "key=last-column-id"},
      {kV2, "/last-column-id", "2147483648", "key=last-column-id"},
      {kV2, "/current-schema-id", "", "key=current-schema-id"},
      {kV2, "/current-schema-id", "9", "key=current-schema-id"},
      {kV2, "/schemas", "", "key=schemas"},
      {kV2, "/schemas", "{}", "key=schemas"},
      {kV2, "/schemas/1", "7", "key=schemas[1]"},
      {kV2, "/schemas/1/schema-id", "0", "key=schemas[1].schema-id"},
      {kV2, "/schemas/1/type", "", "key=schemas[1].type"},
      {kV2, "/schemas/1/type", "\"list\"", "key=schemas[1].type"},
      {kV2, "/schemas/1/fields", "", "key=schemas[1].fields"},
      {kV2, "/schemas/1/fields/0/id", "", "key=schemas[1].fields[0].id"},
      {kV2, "/schemas/1/fields/0/id", "5", "key=schemas[1].fields"},
      {kV2, "/schemas/1/fields/0/name", "1", "key=schemas[1].fields[0].name"},
      {kV2, "/schemas/1/fields/0/required", "1", "key=schemas[1].fields[0].required"},
      {kV2, "/schemas/1/fields/0/type", "4", "key=schemas[1].fields[0].type"},
      {kV2, "/schemas/1/fields/1/type/key-id", "", "key=schemas[1].fields[1].type.key-id"},
      {kV2, "/schemas/1/fields/2/type/element", "", "key=schemas[1].fields[2].type.element"},
      {kV2, "/schemas/1/identifier-field-ids", "[\"x\"]", "key=schemas[1].identifier-field-ids[0]"},
      {kV2, "/default-spec-id", "", "key=default-spec-id"},
      {kV2, "/default-spec-id", "5", "key=default-spec-id"},
      {kV2, "/partition-specs", "", "key=partition-specs"},
      {kV2, "/partition-specs/1/spec-id", "0", "key=partition-specs[1].spec-id"},
      {kV2, "/partition-specs/1/fields/0/field-id", "",
       "key=partition-specs[1].fields[0].field-id"},
      {kV2, "/partition-specs/1/fields/0/source-id", "",
       "key=partition-specs[1].fields[0].source-id"},
      {kV2, "/last-partition-id", "", "key=last-partition-id"},
      {kV2, "/default-sort-order-id", "", "key=default-sort-order-id"},
      {kV2, "/default-sort-order-id", "3", "key=default-sort-order-id"},
      {kV2, "/sort-orders", "", "key=sort-orders"},
      {kV2, "/sort-orders/0/order-id", "1", "key=sort-orders[1].order-id"},
      {kV2, "/sort-orders/1/order-id", "0", "key=sort-orders[1].fields"},
      {kV2, "/sort-orders/1/fields/0/direction", "\"up\"",
       "key=sort-orders[1].fields[0].direction"},
      {kV2, "/sort-orders/1/fields/0/null-order", "", "key=sort-orders[1].fields[0].null-order"},
      {kV2, "/properties", "[]", "key=properties"},
      {kV2, "/properties/owner", "1", "key=properties.owner"},
      {kV2, "/properties/owner", "null", "key=properties.owner"},
      {kV2, "/current-snapshot-id", "\"x\"", "key=current-snapshot-id"},
      {kV2, "/current-snapshot-id", "12", "key=current-snapshot-id"},
      {kV2, "/current-snapshot-id", "3051729675574597004", "key=refs.main.snapshot-id"},
      {kV2, "/current-snapshot-id", "-1", "key=refs.main.snapshot-id"},
      {kV2, "/refs/keep/snapshot-id", "12", "key=refs.keep.snapshot-id"},
      {kV2, "/refs/keep/type", "\"twig\"", "key=refs.keep.type"},
      {kV2, "/refs/keep", "3", "key=refs.keep"},
      {kV2, "/snapshots", "{}", "key=snapshots"},
      {kV2, "/snapshots/1", "5", "key=snapshots[1]"},
      {kV2, "/snapshots/1", "[{}]", "key=snapshots[1]"},
      {kV2, "/snapshots/1/snapshot-id", "", "key=snapshots[1].snapshot-id"},
      {kV2, "/snapshots/1/snapshot-id", "\"5\"", "key=snapshots[1].snapshot-id"},
      {kV2, "/snapshots/1/snapshot-id", "5.5", "key=snapshots[1].snapshot-id"},
      {kV2, "/snapshots/1/snapshot-id", "{\"a\":1}", "key=snapshots[1].snapshot-id"},
      {kV2, "/snapshots/1/snapshot-id", "3051729675574597004", "key=snapshots[1].snapshot-id"},
      {kV2, "/snapshots/1/timestamp-ms", "", "key=snapshots[1].timestamp-ms"},
      {kV2, "/snapshots/1/timestamp-ms", "true", "key=snapshots[1].timestamp-ms"},
      {kV2, "/snapshots/1/sequence-number", "3", "key=snapshots[1].sequence-number"},
      {kV2, "/snapshots/1/manifest-list", "", "key=snapshots[1].manifest-list"},
      {kV2, "/snapshots/1/manifest-list", "[]", "key=snapshots[1].manifest-list"},
      {kV2, "/snapshots/1/summary", "\"x\"", "key=snapshots[1].summary"},
      {kV2, "/snapshots/1/summary/total-records", "9", "key=snapshots[1].summary.total-records"},
      {kV2, "/snapshots/1/summary/total-records", "{}", "key=snapshots[1].summary.total-records"},
      {kV2, "/snapshots/1/summary/operation", "null", "key=snapshots[1].summary.operation"},
      {kV2, "/snapshots/1/schema-id", "4294967296", "key=snapshots[1].schema-id"},
      {kV2, "/statistics", "{}", "key=statistics"},
      {kV2, "/snapshot-log", "7", "key=snapshot-log"},
      {kV2, "/snapshot-log/0/snapshot-id", "", "key=snapshot-log[0].snapshot-id"},
      {kV2, "/snapshot-log/0/timestamp-ms", "1700000062001", "key=snapshot-log[1].timestamp-ms"},
      {kV2, "/metadata-log/0/metadata-file", "", "key=metadata-log[0].metadata-file"},
      {kV2, "/metadata-log/0/timestamp-ms", "1700000062001", "key=last-updated-ms"},
      {kV2, "/last-updated-ms", "1699999941999", "key=last-updated-ms"},
      {kV1Minimal, "/schema", "", "key=schema"},
      {kV1Minimal, "/schema/type", "", "key=schema.type"},
      {kV1Minimal, "/partition-spec", "", "key=partition-spec"},
      {kV1Minimal, "/schemas", "[]", "key=current-schema-id"},
      {kV1Minimal, "/partition-specs", "[]", "key=default-spec-id"},
      {kV3, "/next-row-id", "", "key=next-row-id"},
  };
  for (const BadCase& row : cases) {
    EXPECT_THAT(ParseTableMetadata(Changed(row.document, row.pointer, row.value)),
                IsErrorSaying(ErrorKind::kCorrupt, std::string(row.key)))
        << row.pointer << " " << row.value;
  }
}

TEST(ParseTableMetadata, LetsLogsGoBackByOneMinute) {
  EXPECT_THAT(ParseTableMetadata(Changed(kV2, "/snapshot-log/0/timestamp-ms", "1700000062000")),
              IsOk());
  EXPECT_THAT(ParseTableMetadata(Changed(kV2, "/metadata-log/0/timestamp-ms", "1700000062000")),
              IsOk());
  EXPECT_THAT(ParseTableMetadata(Changed(kV2, "/last-updated-ms", "1699999942000")), IsOk());
}

TEST(ParseTableMetadata, RefusesWhatItDoesNotKnow) {
  const BadCase cases[] = {
      {kV2, "/format-version", "0", "format-version=0"},
      {kV2, "/format-version", "4", "format-version=4"},
      {kV2, "/format-version", "-1", "format-version=-1"},
      {kV2, "/schemas/1/fields/0/type", "\"int128\"", "key=schemas[1].fields[0].type"},
      {kV2, "/schemas/1/fields/1/type/type", "\"bag\"", "key=schemas[1].fields[1].type.type"},
      {kV3, "/partition-specs/0/fields/0/source-ids", "[1,2]",
       "key=partition-specs[0].fields[0].source-ids"},
  };
  for (const BadCase& row : cases) {
    EXPECT_THAT(ParseTableMetadata(Changed(row.document, row.pointer, row.value)),
                IsErrorSaying(ErrorKind::kInvalid, std::string(row.key)))
        << row.pointer << " " << row.value;
  }
  const std::string embedded = Changed(Changed(kV1Minimal, "/snapshots/0/manifest-list", ""),
                                       "/snapshots/0/manifests", "[\"a.avro\"]");
  EXPECT_THAT(ParseTableMetadata(embedded),
              IsErrorSaying(ErrorKind::kInvalid, "key=snapshots[0].manifests snapshot_id=7"));
}

TEST(ParseTableMetadata, RefusesTheSameKeyTwice) {
  std::string twice(kV2Minimal);
  twice.replace(twice.find('{'), 1, R"({"location": "file:///other",)");
  EXPECT_THAT(ParseTableMetadata(twice), IsErrorSaying(ErrorKind::kCorrupt, "key=location"));
}

TEST(ParseTableMetadata, KeepsTransformsItDoesNotKnow) {
  const auto parsed =
      ParseTableMetadata(Changed(kV2, "/partition-specs/1/fields/0/transform", "\"zorder\""));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->partition_spec().fields[0].transform.ToText(), "zorder");
  EXPECT_THAT(SerializeTableMetadata(*parsed), HasSubstr("\"transform\":\"zorder\""));
}

}  // namespace
}  // namespace signaldb

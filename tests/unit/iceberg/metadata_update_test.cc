#include <gtest/gtest.h>

#include "iceberg/metadata/table_metadata.h"
#include "testing/matchers.h"
#include "unit/iceberg/iceberg_printers.h"
#include "unit/iceberg/metadata_documents.h"

namespace signaldb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::kV1Minimal;
using testing::kV2;
using testing::kV2Minimal;
using testing::kV3;
using ::testing::Pair;

constexpr const char* kUuid = "5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10";
constexpr std::int64_t kHead = 3055729675574597004;

TableMetadata Parsed(std::string_view document) { return *ParseTableMetadata(document); }

Snapshot NextOfV2() {
  Snapshot snapshot;
  snapshot.snapshot_id = 99;
  snapshot.parent_snapshot_id = kHead;
  snapshot.sequence_number = 3;
  snapshot.timestamp_ms = 1700000003000;
  snapshot.operation = "append";
  snapshot.summary = {{"added-records", "1"}};
  snapshot.manifest_list = "s3://bucket/wh/logs/metadata/snap-99.avro";
  snapshot.schema_id = 1;
  return snapshot;
}

TEST(AddSnapshotToMain, MakesTheSnapshotTheHead) {
  TableMetadata metadata = Parsed(kV2);
  ASSERT_THAT(AddSnapshotToMain(metadata, NextOfV2()), IsOk());
  EXPECT_EQ(metadata.last_sequence_number, 3);
  EXPECT_EQ(metadata.last_updated_ms, 1700000003000);
  EXPECT_EQ(metadata.current_snapshot_id, 99);
  EXPECT_EQ(metadata.current_snapshot()->json, SerializeSnapshot(NextOfV2()));
  EXPECT_EQ(metadata.refs.at("main").snapshot_id, 99);
  EXPECT_EQ(metadata.refs.at("main").min_snapshots_to_keep, 5);
  EXPECT_EQ(metadata.snapshot_log.back().snapshot_id, 99);
  EXPECT_EQ(metadata.snapshot_log.back().timestamp_ms, 1700000003000);
  const auto again = ParseTableMetadata(SerializeTableMetadata(metadata));
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->current_snapshot()->manifest_list, NextOfV2().manifest_list);
}

TEST(AddSnapshotToMain, MakesTheFirstSnapshot) {
  TableMetadata metadata = Parsed(kV2Minimal);
  Snapshot snapshot = NextOfV2();
  snapshot.parent_snapshot_id.reset();
  snapshot.schema_id = 0;
  snapshot.sequence_number = 1;
  ASSERT_THAT(AddSnapshotToMain(metadata, snapshot), IsOk());
  EXPECT_TRUE(metadata.refs.at("main").is_branch);
  EXPECT_THAT(ParseTableMetadata(SerializeTableMetadata(metadata)), IsOk());
}

TEST(AddSnapshotToMain, LeavesTheMetadataAloneWhenItRefuses) {
  struct Row {
    const char* name;
    ErrorKind kind;
    void (*change)(Snapshot&);
  };
  const Row rows[] = {
      {"same sequence number", ErrorKind::kConflict, [](Snapshot& s) { s.sequence_number = 2; }},
      {"lower sequence number", ErrorKind::kConflict, [](Snapshot& s) { s.sequence_number = 1; }},
      {"other parent", ErrorKind::kConflict, [](Snapshot& s) { s.parent_snapshot_id = 1; }},
      {"no parent", ErrorKind::kConflict, [](Snapshot& s) { s.parent_snapshot_id.reset(); }},
      {"known id", ErrorKind::kInvalid, [](Snapshot& s) { s.snapshot_id = kHead; }},
      {"too old", ErrorKind::kInvalid, [](Snapshot& s) { s.timestamp_ms = 1699999941999; }},
      {"no operation", ErrorKind::kInvalid, [](Snapshot& s) { s.operation = ""; }},
      {"strange operation", ErrorKind::kInvalid, [](Snapshot& s) { s.operation = "merge"; }},
      {"no manifest list", ErrorKind::kInvalid, [](Snapshot& s) { s.manifest_list = ""; }},
      {"strange schema", ErrorKind::kInvalid, [](Snapshot& s) { s.schema_id = 7; }},
      {"not utf-8", ErrorKind::kInvalid, [](Snapshot& s) { s.summary["x"] = "\xff"; }},
      {"operation twice", ErrorKind::kInvalid, [](Snapshot& s) { s.summary["operation"] = "x"; }},
      {"row ids in v2", ErrorKind::kInvalid, [](Snapshot& s) { s.first_row_id = 0; }},
  };
  for (const Row& row : rows) {
    TableMetadata metadata = Parsed(kV2);
    const std::string before = SerializeTableMetadata(metadata);
    Snapshot snapshot = NextOfV2();
    row.change(snapshot);
    EXPECT_THAT(AddSnapshotToMain(metadata, snapshot), IsError(row.kind)) << row.name;
    EXPECT_EQ(SerializeTableMetadata(metadata), before) << row.name;
  }
}

TEST(AddSnapshotToMain, ToleratesClocksThatDifferByAMinute) {
  TableMetadata metadata = Parsed(kV2);
  Snapshot snapshot = NextOfV2();
  snapshot.timestamp_ms = 1699999942000;
  ASSERT_THAT(AddSnapshotToMain(metadata, snapshot), IsOk());
  EXPECT_EQ(metadata.last_updated_ms, 1700000002000);
  EXPECT_THAT(ParseTableMetadata(SerializeTableMetadata(metadata)), IsOk());
}

TEST(AddSnapshotToMain, AssignsRowIdsInVersion3) {
  Snapshot snapshot = NextOfV2();
  snapshot.parent_snapshot_id = 7;
  snapshot.sequence_number = 5;
  snapshot.schema_id = 0;
  snapshot.first_row_id = 50;
  snapshot.added_rows = 10;
  TableMetadata metadata = Parsed(kV3);
  ASSERT_THAT(AddSnapshotToMain(metadata, snapshot), IsOk());
  EXPECT_EQ(metadata.next_row_id, 60);

  metadata = Parsed(kV3);
  snapshot.first_row_id = 49;
  EXPECT_THAT(AddSnapshotToMain(metadata, snapshot), IsError(ErrorKind::kConflict));
  snapshot.first_row_id = 50;
  snapshot.added_rows = -1;
  EXPECT_THAT(AddSnapshotToMain(metadata, snapshot), IsError(ErrorKind::kInvalid));
  snapshot.added_rows.reset();
  EXPECT_THAT(AddSnapshotToMain(metadata, snapshot), IsError(ErrorKind::kInvalid));
}

TEST(AddSnapshotToMain, WritesNoSequenceNumbersInVersion1) {
  TableMetadata metadata = Parsed(kV1Minimal);
  Snapshot snapshot = NextOfV2();
  snapshot.parent_snapshot_id = 7;
  snapshot.schema_id = 0;
  EXPECT_THAT(AddSnapshotToMain(metadata, snapshot), IsError(ErrorKind::kInvalid));
  snapshot.sequence_number = 0;
  EXPECT_THAT(AddSnapshotToMain(metadata, snapshot), IsOk());
  EXPECT_THAT(ParseTableMetadata(SerializeTableMetadata(metadata)), IsOk());
}

TEST(SetProperties, SetsAndRemoves) {
  TableMetadata metadata = Parsed(kV2);
  ASSERT_THAT(SetProperties(metadata, {{"a", "1"}, {"owner", "me"}},
                            {"write.metadata.previous-versions-max", "absent"}),
              IsOk());
  EXPECT_THAT(metadata.properties, ElementsAre(Pair("a", "1"), Pair("owner", "me")));
}

TEST(SetProperties, RefusesReservedKeysAndBadValues) {
  const TableMetadata before = Parsed(kV2);
  for (const char* key : {"format-version", "uuid", "snapshot-count", "current-snapshot-summary",
                          "current-snapshot-id", "current-snapshot-timestamp-ms", "current-schema",
                          "default-partition-spec", "default-sort-order"}) {
    TableMetadata metadata = before;
    const std::string named = std::string("property=") + key;
    EXPECT_THAT(SetProperties(metadata, {{"a", "1"}, {key, "1"}}, {}),
                IsErrorSaying(ErrorKind::kInvalid, named));
    EXPECT_THAT(SetProperties(metadata, {{"a", "1"}}, {key}),
                IsErrorSaying(ErrorKind::kInvalid, named));
    EXPECT_EQ(metadata.properties, before.properties);
  }
  TableMetadata metadata = before;
  EXPECT_THAT(SetProperties(metadata, {{"a", "1"}}, {"a"}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(SetProperties(metadata, {{"a", "\xff"}}, {}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(SetProperties(metadata, {{"\xff", "a"}}, {}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(SetProperties(metadata, {{"write.metadata.compression-codec", "zstd"}}, {}),
              IsError(ErrorKind::kInvalid));
  EXPECT_THAT(SetProperties(metadata, {{"write.metadata.compression-codec", "GZIP"}}, {}), IsOk());
  EXPECT_THAT(SetProperties(metadata, {}, {"write.metadata.compression-codec"}), IsOk());
  EXPECT_EQ(metadata.properties, before.properties);
}

TEST(AdvanceMetadataLog, KeepsAsManyAsTheTableSays) {
  TableMetadata metadata = Parsed(kV2);  // At most 3.
  EXPECT_THAT(AdvanceMetadataLog(metadata, "b", 1700000002000, 1700000002500), IsEmpty());
  EXPECT_EQ(metadata.last_updated_ms, 1700000002500);
  EXPECT_THAT(AdvanceMetadataLog(metadata, "c", 1700000002500, 1700000002400), IsEmpty());
  EXPECT_EQ(metadata.last_updated_ms, 1700000002500);
  EXPECT_THAT(AdvanceMetadataLog(metadata, "d", 1700000002500, 1700000002600),
              ElementsAre("s3://bucket/wh/logs/metadata/00000-a.json"));
  ASSERT_EQ(metadata.metadata_log.size(), 3u);
  EXPECT_EQ(metadata.metadata_log[0].metadata_file, "b");
  EXPECT_EQ(metadata.metadata_log[0].timestamp_ms, 1700000002000);
  metadata.properties["write.metadata.previous-versions-max"] = "0";
  EXPECT_THAT(AdvanceMetadataLog(metadata, "e", 1700000002600, 1700000002700),
              ElementsAre("b", "c", "d"));
  EXPECT_EQ(metadata.metadata_log.size(), 1u);
}

TEST(AdvanceMetadataLog, KeepsAHundredByDefault) {
  for (const char* unusable : {"", "x", "1x", "99999999999"}) {
    TableMetadata metadata = Parsed(kV2Minimal);
    if (*unusable != '\0') metadata.properties["write.metadata.previous-versions-max"] = unusable;
    for (int i = 0; i < 100; ++i) {
      EXPECT_THAT(AdvanceMetadataLog(metadata, std::to_string(i), i, i), IsEmpty());
    }
    EXPECT_THAT(AdvanceMetadataLog(metadata, "x", 100, 100), ElementsAre("0"));
  }
}

TEST(NextMetadataLocation, CountsOnFromTheBase) {
  const std::pair<std::optional<std::string>, const char*> rows[] = {
      {std::nullopt, "00000"},
      {"s3://b/t/metadata/00000-x.metadata.json", "00001"},
      {"s3://b/t/metadata/00006-x.gz.metadata.json", "00007"},
      {"s3://b/t/metadata/99999-x.metadata.json", "100000"},
      {"00041-x.metadata.json", "00042"},
      {"s3://b/7-t/metadata/v3.metadata.json", "00000"},
      {"s3://b/t/metadata/-x.metadata.json", "00000"},
      {"s3://b/t/metadata/-5-x.metadata.json", "00000"},
      {"s3://b/t/metadata/12", "00000"},
      {"s3://b/t/metadata/2147483646-x", "2147483647"},
      {"s3://b/t/metadata/2147483647-x", "00000"},
      {"s3://b/t/metadata/99999999999-x", "00000"},
  };
  const TableMetadata metadata = Parsed(kV2);
  for (const auto& [base, number] : rows) {
    EXPECT_EQ(
        NextMetadataLocation(metadata, base, kUuid),
        std::string("s3://bucket/wh/logs/metadata/") + number + "-" + kUuid + ".metadata.json")
        << base.value_or("none");
  }
}

TEST(NextMetadataLocation, FollowsTheTablesProperties) {
  TableMetadata metadata = Parsed(kV2);
  metadata.properties["write.metadata.compression-codec"] = "gzip";
  EXPECT_EQ(NextMetadataLocation(metadata, std::nullopt, "u"),
            "s3://bucket/wh/logs/metadata/00000-u.gz.metadata.json");
  metadata.properties["write.metadata.compression-codec"] = "zstd";
  metadata.properties["write.metadata.path"] = "s3://other/m/";
  EXPECT_EQ(NextMetadataLocation(metadata, std::nullopt, "u"),
            "s3://other/m/00000-u.metadata.json");
}

}  // namespace
}  // namespace signaldb

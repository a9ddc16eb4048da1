#include <gtest/gtest.h>

#include "iceberg/metadata/table_metadata.h"
#include "testing/matchers.h"
#include "unit/iceberg/iceberg_printers.h"

namespace signaldb {
namespace {

using testing::IsErrorSaying;
using testing::IsOk;

NewTable Logs() {
  NewTable table;
  table.table_uuid = "5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10";
  table.location = "file:///wh/logs/";
  table.schema.schema_id = 9;
  table.schema.fields = {
      {.id = 1, .name = "ts", .required = true, .type = Type(TypeId::kTimestampTz)},
      {.id = 2, .name = "who", .type = Type(TypeId::kString)},
      {.id = 3,
       .name = "at",
       .type = Type::Struct({{.id = 4, .name = "x", .type = Type(TypeId::kInt)}})},
      {.id = 5, .name = "tags", .type = Type::List(6, Type(TypeId::kString), true)},
  };
  table.spec.fields = {{1, 0, "ts_hour", Transform::FromText("hour")},
                       {4, 0, "bucket_", Transform::FromText("bucket[4]")}};
  table.sort_order.fields = {{Transform::FromText("identity"), 1, true, false}};
  table.properties = {{"owner", "ops"}};
  table.now_ms = 1700000000000;
  return table;
}

TEST(MakeTableMetadata, NumbersWhatIsNew) {
  const auto made = MakeTableMetadata(Logs());
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->format_version, 2);
  EXPECT_EQ(made->location, "file:///wh/logs");
  EXPECT_EQ(made->last_sequence_number, 0);
  EXPECT_EQ(made->last_updated_ms, 1700000000000);
  EXPECT_EQ(made->last_column_id, 6);
  EXPECT_EQ(made->schema().schema_id, 0);
  EXPECT_EQ(made->partition_spec().fields[0].field_id, 1000);
  EXPECT_EQ(made->partition_spec().fields[1].field_id, 1001);
  EXPECT_EQ(made->last_partition_id, 1001);
  EXPECT_EQ(made->sort_order().order_id, 1);
  EXPECT_EQ(made->current_snapshot(), nullptr);
  const auto again = ParseTableMetadata(SerializeTableMetadata(*made));
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(SerializeTableMetadata(*again), SerializeTableMetadata(*made));
}

TEST(MakeTableMetadata, KeepsGivenPartitionIds) {
  NewTable table = Logs();
  table.spec.fields[1].field_id = 1005;
  const auto made = MakeTableMetadata(table);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->partition_spec().fields[0].field_id, 1006);
  EXPECT_EQ(made->last_partition_id, 1006);
}

TEST(MakeTableMetadata, MakesUnpartitionedUnsortedTables) {
  NewTable table = Logs();
  table.spec.fields.clear();
  table.sort_order = {7, {}};
  const auto made = MakeTableMetadata(table);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->last_partition_id, 999);
  EXPECT_EQ(made->default_sort_order_id, 0);
  EXPECT_EQ(made->sort_orders.size(), 1u);
}

TEST(MakeTableMetadata, RefusesWhatOthersCouldNotRead) {
  struct Row {
    const char* says;
    void (*change)(NewTable&);
  };
  const Row rows[] = {
      {"uuid=x", [](NewTable& t) { t.table_uuid = "x"; }},
      {"location=wh/t", [](NewTable& t) { t.location = "wh/t"; }},
      {"location=", [](NewTable& t) { t.location = ""; }},
      {"in=location", [](NewTable& t) { t.location = "s3://\xff"; }},
      {"column=who", [](NewTable& t) { t.schema.fields[1].id = 1; }},
      {"column=ts", [](NewTable& t) { t.schema.fields[0].id = 0; }},
      {"column=who", [](NewTable& t) { t.schema.fields[1].type = Type(TypeId::kVariant); }},
      {"property=uuid", [](NewTable& t) { t.properties["uuid"] = "x"; }},
      {"source_id=9", [](NewTable& t) { t.spec.fields[0].source_id = 9; }},
      {"source_id=3", [](NewTable& t) { t.spec.fields[0].source_id = 3; }},
      {"source_id=6", [](NewTable& t) { t.spec.fields[0].source_id = 6; }},
      {"column=who", [](NewTable& t) { t.spec.fields[0].source_id = 2; }},
      {"transform=zorder",
       [](NewTable& t) { t.spec.fields[0].transform = Transform::FromText("zorder"); }},
      {"field_id=999", [](NewTable& t) { t.spec.fields[0].field_id = 999; }},
      {"field_id=1000",
       [](NewTable& t) { t.spec.fields[0].field_id = t.spec.fields[1].field_id = 1000; }},
      {"partition_field=", [](NewTable& t) { t.spec.fields[0].name = ""; }},
      {"partition_field=who", [](NewTable& t) { t.spec.fields[0].name = "who"; }},
      {"partition_field=ts", [](NewTable& t) { t.spec.fields[0].name = "ts"; }},
      {"stands twice partition_field=bucket_",
       [](NewTable& t) { t.spec.fields[0].name = "bucket_"; }},
      {"stands twice partition_field=again",
       [](NewTable& t) { t.spec.fields.push_back({1, 0, "again", Transform::FromText("hour")}); }},
      {"in=sort order", [](NewTable& t) { t.sort_order.fields[0].source_id = 9; }},
      {"in=sort order",
       [](NewTable& t) { t.sort_order.fields[0].transform = Transform::FromText("truncate[4]"); }},
  };
  for (const Row& row : rows) {
    NewTable table = Logs();
    row.change(table);
    EXPECT_THAT(MakeTableMetadata(table), IsErrorSaying(ErrorKind::kInvalid, row.says));
  }
}

TEST(MakeTableMetadata, LetsAnIdentityFieldBearItsColumnsName) {
  NewTable table = Logs();
  table.spec.fields[0] = {2, 0, "who", Transform::FromText("identity")};
  EXPECT_THAT(MakeTableMetadata(table), IsOk());
}

}  // namespace
}  // namespace signaldb

#include <gtest/gtest.h>

#include "base/random.h"
#include "iceberg/metadata/gzip.h"
#include "iceberg/metadata/table_metadata.h"
#include "testing/matchers.h"
#include "unit/iceberg/iceberg_printers.h"
#include "unit/iceberg/metadata_documents.h"

namespace signaldb {
namespace {

using ::testing::HasSubstr;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::kV1Minimal;
using testing::kV2;
using testing::kV2Minimal;
using testing::kV3;
using ::testing::Not;

TEST(SerializeTableMetadata, ReachesAFixpointOnEveryVersion) {
  for (const std::string_view document : {kV1Minimal, kV2, kV2Minimal, kV3}) {
    const auto first = ParseTableMetadata(document);
    ASSERT_THAT(first, IsOk());
    const std::string written = SerializeTableMetadata(*first);
    const auto second = ParseTableMetadata(written);
    ASSERT_THAT(second, IsOk()) << written;
    EXPECT_EQ(SerializeTableMetadata(*second), written);
  }
}

TEST(SerializeTableMetadata, WritesKeysInJavasOrder) {
  const auto parsed = ParseTableMetadata(kV2Minimal);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(
      SerializeTableMetadata(*parsed),
      R"({"format-version":2,"table-uuid":"5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10",)"
      R"("location":"file:///wh/t","last-sequence-number":0,"last-updated-ms":1700000000000,)"
      R"("last-column-id":1,"current-schema-id":0,"schemas":[{"type":"struct","schema-id":0,)"
      R"("fields":[{"id":1,"name":"a","required":false,"type":"int"}]}],"default-spec-id":0,)"
      R"("partition-specs":[{"spec-id":0,"fields":[]}],"last-partition-id":999,)"
      R"("default-sort-order-id":0,"sort-orders":[{"order-id":0,"fields":[]}],"properties":{},)"
      R"("current-snapshot-id":-1,"refs":{},"snapshots":[],"statistics":[],)"
      R"("partition-statistics":[],"snapshot-log":[],"metadata-log":[]})");
}

TEST(SerializeTableMetadata, RepeatsSchemaAndSpecForVersion1) {
  const auto parsed = ParseTableMetadata(kV1Minimal);
  ASSERT_THAT(parsed, IsOk());
  const std::string text = SerializeTableMetadata(*parsed);
  EXPECT_THAT(text, HasSubstr(R"("last-column-id":2,"schema":{"type":"struct","schema-id":0,)"));
  EXPECT_THAT(text, HasSubstr(R"("partition-spec":[{"name":"day","transform":"identity",)"
                              R"("source-id":2,"field-id":1000},)"));
  EXPECT_THAT(text, Not(HasSubstr("last-sequence-number")));
  EXPECT_THAT(text, Not(HasSubstr("table-uuid")));
}

TEST(SerializeTableMetadata, WritesWhatOnlyVersion3Has) {
  auto parsed = ParseTableMetadata(kV3);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_THAT(
      SerializeTableMetadata(*parsed),
      HasSubstr(R"("current-snapshot-id":7,"next-row-id":50,"encryption-keys":[{"key-id": "k")"));
  parsed->current_snapshot_id.reset();
  EXPECT_THAT(SerializeTableMetadata(*parsed), HasSubstr(R"("current-snapshot-id":null,)"));
}

TEST(SerializeTableMetadata, CopiesSnapshotsAsTheyWere) {
  const auto parsed = ParseTableMetadata(kV2);
  ASSERT_THAT(parsed, IsOk());
  const std::string text = SerializeTableMetadata(*parsed);
  EXPECT_THAT(text, HasSubstr("\"snapshots\":[" + parsed->snapshots[0]->json + "," +
                              parsed->snapshots[1]->json + "],\"statistics\""));
}

TEST(SerializeSnapshot, LeavesOutWhatIsAbsent) {
  Snapshot snapshot;
  snapshot.snapshot_id = 5;
  snapshot.timestamp_ms = 9;
  snapshot.manifest_list = "m";
  EXPECT_EQ(SerializeSnapshot(snapshot),
            R"({"snapshot-id":5,"timestamp-ms":9,"manifest-list":"m"})");
  snapshot.sequence_number = 3;
  snapshot.parent_snapshot_id = 4;
  snapshot.operation = "append";
  snapshot.summary = {{"b", "2"}, {"a", "\"\n"}};
  snapshot.schema_id = 1;
  snapshot.first_row_id = 0;
  snapshot.added_rows = 10;
  EXPECT_EQ(SerializeSnapshot(snapshot),
            R"({"sequence-number":3,"snapshot-id":5,"parent-snapshot-id":4,"timestamp-ms":9,)"
            R"("summary":{"operation":"append","a":"\"\n","b":"2"},"manifest-list":"m",)"
            R"("schema-id":1,"first-row-id":0,"added-rows":10})");
}

TEST(SerializePartitionFields, WritesTheArrayOfManifestHeaders) {
  EXPECT_EQ(SerializePartitionFields({}), "[]");
  PartitionSpec spec;
  spec.fields = {{1, 1000, "a", Transform::FromText("bucket[4]")}};
  EXPECT_EQ(SerializePartitionFields(spec),
            R"([{"name":"a","transform":"bucket[4]","source-id":1,"field-id":1000}])");
}

// Random types, as deep as `depth`.
class RandomSchema {
 public:
  explicit RandomSchema(std::uint64_t seed) : random_(seed) {}

  Schema Make() {
    Schema schema;
    schema.schema_id = static_cast<std::int32_t>(Below(5));
    schema.fields = Fields(4);
    if (Below(2) == 0) schema.identifier_field_ids = {1};
    return schema;
  }

 private:
  std::uint64_t Below(std::uint64_t end) { return random_.Below(end); }

  std::vector<Field> Fields(int depth) {
    std::vector<Field> fields(1 + Below(4));
    for (Field& field : fields) {
      field.id = ++last_id_;
      field.name = Below(4) == 0 ? "odd \"\\\n\xc3\xa4" + std::to_string(last_id_)
                                 : "c" + std::to_string(last_id_);
      field.required = Below(2) == 0;
      field.type = Any(depth);
      if (Below(4) == 0) field.doc = "what \t it is";
      if (Below(6) == 0) field.initial_default = "[1,2.5,null,\"x\"]";
      if (Below(6) == 0) field.write_default = "-9223372036854775808";
    }
    return fields;
  }

  Type Any(int depth) {
    const std::uint64_t pick = Below(depth == 0 ? 20 : 23);
    if (pick == 20) return Type::Struct(Fields(depth - 1));
    if (pick == 21) {
      const std::int32_t id = ++last_id_;
      return Type::List(id, Any(depth - 1), Below(2) == 0);
    }
    if (pick == 22) {
      const std::int32_t key = ++last_id_;
      const std::int32_t value = ++last_id_;
      return Type::Map(key, Any(depth - 1), value, Any(depth - 1), Below(2) == 0);
    }
    if (pick == static_cast<std::uint64_t>(TypeId::kDecimal)) {
      return Type::Decimal(38, static_cast<std::int32_t>(Below(39)));
    }
    if (pick == static_cast<std::uint64_t>(TypeId::kFixed)) {
      return Type::Fixed(1 + static_cast<std::int32_t>(Below(99)));
    }
    if (pick == static_cast<std::uint64_t>(TypeId::kGeography)) {
      return *Type::FromText("geography(srid:4326, spherical)");
    }
    return Type(static_cast<TypeId>(pick));
  }

  SeededRandom random_;
  std::int32_t last_id_ = 0;
};

TEST(SerializeSchema, GivesBackWhatWasParsed) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const Schema schema = RandomSchema(seed).Make();
    const std::string text = SerializeSchema(schema);
    const auto parsed = ParseSchema(text);
    ASSERT_THAT(parsed, IsOk()) << "seed=" << seed << " " << text;
    EXPECT_TRUE(SameColumns(*parsed, schema)) << "seed=" << seed << " " << text;
    EXPECT_EQ(parsed->schema_id, schema.schema_id) << "seed=" << seed;
  }
}

TEST(ParseSchema, RefusesWhatIsNoSchema) {
  EXPECT_THAT(ParseSchema("[]"), IsErrorSaying(ErrorKind::kCorrupt, "key=(root)"));
  EXPECT_THAT(ParseSchema("{}"), IsErrorSaying(ErrorKind::kCorrupt, "key=type"));
  EXPECT_THAT(ParseSchema(R"({"type":"struct","fields":[]} x)"),
              IsErrorSaying(ErrorKind::kCorrupt, "offset="));
}

TEST(ParseSchema, RefusesTextNestedTooDeeply) {
  const auto nested = [](std::size_t depth) {
    return R"({"type":"struct","fields":[],"x":)" + std::string(depth, '[') +
           std::string(depth, ']') + "}";
  };
  EXPECT_THAT(ParseSchema(nested(127)), IsOk());
  EXPECT_THAT(ParseSchema(nested(128)), testing::IsError(ErrorKind::kCorrupt));
}

TEST(EncodeMetadataFile, PacksIfTheTableSaysSo) {
  auto parsed = ParseTableMetadata(kV2);
  ASSERT_THAT(parsed, IsOk());
  const auto plain = EncodeMetadataFile(*parsed);
  ASSERT_THAT(plain, IsOk());
  EXPECT_EQ(*plain, SerializeTableMetadata(*parsed));
  for (const char* codec : {"gzip", "GZIP"}) {
    parsed->properties["write.metadata.compression-codec"] = codec;
    const auto packed = EncodeMetadataFile(*parsed);
    ASSERT_THAT(packed, IsOk());
    ASSERT_TRUE(IsGzip(*packed)) << codec;
    EXPECT_EQ(*Gunzip(*packed, kMetadataBytesMax), SerializeTableMetadata(*parsed));
  }
}

TEST(EncodeMetadataFile, RefusesFilesThatNobodyCouldReadAgain) {
  auto parsed = ParseTableMetadata(kV2Minimal);
  ASSERT_THAT(parsed, IsOk());
  const std::size_t rest = kMetadataBytesMax - SerializeTableMetadata(*parsed).size();
  parsed->statistics_json = "[" + std::string(rest, ' ') + "]";
  EXPECT_THAT(EncodeMetadataFile(*parsed), IsOk());
  parsed->statistics_json += ' ';
  EXPECT_THAT(EncodeMetadataFile(*parsed),
              IsErrorSaying(ErrorKind::kInvalid, "location=file:///wh/t"));
}

}  // namespace
}  // namespace signaldb

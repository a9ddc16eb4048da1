#include "iceberg/avro/avro_schema.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;

TEST(AvroSchema, ReadsARecordWithIdsUnionsAndNamedTypes) {
  const auto schema = ParseAvroSchema(R"({"type":"record","name":"r","fields":[
      {"name":"a","type":["null","long"],"default":null,"field-id":7},
      {"name":"b","type":{"type":"fixed","name":"f4","size":4},"field-id":8},
      {"name":"c","type":"f4"},
      {"name":"d","type":{"type":"array","items":{"type":"int","logicalType":"date"}}},
      {"name":"e","type":{"type":"map","values":["string","null"]}},
      {"name":"g","type":{"type":"enum","name":"x","symbols":["A"]}}]})");
  ASSERT_THAT(schema, IsOk());
  const AvroSchema& record = **schema;
  ASSERT_EQ(record.fields.size(), 6U);
  EXPECT_EQ(record.fields[0].field_id, 7);
  EXPECT_EQ(WithoutNull(record.fields[0].type.get())->kind, AvroKind::kLong);
  EXPECT_EQ(record.fields[2].type, record.fields[1].type);
  EXPECT_EQ(record.fields[2].field_id, std::nullopt);
  EXPECT_EQ(record.fields[3].type->children[0]->logical_type, "date");
  EXPECT_EQ(record.bytes_min, 1U + 4 + 4 + 1 + 1 + 1);
}

TEST(AvroSchema, RefusesWhatIsNone) {
  for (const std::string json : {
           R"()",
           R"({)",
           R"(7)",
           R"([])",
           R"("nothing")",
           R"({"name":"r"})",
           R"({"type":"record","name":"r"})",
           R"({"type":"record","name":"r","fields":[7]})",
           R"({"type":"record","name":"r","fields":[{"name":"a"}]})",
           R"({"type":"fixed","name":"f"})",
           R"({"type":"fixed","name":"f","size":-1})",
           R"({"type":"array"})",
           R"({"type":"array","items":"null"})",
           R"({"type":"array","items":{"type":"record","name":"e","fields":[]}})",
           R"({"type":"record","name":"r","fields":[{"name":"a","type":"r"}]})",
       }) {
    EXPECT_THAT(ParseAvroSchema(json), IsError(ErrorKind::kCorrupt)) << json;
  }
}

TEST(AvroSchema, BoundsItsDepth) {
  const auto nested = [](std::size_t depth) {
    std::string json = R"("int")";
    for (std::size_t i = 0; i < depth; ++i) json = R"({"type":"array","items":)" + json + "}";
    return json;
  };
  EXPECT_THAT(ParseAvroSchema(nested(kAvroSchemaDepthMax)), IsOk());
  EXPECT_THAT(ParseAvroSchema(nested(kAvroSchemaDepthMax + 1)),
              IsErrorSaying(ErrorKind::kCorrupt, "nested too deeply"));
  EXPECT_THAT(ParseAvroSchema(std::string(1'000'000, '[')), IsError(ErrorKind::kCorrupt));
}

TEST(AvroSchema, CountsNamedTypesWhereTheyAreUsed) {
  // Each record holds the one before twice: a few lines that would be a million fields.
  std::string json = R"({"type":"record","name":"r0","fields":[]})";
  for (int i = 1; i < 20; ++i) {
    const std::string name = "r" + std::to_string(i);
    json = R"({"type":"record","name":")" + name + R"(","fields":[{"name":"a","type":)" + json +
           R"(},{"name":"b","type":"r)" + std::to_string(i - 1) + R"("}]})";
  }
  EXPECT_THAT(ParseAvroSchema(json), IsErrorSaying(ErrorKind::kCorrupt, "too many parts"));
}

constexpr KnownAvroField kKnown[] = {
    {.id = 1, .name = "one", .required = true},
    {.id = 2, .name = "two", .old_name = "zwei"},
};

/// The ids of the steps only, since the schema does not outlive this.
Result<std::vector<std::int32_t>> Plan(const std::string& fields) {
  SIGNALDB_ASSIGN(const AvroSchemaPtr schema,
                  ParseAvroSchema(R"({"type":"record","name":"r","fields":[)" + fields + "]}"));
  SIGNALDB_ASSIGN(const std::vector<AvroStep> steps, PlanAvroRecord(*schema, kKnown));
  std::vector<std::int32_t> ids;
  for (const AvroStep& step : steps) ids.push_back(step.id);
  return ids;
}

TEST(AvroPlan, GoesByIdFirstAndByNameWhereThereIsNone) {
  const auto steps = Plan(R"({"name":"zwei","type":"int"},
                             {"name":"two","type":"int","field-id":99},
                             {"name":"renamed","type":"int","field-id":1})");
  EXPECT_THAT(steps, IsOkAnd(::testing::ElementsAre(2, AvroStep::kSkip, 1)));
}

TEST(AvroPlan, RefusesMissingAndDoubleFields) {
  EXPECT_THAT(Plan(R"({"name":"two","type":"int"})"),
              IsErrorSaying(ErrorKind::kCorrupt, "field=one id=1"));
  EXPECT_THAT(Plan(R"({"name":"a","type":"int","field-id":1},
                      {"name":"b","type":"int","field-id":1})"),
              IsErrorSaying(ErrorKind::kCorrupt, "twice"));
}

TEST(AvroReading, FollowsUnionsInEitherOrderAndPromotes) {
  for (const auto& [json, bytes] : {std::pair<std::string, std::string>{R"("int")", "\x06"},
                                    {R"("long")", "\x06"},
                                    {R"(["null","int"])", "\x02\x06"},
                                    {R"(["long","null"])", std::string("\x00\x06", 2)}}) {
    const auto schema = ParseAvroSchema(json);
    ASSERT_THAT(schema, IsOk());
    AvroDecoder decoder(bytes);
    EXPECT_EQ(ReadAvroLong(**schema, decoder), 3) << json;
    EXPECT_EQ(decoder.remaining(), 0U);
  }
  const auto schema = ParseAvroSchema(R"(["long","null"])");
  AvroDecoder null("\x02");
  EXPECT_EQ(ReadAvroLong(**schema, null), std::nullopt);
  AvroDecoder beyond("\x04");
  EXPECT_EQ(ReadAvroLong(**schema, beyond), std::nullopt);
  EXPECT_STREQ(beyond.fault(), "a union has no such branch");
}

TEST(AvroReading, SkipsWhateverTheSchemaSays) {
  const auto schema = ParseAvroSchema(R"({"type":"record","name":"r","fields":[
      {"name":"a","type":{"type":"array","items":"long"}},
      {"name":"b","type":{"type":"map","values":"double"}},
      {"name":"c","type":["null","string"]},
      {"name":"d","type":{"type":"fixed","name":"f","size":3}},
      {"name":"e","type":"boolean"},
      {"name":"f","type":"float"},
      {"name":"g","type":"null"}]})");
  ASSERT_THAT(schema, IsOk());
  std::string bytes;
  AvroEncoder encoder(bytes);
  encoder.WriteLong(-2);  // A block with its size in bytes.
  encoder.WriteLong(2);
  encoder.WriteLong(5);
  encoder.WriteLong(6);
  encoder.WriteLong(1);
  encoder.WriteLong(7);
  encoder.WriteLong(0);
  encoder.WriteLong(1);
  encoder.WriteBytes("key");
  encoder.WriteDouble(1.5);
  encoder.WriteLong(0);
  encoder.WriteLong(1);
  encoder.WriteBytes("text");
  encoder.WriteFixed("abc");
  encoder.WriteBoolean(true);
  encoder.WriteFloat(2.5F);
  AvroDecoder decoder(bytes);
  SkipAvro(**schema, decoder);
  EXPECT_TRUE(decoder.ok());
  EXPECT_EQ(decoder.remaining(), 0U);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    AvroDecoder cut(std::string_view(bytes).substr(0, size));
    SkipAvro(**schema, cut);
    EXPECT_FALSE(cut.ok()) << size;
  }
}

}  // namespace
}  // namespace signaldb

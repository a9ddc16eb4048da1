#include "iceberg/schema/schema.h"

#include <arrow/api.h>
#include <arrow/extension/uuid.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsErrorSaying;
using testing::IsOk;

Field Make(std::int32_t id, std::string name, Type type, bool required = false) {
  return {.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

/// Every type that Arrow can carry, nested ones inside one another.
Schema EveryType() {
  Schema schema;
  std::int32_t id = 0;
  for (const char* text :
       {"boolean", "int", "long", "float", "double", "decimal(9, 2)", "decimal(38, 10)", "date",
        "time", "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns", "string", "uuid",
        "fixed[5]", "binary", "unknown"}) {
    ++id;
    schema.fields.push_back(Make(id, "c" + std::to_string(id), *Type::FromText(text), id % 2 == 0));
  }
  const Type inner = Type::Struct({Make(103, "x", Type(TypeId::kUuid), true),
                                   Make(104, "y.z", Type::List(105, Type(TypeId::kInt), true))});
  schema.fields.push_back(
      Make(100, "nested", Type::Map(101, Type(TypeId::kString), 102, inner, true), true));
  return schema;
}

TEST(Schema, FindsFieldsAtAnyDepth) {
  const Schema schema = EveryType();
  EXPECT_EQ(schema.FindById(105)->name, "element");
  EXPECT_EQ(schema.FindById(106), nullptr);
  EXPECT_EQ(schema.NameOf(105), "nested.value.y.z.element");
  EXPECT_EQ(schema.NameOf(101), "nested.key");
  EXPECT_EQ(schema.NameOf(1), "c1");
  EXPECT_EQ(schema.NameOf(106), "");
  EXPECT_EQ(schema.HighestId(), 105);
  EXPECT_EQ(Schema{}.HighestId(), 0);
}

TEST(Schema, FindsFieldsByDottedName) {
  const Schema schema = EveryType();
  const std::pair<const char*, std::int32_t> found[] = {{"c1", 1},
                                                        {"nested", 100},
                                                        {"nested.key", 101},
                                                        {"nested.value.x", 103},
                                                        {"nested.value.y.z", 104},
                                                        {"nested.value.y.z.element", 105}};
  for (const auto& [name, id] : found) {
    const Field* field = schema.FindByName(name);
    ASSERT_NE(field, nullptr) << name;
    EXPECT_EQ(field->id, id) << name;
  }
  for (const char* name : {"", "C1", "c", "c1.", ".c1", "nested.", "nested.x", "nested.value.y"}) {
    EXPECT_EQ(schema.FindByName(name), nullptr) << name;
  }
}

TEST(Schema, ComparesColumnsWithoutTheSchemaId) {
  Schema a = EveryType();
  Schema b = a;
  b.schema_id = 7;
  EXPECT_TRUE(SameColumns(a, b));
  a.identifier_field_ids = {1, 2};
  EXPECT_FALSE(SameColumns(a, b));
  b.identifier_field_ids = {2, 1};
  EXPECT_TRUE(SameColumns(a, b));
  b.fields[0].doc = "text";
  EXPECT_FALSE(SameColumns(a, b));
}

TEST(ArrowSchema, GoesToArrowAndBack) {
  const Schema schema = EveryType();
  const auto arrow = ToArrowSchema(schema);
  ASSERT_THAT(arrow, IsOk());
  const auto back = FromArrowSchema(**arrow);
  ASSERT_THAT(back, IsOk());
  EXPECT_TRUE(SameColumns(*back, schema));
}

TEST(ArrowSchema, PutsTheFieldIdOnEveryChild) {
  const auto arrow = ToArrowSchema(EveryType());
  ASSERT_THAT(arrow, IsOk());
  const auto& map = static_cast<const arrow::MapType&>(*(*arrow)->field(18)->type());
  EXPECT_EQ(*map.key_field()->metadata()->Get("PARQUET:field_id"), "101");
  EXPECT_EQ(*map.item_field()->metadata()->Get("PARQUET:field_id"), "102");
  const auto& list = *map.item_type()->field(1)->type();
  EXPECT_EQ(*list.field(0)->metadata()->Get("PARQUET:field_id"), "105");
  EXPECT_FALSE(list.field(0)->nullable());
  EXPECT_TRUE(map.item_type()->field(0)->type()->Equals(arrow::extension::uuid()));
}

TEST(ArrowSchema, RefusesTypesItCannotWriteByColumn) {
  for (const char* text : {"variant", "geometry", "geography(srid:4326)"}) {
    Schema schema;
    schema.fields = {Make(1, "a", Type::Struct({Make(2, "b", *Type::FromText(text))}))};
    EXPECT_THAT(ToArrowSchema(schema), IsErrorSaying(ErrorKind::kInvalid, "column=a.b")) << text;
  }
}

TEST(ArrowSchema, NumbersColumnsLevelByLevel) {
  const auto arrow = arrow::schema(
      {arrow::field("a", arrow::struct_({arrow::field("x", arrow::list(arrow::int32())),
                                         arrow::field("y", arrow::utf8())})),
       arrow::field("b", arrow::map(arrow::utf8(), arrow::int64())),
       arrow::field("c", arrow::int32(), false)});
  const auto schema = FromArrowSchema(*arrow);
  ASSERT_THAT(schema, IsOk());
  const std::pair<const char*, std::int32_t> ids[] = {
      {"a", 1},   {"b", 2},           {"c", 3},     {"a.x", 4},
      {"a.y", 5}, {"a.x.element", 6}, {"b.key", 7}, {"b.value", 8}};
  for (const auto& [name, id] : ids) {
    ASSERT_NE(schema->FindByName(name), nullptr) << name;
    EXPECT_EQ(schema->FindByName(name)->id, id) << name;
  }
  EXPECT_TRUE(schema->FindByName("c")->required);
}

TEST(ArrowSchema, TakesArrowsManyFormsOfOneType) {
  const std::pair<std::shared_ptr<arrow::DataType>, const char*> rows[] = {
      {arrow::int8(), "int"},
      {arrow::uint16(), "int"},
      {arrow::uint32(), "long"},
      {arrow::large_utf8(), "string"},
      {arrow::utf8_view(), "string"},
      {arrow::large_binary(), "binary"},
      {arrow::dictionary(arrow::int32(), arrow::utf8()), "string"},
      {arrow::time32(arrow::TimeUnit::MILLI), "time"},
      {arrow::timestamp(arrow::TimeUnit::SECOND), "timestamp"},
      {arrow::timestamp(arrow::TimeUnit::MILLI, "Europe/Berlin"), "timestamptz"},
      {arrow::decimal256(38, 38), "decimal(38, 38)"},
      {arrow::decimal64(9, 0), "decimal(9, 0)"},
      {arrow::large_list(arrow::int32()), "list<int>"},
      {arrow::fixed_size_list(arrow::int32(), 3), "list<int>"},
      {arrow::null(), "unknown"},
  };
  for (const auto& [type, text] : rows) {
    const auto schema = FromArrowSchema(*arrow::schema({arrow::field("c", type)}));
    ASSERT_THAT(schema, IsOk()) << type->ToString();
    EXPECT_EQ(schema->fields[0].type.ToText(), text) << type->ToString();
  }
}

TEST(ArrowSchema, RefusesArrowTypesThatIcebergHasNot) {
  for (const auto& type :
       {arrow::uint64(), arrow::float16(), arrow::date64(), arrow::time64(arrow::TimeUnit::NANO),
        arrow::decimal256(39, 2), arrow::decimal128(9, -2), arrow::duration(arrow::TimeUnit::MICRO),
        arrow::fixed_size_binary(0), arrow::run_end_encoded(arrow::int32(), arrow::int32())}) {
    const auto arrow =
        arrow::schema({arrow::field("a", arrow::struct_({arrow::field("b", type)}))});
    EXPECT_THAT(FromArrowSchema(*arrow), IsErrorSaying(ErrorKind::kInvalid, "column=a.b"))
        << type->ToString();
  }
}

TEST(ArrowSchema, RefusesBadFieldIds) {
  const auto with_id = [](const char* name, const char* id) {
    const auto metadata =
        id == nullptr ? nullptr : arrow::key_value_metadata({"PARQUET:field_id"}, {id});
    return arrow::field(name, arrow::int32(), true, metadata);
  };
  const auto read = [](arrow::FieldVector fields) {
    return FromArrowSchema(*arrow::schema(std::move(fields)));
  };
  EXPECT_THAT(read({with_id("a", "1"), with_id("b", "1")}),
              IsErrorSaying(ErrorKind::kInvalid, "column=b id=1"));
  EXPECT_THAT(read({with_id("a", "1"), with_id("b", nullptr)}),
              IsErrorSaying(ErrorKind::kInvalid, "column=b"));
  for (const char* id : {"0", "-1", "", "x", "1x", "99999999999"}) {
    EXPECT_THAT(read({with_id("a", id)}), IsErrorSaying(ErrorKind::kInvalid, "column=a")) << id;
  }
}

}  // namespace
}  // namespace signaldb

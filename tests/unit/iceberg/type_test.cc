#include "iceberg/schema/type.h"

#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsErrorSaying;
using testing::IsOk;

TEST(Type, ReadsAndWritesTheTextOfEveryPrimitive) {
  const std::pair<const char*, TypeId> cases[] = {
      {"boolean", TypeId::kBoolean},
      {"int", TypeId::kInt},
      {"long", TypeId::kLong},
      {"float", TypeId::kFloat},
      {"double", TypeId::kDouble},
      {"decimal(9, 2)", TypeId::kDecimal},
      {"decimal(38, 38)", TypeId::kDecimal},
      {"date", TypeId::kDate},
      {"time", TypeId::kTime},
      {"timestamp", TypeId::kTimestamp},
      {"timestamptz", TypeId::kTimestampTz},
      {"timestamp_ns", TypeId::kTimestampNs},
      {"timestamptz_ns", TypeId::kTimestampTzNs},
      {"string", TypeId::kString},
      {"uuid", TypeId::kUuid},
      {"fixed[16]", TypeId::kFixed},
      {"binary", TypeId::kBinary},
      {"unknown", TypeId::kUnknown},
      {"variant", TypeId::kVariant},
      {"geometry", TypeId::kGeometry},
      {"geometry(srid:4326)", TypeId::kGeometry},
      {"geography(srid:4326, spherical)", TypeId::kGeography},
  };
  for (const auto& [text, id] : cases) {
    const auto type = Type::FromText(text);
    ASSERT_THAT(type, IsOk()) << text;
    EXPECT_EQ(type->id(), id) << text;
    EXPECT_EQ(type->ToText(), text);
    EXPECT_TRUE(type->is_primitive()) << text;
    EXPECT_TRUE(type->fields().empty()) << text;
  }
}

TEST(Type, AcceptsParametersWithAndWithoutBlanks) {
  for (const char* text : {"decimal(9,2)", "decimal( 9 , 2 )", "decimal(9, 2)"}) {
    EXPECT_EQ(Type::FromText(text), Type::Decimal(9, 2)) << text;
  }
  EXPECT_EQ(Type::FromText("fixed[ 4 ]"), Type::Fixed(4));
  EXPECT_EQ(Type::FromText("decimal(9,2)")->precision(), 9);
  EXPECT_EQ(Type::FromText("decimal(9,2)")->scale(), 2);
  EXPECT_EQ(Type::FromText("fixed[4]")->length(), 4);
}

TEST(Type, RefusesTextThatNamesNoType) {
  for (const char* text : {"",
                           "Int",
                           "integer",
                           "decimal",
                           "decimal()",
                           "decimal(9)",
                           "decimal(0,0)",
                           "decimal(39,2)",
                           "decimal(5,6)",
                           "decimal(9,-2)",
                           "decimal(9,2",
                           "fixed",
                           "fixed[]",
                           "fixed[0]",
                           "fixed[-1]",
                           "fixed(4)",
                           "fixed[99999999999]",
                           "struct",
                           "list",
                           "map",
                           "geometryx(4)"}) {
    EXPECT_THAT(Type::FromText(text),
                IsErrorSaying(ErrorKind::kInvalid, std::string("type=") + text));
  }
}

TEST(Type, ComparesByContent) {
  const Type list = Type::List(3, Type(TypeId::kInt), true);
  EXPECT_EQ(list, Type::List(3, Type(TypeId::kInt), true));
  EXPECT_FALSE(list == Type::List(4, Type(TypeId::kInt), true));
  EXPECT_FALSE(list == Type::List(3, Type(TypeId::kLong), true));
  EXPECT_FALSE(list == Type::List(3, Type(TypeId::kInt), false));
  EXPECT_FALSE(Type::Decimal(9, 2) == Type::Decimal(9, 3));
  EXPECT_FALSE(*Type::FromText("geometry(a)") == *Type::FromText("geometry(b)"));
}

TEST(Type, NamesTheChildrenOfListsAndMaps) {
  const Type map = Type::Map(4, Type(TypeId::kString), 5, Type::Decimal(9, 2), false);
  ASSERT_EQ(map.fields().size(), 2u);
  EXPECT_EQ(map.fields()[0].name, "key");
  EXPECT_TRUE(map.fields()[0].required);
  EXPECT_EQ(map.fields()[1].name, "value");
  EXPECT_FALSE(map.fields()[1].required);
  EXPECT_FALSE(map.is_primitive());
  EXPECT_EQ(map.ToText(), "map<string, decimal(9, 2)>");
  EXPECT_EQ(Type::Struct({{.id = 1, .name = "a", .required = true, .type = map}}).ToText(),
            "struct<1: a: required map<string, decimal(9, 2)>>");
  EXPECT_EQ(Type::List(3, Type(TypeId::kInt), true).ToText(), "list<int>");
}

}  // namespace
}  // namespace signaldb

#include "iceberg/schema/literal.h"

#include <limits>

#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using namespace std::string_literals;  // NOLINT: bytes with zeros in them.
using testing::IsError;
using testing::IsOkAnd;

constexpr float kFloatNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kDoubleNan = std::numeric_limits<double>::quiet_NaN();

Type Of(const char* text) { return *Type::FromText(text); }

struct BytesCase {
  const char* type;
  Literal literal;
  std::string bytes;
  const char* text;
};

// The specification's appendix D and the engines' tests of it.
std::vector<BytesCase> BytesCases() {
  const std::string uuid("\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85\xe7", 16);
  return {
      {"boolean", {false}, "\x00"s, "false"},
      {"boolean", {true}, "\x01"s, "true"},
      {"int", {std::int32_t{84202}}, "\xea\x48\x01\x00"s, "84202"},
      {"int", {std::int32_t{-1}}, "\xff\xff\xff\xff"s, "-1"},
      {"long", {std::int64_t{200}}, "\xc8\x00\x00\x00\x00\x00\x00\x00"s, "200"},
      {"float", {-4.5F}, "\x00\x00\x90\xc0"s, "-4.5"},
      {"double", {6.0}, "\x00\x00\x00\x00\x00\x00\x18\x40"s, "6"},
      {"date", {std::int32_t{17486}}, "\x4e\x44\x00\x00"s, "2017-11-16"},
      {"date", {std::int32_t{-1}}, "\xff\xff\xff\xff"s, "1969-12-31"},
      {"date", {std::int32_t{-719529}}, "\x57\x05\xf5\xff"s, "-0001-12-31"},
      {"time", {std::int64_t{10000000}}, "\x80\x96\x98\x00\x00\x00\x00\x00"s, "00:00:10"},
      {"timestamp",
       {std::int64_t{400000}},
       "\x80\x1a\x06\x00\x00\x00\x00\x00"s,
       "1970-01-01T00:00:00.400000"},
      {"timestamptz",
       {std::int64_t{-1}},
       "\xff\xff\xff\xff\xff\xff\xff\xff"s,
       "1969-12-31T23:59:59.999999+00:00"},
      {"timestamp_ns",
       {std::int64_t{1}},
       "\x01\x00\x00\x00\x00\x00\x00\x00"s,
       "1970-01-01T00:00:00.000000001"},
      {"timestamptz_ns",
       {std::int64_t{-1}},
       "\xff\xff\xff\xff\xff\xff\xff\xff"s,
       "1969-12-31T23:59:59.999999999+00:00"},
      {"string", {"ABC"s}, "ABC", "ABC"},
      {"string", {""s}, "", ""},
      {"uuid", {uuid}, uuid, "f79c3e09-677c-4bbd-a479-3f349cb785e7"},
      {"fixed[2]", {"\x01\x02"s}, "\x01\x02"s, "AQI="},
      {"binary", {"\x00\x01\x02\xff"s}, "\x00\x01\x02\xff"s, "AAEC/w=="},
      {"decimal(9, 2)", {"\x05\x8c"s}, "\x05\x8c"s, "14.20"},
      {"decimal(9, 2)", {"\x00"s}, "\x00"s, "0.00"},
      {"decimal(9, 2)", {"\xff"s}, "\xff"s, "-0.01"},
      {"decimal(9, 0)", {"\x00\x80"s}, "\x00\x80"s, "128"},
      {"decimal(9, 0)", {"\x80"s}, "\x80"s, "-128"},
  };
}

TEST(Literal, HasTheSingleValueBytesOfTheSpecification) {
  for (const BytesCase& row : BytesCases()) {
    const Type type = Of(row.type);
    EXPECT_EQ(ToSingleValueBytes(type, row.literal), row.bytes) << row.type << " " << row.text;
    EXPECT_THAT(FromSingleValueBytes(type, row.bytes), IsOkAnd(row.literal)) << row.text;
    EXPECT_EQ(ToText(type, row.literal), row.text);
  }
}

TEST(Literal, ReadsBoundsWrittenBeforeTheColumnWasWidened) {
  EXPECT_THAT(FromSingleValueBytes(Of("long"), "\xff\xff\xff\xff"), IsOkAnd(Literal{INT64_C(-1)}));
  EXPECT_THAT(FromSingleValueBytes(Of("double"), "\x00\x00\x90\xc0"s), IsOkAnd(Literal{-4.5}));
}

TEST(Literal, BringsPaddedDecimalsToTheirShortestForm) {
  EXPECT_THAT(FromSingleValueBytes(Of("decimal(9, 2)"), "\x00\x00\x05\x8c"s),
              IsOkAnd(Literal{"\x05\x8c"s}));
  EXPECT_THAT(FromSingleValueBytes(Of("decimal(9, 2)"), "\xff\xff\xff"s),
              IsOkAnd(Literal{"\xff"s}));
}

TEST(Literal, RefusesBytesOfTheWrongLength) {
  const std::pair<const char*, std::size_t> cases[] = {
      {"boolean", 0}, {"boolean", 2},        {"int", 3},       {"int", 8},
      {"date", 8},    {"long", 7},           {"long", 9},      {"time", 4},
      {"float", 8},   {"double", 3},         {"timestamp", 4}, {"uuid", 15},
      {"uuid", 17},   {"fixed[2]", 1},       {"fixed[2]", 3},  {"decimal(9, 2)", 0},
      {"unknown", 1}, {"decimal(38, 2)", 17}};
  for (const auto& [type, length] : cases) {
    EXPECT_THAT(FromSingleValueBytes(Of(type), std::string(length, '\1')),
                IsError(ErrorKind::kCorrupt))
        << type << " " << length;
  }
}

TEST(Literal, OrdersAsIcebergDoes) {
  struct Row {
    const char* type;
    std::vector<Literal> ascending;
  };
  const Row rows[] = {
      {"boolean", {{false}, {true}}},
      {"int", {{-2}, {-1}, {0}, {1}}},
      {"long", {{INT64_MIN}, {INT64_C(-1)}, {INT64_C(0)}, {INT64_MAX}}},
      {"float",
       {{-std::numeric_limits<float>::infinity()},
        {-1.0F},
        {-0.0F},
        {0.0F},
        {std::numeric_limits<float>::infinity()},
        {kFloatNan}}},
      {"double", {{-1.0}, {-0.0}, {0.0}, {1.0}, {kDoubleNan}}},
      {"string", {{""s}, {"a"s}, {"ab"s}, {"b"s}, {"\xef\xbf\xbf"s}, {"\xf0\x90\x80\x80"s}}},
      {"binary", {{"\x00"s}, {"\x7f"s}, {"\x80"s}, {"\xff"s}}},
      {"uuid", {{std::string(16, '\x7f')}, {std::string(16, '\x80')}}},
      {"decimal(9, 2)", {{"\x80\x00"s}, {"\xff"s}, {"\x00"s}, {"\x01"s}, {"\x00\x80"s}}},
  };
  for (const Row& row : rows) {
    const Type type = Of(row.type);
    for (std::size_t i = 0; i < row.ascending.size(); ++i) {
      for (std::size_t j = 0; j < row.ascending.size(); ++j) {
        EXPECT_EQ(Compare(type, row.ascending[i], row.ascending[j]), i <=> j)
            << row.type << " " << i << " " << j;
      }
    }
  }
}

TEST(Literal, TakesNegativeNanForNan) {
  EXPECT_EQ(Compare(Of("double"), {-kDoubleNan}, {kDoubleNan}), std::strong_ordering::equal);
  EXPECT_EQ(Compare(Of("double"), {-kDoubleNan}, {1.0}), std::strong_ordering::greater);
}

TEST(Literal, KnowsWhetherItIsOfAType) {
  EXPECT_TRUE(IsLiteralOf(Of("int"), {1}));
  EXPECT_FALSE(IsLiteralOf(Of("int"), {INT64_C(1)}));
  EXPECT_FALSE(IsLiteralOf(Of("int"), {}));
  EXPECT_FALSE(IsLiteralOf(Of("unknown"), {}));
  EXPECT_TRUE(IsLiteralOf(Of("fixed[2]"), {"ab"s}));
  EXPECT_FALSE(IsLiteralOf(Of("fixed[2]"), {"abc"s}));
  EXPECT_FALSE(IsLiteralOf(Of("uuid"), {"abc"s}));
  EXPECT_FALSE(IsLiteralOf(Of("decimal(9, 2)"), {""s}));
  EXPECT_TRUE(IsLiteralOf(Of("decimal(9, 2)"), {std::string(16, '\1')}));
  EXPECT_FALSE(IsLiteralOf(Of("decimal(9, 2)"), {std::string(17, '\1')}));
}

TEST(Literal, ShowsNullAsNull) { EXPECT_EQ(ToText(Of("int"), {}), "null"); }

}  // namespace
}  // namespace signaldb

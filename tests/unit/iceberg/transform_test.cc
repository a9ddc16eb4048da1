#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "iceberg/schema/partition_spec.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using namespace std::string_literals;  // NOLINT: bytes with zeros in them.
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;

Type Of(const char* text) { return *Type::FromText(text); }
Literal Int(std::int32_t value) { return {value}; }
Literal Long(std::int64_t value) { return {value}; }

constexpr std::int64_t kDayMicros = 86'400'000'000;
constexpr std::int64_t kHourMicros = 3'600'000'000;

// 2017-11-16T22:31:08.
constexpr std::int64_t kSpecMicros = 1'510'871'468'000'000;

TEST(BucketHash, MatchesTheVectorsOfTheSpecification) {
  struct Row {
    const char* type;
    Literal value;
    std::int32_t hash;
  };
  const Row rows[] = {
      {"int", Int(34), 2017239379},
      {"long", Long(34), 2017239379},
      {"decimal(9, 2)", {"\x05\x8c"s}, -500754589},
      {"date", Int(17486), -653330422},
      {"time", Long(81'068'000'000), -662762989},
      {"timestamp", Long(kSpecMicros), -2047944441},
      {"timestamp", Long(kSpecMicros + 1), -1207196810},
      {"timestamptz", Long(kSpecMicros), -2047944441},
      {"timestamp_ns", Long(kSpecMicros * 1000), -2047944441},
      {"timestamp_ns", Long(kSpecMicros * 1000 + 999), -2047944441},
      {"timestamptz_ns", Long(kSpecMicros * 1000 + 1001), -1207196810},
      {"string", {"iceberg"s}, 1210000089},
      {"uuid", {"\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85\xe7"s}, 1488055340},
      {"fixed[4]", {"\x00\x01\x02\x03"s}, -188683207},
      {"binary", {"\x00\x01\x02\x03"s}, -188683207},
      {"boolean", {true}, 1392991556},
      {"float", {1.0F}, -142385009},
      {"double", {1.0}, -142385009},
      {"float", {-0.0F}, 1669671676},
      {"double", {0.0}, 1669671676},
      {"double", {-0.0}, 1669671676},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(BucketHash(Of(row.type), row.value), row.hash) << row.type;
  }
}

TEST(BucketHash, TakesNanosecondsBefore1970ToTheMicrosecondBelow) {
  EXPECT_EQ(BucketHash(Of("timestamp_ns"), Long(-1)), BucketHash(Of("timestamp"), Long(-1)));
  EXPECT_EQ(BucketHash(Of("timestamp_ns"), Long(-1001)), BucketHash(Of("timestamp"), Long(-2)));
}

struct TransformCase {
  const char* transform;
  const char* source;
  Literal value;
  Literal expected;
  const char* human;
};

void Check(const std::vector<TransformCase>& cases) {
  for (const TransformCase& row : cases) {
    const Transform transform = Transform::FromText(row.transform);
    const Type source = Of(row.source);
    const auto result = transform.Apply(source, row.value);
    EXPECT_THAT(result, IsOkAnd(row.expected)) << row.transform << " " << row.human;
    if (!result) continue;
    EXPECT_EQ(transform.ToHumanText(*transform.ResultType(source), *result), row.human)
        << row.transform;
  }
}

TEST(Transform, FloorsTimesToTheirParts) {
  Check({
      {"year", "date", Int(0), Int(0), "1970"},
      {"year", "date", Int(364), Int(0), "1970"},
      {"year", "date", Int(365), Int(1), "1971"},
      {"year", "date", Int(17486), Int(47), "2017"},
      {"month", "date", Int(30), Int(0), "1970-01"},
      {"month", "date", Int(31), Int(1), "1970-02"},
      {"month", "date", Int(17486), Int(574), "2017-11"},
      {"day", "date", Int(17486), Int(17486), "2017-11-16"},
      {"day", "timestamp", Long(kDayMicros - 1), Int(0), "1970-01-01"},
      {"day", "timestamp", Long(kDayMicros), Int(1), "1970-01-02"},
      {"year", "timestamptz", Long(kSpecMicros), Int(47), "2017"},
      {"month", "timestamptz", Long(kSpecMicros), Int(574), "2017-11"},
      {"day", "timestamptz", Long(kSpecMicros), Int(17486), "2017-11-16"},
      {"hour", "timestamptz", Long(kSpecMicros), Int(419'686), "2017-11-16-22"},
      {"hour", "timestamp", Long(kHourMicros - 1), Int(0), "1970-01-01-00"},
      {"hour", "timestamp", Long(kHourMicros), Int(1), "1970-01-01-01"},
      {"hour", "timestamp_ns", Long(kHourMicros * 1000 - 1), Int(0), "1970-01-01-00"},
      {"hour", "timestamptz_ns", Long(kHourMicros * 1000), Int(1), "1970-01-01-01"},
      {"day", "timestamp_ns", Long(kSpecMicros * 1000), Int(17486), "2017-11-16"},
      // The leap day and the day after it.
      {"month", "date", Int(11'016), Int(361), "2000-02"},
      {"month", "date", Int(11'017), Int(362), "2000-03"},
  });
}

TEST(Transform, FloorsTimesBefore1970Downwards) {
  Check({
      {"year", "date", Int(-1), Int(-1), "1969"},
      {"year", "date", Int(-365), Int(-1), "1969"},
      {"year", "date", Int(-366), Int(-2), "1968"},
      {"month", "date", Int(-1), Int(-1), "1969-12"},
      {"month", "date", Int(-31), Int(-1), "1969-12"},
      {"month", "date", Int(-32), Int(-2), "1969-11"},
      {"month", "date", Int(-365), Int(-12), "1969-01"},
      {"month", "date", Int(-366), Int(-13), "1968-12"},
      {"day", "date", Int(-1), Int(-1), "1969-12-31"},
      {"year", "timestamp", Long(-1), Int(-1), "1969"},
      {"month", "timestamp", Long(-1), Int(-1), "1969-12"},
      {"day", "timestamp", Long(-1), Int(-1), "1969-12-31"},
      {"day", "timestamp", Long(-kDayMicros), Int(-1), "1969-12-31"},
      {"day", "timestamp", Long(-kDayMicros - 1), Int(-2), "1969-12-30"},
      {"hour", "timestamp", Long(-1), Int(-1), "1969-12-31-23"},
      {"hour", "timestamp", Long(-kHourMicros), Int(-1), "1969-12-31-23"},
      {"hour", "timestamp", Long(-kHourMicros - 1), Int(-2), "1969-12-31-22"},
      {"hour", "timestamptz_ns", Long(-1), Int(-1), "1969-12-31-23"},
      {"day", "timestamptz_ns", Long(-1), Int(-1), "1969-12-31"},
      {"year", "date", Int(-719528), Int(-1970), "0000"},
      {"year", "date", Int(-719529), Int(-1971), "-0001"},
  });
}

TEST(Transform, TruncatesTowardsSmallerValues) {
  Check({
      {"truncate[10]", "int", Int(0), Int(0), "0"},
      {"truncate[10]", "int", Int(1), Int(0), "0"},
      {"truncate[10]", "int", Int(9), Int(0), "0"},
      {"truncate[10]", "int", Int(10), Int(10), "10"},
      {"truncate[10]", "int", Int(-1), Int(-10), "-10"},
      {"truncate[10]", "int", Int(-10), Int(-10), "-10"},
      {"truncate[10]", "int", Int(-11), Int(-20), "-20"},
      {"truncate[10]", "long", Long(19), Long(10), "10"},
      {"truncate[10]", "long", Long(-1), Long(-10), "-10"},
      {"truncate[50]", "decimal(9, 2)", {"\x04\x29"s}, {"\x04\x1a"s}, "10.50"},
      {"truncate[10]", "decimal(9, 2)", {"\xff"s}, {"\xf6"s}, "-0.10"},
      {"truncate[3]", "string", {"iceberg"s}, {"ice"s}, "ice"},
      {"truncate[3]", "string", {"ice"s}, {"ice"s}, "ice"},
      {"truncate[3]", "string", {"ic"s}, {"ic"s}, "ic"},
      {"truncate[3]", "string", {""s}, {""s}, ""},
      {"truncate[2]",
       "string",
       {"\xc3\xa4\xf0\x9f\x98\x80z"s},
       {"\xc3\xa4\xf0\x9f\x98\x80"s},
       "\xc3\xa4\xf0\x9f\x98\x80"},
      {"truncate[1]", "string", {"\xf0\x9f\x98\x80"s}, {"\xf0\x9f\x98\x80"s}, "\xf0\x9f\x98\x80"},
      {"truncate[3]", "binary", {"\x00\x01\x02\x03"s}, {"\x00\x01\x02"s}, "AAEC"},
      {"truncate[3]", "binary", {"\x00"s}, {"\x00"s}, "AA=="},
  });
}

TEST(Transform, WrapsTruncationAtTheLowestNumberAsJavaDoes) {
  Check({
      {"truncate[10]", "int", Int(INT32_MIN), Int(2147483646), "2147483646"},
      {"truncate[10]", "long", Long(INT64_MIN), Long(INT64_MAX - 1), "9223372036854775806"},
  });
}

TEST(Transform, PutsValuesIntoBuckets) {
  Check({
      {"bucket[16]", "int", Int(34), Int(3), "3"},
      {"bucket[16]", "long", Long(34), Int(3), "3"},
      {"bucket[100]", "string", {"iceberg"s}, Int(89), "89"},
      // A negative hash loses its sign bit, not its sign.
      {"bucket[16]", "date", Int(17486), Int(10), "10"},
      {"bucket[1]", "date", Int(17486), Int(0), "0"},
  });
}

TEST(Transform, KeepsNullNull) {
  Check({
      {"identity", "string", {}, {}, "null"},
      {"bucket[16]", "int", {}, {}, "null"},
      {"truncate[4]", "string", {}, {}, "null"},
      {"year", "date", {}, {}, "null"},
      {"hour", "timestamp", {}, {}, "null"},
      {"void", "string", {"x"s}, {}, "null"},
      {"identity", "int", Int(7), Int(7), "7"},
  });
}

TEST(Transform, ReadsAndWritesItsText) {
  for (const char* text :
       {"identity", "bucket[16]", "truncate[4]", "year", "month", "day", "hour", "void", "zorder",
        "bucket[0]", "truncate[-1]", "bucket[]", "bucket", "bucket[99999999999]"}) {
    EXPECT_EQ(Transform::FromText(text).ToText(), text);
  }
  EXPECT_EQ(Transform::FromText("Bucket[16]").ToText(), "bucket[16]");
  EXPECT_EQ(Transform::FromText("DAY").kind, TransformKind::kDay);
  EXPECT_EQ(Transform::FromText("bucket[16]").parameter, 16);
  EXPECT_EQ(Transform::FromText("bucket[0]").kind, TransformKind::kUnknown);
}

TEST(Transform, KnowsWhichTypesItTakes) {
  const std::vector<const char*> all = {
      "boolean",  "int",       "long",        "float",   "double",       "decimal(9, 2)",  "date",
      "time",     "timestamp", "timestamptz", "string",  "timestamp_ns", "timestamptz_ns", "uuid",
      "fixed[4]", "binary",    "unknown",     "variant", "geometry",     "geography"};
  struct Row {
    const char* transform;
    const char* result;  // "=" for the source's own.
    std::set<std::string> takes;
  };
  const std::set<std::string> timestamps = {"timestamp", "timestamptz", "timestamp_ns",
                                            "timestamptz_ns"};
  std::set<std::string> dates = timestamps;
  dates.insert("date");
  std::set<std::string> hashed = dates;
  hashed.insert({"int", "long", "decimal(9, 2)", "time", "string", "uuid", "fixed[4]", "binary"});
  std::set<std::string> values(all.begin(), all.end());
  for (const char* without : {"variant", "geometry", "geography"}) values.erase(without);
  const Row rows[] = {
      {"identity", "=", values},
      {"bucket[4]", "int", hashed},
      {"truncate[4]", "=", {"int", "long", "decimal(9, 2)", "string", "binary"}},
      {"year", "int", dates},
      {"month", "int", dates},
      {"day", "date", dates},
      {"hour", "int", timestamps},
      {"void", "=", std::set<std::string>(all.begin(), all.end())},
      {"zorder", "unknown", std::set<std::string>(all.begin(), all.end())},
  };
  for (const Row& row : rows) {
    for (const char* source : all) {
      const auto result = Transform::FromText(row.transform).ResultType(Of(source));
      if (!row.takes.contains(source)) {
        EXPECT_THAT(result, IsErrorSaying(ErrorKind::kInvalid, "type="s + source)) << row.transform;
        continue;
      }
      ASSERT_THAT(result, IsOk()) << row.transform << " " << source;
      EXPECT_EQ(result->ToText(), row.result == "="s ? source : row.result) << row.transform;
    }
  }
}

TEST(Transform, RefusesWhatItCannotApply) {
  EXPECT_THAT(Transform::FromText("zorder").Apply(Of("int"), Int(1)),
              IsErrorSaying(ErrorKind::kInvalid, "transform=zorder"));
  EXPECT_THAT(Transform::FromText("hour").Apply(Of("date"), Int(1)), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(Transform::FromText("identity").Apply(Of("long"), Int(1)),
              IsError(ErrorKind::kInvalid));
  EXPECT_THAT(Transform::FromText("bucket[4]").Apply(Of("uuid"), {"short"s}),
              IsError(ErrorKind::kInvalid));
}

TEST(Transform, RefusesHoursThatDoNotFit) {
  const Transform hour = Transform::FromText("hour");
  constexpr std::int64_t kLast = (std::int64_t{INT32_MAX} + 1) * kHourMicros - 1;
  EXPECT_THAT(hour.Apply(Of("timestamp"), Long(kLast)), IsOkAnd(Int(INT32_MAX)));
  EXPECT_THAT(hour.Apply(Of("timestamp"), Long(kLast + 1)), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(hour.Apply(Of("timestamp"), Long(INT64_MIN)), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(Transform::FromText("year").Apply(Of("timestamp"), Long(INT64_MIN)), IsOk());
}

}  // namespace
}  // namespace signaldb

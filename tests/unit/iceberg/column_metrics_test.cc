#include "iceberg/data_file/column_metrics.h"

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include "unit/iceberg/data_file_fixture.h"

namespace signaldb {

namespace {

using testing::ArrayOf;
using ::testing::Contains;
using testing::DataFileTest;
using ::testing::IsEmpty;
using testing::IsErrorSaying;
using testing::IsOk;
using ::testing::Key;
using ::testing::Not;
using testing::Optional;
using ::testing::Pair;
using testing::Rows;
using testing::TableOf;
using ::testing::UnorderedElementsAre;

const auto kTextDictionary = arrow::dictionary(arrow::int32(), arrow::utf8());

std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes += static_cast<char>(value);
  return bytes;
}

template <typename T>
std::string Little(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

TEST(TruncateUpper, IncrementsTheLastCharacterThatCanBe) {
  struct Case {
    const char* name;
    TypeId type;
    std::string value;
    std::int32_t length;
    std::string lower;
    std::optional<std::string> upper;
  };
  const std::string top = "\xF4\x8F\xBF\xBF";  // U+10FFFF.
  const std::vector<Case> cases = {
      {"short enough", TypeId::kString, "abc", 3, "abc", "abc"},
      {"one too long", TypeId::kString, "abcd", 3, "abc", "abd"},
      {"empty", TypeId::kString, "", 3, "", ""},
      {"code points, not bytes", TypeId::kString, "\u00e4\u00f6\u00fcx", 3, "\u00e4\u00f6\u00fc",
       "\u00e4\u00f6\u00fd"},
      {"from one byte to two", TypeId::kString, "\x7Fx", 1, "\x7F", "\u0080"},
      {"from two bytes to three", TypeId::kString, "\u07FFx", 1, "\u07FF", "\u0800"},
      {"from three bytes to four", TypeId::kString, "\uFFFFx", 1, "\uFFFF", "\U00010000"},
      {"over the surrogates", TypeId::kString, "\uD7FFx", 1, "\uD7FF", "\uE000"},
      {"past the last one", TypeId::kString, "a" + top + "x", 2, "a" + top, "b"},
      {"nothing above", TypeId::kString, top + top + "x", 2, top + top, std::nullopt},
      {"binary short enough", TypeId::kBinary, Bytes({1, 0xFF}), 2, Bytes({1, 0xFF}),
       Bytes({1, 0xFF})},
      {"binary", TypeId::kBinary, Bytes({1, 2, 3}), 2, Bytes({1, 2}), Bytes({1, 3})},
      {"binary past 0xFF", TypeId::kBinary, Bytes({1, 0xFF, 3}), 2, Bytes({1, 0xFF}), Bytes({2})},
      {"binary nothing above", TypeId::kBinary, Bytes({0xFF, 0xFF, 3}), 2, Bytes({0xFF, 0xFF}),
       std::nullopt},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(TruncateLower(Type(c.type), c.value, c.length), c.lower) << c.name;
    EXPECT_EQ(TruncateUpper(Type(c.type), c.value, c.length), c.upper) << c.name;
  }
}

class ColumnMetricsTest : public DataFileTest {
 protected:
  DataFile FileOf(const Type& type, const std::vector<std::shared_ptr<arrow::Array>>& arrays,
                  const std::string& mode = "full") {
    io_ = std::make_unique<MemoryFileIo>();
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    for (const auto& array : arrays) batches.push_back(Rows({{"v", array}}));
    auto file = WriteFile(
        TableOf({Optional(1, "v", type)}, {{"write.metadata.metrics.default", mode}}), batches);
    EXPECT_THAT(file, IsOk());
    return file.value_or(DataFile{});
  }
};

TEST_F(ColumnMetricsTest, HoldForEveryType) {
  struct Case {
    Type type;
    std::shared_ptr<arrow::DataType> arrow;
    std::string json;
    std::string lower;
    std::string upper;
  };
  const std::vector<Case> cases = {
      {Type(TypeId::kBoolean), arrow::boolean(), "[true, null, false]", Bytes({0}), Bytes({1})},
      {Type(TypeId::kBoolean), arrow::boolean(), "[true, null, true]", Bytes({1}), Bytes({1})},
      {Type(TypeId::kInt), arrow::int32(), "[5, null, -3]", Little(-3), Little(5)},
      {Type(TypeId::kLong), arrow::int64(), "[5, null, -3]", Little(std::int64_t{-3}),
       Little(std::int64_t{5})},
      {Type(TypeId::kDate), arrow::date32(), "[5, null, -3]", Little(-3), Little(5)},
      {Type(TypeId::kTime), arrow::time64(arrow::TimeUnit::MICRO), "[5, null, 3]",
       Little(std::int64_t{3}), Little(std::int64_t{5})},
      {Type(TypeId::kTimestampTz), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[5, null, -3]",
       Little(std::int64_t{-3}), Little(std::int64_t{5})},
      {Type(TypeId::kFloat), arrow::float32(), "[1.5, null, -2.5]", Little(-2.5F), Little(1.5F)},
      {Type(TypeId::kDouble), arrow::float64(), "[1.5, null, -2.5]", Little(-2.5), Little(1.5)},
      {Type(TypeId::kString), arrow::utf8(), R"(["b", null, "a\u00e4"])", "a\u00e4", "b"},
      {Type(TypeId::kString), kTextDictionary, R"(["b", null, "a"])", "a", "b"},
      {Type(TypeId::kString), arrow::utf8(), R"(["\u00e4", null, "z"])", "z", "\u00e4"},
      {Type(TypeId::kString), arrow::utf8(), R"(["abcdefgh1", "abcdefgh", null])", "abcdefgh",
       "abcdefgh1"},
      {Type::Fixed(2), arrow::fixed_size_binary(2), R"(["zz", null, "ab"])", "ab", "zz"},
      {Type::Decimal(9, 2), arrow::decimal128(9, 2), R"(["14.20", null, "-0.01"])", Bytes({0xFF}),
       Bytes({0x05, 0x8C})},
      {Type::Decimal(18, 2), arrow::decimal128(18, 2), R"(["1.28", null, "0.00"])", Bytes({0}),
       Bytes({0x00, 0x80})},
      {Type::Decimal(38, 2), arrow::decimal128(38, 2), R"(["1.28", null, "-1.29"])",
       Bytes({0xFF, 0x7F}), Bytes({0x00, 0x80})},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.type.ToText() + " " + c.json);
    const DataFile file = FileOf(c.type, {ArrayOf(c.arrow, c.json)});
    EXPECT_THAT(file.value_counts, UnorderedElementsAre(Pair(1, 3)));
    EXPECT_THAT(file.null_value_counts, UnorderedElementsAre(Pair(1, 1)));
    EXPECT_THAT(file.lower_bounds, UnorderedElementsAre(Pair(1, c.lower)));
    EXPECT_THAT(file.upper_bounds, UnorderedElementsAre(Pair(1, c.upper)));
    EXPECT_EQ(file.nan_value_counts.contains(1),
              c.type.id() == TypeId::kFloat || c.type.id() == TypeId::kDouble);
  }
}

TEST_F(ColumnMetricsTest, LeaveNaNsOutOfBoundsAndCountThem) {
  arrow::DoubleBuilder builder;
  ASSERT_TRUE(builder.AppendValues({std::nan(""), 1.0, -2.0, std::nan("")}).ok());
  const DataFile mixed = FileOf(Type(TypeId::kDouble), {*builder.Finish()});
  EXPECT_EQ(mixed.nan_value_counts.at(1), 2);
  EXPECT_EQ(mixed.lower_bounds.at(1), Little(-2.0));
  EXPECT_EQ(mixed.upper_bounds.at(1), Little(1.0));
  ASSERT_TRUE(builder.AppendValues({std::nan(""), std::nan("")}).ok());
  const DataFile only = FileOf(Type(TypeId::kDouble), {*builder.Finish()});
  EXPECT_EQ(only.nan_value_counts.at(1), 2);
  EXPECT_EQ(only.value_counts.at(1), 2);
  EXPECT_THAT(only.lower_bounds, IsEmpty());
  EXPECT_THAT(only.upper_bounds, IsEmpty());
}

TEST_F(ColumnMetricsTest, WidenZerosToBothSigns) {
  const DataFile positive =
      FileOf(Type(TypeId::kDouble), {ArrayOf(arrow::float64(), "[0.0, 1.0]")});
  EXPECT_EQ(positive.lower_bounds.at(1), Little(-0.0));
  const DataFile negative =
      FileOf(Type(TypeId::kFloat), {ArrayOf(arrow::float32(), "[-0.0, -1.0]")});
  EXPECT_EQ(negative.upper_bounds.at(1), Little(0.0F));
}

TEST_F(ColumnMetricsTest, HaveNoBoundsIfAllIsNull) {
  const DataFile file = FileOf(Type(TypeId::kString), {ArrayOf(arrow::utf8(), "[null, null]")});
  EXPECT_EQ(file.null_value_counts.at(1), 2);
  EXPECT_THAT(file.lower_bounds, IsEmpty());
  EXPECT_THAT(file.upper_bounds, IsEmpty());
}

TEST_F(ColumnMetricsTest, SpanAllRowGroupsEvenThoseWithoutValues) {
  const DataFile file = FileOf(Type(TypeId::kString), {ArrayOf(kTextDictionary, R"(["m"])"),
                                                       ArrayOf(kTextDictionary, "[null]"),
                                                       ArrayOf(kTextDictionary, R"(["a", "z"])")});
  EXPECT_EQ(file.value_counts.at(1), 4);
  EXPECT_EQ(file.null_value_counts.at(1), 1);
  EXPECT_EQ(file.lower_bounds.at(1), "a");
  EXPECT_EQ(file.upper_bounds.at(1), "z");
}

TEST_F(ColumnMetricsTest, LookOnlyAtDictionaryEntriesInUse) {
  const auto dictionary =
      arrow::DictionaryArray::FromArrays(kTextDictionary, ArrayOf(arrow::int32(), "[1, 2, 1]"),
                                         ArrayOf(arrow::utf8(), R"(["aaa", "m", "n", "zzz"])"));
  const DataFile file = FileOf(Type(TypeId::kString), {*dictionary});
  EXPECT_EQ(file.lower_bounds.at(1), "m");
  EXPECT_EQ(file.upper_bounds.at(1), "n");
}

TEST_F(ColumnMetricsTest, FollowTheMode) {
  const auto text = ArrayOf(arrow::utf8(), R"(["abcdef", "xyzuvw"])");
  const DataFile none = FileOf(Type(TypeId::kString), {text}, "none");
  EXPECT_THAT(none.column_sizes, IsEmpty());
  EXPECT_THAT(none.value_counts, IsEmpty());
  const DataFile counts = FileOf(Type(TypeId::kString), {text}, "counts");
  EXPECT_THAT(counts.column_sizes, Contains(Key(1)));
  EXPECT_EQ(counts.value_counts.at(1), 2);
  EXPECT_THAT(counts.lower_bounds, IsEmpty());
  const DataFile cut = FileOf(Type(TypeId::kString), {text}, "truncate(3)");
  EXPECT_EQ(cut.lower_bounds.at(1), "abc");
  EXPECT_EQ(cut.upper_bounds.at(1), "xy{");
  const DataFile full = FileOf(Type(TypeId::kString), {text}, "full");
  EXPECT_EQ(full.lower_bounds.at(1), "abcdef");
  EXPECT_EQ(full.upper_bounds.at(1), "xyzuvw");
}

TEST_F(ColumnMetricsTest, AreFullInStructsAndOnlySizesInListsAndMaps) {
  const auto table = TableOf(
      {Optional(1, "s", Type::Struct({Optional(4, "x", Type(TypeId::kInt))})),
       Optional(2, "l", Type::List(5, Type(TypeId::kInt), false)),
       Optional(3, "m", Type::Map(6, Type(TypeId::kString), 7, Type(TypeId::kString), false))});
  const auto file =
      WriteFile(table, {Rows({{"s", ArrayOf(arrow::struct_({arrow::field("x", arrow::int32())}),
                                            R"([{"x": 1}, null, {"x": null}])")},
                              {"l", ArrayOf(arrow::list(arrow::int32()), "[[1, 2], null, []]")},
                              {"m", ArrayOf(arrow::map(arrow::utf8(), arrow::utf8()),
                                            R"([[["k", "v"]], null, []])")}})});
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(file->value_counts, UnorderedElementsAre(Pair(4, 3)));
  EXPECT_THAT(file->null_value_counts, UnorderedElementsAre(Pair(4, 2)));
  EXPECT_THAT(file->lower_bounds, UnorderedElementsAre(Pair(4, Little(1))));
  EXPECT_THAT(file->column_sizes, UnorderedElementsAre(Key(4), Key(5), Key(6), Key(7)));
}

TEST_F(ColumnMetricsTest, AreInferredForTheFirstColumnsOnly) {
  std::vector<Field> fields;
  for (int i = 1; i <= 4; ++i)
    fields.push_back(Optional(i, fmt::format("c{}", i), Type(TypeId::kInt)));
  const std::string limit = "write.metadata.metrics.max-inferred-column-defaults";
  const auto rows = Rows({{"c1", ArrayOf(arrow::int32(), "[1]")}});
  const auto inferred = WriteFile(TableOf(fields, {{limit, "2"}}), {rows});
  ASSERT_THAT(inferred, IsOk());
  EXPECT_THAT(inferred->value_counts, UnorderedElementsAre(Key(1), Key(2)));
  io_ = std::make_unique<MemoryFileIo>();
  const auto named = WriteFile(
      TableOf(fields, {{limit, "2"}, {"write.metadata.metrics.column.c4", "counts"}}), {rows});
  EXPECT_THAT(named->value_counts, UnorderedElementsAre(Key(1), Key(2), Key(4)));
  io_ = std::make_unique<MemoryFileIo>();
  const auto said = WriteFile(
      TableOf(fields, {{limit, "2"}, {"write.metadata.metrics.default", "counts"}}), {rows});
  EXPECT_THAT(said->value_counts, UnorderedElementsAre(Key(1), Key(2), Key(3), Key(4)));
}

TEST_F(ColumnMetricsTest, AreRaisedForSortColumns) {
  const SortOrder order{.order_id = 1, .fields = {{.source_id = 1}}};
  const auto file = WriteFile(
      TableOf({Optional(1, "a", Type(TypeId::kInt)), Optional(2, "b", Type(TypeId::kInt))},
              {{"write.metadata.metrics.default", "counts"}}, order),
      {Rows({{"a", ArrayOf(arrow::int32(), "[1]")}, {"b", ArrayOf(arrow::int32(), "[1]")}})});
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(file->lower_bounds, UnorderedElementsAre(Pair(1, Little(1))));
}

TEST_F(ColumnMetricsTest, StandInTheFooterForTopLevelColumnsOnly) {
  const auto table = TableOf({Optional(1, "a", Type(TypeId::kString)),
                              Optional(2, "l", Type::List(3, Type(TypeId::kInt), false))});
  ASSERT_THAT(
      WriteFile(table, {Rows({{"a", ArrayOf(kTextDictionary, R"(["x", "b", null])")},
                              {"l", ArrayOf(arrow::list(arrow::int32()), "[[1], [2], [3]]")}})}),
      IsOk());
  const auto reader = OpenParquet();
  const auto group = reader->metadata()->RowGroup(0);
  ASSERT_TRUE(group->ColumnChunk(0)->is_stats_set());
  const auto statistics = group->ColumnChunk(0)->statistics();
  EXPECT_EQ(statistics->EncodeMin(), "b");
  EXPECT_EQ(statistics->EncodeMax(), "x");
  EXPECT_EQ(statistics->null_count(), 1);
  EXPECT_FALSE(group->ColumnChunk(1)->is_stats_set());
}

}  // namespace

}  // namespace signaldb

#include "writer/fit_batch.h"

#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using arrow::TimeUnit;
using testing::IsErrorSaying;
using testing::IsOk;

using DataType = std::shared_ptr<arrow::DataType>;

Schema OneColumn(const Type& type, bool required = false) {
  Schema schema;
  schema.fields = {{.id = 1, .name = "x", .required = required, .type = type}};
  return schema;
}

std::shared_ptr<arrow::RecordBatch> BatchOf(const DataType& type, const std::string& json,
                                            const std::string& name = "x") {
  auto column = arrow::json::ArrayFromJSONString(type, json);
  EXPECT_TRUE(column.ok()) << column.status().ToString();
  return arrow::RecordBatch::Make(arrow::schema({arrow::field(name, type)}), (*column)->length(),
                                  {*column});
}

struct FittingCase {
  std::string name;
  Type want;
  DataType have;
  DataType becomes;  // Null: refused.
  std::string json;
  std::string json_after = {};  // Empty: as it was.
};

std::vector<FittingCase> FittingCases() {
  const Type decimal = Type::Decimal(9, 2);
  const Type list = Type::List(2, Type(TypeId::kLong), false);
  const auto text_codes = arrow::dictionary(arrow::int32(), arrow::utf8());
  return {
      {"BooleanStays", Type(TypeId::kBoolean), arrow::boolean(), arrow::boolean(), "[true, null]"},
      {"NumberIsNoBoolean", Type(TypeId::kBoolean), arrow::int8(), nullptr, "[1]"},
      {"Int8ToInt", Type(TypeId::kInt), arrow::int8(), arrow::int32(), "[-128, null, 127]"},
      {"UInt16ToInt", Type(TypeId::kInt), arrow::uint16(), arrow::int32(), "[65535]"},
      {"UInt32IsTooWideForInt", Type(TypeId::kInt), arrow::uint32(), nullptr, "[1]"},
      {"Int64IsTooWideForInt", Type(TypeId::kInt), arrow::int64(), nullptr, "[1]"},
      {"UInt32ToLong", Type(TypeId::kLong), arrow::uint32(), arrow::int64(), "[4294967295]"},
      {"UInt64IsTooWideForLong", Type(TypeId::kLong), arrow::uint64(), nullptr, "[1]"},
      {"FloatIsNoLong", Type(TypeId::kLong), arrow::float64(), nullptr, "[1.0]"},
      {"FloatToDouble", Type(TypeId::kDouble), arrow::float32(), arrow::float64(), "[1.5]"},
      {"DoubleIsTooWideForFloat", Type(TypeId::kFloat), arrow::float64(), nullptr, "[1.5]"},
      {"WholeNumberIsNoDouble", Type(TypeId::kDouble), arrow::int32(), nullptr, "[1]"},
      {"NarrowerDecimal", decimal, arrow::decimal128(5, 2), arrow::decimal128(9, 2), R"(["1.25"])"},
      {"WiderDecimal", decimal, arrow::decimal128(10, 2), nullptr, R"(["1.25"])"},
      {"DecimalOfAnotherScale", decimal, arrow::decimal128(9, 1), nullptr, R"(["1.2"])"},
      {"Date64ToDate", Type(TypeId::kDate), arrow::date64(), arrow::date32(), "[86400000]", "[1]"},
      {"SecondsToTime", Type(TypeId::kTime), arrow::time32(TimeUnit::SECOND),
       arrow::time64(TimeUnit::MICRO), "[1]", "[1000000]"},
      {"NanosAreTooFineForTime", Type(TypeId::kTime), arrow::time64(TimeUnit::NANO), nullptr,
       "[1]"},
      {"MillisToTimestampTz", Type(TypeId::kTimestampTz),
       arrow::timestamp(TimeUnit::MILLI, "Europe/Paris"), arrow::timestamp(TimeUnit::MICRO, "UTC"),
       "[1]", "[1000]"},
      {"NanosAreTooFineForMicros", Type(TypeId::kTimestampTz),
       arrow::timestamp(TimeUnit::NANO, "UTC"), nullptr, "[1]"},
      {"TimeWithoutAZoneIsAnotherType", Type(TypeId::kTimestampTz),
       arrow::timestamp(TimeUnit::MICRO), nullptr, "[1]"},
      {"TimeWithAZoneIsAnotherType", Type(TypeId::kTimestamp),
       arrow::timestamp(TimeUnit::MICRO, "UTC"), nullptr, "[1]"},
      {"MicrosToNanos", Type(TypeId::kTimestampNs), arrow::timestamp(TimeUnit::MICRO),
       arrow::timestamp(TimeUnit::NANO), "[1]", "[1000]"},
      {"LargeText", Type(TypeId::kString), arrow::large_utf8(), arrow::utf8(), R"(["a", null])"},
      {"TextView", Type(TypeId::kString), arrow::utf8_view(), arrow::utf8(), R"(["a", ""])"},
      {"CodesStay", Type(TypeId::kString), text_codes, text_codes, R"(["a", "b", "a"])"},
      {"NarrowCodesAreUnpacked", Type(TypeId::kString),
       arrow::dictionary(arrow::int8(), arrow::utf8()), arrow::utf8(), R"(["a", null, "a"])"},
      {"CodedNumbersAreUnpacked", Type(TypeId::kLong),
       arrow::dictionary(arrow::int8(), arrow::int32()), arrow::int64(), "[5, null, 5]"},
      {"BytesAreNoText", Type(TypeId::kString), arrow::binary(), nullptr, R"(["a"])"},
      {"LargeBytes", Type(TypeId::kBinary), arrow::large_binary(), arrow::binary(), R"(["a"])"},
      {"FixedOfItsWidth", Type::Fixed(2), arrow::fixed_size_binary(2), arrow::fixed_size_binary(2),
       R"(["ab"])"},
      {"FixedOfAnotherWidth", Type::Fixed(3), arrow::fixed_size_binary(2), nullptr, R"(["ab"])"},
      {"NullsStayOfNoType", Type(TypeId::kLong), arrow::null(), arrow::null(), "[null, null]"},
      {"ListForAList", Type::List(2, Type(TypeId::kLong), false), arrow::list(arrow::int64()),
       arrow::list(arrow::int64()), "[[1], null, []]"},
      {"LargeListForAList", list, arrow::large_list(arrow::int64()), arrow::list(arrow::int64()),
       "[[1], null, []]"},
      {"FixedListForAList", list, arrow::fixed_size_list(arrow::int64(), 2),
       arrow::list(arrow::int64()), "[[1, 2], null]"},
      {"ListViewForAList", list, arrow::list_view(arrow::int64()), nullptr, "[[1], null, []]"},
      {"ListOfSmallNumbers", list, arrow::large_list(arrow::uint8()), arrow::list(arrow::int64()),
       "[[1], null, [255]]"},
      {"TooLargeDecimalForAList", list, arrow::list(arrow::decimal128(5, 0)), nullptr, "[[]]"},
      {"Decimal256", decimal, arrow::decimal256(9, 2), arrow::decimal128(9, 2), R"(["-1.25"])"},
      {"NumberForAList", Type::List(2, Type(TypeId::kLong), false), arrow::int64(), nullptr, "[1]"},
  };
}

class FitBatchOfAType : public ::testing::TestWithParam<FittingCase> {};

TEST_P(FitBatchOfAType, IsWidenedWithoutLossOrRefusedByName) {
  const FittingCase& c = GetParam();
  const auto fitted = FitBatch(OneColumn(c.want), BatchOf(c.have, c.json));
  if (c.becomes == nullptr) {
    EXPECT_THAT(fitted, IsErrorSaying(ErrorKind::kInvalid, "column=x"));
    return;
  }
  ASSERT_THAT(fitted, IsOk());
  const auto& json = c.json_after.empty() ? c.json : c.json_after;
  const auto want = arrow::json::ArrayFromJSONString(c.becomes, json);
  EXPECT_TRUE((*fitted)->column(0)->Equals(*want.ValueOrDie()))
      << (*fitted)->column(0)->ToString() << (*fitted)->column(0)->type()->ToString();
}

INSTANTIATE_TEST_SUITE_P(Each, FitBatchOfAType, ::testing::ValuesIn(FittingCases()),
                         [](const auto& each) { return each.param.name; });

Schema TwoColumns() {
  Schema schema;
  schema.fields = {{.id = 1, .name = "id", .required = true, .type = Type(TypeId::kLong)},
                   {.id = 2, .name = "body", .type = Type(TypeId::kString)}};
  return schema;
}

std::shared_ptr<arrow::RecordBatch> BatchOf(const std::vector<std::string>& names,
                                            const std::vector<std::string>& jsons) {
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const DataType type = names[i] == "id" ? arrow::int64() : arrow::utf8();
    fields.push_back(arrow::field(names[i], type));
    columns.push_back(arrow::json::ArrayFromJSONString(type, jsons[i]).ValueOrDie());
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), columns[0]->length(), columns);
}

TEST(FitBatch, FindsColumnsByNameInAnyOrder) {
  const auto fitted = FitBatch(TwoColumns(), BatchOf({"body", "id"}, {R"(["a"])", "[7]"}));
  ASSERT_THAT(fitted, IsOk());
  EXPECT_EQ((*fitted)->column_name(0), "id");
  EXPECT_EQ((*fitted)->column_name(1), "body");
}

TEST(FitBatch, FillsOptionalColumnsThatAreMissing) {
  const auto fitted = FitBatch(TwoColumns(), BatchOf({"id"}, {"[7, 8]"}));
  ASSERT_THAT(fitted, IsOk());
  EXPECT_EQ((*fitted)->column(1)->null_count(), 2);
  EXPECT_EQ((*fitted)->num_rows(), 2);
}

TEST(FitBatch, RefusesWhatWouldBeLostOrIsNotThere) {
  EXPECT_THAT(FitBatch(TwoColumns(), BatchOf({"body"}, {R"(["a"])"})),
              IsErrorSaying(ErrorKind::kInvalid, "required column is missing or null column=id"));
  EXPECT_THAT(FitBatch(TwoColumns(), BatchOf({"id"}, {"[7, null]"})),
              IsErrorSaying(ErrorKind::kInvalid, "nulls=1 column=id"));
  EXPECT_THAT(FitBatch(TwoColumns(), BatchOf({"id", "more"}, {"[7]", R"(["a"])"})),
              IsErrorSaying(ErrorKind::kInvalid, "the table has not"));
  EXPECT_THAT(FitBatch(TwoColumns(), BatchOf({"id", "id"}, {"[7]", "[8]"})),
              IsErrorSaying(ErrorKind::kInvalid, "a column twice column=id"));
}

TEST(FitBatch, TakesSlicesOfLargerBatches) {
  const auto whole = BatchOf({"id", "body"}, {"[1, 2, 3]", R"(["a", "b", "c"])"});
  const auto fitted = FitBatch(TwoColumns(), whole->Slice(1, 1));
  ASSERT_THAT(fitted, IsOk());
  const auto want = BatchOf({"id", "body"}, {"[2]", R"(["b"])"});
  EXPECT_TRUE((*fitted)->column(0)->Equals(*want->column(0)));
  EXPECT_TRUE((*fitted)->column(1)->Equals(*want->column(1)));
}

TEST(FitBatch, GroupsBatchesWhoseColumnsHaveOneEncoding) {
  const auto batch = [](const std::vector<DataType>& types) {
    arrow::FieldVector fields;
    arrow::ArrayVector columns;
    for (const DataType& type : types) {
      fields.push_back(arrow::field(std::to_string(fields.size()), type));
      columns.push_back(arrow::MakeArrayOfNull(type, 1).ValueOrDie());
    }
    return arrow::RecordBatch::Make(arrow::schema(fields), 1, columns);
  };
  const DataType none = arrow::null();
  const DataType text = arrow::utf8();
  const DataType coded = arrow::dictionary(arrow::int32(), arrow::utf8());
  // The third fits the first, but not the second, which the first is together with.
  const auto groups =
      GroupByEncoding({batch({none, none}), batch({text, none}), batch({coded, none}),
                       batch({none, text}), batch({coded, text}), batch({coded, coded})});
  std::vector<std::size_t> sizes;
  for (const auto& group : groups) sizes.push_back(group.size());
  EXPECT_THAT(sizes, ::testing::ElementsAre(2, 3, 1));
  EXPECT_THAT(GroupByEncoding({}), ::testing::IsEmpty());
}

// A struct of x and y, alone, in a list and in a map.
std::vector<Type> NestingsOfXAndY() {
  const Type both =
      Type::Struct({{.id = 11, .name = "x", .required = false, .type = Type(TypeId::kLong)},
                    {.id = 12, .name = "y", .required = false, .type = Type(TypeId::kString)}});
  return {both, Type::List(2, both, false), Type::Map(2, Type(TypeId::kString), 3, both, false)};
}

std::vector<DataType> NestingsOf(const arrow::FieldVector& fields) {
  const DataType both = arrow::struct_(fields);
  return {both, arrow::list(both), arrow::map(arrow::utf8(), both)};
}

TEST(FitBatch, RefusesFieldsOfStructsThatWouldBeLostByTheirPath) {
  const std::vector<std::string> prefixes = {"x.", "x.element.", "x.value."};
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    for (const std::string name : {"z", "X", "q"}) {
      const auto fields = {arrow::field("x", arrow::int64()), arrow::field(name, arrow::int64())};
      EXPECT_THAT(FitBatch(OneColumn(NestingsOfXAndY()[i]), BatchOf(NestingsOf(fields)[i], "[]")),
                  IsErrorSaying(ErrorKind::kInvalid,
                                "the table has not; leave it out or add it to the "
                                "table column=" +
                                    prefixes[i] + name));
    }
    const auto twice = {arrow::field("x", arrow::int64()), arrow::field("x", arrow::int64())};
    EXPECT_THAT(FitBatch(OneColumn(NestingsOfXAndY()[i]), BatchOf(NestingsOf(twice)[i], "[]")),
                IsErrorSaying(ErrorKind::kInvalid, "a column twice column=" + prefixes[i] + "x"));
  }
}

TEST(FitBatch, WidensFieldsOfStructsAndLeavesOthersOut) {
  const auto fitted = FitBatch(OneColumn(NestingsOfXAndY()[1]),
                               BatchOf(NestingsOf({arrow::field("x", arrow::uint16())})[1],
                                       R"([[{"x": 65535}, null], null])"));
  ASSERT_THAT(fitted, IsOk());
  const auto want = arrow::json::ArrayFromJSONString(
      NestingsOf({arrow::field("x", arrow::int64())})[1], R"([[{"x": 65535}, null], null])");
  EXPECT_TRUE((*fitted)->column(0)->Equals(**want)) << (*fitted)->column(0)->ToString();
}

std::shared_ptr<arrow::Array> TextsWith(const std::string& last) {
  arrow::StringBuilder texts;
  EXPECT_TRUE(texts
                  .AppendValues({"plain",
                                 "gr\xc3\xbc\xc3\x9f"
                                 "e"})
                  .ok());
  EXPECT_TRUE(texts.AppendNull().ok());
  EXPECT_TRUE(texts.Append(last).ok());
  return texts.Finish().ValueOrDie();
}

TEST(CheckTexts, NamesTheColumnWhoseTextIsNotUtf8) {
  const auto check = [](const std::shared_ptr<arrow::Array>& column) {
    return CheckTexts(*arrow::RecordBatch::Make(arrow::schema({arrow::field("x", column->type())}),
                                                column->length(), {column}));
  };
  const auto bad = TextsWith("\xff\xfe");
  EXPECT_THAT(check(TextsWith("fine")), IsOk());
  EXPECT_THAT(check(bad), IsErrorSaying(ErrorKind::kInvalid, "not UTF-8"));
  EXPECT_THAT(check(bad->Slice(0, 3)), IsOk());
  const auto codes = arrow::json::ArrayFromJSONString(arrow::int32(), "[0]").ValueOrDie();
  const auto coded = arrow::DictionaryArray::FromArrays(codes, bad);
  EXPECT_THAT(check(*coded), IsErrorSaying(ErrorKind::kInvalid, "column=x"));
  const auto both = arrow::StructArray::Make({bad}, std::vector<std::string>{"s"}).ValueOrDie();
  EXPECT_THAT(check(both), IsErrorSaying(ErrorKind::kInvalid, "column=x.s"));
  const auto offsets = arrow::json::ArrayFromJSONString(arrow::int32(), "[0, 3, 4]").ValueOrDie();
  const auto lists = arrow::ListArray::FromArrays(*offsets, *both).ValueOrDie();
  EXPECT_THAT(check(lists), IsErrorSaying(ErrorKind::kInvalid, "column=x.element.s"));
  EXPECT_THAT(check(lists->Slice(0, 1)), IsOk());
}

TEST(FitBatch, TakesABatchWithoutRows) {
  const auto fitted = FitBatch(TwoColumns(), BatchOf({"id"}, {"[]"}));
  ASSERT_THAT(fitted, IsOk());
  EXPECT_EQ((*fitted)->num_columns(), 2);
}

}  // namespace
}  // namespace signaldb

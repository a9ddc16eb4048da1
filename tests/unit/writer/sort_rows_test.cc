#include "writer/sort_rows.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsErrorSaying;
using testing::IsOk;
using ::testing::SizeIs;

constexpr std::int64_t kHour = 3'600'000'000;

const auto kText = arrow::dictionary(arrow::int32(), arrow::utf8());
const auto kTime = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");

// One column of every shape that rows can have.
std::shared_ptr<arrow::Schema> RowSchema() {
  return arrow::schema({
      arrow::field("service_name", kText),
      arrow::field("timestamp", kTime),
      arrow::field("id", arrow::int64()),
      arrow::field("body", arrow::utf8()),
      arrow::field("flag", arrow::boolean()),
      arrow::field("attributes", arrow::map(kText, kText)),
      arrow::field("numbers", arrow::list(arrow::int32())),
      arrow::field("place", arrow::struct_(
                                {arrow::field("x", arrow::int16()), arrow::field("name", kText)})),
      arrow::field("wide", arrow::decimal128(20, 2)),
      arrow::field("large", arrow::large_utf8()),
      arrow::field("nested", arrow::list(arrow::map(arrow::utf8(), arrow::utf8()))),
  });
}

TableMetadata TableOf(std::vector<SortField> sort, std::vector<PartitionField> partition = {}) {
  TableMetadata table;
  const Type text(TypeId::kString);
  Schema schema;
  schema.fields = {
      {.id = 1, .name = "service_name", .type = text},
      {.id = 2, .name = "timestamp", .type = Type(TypeId::kTimestampTz)},
      {.id = 3, .name = "id", .type = Type(TypeId::kLong)},
      {.id = 4, .name = "body", .type = text},
  };
  table.schemas.push_back(std::make_shared<Schema>(schema));
  table.partition_specs.push_back(
      std::make_shared<PartitionSpec>(PartitionSpec{.fields = std::move(partition)}));
  table.default_sort_order_id = sort.empty() ? 0 : 1;
  table.sort_orders.push_back(std::make_shared<SortOrder>(
      SortOrder{.order_id = sort.empty() ? 0 : 1, .fields = std::move(sort)}));
  return table;
}

std::vector<SortField> ByServiceAndTime() { return {{.source_id = 1}, {.source_id = 2}}; }

std::vector<PartitionField> ByHour() {
  return {
      {.source_id = 2, .field_id = 1000, .name = "hour", .transform = Transform::FromText("hour")}};
}

struct RowsOptions {
  int rows = 100;
  int services = 3;
  int run = 10;  // Rows of one service in a row.
  std::int64_t time_from = 0;
  std::int64_t time_step = 1000;
  int disorder = 0;  // Of 100 rows, how many are out of time order.
  bool nulls = false;
};

// Rows as a request has them; `id` numbers them through all batches of a test.
class RowMaker {
 public:
  explicit RowMaker(std::uint32_t seed) : random_(seed) {}

  std::shared_ptr<arrow::RecordBatch> Make(const RowsOptions& options) {
    std::string json = "[";
    for (int i = 0; i < options.rows; ++i) {
      if (i > 0) json += ",";
      json += Row(options, i);
    }
    json += "]";
    const auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(RowSchema()->fields()), json);
    return arrow::RecordBatch::FromStructArray(rows.ValueOrDie())
        .ValueOrDie()
        ->ReplaceSchemaMetadata(nullptr);
  }

 private:
  int Below(int n) { return static_cast<int>(random_() % static_cast<std::uint32_t>(n)); }

  std::string Row(const RowsOptions& options, int i) {
    const bool null = options.nulls && Below(5) == 0;
    const std::string service =
        null ? "null" : fmt::format("\"service-{}\"", (i / options.run) % options.services);
    std::int64_t time = options.time_from + i * options.time_step;
    if (Below(100) < options.disorder) time -= Below(50) * options.time_step;
    const std::int64_t id = id_++;
    const auto maybe = [&](const std::string& text) { return Below(4) == 0 ? "null" : text; };
    return fmt::format(
        R"({{"service_name":{},"timestamp":{},"id":{},"body":{},"flag":{},"attributes":{},)"
        R"("numbers":{},"place":{},"wide":{},"large":{},"nested":{}}})",
        service, options.nulls && Below(7) == 0 ? "null" : fmt::format("{}", time), id,
        maybe(fmt::format("\"body {}\"", id)), maybe(id % 2 == 0 ? "true" : "false"),
        maybe(fmt::format(R"([["k{}","v{}"],["host",null]])", Below(6), Below(9))),
        maybe(id % 3 == 0 ? "[]" : fmt::format("[{},null]", id)),
        maybe(fmt::format(R"({{"x":{},"name":"n{}"}})", Below(100), Below(4))),
        maybe(fmt::format("\"{}.25\"", id)), maybe(fmt::format("\"large {}\"", id)),
        maybe(fmt::format(R"([[["a","b{}"]],null,[]])", id)));
  }

  std::mt19937 random_;
  std::int64_t id_ = 0;
};

// As people see it, dictionaries looked up at every depth.
std::string TextOf(const arrow::Scalar& scalar) {
  if (!scalar.is_valid) return "null";
  std::string text;
  switch (scalar.type->id()) {
    case arrow::Type::DICTIONARY:
      return TextOf(
          *static_cast<const arrow::DictionaryScalar&>(scalar).GetEncodedValue().ValueOrDie());
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      const auto& values = *static_cast<const arrow::BaseListScalar&>(scalar).value;
      for (std::int64_t i = 0; i < values.length(); ++i) {
        text += TextOf(*values.GetScalar(i).ValueOrDie()) + ",";
      }
      return "[" + text + "]";
    }
    case arrow::Type::STRUCT:
      for (const auto& value : static_cast<const arrow::StructScalar&>(scalar).value) {
        text += TextOf(*value) + ",";
      }
      return "{" + text + "}";
    default:
      return scalar.ToString();
  }
}

struct Row {
  std::string service;  // Empty sorts before everything, as null does.
  std::int64_t time = 0;
  std::int64_t id = 0;
  std::string all;
};

std::vector<Row> RowsOf(const arrow::RecordBatch& batch) {
  std::vector<Row> rows;
  for (std::int64_t i = 0; i < batch.num_rows(); ++i) {
    Row row;
    const auto& time = static_cast<const arrow::TimestampArray&>(*batch.column(1));
    const auto& id = static_cast<const arrow::Int64Array&>(*batch.column(2));
    const auto service = batch.column(0)->GetScalar(i).ValueOrDie();
    if (service->is_valid) row.service = TextOf(*service);
    row.time = time.IsNull(i) ? INT64_MIN : time.Value(i);
    row.id = id.Value(i);
    row.all = row.service + "|" + fmt::format("{}", row.time);
    for (int c = 2; c < batch.num_columns(); ++c) {
      row.all += "|" + TextOf(*batch.column(c)->GetScalar(i).ValueOrDie());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> AllRows(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  std::vector<Row> rows;
  for (const auto& batch : batches) {
    for (Row& row : RowsOf(*batch)) rows.push_back(std::move(row));
  }
  return rows;
}

void ExpectSortedAndComplete(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                             const SliceLimits& limits) {
  const auto sorted = SortedRows::Make(TableOf(ByServiceAndTime()), batches, limits);
  ASSERT_THAT(sorted, IsOk());
  EXPECT_EQ(sorted->row_order(), RowOrder::kSorted);
  std::vector<Row> expected = AllRows(batches);
  std::ranges::stable_sort(expected, [](const Row& a, const Row& b) {
    return std::tie(a.service, a.time) < std::tie(b.service, b.time);
  });
  std::vector<Row> got;
  for (const auto& slice : sorted->slices()) {
    const auto gathered = sorted->Gather(slice);
    ASSERT_THAT(gathered, IsOk());
    ASSERT_TRUE((*gathered)->ValidateFull().ok()) << (*gathered)->ValidateFull().ToString();
    EXPECT_EQ((*gathered)->num_rows(), slice.rows);
    EXPECT_LE(slice.rows, limits.rows_max);
    for (Row& row : RowsOf(**gathered)) got.push_back(std::move(row));
  }
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].id, expected[i].id) << "row " << i;
    ASSERT_EQ(got[i].all, expected[i].all) << "row " << i;
  }
}

TEST(SortedRows, KeepEveryRowInStableOrder) {
  struct Case {
    const char* name;
    RowsOptions options;
    int batches;
    SliceLimits limits;
  };
  const std::vector<Case> cases = {
      {"one batch in order", {.services = 1}, 1, {}},
      {"runs of one resource", {.services = 4, .run = 25}, 6, {}},
      {"senders interleave", {.services = 2, .run = 100, .time_step = 10}, 5, {}},
      {"each row another service", {.services = 5, .run = 1}, 4, {}},
      {"out of time order", {.services = 3, .run = 20, .disorder = 40}, 4, {}},
      {"nulls", {.services = 3, .run = 7, .disorder = 10, .nulls = true}, 4, {}},
      {"small slices", {.services = 3, .run = 9}, 4, {.rows_max = 7}},
      {"all keys equal", {.services = 1, .time_step = 0}, 3, {.rows_max = 50}},
  };
  for (const Case& c : cases) {
    for (std::uint32_t seed = 1; seed <= 3; ++seed) {
      SCOPED_TRACE(fmt::format("{} seed={}", c.name, seed));
      RowMaker maker(seed);
      std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
      for (int b = 0; b < c.batches; ++b) {
        RowsOptions options = c.options;
        options.time_from = b * 7 * options.time_step;
        batches.push_back(maker.Make(options));
        if (b == 1) batches.push_back(batches.back()->Slice(0, 0));
      }
      ExpectSortedAndComplete(batches, c.limits);
    }
  }
}

TEST(SortedRows, SortSlicesOfLargerBatches) {
  RowMaker maker(7);
  const auto whole =
      maker.Make({.rows = 60, .services = 3, .run = 4, .disorder = 30, .nulls = true});
  ExpectSortedAndComplete({whole->Slice(5, 20), whole->Slice(30, 30)}, {});
}

TEST(SortedRows, UnifyDictionaries) {
  RowMaker maker(1);
  const auto a = maker.Make({.rows = 10, .services = 2, .run = 5});
  const auto b = maker.Make({.rows = 10, .services = 3, .run = 2});
  const auto sorted = SortedRows::Make(TableOf(ByServiceAndTime()), {a, b}, {});
  ASSERT_THAT(sorted, IsOk());
  ASSERT_THAT(sorted->slices(), SizeIs(1));
  const auto rows = *sorted->Gather(sorted->slices()[0]);
  ASSERT_EQ(rows->column(0)->type_id(), arrow::Type::DICTIONARY);
  EXPECT_EQ(static_cast<const arrow::DictionaryArray&>(*rows->column(0)).dictionary()->length(), 3);
}

TEST(SortedRows, HandBackARunAsItIs) {
  RowMaker maker(1);
  const auto batch = maker.Make({.rows = 10, .services = 1});
  const auto sorted = SortedRows::Make(TableOf(ByServiceAndTime()), {batch}, {});
  const auto rows = *sorted->Gather(sorted->slices()[0]);
  EXPECT_EQ(rows->column_data(3)->buffers[2], batch->column_data(3)->buffers[2]);
}

TEST(SortedRows, DivideByPartition) {
  RowMaker maker(1);
  const auto early = maker.Make({.rows = 20, .services = 2, .run = 5, .time_from = kHour - 5000});
  const auto late = maker.Make({.rows = 5, .time_from = 5 * kHour});
  const auto null = maker.Make({.rows = 5, .time_from = -1, .time_step = 0});
  const auto sorted =
      SortedRows::Make(TableOf(ByServiceAndTime(), ByHour()), {early, late, null}, {});
  ASSERT_THAT(sorted, IsOk());
  EXPECT_THAT(sorted->partitions(),
              ElementsAre(PartitionValues{Literal{0}}, PartitionValues{Literal{1}},
                          PartitionValues{Literal{5}}, PartitionValues{Literal{-1}}));
  std::vector<std::pair<std::size_t, std::int64_t>> slices;
  for (const auto& slice : sorted->slices()) slices.emplace_back(slice.partition, slice.rows);
  EXPECT_THAT(slices,
              ElementsAre(std::pair(0, 5), std::pair(1, 15), std::pair(2, 5), std::pair(3, 5)));
}

TEST(SortedRows, DivideByTextAndByNull) {
  RowMaker maker(3);
  const auto batch = maker.Make({.rows = 40, .services = 2, .run = 3, .nulls = true});
  std::vector<PartitionField> spec = {{.source_id = 1, .field_id = 1000, .name = "s"}};
  const auto sorted = SortedRows::Make(TableOf({}, spec), {batch}, {});
  ASSERT_THAT(sorted, IsOk());
  EXPECT_EQ(sorted->row_order(), RowOrder::kUnsorted);
  EXPECT_THAT(sorted->partitions(), SizeIs(3));
  std::int64_t rows = 0;
  for (const auto& slice : sorted->slices()) {
    const auto& value = sorted->partitions()[slice.partition][0];
    for (const Row& row : RowsOf(**sorted->Gather(slice))) {
      EXPECT_EQ(row.service, value.is_null() ? "" : std::get<std::string>(value.value));
    }
    rows += slice.rows;
  }
  EXPECT_EQ(rows, 40);
}

TEST(SortedRows, CutSlicesByBytesAndLetOneLargeRowGoAlone) {
  arrow::StringBuilder body;
  arrow::Int64Builder id;
  const std::vector<int> sizes = {100, 100, 5000, 100, 100, 100};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    ASSERT_TRUE(body.Append(std::string(static_cast<std::size_t>(sizes[i]), 'x')).ok());
    ASSERT_TRUE(id.Append(static_cast<std::int64_t>(i)).ok());
  }
  const auto batch = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("body", arrow::utf8())}), 6,
      {*id.Finish(), *body.Finish()});
  const auto sorted = SortedRows::Make(TableOf({{.source_id = 3}}), {batch}, {.bytes_max = 230});
  ASSERT_THAT(sorted, IsOk());
  std::vector<std::int64_t> rows;
  for (const auto& slice : sorted->slices()) rows.push_back(slice.rows);
  EXPECT_THAT(rows, ElementsAre(2, 1, 2, 1));
}

TEST(SortedRows, HonourDirectionAndPlaceOfNulls) {
  const auto schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("body", arrow::utf8())});
  const auto batch = arrow::RecordBatch::Make(
      schema, 4,
      {arrow::json::ArrayFromJSONString(arrow::int64(), "[1, null, 3, 2]").ValueOrDie(),
       arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["b", "a", null, "c"])").ValueOrDie()});
  const auto order = [&](SortField field) {
    const auto sorted = SortedRows::Make(TableOf({std::move(field)}), {batch}, {});
    std::vector<std::string> ids;
    for (const auto& slice : sorted->slices()) {
      const auto rows = *sorted->Gather(slice);
      for (std::int64_t i = 0; i < rows->num_rows(); ++i) {
        ids.push_back(rows->column(0)->GetScalar(i).ValueOrDie()->ToString());
      }
    }
    return ids;
  };
  EXPECT_THAT(order({.source_id = 3}), ElementsAre("null", "1", "2", "3"));
  EXPECT_THAT(order({.source_id = 3, .nulls_first = false}), ElementsAre("1", "2", "3", "null"));
  EXPECT_THAT(order({.source_id = 3, .ascending = false}), ElementsAre("null", "3", "2", "1"));
  EXPECT_THAT(order({.source_id = 4}), ElementsAre("3", "null", "1", "2"));
  EXPECT_THAT(order({.source_id = 4, .nulls_first = false}), ElementsAre("null", "1", "2", "3"));
  EXPECT_THAT(order({.source_id = 4, .ascending = false, .nulls_first = false}),
              ElementsAre("2", "1", "null", "3"));
}

TEST(SortedRows, DoNotClaimAnOrderTheyCannotMake) {
  RowMaker maker(1);
  const std::vector<SortField> impossible = {
      {.transform = Transform::FromText("zorder"), .source_id = 2},
      {.transform = Transform::FromText("hour"), .source_id = 4},  // Of a text.
      {.source_id = 99},
  };
  for (const SortField& field : impossible) {
    const auto sorted = SortedRows::Make(TableOf({{.source_id = 1}, field}), {maker.Make({})}, {});
    ASSERT_THAT(sorted, IsOk());
    EXPECT_EQ(sorted->row_order(), RowOrder::kUnsorted);
  }
}

TEST(SortedRows, TakeColumnsOfNullsBesideColumnsOfValues) {
  RowMaker maker(5);
  const auto full = maker.Make({.rows = 20, .services = 2, .run = 1});
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches = {full, maker.Make({.rows = 7})};
  for (const int column : {0, 3, 5, 7}) {
    auto columns = batches[1]->columns();
    auto fields = batches[1]->schema()->fields();
    const auto at = static_cast<std::size_t>(column);
    columns[at] = std::make_shared<arrow::NullArray>(7);
    fields[at] = fields[at]->WithType(arrow::null());
    batches[1] = arrow::RecordBatch::Make(arrow::schema(fields), 7, columns);
  }
  ExpectSortedAndComplete(batches, {});
}

TEST(SortedRows, AreNothingWithoutRows) {
  RowMaker maker(1);
  for (const auto& batches :
       {std::vector<std::shared_ptr<arrow::RecordBatch>>{},
        std::vector<std::shared_ptr<arrow::RecordBatch>>{maker.Make({.rows = 0})}}) {
    const auto sorted = SortedRows::Make(TableOf(ByServiceAndTime(), ByHour()), batches, {});
    ASSERT_THAT(sorted, IsOk());
    EXPECT_THAT(sorted->slices(), IsEmpty());
  }
}

TEST(SortedRows, RefuseBatchesOfDifferentColumns) {
  RowMaker maker(1);
  const auto a = maker.Make({});
  EXPECT_THAT(SortedRows::Make(TableOf({}), {a, *a->RemoveColumn(2)}, {}),
              IsErrorSaying(ErrorKind::kInvalid, "differ"));
}

}  // namespace

}  // namespace signaldb

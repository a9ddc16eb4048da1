// Rows of every type in random sort orders, beside a sort that is too simple to be wrong.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "iceberg/schema/decimal_bytes.h"
#include "testing/matchers.h"
#include "writer/column_view.h"
#include "writer/sort_rows.h"

namespace signaldb {

namespace {

using testing::IsOk;
using ArrowType = std::shared_ptr<arrow::DataType>;

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::uint64_t Next() { return random_(); }
  std::int64_t Below(std::int64_t n) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(n));
  }
  bool OneIn(std::int64_t n) { return Below(n) == 0; }

 private:
  std::mt19937_64 random_;
};

struct Kind {
  Type type;
  ArrowType arrow;
  bool dictionary = false;
};

std::vector<Kind> Kinds() {
  using arrow::TimeUnit;
  return {
      {Type(TypeId::kBoolean), arrow::boolean()},
      {Type(TypeId::kInt), arrow::int32()},
      {Type(TypeId::kLong), arrow::int64()},
      {Type(TypeId::kFloat), arrow::float32()},
      {Type(TypeId::kDouble), arrow::float64()},
      {Type::Decimal(5, 2), arrow::decimal128(5, 2)},
      {Type::Decimal(15, 3), arrow::decimal128(15, 3)},
      {Type::Decimal(30, 4), arrow::decimal128(30, 4)},
      {Type(TypeId::kDate), arrow::date32()},
      {Type(TypeId::kTime), arrow::time64(TimeUnit::MICRO)},
      {Type(TypeId::kTimestamp), arrow::timestamp(TimeUnit::MICRO)},
      {Type(TypeId::kTimestampTz), arrow::timestamp(TimeUnit::MICRO, "UTC")},
      {Type(TypeId::kTimestampNs), arrow::timestamp(TimeUnit::NANO)},
      {Type(TypeId::kTimestampTzNs), arrow::timestamp(TimeUnit::NANO, "UTC")},
      {Type(TypeId::kString), arrow::utf8()},
      {Type(TypeId::kString), arrow::dictionary(arrow::int32(), arrow::utf8()), true},
      {Type(TypeId::kUuid), arrow::fixed_size_binary(16)},
      {Type::Fixed(5), arrow::fixed_size_binary(5)},
      {Type(TypeId::kBinary), arrow::binary()},
  };
}

std::string RandomBytes(Dice& dice, std::size_t size) {
  std::string bytes;
  // Few different bytes, so that many have long prefixes in common.
  constexpr std::string_view kBytes("\x00\x01\x7F\x80\xFF", 5);
  while (bytes.size() < size) bytes += kBytes[static_cast<std::size_t>(dice.Below(5))];
  return bytes;
}

std::string RandomText(Dice& dice) {
  constexpr std::array<std::string_view, 8> kParts = {"a",  "B",      "metric", "metric.name.",
                                                      "\n", "\u00e9", "\uffee", "\U0001f600"};
  std::string text;
  for (std::int64_t parts = dice.Below(4); parts > 0; --parts) {
    text += kParts[static_cast<std::size_t>(dice.Below(kParts.size()))];
  }
  if (dice.OneIn(8)) text += '\0';
  return text;
}

std::int64_t RandomWhole(Dice& dice, std::int64_t most) {
  const std::array<std::int64_t, 5> edges = {-most, -1, 0, 1, most};
  if (dice.OneIn(4)) return edges[static_cast<std::size_t>(dice.Below(edges.size()))];
  const auto value = static_cast<std::int64_t>(dice.Next() % static_cast<std::uint64_t>(most));
  return dice.OneIn(2) ? value : -value;
}

double RandomFloating(Dice& dice) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::array<double, 9> edges = {
      -kInfinity,           -1e30, -0.0, 0.0, 1e-30, 1e30, kInfinity, std::copysign(nan, -1),
      std::copysign(nan, 1)};
  if (dice.OneIn(2)) return edges[static_cast<std::size_t>(dice.Below(edges.size()))];
  return static_cast<double>(RandomWhole(dice, 1'000'000)) / 8;
}

Literal RandomValue(Dice& dice, const Type& type) {
  constexpr std::int64_t kLongMax = std::numeric_limits<std::int64_t>::max();
  switch (type.id()) {
    case TypeId::kBoolean:
      return Literal{dice.OneIn(2)};
    case TypeId::kInt:
      return Literal{static_cast<std::int32_t>(RandomWhole(dice, 0x7FFFFFFF))};
    case TypeId::kDate:
      return Literal{static_cast<std::int32_t>(RandomWhole(dice, 100'000))};
    case TypeId::kLong:
      return Literal{dice.OneIn(9) ? -kLongMax - 1 : RandomWhole(dice, kLongMax)};
    case TypeId::kTime:
      return Literal{dice.Below(86'400'000'000)};
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
      return Literal{RandomWhole(dice, 1'000'000'000'000'000)};
    case TypeId::kTimestampNs:
    case TypeId::kTimestampTzNs:
      return Literal{RandomWhole(dice, 1'000'000'000'000'000'000)};
    case TypeId::kFloat:
      return Literal{static_cast<float>(RandomFloating(dice))};
    case TypeId::kDouble:
      return Literal{RandomFloating(dice)};
    case TypeId::kDecimal: {
      std::int64_t most = 99'999;
      if (type.precision() > 5) most = 999'999'999'999'999;
      const Int128 whole = RandomWhole(dice, most);
      return Literal{DecimalToBytes(type.precision() > 18 ? whole * 1'000'000'000'000 : whole)};
    }
    case TypeId::kUuid:
      return Literal{RandomBytes(dice, 16)};
    case TypeId::kFixed:
      return Literal{RandomBytes(dice, 5)};
    case TypeId::kBinary:
      return Literal{RandomBytes(dice, static_cast<std::size_t>(dice.Below(20)))};
    default:
      return Literal{RandomText(dice)};
  }
}

std::shared_ptr<arrow::Scalar> ToScalar(const Kind& kind, const Literal& literal) {
  const auto bytes = [&] { return std::get<std::string>(literal.value); };
  switch (kind.type.id()) {
    case TypeId::kBoolean:
      return std::make_shared<arrow::BooleanScalar>(std::get<bool>(literal.value));
    case TypeId::kInt:
    case TypeId::kDate:
      return arrow::MakeScalar(kind.arrow, std::get<std::int32_t>(literal.value)).ValueOrDie();
    case TypeId::kFloat:
      return arrow::MakeScalar(std::get<float>(literal.value));
    case TypeId::kDouble:
      return arrow::MakeScalar(std::get<double>(literal.value));
    case TypeId::kDecimal: {
      const Int128 whole = *DecimalFromBytes(bytes());
      return std::make_shared<arrow::Decimal128Scalar>(
          arrow::Decimal128(static_cast<std::int64_t>(whole >> 64),
                            static_cast<std::uint64_t>(whole)),
          kind.arrow);
    }
    case TypeId::kUuid:
    case TypeId::kFixed:
      return std::make_shared<arrow::FixedSizeBinaryScalar>(arrow::Buffer::FromString(bytes()),
                                                            kind.arrow);
    case TypeId::kBinary:
      return std::make_shared<arrow::BinaryScalar>(bytes());
    case TypeId::kString:
      return std::make_shared<arrow::StringScalar>(bytes());
    default:
      return arrow::MakeScalar(kind.arrow, std::get<std::int64_t>(literal.value)).ValueOrDie();
  }
}

std::shared_ptr<arrow::Array> ToArray(const Kind& kind, const std::vector<Literal>& values) {
  const ArrowType plain = kind.dictionary ? arrow::utf8() : kind.arrow;
  const auto builder = arrow::MakeBuilder(plain).ValueOrDie();
  for (const Literal& value : values) {
    const auto added =
        value.is_null() ? builder->AppendNull() : builder->AppendScalar(*ToScalar(kind, value));
    if (!added.ok()) added.Abort();
  }
  auto array = builder->Finish().ValueOrDie();
  if (!kind.dictionary) return array;
  arrow::StringDictionary32Builder coded;
  const auto done = coded.AppendArray(*array);
  if (!done.ok()) done.Abort();
  return coded.Finish().ValueOrDie();
}

// How the values of a column follow each other.
enum class Pattern : std::uint8_t { kAllDifferent, kFew, kInRuns, kOneValue, kOnlyNulls };

struct World {
  TableMetadata table;
  std::vector<Kind> kinds;
  std::vector<std::vector<Literal>> columns;  // Of all batches; the last is the row's number.
  Batches batches;
};

std::vector<Literal> RandomColumn(Dice& dice, const Type& type, std::size_t rows) {
  const auto pattern = static_cast<Pattern>(dice.Below(5));
  const std::int64_t nulls = dice.OneIn(2) ? 0 : dice.Below(9) + 2;
  std::vector<Literal> few;
  const std::int64_t count = pattern == Pattern::kOneValue ? 1 : dice.Below(40) + 1;
  for (std::int64_t i = 0; i < count; ++i) few.push_back(RandomValue(dice, type));
  std::vector<Literal> column;
  std::size_t at = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    if (pattern == Pattern::kOnlyNulls || (nulls > 0 && dice.OneIn(nulls))) {
      column.emplace_back();
    } else if (pattern == Pattern::kAllDifferent) {
      column.push_back(RandomValue(dice, type));
    } else {
      if (pattern == Pattern::kFew || dice.OneIn(25)) {
        at = static_cast<std::size_t>(dice.Below(count));
      }
      column.push_back(few[at]);
    }
  }
  return column;
}

SortField RandomField(Dice& dice, const Schema& schema) {
  constexpr std::array<std::string_view, 8> kTransforms = {
      "bucket[4]", "truncate[3]", "year", "month", "day", "hour", "void", "identity"};
  const auto columns = static_cast<std::int64_t>(schema.fields.size()) - 1;
  const Field& source = schema.fields[static_cast<std::size_t>(dice.Below(columns))];
  SortField field{.source_id = source.id, .ascending = dice.OneIn(2), .nulls_first = dice.OneIn(2)};
  if (dice.OneIn(3)) {
    const auto at = static_cast<std::size_t>(dice.Below(kTransforms.size()));
    const Transform transform = Transform::FromText(kTransforms[at]);
    if (transform.ResultType(source.type).has_value()) field.transform = transform;
  }
  return field;
}

World RandomWorld(std::uint64_t seed) {
  Dice dice(seed);
  World world;
  world.kinds = Kinds();
  world.kinds.push_back({Type(TypeId::kLong), arrow::int64()});
  const auto rows =
      static_cast<std::size_t>(dice.OneIn(3) ? dice.Below(3'000) + 1 : dice.Below(300) + 1);
  Schema schema;
  for (const Kind& kind : world.kinds) {
    const auto id = static_cast<std::int32_t>(schema.fields.size()) + 1;
    schema.fields.push_back({.id = id, .name = fmt::format("c{}", id), .type = kind.type});
    world.columns.push_back(RandomColumn(dice, kind.type, rows));
  }
  for (std::size_t row = 0; row < rows; ++row) {
    world.columns.back()[row] = Literal{static_cast<std::int64_t>(row)};
  }
  for (std::size_t start = 0; start < rows;) {
    const std::size_t end = std::min(
        rows, start + 1 +
                  static_cast<std::size_t>(
                      dice.Below(static_cast<std::int64_t>(dice.OneIn(2) ? rows : rows / 4 + 1))));
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (std::size_t c = 0; c < world.kinds.size(); ++c) {
      const auto from = world.columns[c].begin();
      const std::vector<Literal> values(from + static_cast<std::ptrdiff_t>(start),
                                        from + static_cast<std::ptrdiff_t>(end));
      arrays.push_back(ToArray(world.kinds[c], values));
      if (arrays.back()->null_count() == arrays.back()->length() && dice.OneIn(2)) {
        arrays.back() = std::make_shared<arrow::NullArray>(arrays.back()->length());
      }
      fields.push_back(arrow::field(schema.fields[c].name, arrays.back()->type()));
    }
    world.batches.push_back(arrow::RecordBatch::Make(
        arrow::schema(fields), static_cast<std::int64_t>(end - start), arrays));
    start = end;
  }
  SortOrder order{.order_id = 1};
  for (std::int64_t fields = dice.Below(4) + 1; fields > 0; --fields) {
    order.fields.push_back(RandomField(dice, schema));
  }
  world.table.schemas.push_back(std::make_shared<Schema>(std::move(schema)));
  world.table.partition_specs.push_back(std::make_shared<PartitionSpec>());
  world.table.sort_orders.push_back(std::make_shared<SortOrder>(std::move(order)));
  world.table.default_sort_order_id = 1;
  return world;
}

std::vector<std::size_t> ReferenceOrder(const World& world) {
  struct Key {
    Type type{TypeId::kLong};
    SortField field;
    std::vector<Literal> values;
  };
  std::vector<Key> keys;
  for (const SortField& field : world.table.sort_order().fields) {
    const auto column = static_cast<std::size_t>(field.source_id - 1);
    const Type& source = world.kinds[column].type;
    Key key{.type = *field.transform.ResultType(source), .field = field, .values = {}};
    for (const Literal& value : world.columns[column]) {
      key.values.push_back(*field.transform.Apply(source, value));
    }
    keys.push_back(std::move(key));
  }
  std::vector<std::size_t> rows(world.columns[0].size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  std::ranges::stable_sort(rows, [&](std::size_t a, std::size_t b) {
    for (const Key& key : keys) {
      const Literal& x = key.values[a];
      const Literal& y = key.values[b];
      if (x.is_null() && y.is_null()) continue;
      if (x.is_null() || y.is_null()) return x.is_null() == key.field.nulls_first;
      const auto order = Compare(key.type, x, y);
      if (order != 0) return (order < 0) == key.field.ascending;
    }
    return false;
  });
  return rows;
}

std::string TextAt(const arrow::Array& array, std::int64_t row) {
  const auto scalar = array.GetScalar(row).ValueOrDie();
  if (!scalar->is_valid) return "null";
  if (scalar->type->id() != arrow::Type::DICTIONARY) return scalar->ToString();
  return static_cast<const arrow::DictionaryScalar&>(*scalar)
      .GetEncodedValue()
      .ValueOrDie()
      ->ToString();
}

class SortOrderOf : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(SortOrderOf, RandomRowsIsThatOfTheReference) {
  const World world = RandomWorld(GetParam());
  const SliceLimits limits{.rows_max = GetParam() % 3 == 0 ? 50 : 10'000};
  const auto sorted = SortedRows::Make(world.table, world.batches, limits);
  ASSERT_THAT(sorted, IsOk());
  ASSERT_EQ(sorted->row_order(), RowOrder::kSorted);
  const std::vector<std::size_t> want = ReferenceOrder(world);
  std::size_t at = 0;
  for (const auto& slice : sorted->slices()) {
    const auto rows = sorted->Gather(slice);
    ASSERT_THAT(rows, IsOk());
    ASSERT_TRUE((*rows)->ValidateFull().ok()) << (*rows)->ValidateFull().ToString();
    const auto numbers = std::static_pointer_cast<arrow::Int64Array>((*rows)->columns().back());
    for (std::int64_t row = 0; row < (*rows)->num_rows(); ++row, ++at) {
      ASSERT_LT(at, want.size());
      ASSERT_EQ(static_cast<std::size_t>(numbers->Value(row)), want[at]) << "row " << at;
      if (at % 7 != 0) continue;  // Each value takes a while to look at.
      for (std::size_t c = 0; c < world.kinds.size(); ++c) {
        const Literal& value = world.columns[c][want[at]];
        const std::string text =
            value.is_null() ? "null" : ToScalar(world.kinds[c], value)->ToString();
        ASSERT_EQ(TextAt(*(*rows)->column(static_cast<int>(c)), row), text)
            << "row " << at << " column " << c;
      }
    }
  }
  EXPECT_EQ(at, want.size());
}

INSTANTIATE_TEST_SUITE_P(Seeds, SortOrderOf, ::testing::Range<std::uint64_t>(1, 61));

}  // namespace

}  // namespace signaldb

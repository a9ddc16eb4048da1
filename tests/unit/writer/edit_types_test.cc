// Rows are deleted by columns of every type that Iceberg has.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/extension/uuid.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iceberg/scan/bound_filter.h"
#include "iceberg/scan/table_scan.h"
#include "iceberg/schema/schema.h"
#include "testing/matchers.h"
#include "testing/table_world.h"
#include "writer/table_edit.h"
#include "writer/transaction.h"

namespace signaldb {
namespace {

using ::testing::ElementsAreArray;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::TableWorld;
using Ids = std::vector<std::int64_t>;

struct TypeCase {
  Type type;
  std::string json;         // Of three values in their order, and null.
  RowFilter::Value middle;  // The second of them.
  RowFilter::Value wrong;   // A value that no column of the type has.
};

std::int64_t Whole(std::int64_t value) { return value; }

std::vector<TypeCase> TypeCases() {
  const auto t = [](TypeId id) { return Type(id); };
  const std::string uuid = "0123456789abcdef";
  return {
      {t(TypeId::kInt), "[-7, 0, 9, null]", Whole(0), Whole(1LL << 31)},
      {t(TypeId::kLong), "[-7, 5000000000, 6000000000, null]", Whole(5'000'000'000), 1.0},
      {t(TypeId::kFloat), "[-7, 0.5, 9, null]", 0.5, "0.5"},
      {t(TypeId::kDouble), "[-7, 0.1, 9, null]", 0.1, true},
      {Type::Decimal(9, 2), R"(["-12.50", "0.05", "1234567.89", null])", "0.05", "0.055"},
      {Type::Decimal(18, 0), R"(["-12", "7", "999999999999999999", null])", Whole(7), 7.0},
      {Type::Decimal(38, 10), R"(["-9999999999999999999999999999.9999999999", "-0.0000000001",
                                  "9999999999999999999999999999.9999999999", null])",
       "-1e-10", "1e28"},
      {t(TypeId::kDate), "[-7, 0, 9, null]", Whole(0), "1970-01-01"},
      {t(TypeId::kTime), "[1, 2, 86399999999, null]", Whole(2), 2.0},
      {t(TypeId::kTimestamp), "[-1, 2, 3, null]", Whole(2), "2"},
      {t(TypeId::kTimestampTz), "[-1, 2, 3, null]", Whole(2), 2.0},
      {t(TypeId::kString), R"(["", "b", "\u00e4", null])", "b", Whole(1)},
      {t(TypeId::kUuid), R"(["0123456789abcdee", "0123456789abcdef", "0123456789abcdeg", null])",
       uuid, "short"},
      {Type::Fixed(3), R"(["aaa", "bbb", "ccc", null])", "bbb", "bb"},
      {t(TypeId::kBinary), R"(["a", "b", "ba", null])", "b", Whole(1)},
  };
}

std::shared_ptr<arrow::Array> ArrayOf(const std::shared_ptr<arrow::DataType>& type,
                                      const std::string& json) {
  if (type->id() != arrow::Type::EXTENSION) {
    return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
  }
  const auto& extension = static_cast<const arrow::ExtensionType&>(*type);
  const auto storage =
      arrow::json::ArrayFromJSONString(extension.storage_type(), json).ValueOrDie();
  return arrow::ExtensionType::WrapArray(type, storage);
}

enum class Layout : std::uint8_t { kOneFile, kAFileEach, kPartitions };

/// A table with the rows 1 to 4: the three values and null.
class TypedTable {
 public:
  TypedTable(const TypeCase& type_case, Layout layout) {
    NewTable table = TableWorld::Definition("rows");
    table.schema.fields = {{.id = 1, .name = "id", .required = true, .type = Type(TypeId::kLong)},
                           {.id = 2, .name = "v", .type = type_case.type}};
    if (layout == Layout::kPartitions) {
      table.spec.fields = {{.source_id = 2,
                            .field_id = 0,
                            .name = "v",
                            .transform = Transform::FromText("identity")}};
    }
    const auto made = world_.committer.LoadOrCreate(Table(), table);
    EXPECT_THAT(made, IsOk());
    const auto schema = ToArrowSchema(made->metadata->schema());
    EXPECT_THAT(schema, IsOk());
    const auto ids = arrow::json::ArrayFromJSONString(arrow::int64(), "[1, 2, 3, 4]").ValueOrDie();
    const auto rows = arrow::RecordBatch::Make(
        *schema, 4, {ids, ArrayOf((*schema)->field(1)->type(), type_case.json)});
    if (layout == Layout::kAFileEach) {
      for (int i = 0; i < 4; ++i) Append(rows->Slice(i, 1));
    } else {
      Append(rows);
    }
    rows_ = rows;
  }

  static TableIdentifier Table() { return TableWorld::Id("rows"); }

  [[nodiscard]] Result<EditReport> Delete(const RowFilter& filter) {
    return TableEditor(With(), FileOptions()).DeleteWhere(Table(), filter);
  }

  /// The partitions of some rows by the same rows.
  [[nodiscard]] Result<EditReport> Replace(int first, int count) {
    return TableEditor(With(), FileOptions())
        .ReplacePartitions(Table(), {rows_->Slice(first, count)});
  }

  Ids Read() {
    Ids ids;
    const auto batches = ReadTable(world_.real_io, world_.Current("rows"));
    EXPECT_THAT(batches, IsOk());
    for (const auto& batch : *batches) {
      const auto& column = static_cast<const arrow::Int64Array&>(*batch->column(0));
      for (std::int64_t i = 0; i < batch->num_rows(); ++i) ids.push_back(column.Value(i));
    }
    std::ranges::sort(ids);
    return ids;
  }

 private:
  Transaction::Collaborators With() {
    return {world_.committer, world_.io, world_.clock, world_.random, world_.events};
  }
  void Append(const std::shared_ptr<arrow::RecordBatch>& rows) {
    Transaction transaction(With(), std::chrono::hours(1));
    ASSERT_THAT(transaction.Write(Table(), {rows}, FileOptions()), IsOk());
    ASSERT_THAT(transaction.Commit({}), IsOk());
  }

  TableWorld world_;
  std::shared_ptr<arrow::RecordBatch> rows_;
};

struct FilterCase {
  std::string name;
  std::function<RowFilter(const RowFilter::Value&)> make;
  Ids left;
};

std::vector<FilterCase> FilterCases() {
  return {
      {"equal", [](const auto& v) { return RowFilter::Equal("v", v); }, {1, 3, 4}},
      {"not equal", [](const auto& v) { return RowFilter::NotEqual("v", v); }, {2, 4}},
      {"less", [](const auto& v) { return RowFilter::Less("v", v); }, {2, 3, 4}},
      {"less or equal", [](const auto& v) { return RowFilter::LessOrEqual("v", v); }, {3, 4}},
      {"greater", [](const auto& v) { return RowFilter::Greater("v", v); }, {1, 2, 4}},
      {"greater or equal", [](const auto& v) { return RowFilter::GreaterOrEqual("v", v); }, {1, 4}},
      {"in", [](const auto& v) { return RowFilter::In("v", {v, v}); }, {1, 3, 4}},
      {"null", [](const auto&) { return RowFilter::IsNull("v"); }, {1, 2, 3}},
      {"not null", [](const auto&) { return RowFilter::Not(RowFilter::IsNull("v")); }, {4}},
  };
}

TEST(EditTypes, RowsGoByEveryTypeAndComparison) {
  for (const TypeCase& type_case : TypeCases()) {
    for (const Layout layout : {Layout::kOneFile, Layout::kAFileEach, Layout::kPartitions}) {
      for (const FilterCase& filter : FilterCases()) {
        SCOPED_TRACE(type_case.type.ToText() + " " + filter.name + " layout " +
                     std::to_string(static_cast<int>(layout)));
        TypedTable table(type_case, layout);
        const auto report = table.Delete(filter.make(type_case.middle));
        ASSERT_THAT(report, IsOk());
        EXPECT_THAT(table.Read(), ElementsAreArray(filter.left));
        EXPECT_EQ(report->rows_deleted, 4 - static_cast<std::int64_t>(filter.left.size()));
        EXPECT_EQ(report->files_rewritten, layout == Layout::kOneFile ? 1 : 0);
      }
    }
  }
}

TEST(EditTypes, PartitionsOfEveryTypeAreReplaced) {
  for (const TypeCase& type_case : TypeCases()) {
    SCOPED_TRACE(type_case.type.ToText());
    TypedTable table(type_case, Layout::kPartitions);
    const auto report = table.Replace(1, 2);
    ASSERT_THAT(report, IsOk());
    EXPECT_EQ(report->files_removed, 2) << "those of the second and third value";
    EXPECT_THAT(table.Read(), ElementsAreArray(Ids{1, 2, 3, 4}));
  }
}

TEST(EditTypes, RowsGoByBooleans) {
  const TypeCase booleans{Type(TypeId::kBoolean), "[false, true, true, null]", true, "true"};
  for (const Layout layout : {Layout::kOneFile, Layout::kAFileEach, Layout::kPartitions}) {
    TypedTable table(booleans, layout);
    ASSERT_THAT(table.Delete(RowFilter::Equal("v", true)), IsOk());
    EXPECT_THAT(table.Read(), ElementsAreArray(Ids{1, 4}));
    ASSERT_THAT(table.Delete(RowFilter::Less("v", true)), IsOk());
    EXPECT_THAT(table.Read(), ElementsAreArray(Ids{4}));
  }
}

TEST(EditTypes, ValuesThatDoNotFitAreRefusedAndNameTheColumn) {
  for (const TypeCase& type_case : TypeCases()) {
    const Schema schema{.fields = {{.id = 2, .name = "v", .type = type_case.type}}};
    EXPECT_THAT(BoundFilter::Bind(RowFilter::Equal("v", type_case.wrong), schema),
                IsErrorSaying(ErrorKind::kInvalid, "column=v type=" + type_case.type.ToText()));
  }
}

TEST(EditTypes, DecimalsAreReadAsPeopleWriteThem) {
  const Schema schema{.fields = {{.id = 2, .name = "v", .type = Type::Decimal(5, 2)}}};
  const auto bind = [&](const RowFilter::Value& value) {
    return BoundFilter::Bind(RowFilter::Equal("v", value), schema);
  };
  for (const RowFilter::Value& good : std::vector<RowFilter::Value>{
           "999.99", "-999.99", "1", "1.5", "+1.50", "1.500", ".5", "1.5e1", Whole(999)}) {
    EXPECT_THAT(bind(good), IsOk());
  }
  for (const RowFilter::Value& bad : std::vector<RowFilter::Value>{
           "1000", "1.005", "", "one", "1,5", "1.5 ", "0x1", "NaN", Whole(1000), 1.5, true, "1e40",
           "99999999999999999999999999999999999999999"}) {
    EXPECT_THAT(bind(bad), IsErrorSaying(ErrorKind::kInvalid, "type=decimal(5, 2)"));
  }
}

TEST(EditTypes, TypesWithoutFiltersAreRefusedByName) {
  const std::vector<Type> types = {Type(TypeId::kVariant), Type(TypeId::kGeometry),
                                   Type(TypeId::kGeography)};
  for (const Type& type : types) {
    const Schema schema{.fields = {{.id = 2, .name = "v", .type = type}}};
    for (const RowFilter& filter : {RowFilter::Equal("v", "x"), RowFilter::IsNull("v")}) {
      EXPECT_THAT(BoundFilter::Bind(filter, schema),
                  IsErrorSaying(ErrorKind::kInvalid, "column=v type=" + type.ToText()));
    }
  }
  const std::vector<Type> nested = {
      Type::Struct({{.id = 3, .name = "x", .type = Type(TypeId::kInt)}}),
      Type::List(3, Type(TypeId::kInt), false),
      Type::Map(3, Type(TypeId::kString), 4, Type(TypeId::kInt), false)};
  for (const Type& type : nested) {
    const Schema schema{.fields = {{.id = 2, .name = "v", .type = type}}};
    EXPECT_THAT(BoundFilter::Bind(RowFilter::IsNull("v"), schema),
                IsErrorSaying(ErrorKind::kInvalid, "primitive type column=v"));
  }
  const Schema unknown{.fields = {{.id = 2, .name = "v", .type = Type(TypeId::kUnknown)}}};
  EXPECT_THAT(BoundFilter::Bind(RowFilter::IsNull("v"), unknown), IsOk());
  EXPECT_THAT(BoundFilter::Bind(RowFilter::Equal("v", "x"), unknown),
              IsErrorSaying(ErrorKind::kInvalid, "column=v type=unknown"));
}

}  // namespace
}  // namespace signaldb

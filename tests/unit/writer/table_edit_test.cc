// Deleting and overwriting rows, against a model that keeps them in a vector.
#include "writer/table_edit.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iceberg/scan/table_scan.h"
#include "testing/table_world.h"

namespace signaldb {
namespace {

using signaldb::testing::CommitFault;
using signaldb::testing::IsError;
using signaldb::testing::IsErrorSaying;
using signaldb::testing::IsOk;
using signaldb::testing::TableWorld;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

struct Row {
  std::int64_t id = 0;
  std::optional<std::string> name;
  std::optional<double> size;

  friend bool operator==(const Row& a, const Row& b) {
    // NaN is what it is.
    return std::tie(a.id, a.name) == std::tie(b.id, b.name) && ToBits(a.size) == ToBits(b.size);
  }
  static std::int64_t ToBits(const std::optional<double>& size) {
    return size.has_value() ? std::bit_cast<std::int64_t>(*size) : -1;
  }
  friend void PrintTo(const Row& row, std::ostream* out) {
    *out << row.id << "/" << row.name.value_or("null") << "/"
         << (row.size.has_value() ? std::to_string(*row.size) : "null");
  }
};
using Rows = std::vector<Row>;

std::shared_ptr<arrow::RecordBatch> BatchOf(const Rows& rows) {
  arrow::Int64Builder ids;
  arrow::StringBuilder names;
  arrow::DoubleBuilder sizes;
  for (const Row& row : rows) {
    EXPECT_TRUE(ids.Append(row.id).ok());
    EXPECT_TRUE((row.name ? names.Append(*row.name) : names.AppendNull()).ok());
    EXPECT_TRUE((row.size ? sizes.Append(*row.size) : sizes.AppendNull()).ok());
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::int64(), false), arrow::field("name", arrow::utf8()),
                     arrow::field("size", arrow::float64())}),
      static_cast<std::int64_t>(rows.size()),
      {ids.Finish().ValueOrDie(), names.Finish().ValueOrDie(), sizes.Finish().ValueOrDie()});
}

/// A table of real files in memory, partitioned by name, and those who write it.
class EditWorld {
 public:
  explicit EditWorld(Properties properties = {}) {
    NewTable table = TableWorld::Definition("rows", std::move(properties));
    table.schema.fields = {{.id = 1, .name = "id", .required = true, .type = Type(TypeId::kLong)},
                           {.id = 2, .name = "name", .type = Type(TypeId::kString)},
                           {.id = 3, .name = "size", .type = Type(TypeId::kDouble)}};
    table.spec.fields = {{.source_id = 2,
                          .field_id = 0,
                          .name = "name",
                          .transform = Transform::FromText("identity")}};
    EXPECT_THAT(world.committer.LoadOrCreate(Table(), table), IsOk());
  }

  static TableIdentifier Table() { return TableWorld::Id("rows"); }

  void Append(const Rows& rows) {
    Transaction transaction(Collaborators(), std::chrono::hours(1));
    ASSERT_THAT(transaction.Write(Table(), {BatchOf(rows)}, FileOptions()), IsOk());
    ASSERT_THAT(transaction.Commit({}), IsOk());
  }

  Rows Read() {
    const auto batches = ReadTable(world.real_io, world.Current("rows"));
    EXPECT_THAT(batches, IsOk());
    Rows rows;
    if (!batches.has_value()) return rows;
    for (const auto& batch : *batches) {
      const auto& ids = static_cast<const arrow::Int64Array&>(*batch->column(0));
      const auto& names = static_cast<const arrow::StringArray&>(*batch->column(1));
      const auto& sizes = static_cast<const arrow::DoubleArray&>(*batch->column(2));
      for (std::int64_t i = 0; i < batch->num_rows(); ++i) {
        Row& row = rows.emplace_back(Row{.id = ids.Value(i)});
        if (names.IsValid(i)) row.name = names.GetString(i);
        if (sizes.IsValid(i)) row.size = sizes.Value(i);
      }
    }
    return rows;
  }

  std::vector<std::int64_t> Ids() {
    std::vector<std::int64_t> ids;
    for (const Row& row : Read()) ids.push_back(row.id);
    std::ranges::sort(ids);
    return ids;
  }

  /// Data files that no snapshot mentions.
  std::size_t DataFiles() { return world.real_io.List("memory://w/rows/data")->size(); }

  [[nodiscard]] Transaction::Collaborators Collaborators() {
    return {world.committer, world.io, world.clock, world.random, world.events};
  }

  TableWorld world;
  TableEditor editor{Collaborators(), FileOptions()};
};

Rows Numbered(std::int64_t first, std::int64_t count, const std::string& name) {
  Rows rows;
  for (std::int64_t id = first; id < first + count; ++id) {
    rows.push_back({.id = id, .name = name, .size = static_cast<double>(id)});
  }
  return rows;
}

TEST(TableEditor, DeletesWholeFilesUnread) {
  EditWorld edit;
  edit.Append(Numbered(0, 10, "a"));
  edit.Append(Numbered(10, 10, "b"));
  const std::size_t files = edit.DataFiles();
  const auto report = edit.editor.DeleteWhere(EditWorld::Table(), RowFilter::Equal("name", "a"));
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->rows_deleted, 10);
  EXPECT_EQ(report->files_removed, 1);
  EXPECT_EQ(report->files_rewritten, 0);
  EXPECT_EQ(edit.DataFiles(), files);
  EXPECT_THAT(edit.Ids(), ElementsAre(10, 11, 12, 13, 14, 15, 16, 17, 18, 19));
  EXPECT_EQ(edit.world.Current("rows").current_snapshot()->operation, "delete");
}

TEST(TableEditor, WritesTheOtherRowsOfAFileAnew) {
  EditWorld edit;
  edit.Append(Numbered(0, 4, "a"));
  const auto report = edit.editor.DeleteWhere(
      EditWorld::Table(),
      RowFilter::In("id", {std::int64_t{1}, std::int64_t{2}, std::int64_t{99}}));
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->rows_deleted, 2);
  EXPECT_EQ(report->files_rewritten, 1);
  EXPECT_THAT(edit.Ids(), ElementsAre(0, 3));
  const TableMetadata metadata = edit.world.Current("rows");
  const Snapshot& head = *metadata.current_snapshot();
  EXPECT_EQ(head.operation, "overwrite");
  EXPECT_EQ(head.summary.at("total-records"), "2");
  EXPECT_EQ(head.summary.at("deleted-records"), "4");
  EXPECT_EQ(head.summary.at("added-records"), "2");
}

TEST(TableEditor, CommitsNothingIfNoRowMatches) {
  EditWorld edit;
  edit.Append(Numbered(0, 4, "a"));
  const auto before = edit.world.Current("rows").current_snapshot_id;
  for (const RowFilter& filter :
       {RowFilter::Equal("name", "b"), RowFilter::Greater("id", std::int64_t{3}),
        RowFilter::Equal("size", 1.5), RowFilter::In("id", {}), RowFilter::IsNull("name")}) {
    const auto report = edit.editor.DeleteWhere(EditWorld::Table(), filter);
    ASSERT_THAT(report, IsOk());
    EXPECT_EQ(report->rows_deleted, 0);
    EXPECT_THAT(report->commit.snapshot_ids, IsEmpty());
  }
  EXPECT_EQ(edit.world.Current("rows").current_snapshot_id, before);
}

TEST(TableEditor, OverwritesRows) {
  EditWorld edit;
  edit.Append(Numbered(0, 4, "a"));
  edit.Append(Numbered(4, 4, "b"));
  const auto report = edit.editor.OverwriteWhere(EditWorld::Table(),
                                                 RowFilter::GreaterOrEqual("id", std::int64_t{2}),
                                                 {BatchOf(Numbered(100, 2, "c"))});
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(edit.Ids(), ElementsAre(0, 1, 100, 101));
  EXPECT_EQ(report->rows_deleted, 6);
  EXPECT_EQ(report->rows_added, 2);
}

TEST(TableEditor, ReplacesThePartitionsThatTheRowsAreOf) {
  EditWorld edit;
  edit.Append(Numbered(0, 2, "a"));
  edit.Append(Numbered(2, 2, "b"));
  edit.Append(Numbered(4, 2, "a"));
  edit.Append({{.id = 9, .name = std::nullopt}});
  Rows rows = Numbered(10, 1, "a");
  rows.push_back({.id = 11, .name = std::nullopt});
  const auto report = edit.editor.ReplacePartitions(EditWorld::Table(), {BatchOf(rows)});
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(edit.Ids(), ElementsAre(2, 3, 10, 11));
  EXPECT_EQ(edit.world.Current("rows").current_snapshot()->summary.at("replace-partitions"),
            "true");
}

TEST(TableEditor, RefusesFiltersThatDoNotFitAndNamesTheColumn) {
  EditWorld edit;
  edit.Append(Numbered(0, 1, "a"));
  for (const RowFilter& filter :
       {RowFilter::Equal("nope", true), RowFilter::Equal("id", "1"),
        RowFilter::Equal("name", std::int64_t{1}), RowFilter::Not(RowFilter::IsNull("nope"))}) {
    EXPECT_THAT(edit.editor.DeleteWhere(EditWorld::Table(), filter),
                IsErrorSaying(ErrorKind::kInvalid, "column="));
  }
  RowFilter deep = RowFilter::All();
  for (int i = 0; i < 101; ++i) deep = RowFilter::Not(std::move(deep));
  EXPECT_THAT(edit.editor.DeleteWhere(EditWorld::Table(), deep),
              IsErrorSaying(ErrorKind::kInvalid, "nested"));
  EXPECT_THAT(edit.Ids(), ElementsAre(0));
}

TEST(TableEditor, RefusesAnIsolationLevelThatIsNone) {
  EditWorld edit(Properties{{"write.delete.isolation-level", "none"}});
  edit.Append(Numbered(0, 1, "a"));
  EXPECT_THAT(edit.editor.DeleteWhere(EditWorld::Table(), RowFilter::All()),
              IsErrorSaying(ErrorKind::kInvalid, "write.delete.isolation-level"));
}

// Rows that the edit would have met come in between its plan and its commit.
TEST(TableEditor, HoldsToTheIsolationOfTheTable) {
  using Run = std::function<Result<EditReport>(EditWorld&)>;
  const Run erase = [](EditWorld& edit) {
    return edit.editor.DeleteWhere(EditWorld::Table(), RowFilter::Equal("name", "a"));
  };
  const Run overwrite = [](EditWorld& edit) {
    return edit.editor.OverwriteWhere(EditWorld::Table(), RowFilter::Equal("name", "a"),
                                      {BatchOf(Numbered(100, 1, "z"))});
  };
  const Run replace = [](EditWorld& edit) {
    return edit.editor.ReplacePartitions(EditWorld::Table(), {BatchOf(Numbered(100, 1, "a"))});
  };
  const std::vector<std::pair<std::string, Run>> runs = {
      {"write.delete.isolation-level", erase},
      {"write.update.isolation-level", overwrite},
      {"write.update.isolation-level", replace}};
  for (const auto& [property, run] : runs) {
    for (const bool serializable : {true, false}) {
      for (const char* const name : {"a", "b"}) {
        EditWorld edit(Properties{{property, serializable ? "serializable" : "snapshot"}});
        edit.Append(Numbered(0, 2, "a"));
        const std::size_t files = edit.DataFiles();
        edit.world.catalog.Script({CommitFault::kConflict});
        edit.world.catalog.AfterNextCommit([&] { edit.Append(Numbered(50, 1, name)); });
        const Result<EditReport> report = run(edit);
        if (serializable && *name == 'a') {
          ASSERT_THAT(report, IsError(ErrorKind::kConflict));
          EXPECT_THAT(report.error().message, AllOf(HasSubstr("table=acme.prod.rows"),
                                                    HasSubstr("file="), HasSubstr("snapshot_id=")));
          EXPECT_THAT(edit.Ids(), ElementsAre(0, 1, 50));
          EXPECT_EQ(edit.DataFiles(), files + 1) << "what was written for nothing is deleted";
        } else {
          ASSERT_THAT(report, IsOk());
          EXPECT_EQ(std::ranges::count(edit.Ids(), 50), 1);
          EXPECT_EQ(std::ranges::count(edit.Ids(), 0), 0);
        }
      }
    }
  }
}

TEST(TableEditor, TwoEditsOfOneFileDoNotUndoEachOther) {
  EditWorld edit(Properties{{"write.delete.isolation-level", "snapshot"}});
  edit.Append(Numbered(0, 4, "a"));
  edit.world.catalog.Script({CommitFault::kConflict});
  edit.world.catalog.AfterNextCommit([&] {
    ASSERT_THAT(
        edit.editor.DeleteWhere(EditWorld::Table(), RowFilter::Equal("id", std::int64_t{0})),
        IsOk());
  });
  EXPECT_THAT(edit.editor.DeleteWhere(EditWorld::Table(), RowFilter::Equal("id", std::int64_t{1})),
              IsErrorSaying(ErrorKind::kConflict, "not in the table any more"));
  EXPECT_THAT(edit.Ids(), ElementsAre(1, 2, 3));
}

TEST(TableEditor, KeepsItsFilesWhileTheOutcomeIsUnknown) {
  EditWorld edit;
  edit.Append(Numbered(0, 4, "a"));
  edit.world.catalog.Script({}, CommitFault::kLostRequest);
  const std::size_t files = edit.DataFiles();
  EXPECT_THAT(edit.editor.DeleteWhere(EditWorld::Table(), RowFilter::Equal("id", std::int64_t{0})),
              IsError(ErrorKind::kUnknownOutcome));
  EXPECT_EQ(edit.DataFiles(), files + 1);
}

// ---- The model ----

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Row RandomRow(std::mt19937& random) {
  static const std::vector<std::optional<std::string>> kNames = {
      "a", "b", std::nullopt, "a long name that bounds are cut from",
      "a long name that bounds ARE"};
  static const std::vector<std::optional<double>> kSizes = {0.0,          -0.0, 1.5, kNan,
                                                            std::nullopt, -7.0, 1e9};
  return {.id = static_cast<std::int64_t>(random() % 40),
          .name = kNames[random() % kNames.size()],
          .size = kSizes[random() % kSizes.size()]};
}

struct ModelFilter {
  RowFilter filter;
  std::function<std::optional<bool>(const Row&)> holds;  // Nothing: unknown.
};

template <typename T>
std::optional<bool> Compared(int op, const std::optional<T>& a, const T& b) {
  if (!a.has_value()) return std::nullopt;
  switch (op) {
    case 0:
      return *a == b;
    case 1:
      return *a < b;
    case 2:
      return *a <= b;
    case 3:
      return *a > b;
    default:
      return *a >= b;
  }
}

RowFilter Comparison(int op, const std::string& column, const RowFilter::Value& value) {
  switch (op) {
    case 0:
      return RowFilter::Equal(column, value);
    case 1:
      return RowFilter::Less(column, value);
    case 2:
      return RowFilter::LessOrEqual(column, value);
    case 3:
      return RowFilter::Greater(column, value);
    default:
      return RowFilter::GreaterOrEqual(column, value);
  }
}

ModelFilter RandomLeaf(std::mt19937& random) {
  const Row value = RandomRow(random);
  const int op = static_cast<int>(random() % 5);
  switch (random() % 6) {
    case 0:
      return {Comparison(op, "id", value.id),
              [=](const Row& row) { return Compared(op, std::optional(row.id), value.id); }};
    case 1: {
      const std::string name = value.name.value_or("aa");
      return {Comparison(op, "name", name),
              [=](const Row& row) { return Compared(op, row.name, name); }};
    }
    case 2: {
      const double size = value.size.value_or(2.0);
      return {Comparison(op, "size", size),
              [=](const Row& row) { return Compared(op, row.size, size); }};
    }
    case 3:
      return {RowFilter::IsNull("name"), [](const Row& row) { return !row.name.has_value(); }};
    case 4:
      return {RowFilter::IsNull("size"), [](const Row& row) { return !row.size.has_value(); }};
    default:
      return {RowFilter::In("id", {value.id, std::int64_t{3}}),
              [=](const Row& row) { return row.id == value.id || row.id == 3; }};
  }
}

ModelFilter RandomFilter(std::mt19937& random, int depth) {
  if (depth == 0 || random() % 3 == 0) return RandomLeaf(random);
  const ModelFilter left = RandomFilter(random, depth - 1);
  if (random() % 3 == 0) {
    return {RowFilter::Not(left.filter), [left](const Row& row) -> std::optional<bool> {
              const auto part = left.holds(row);
              if (!part.has_value()) return std::nullopt;
              return !*part;
            }};
  }
  const ModelFilter right = RandomFilter(random, depth - 1);
  const bool all = random() % 2 == 0;
  const auto holds = [left, right, all](const Row& row) -> std::optional<bool> {
    const auto a = left.holds(row);
    const auto b = right.holds(row);
    if (a == !all || b == !all) return !all;
    if (!a.has_value() || !b.has_value()) return std::nullopt;
    return all;
  };
  return {
      all ? RowFilter::And(left.filter, right.filter) : RowFilter::Or(left.filter, right.filter),
      holds};
}

TEST(TableEditor, DoesWhatAModelDoes) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    EditWorld edit(Properties{{"commit.manifest.min-count-to-merge", "3"}});
    Rows model;
    const auto some_rows = [&] {
      Rows rows;
      for (std::uint32_t i = random() % 8 + 1; i > 0; --i) rows.push_back(RandomRow(random));
      return rows;
    };
    for (int step = 0; step < 12; ++step) {
      if (random() % 2 == 0) {
        const Rows rows = some_rows();
        edit.Append(rows);
        model.insert(model.end(), rows.begin(), rows.end());
        continue;
      }
      const ModelFilter filter = RandomFilter(random, 3);
      const Rows added = random() % 3 == 0 ? some_rows() : Rows();
      const auto report = added.empty() ? edit.editor.DeleteWhere(EditWorld::Table(), filter.filter)
                                        : edit.editor.OverwriteWhere(
                                              EditWorld::Table(), filter.filter, {BatchOf(added)});
      ASSERT_THAT(report, IsOk()) << "seed " << seed;
      const auto gone =
          std::erase_if(model, [&](const Row& row) { return filter.holds(row) == true; });
      EXPECT_EQ(report->rows_deleted, static_cast<std::int64_t>(gone)) << "seed " << seed;
      model.insert(model.end(), added.begin(), added.end());
      EXPECT_THAT(edit.Read(), UnorderedElementsAreArray(model)) << "seed " << seed;
      const TableMetadata now = edit.world.Current("rows");
      if (now.current_snapshot() != nullptr) {
        EXPECT_EQ(now.current_snapshot()->summary.at("total-records"),
                  std::to_string(model.size()));
      }
    }
    EXPECT_THAT(edit.world.Unreachable("rows"), SizeIs(edit.DataFiles())) << "data files only";
  }
}

}  // namespace
}  // namespace signaldb

#include "iceberg/scan/table_scan.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "unit/iceberg/data_file_fixture.h"

namespace signaldb {

namespace {

using testing::ArrayOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;
using testing::Optional;
using testing::Required;
using testing::Rows;
using testing::TableOf;
using testing::Texts;

const auto kTime = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
constexpr std::int64_t kHour = 3'600'000'000;

// A table with files of one hour each, put together by hand.
class TableScanTest : public ::testing::Test {
 protected:
  TableScanTest() {
    metadata_ = TableOf({Required(1, "time", Type(TypeId::kTimestampTz)),
                         Optional(2, "value", Type(TypeId::kInt))});
    metadata_.partition_specs = {std::make_shared<PartitionSpec>(
        PartitionSpec{.fields = {{.source_id = 1,
                                  .field_id = 1000,
                                  .name = "time_hour",
                                  .transform = Transform::FromText("hour")}}})};
  }

  DataFile WriteHour(std::int32_t hour, const std::string& values) {
    const auto format = *DataFileFormat::Make(metadata_);
    auto writer =
        *DataFileWriter::Make(io_, format, fmt::format("memory://w/data/{}.parquet", ++files_),
                              {Literal{hour}}, RowOrder::kUnsorted);
    const auto value = ArrayOf(arrow::int32(), values);
    arrow::TimestampBuilder time(kTime, arrow::default_memory_pool());
    for (std::int64_t i = 0; i < value->length(); ++i) {
      EXPECT_TRUE(time.Append(hour * kHour + i).ok());
    }
    EXPECT_THAT(writer->Write(*Rows({{"time", *time.Finish()}, {"value", value}})), IsOk());
    return *writer->Finish();
  }

  // One manifest with these files.
  ManifestFile WriteManifest(const std::vector<DataFile>& files,
                             ManifestContent content = ManifestContent::kData) {
    std::vector<ManifestEntry> entries;
    for (const DataFile& file : files) entries.push_back({.snapshot_id = 7, .data_file = file});
    auto encoded = EncodeManifest({.schema = metadata_.schemas.front().get(),
                                   .spec = metadata_.partition_specs.front().get(),
                                   .content = content,
                                   .snapshot_id = 7},
                                  entries);
    EXPECT_THAT(encoded, IsOk());
    encoded->file.manifest_path = fmt::format("memory://w/metadata/m{}.avro", ++files_);
    EXPECT_THAT(WriteFile(io_, encoded->file.manifest_path, encoded->bytes), IsOk());
    return encoded->file;
  }

  void Commit(const std::vector<ManifestFile>& manifests) {
    const auto list = EncodeManifestList({.snapshot_id = 7, .sequence_number = 1}, manifests);
    ASSERT_THAT(list, IsOk());
    const std::string location = fmt::format("memory://w/metadata/list{}.avro", ++files_);
    ASSERT_THAT(WriteFile(io_, location, *list), IsOk());
    metadata_.snapshots = {std::make_shared<Snapshot>(
        Snapshot{.snapshot_id = 7, .sequence_number = 1, .manifest_list = location})};
    metadata_.current_snapshot_id = 7;
  }

  std::vector<std::string> PathsOf(const std::vector<Predicate>& predicates) {
    const auto files = PlanFiles(io_, metadata_, predicates);
    EXPECT_THAT(files, IsOk());
    std::vector<std::string> paths;
    for (const DataFile& file : *files) paths.push_back(file.file_path);
    return paths;
  }

  std::vector<std::string> Values(const std::string& column) {
    const auto batches = ReadTable(io_, metadata_);
    EXPECT_THAT(batches, IsOk());
    std::vector<std::string> values;
    for (const auto& batch : *batches) {
      EXPECT_TRUE(batch->ValidateFull().ok());
      for (std::string& text : Texts(*batch->GetColumnByName(column))) {
        values.push_back(std::move(text));
      }
    }
    return values;
  }

  void Evolve(std::vector<Field> fields) {
    metadata_.schemas.push_back(
        std::make_shared<Schema>(Schema{.schema_id = 1, .fields = std::move(fields)}));
    metadata_.current_schema_id = 1;
  }

  MemoryFileIo io_;
  TableMetadata metadata_;
  int files_ = 0;
};

TEST_F(TableScanTest, FindsNothingInAnEmptyTable) {
  EXPECT_THAT(PathsOf({}), IsEmpty());
  EXPECT_THAT(ReadTable(io_, metadata_), IsOkAnd(IsEmpty()));
}

TEST_F(TableScanTest, ReadsWhatWasWritten) {
  Commit({WriteManifest({WriteHour(1, "[1, 2]")}), WriteManifest({WriteHour(2, "[null, 4]")})});
  EXPECT_THAT(Values("value"), ElementsAre("1", "2", "null", "4"));
}

TEST_F(TableScanTest, LeavesOutFilesThatCannotMatch) {
  const DataFile low = WriteHour(1, "[1, 5]");
  const DataFile high = WriteHour(2, "[10, 15]");
  const DataFile later = WriteHour(9, "[20]");
  Commit({WriteManifest({low, high}), WriteManifest({later})});
  using Op = Predicate::Op;
  struct Case {
    const char* name;
    Predicate predicate;
    std::vector<std::string> expected;
  };
  const std::vector<Case> cases = {
      {"equal inside", {"value", Op::kEqual, Literal{5}}, {low.file_path}},
      {"equal between", {"value", Op::kEqual, Literal{7}}, {}},
      {"less than the least", {"value", Op::kLess, Literal{1}}, {}},
      {"up to the least", {"value", Op::kLessOrEqual, Literal{1}}, {low.file_path}},
      {"more than the most", {"value", Op::kGreater, Literal{20}}, {}},
      {"from the most on", {"value", Op::kGreaterOrEqual, Literal{20}}, {later.file_path}},
      {"time in an hour", {"time", Op::kGreaterOrEqual, Literal{9 * kHour}}, {later.file_path}},
      {"time within the last hour",
       {"time", Op::kLess, Literal{9 * kHour + 1}},
       {low.file_path, high.file_path, later.file_path}},
      {"time before", {"time", Op::kLess, Literal{2 * kHour}}, {low.file_path}},
  };
  for (const Case& c : cases) EXPECT_EQ(PathsOf({c.predicate}), c.expected) << c.name;
}

TEST_F(TableScanTest, DoesNotEvenReadManifestsThatCannotMatch) {
  const ManifestFile manifest = WriteManifest({WriteHour(1, "[1]")});
  Commit({manifest});
  ASSERT_THAT(io_.Delete(manifest.manifest_path), IsOk());
  EXPECT_THAT(PathsOf({{"time", Predicate::Op::kGreater, Literal{5 * kHour}}}), IsEmpty());
  EXPECT_THAT(PlanFiles(io_, metadata_), IsError(ErrorKind::kNotFound));
}

TEST_F(TableScanTest, RefusesPredicatesOnColumnsThatAreNotThere) {
  EXPECT_THAT(PlanFiles(io_, metadata_,
                        std::vector<Predicate>{{"nope", Predicate::Op::kEqual, Literal{1}}}),
              IsErrorSaying(ErrorKind::kInvalid, "column=nope"));
}

TEST_F(TableScanTest, FollowsRenamedWidenedAndAddedColumns) {
  Commit({WriteManifest({WriteHour(1, "[1, null]")})});
  Evolve(
      {Required(1, "when", Type(TypeId::kTimestampTz)), Optional(3, "added", Type(TypeId::kString)),
       Optional(2, "number", Type(TypeId::kLong)),
       Optional(4, "map", Type::Map(5, Type(TypeId::kString), 6, Type(TypeId::kString), false))});
  EXPECT_THAT(Values("number"), ElementsAre("1", "null"));
  EXPECT_THAT(Values("added"), ElementsAre("null", "null"));
  EXPECT_THAT(Values("map"), ElementsAre("null", "null"));
  EXPECT_EQ((*ReadTable(io_, metadata_))[0]->GetColumnByName("number")->type_id(),
            arrow::Type::INT64);
}

TEST_F(TableScanTest, RefusesFilesWithoutARequiredColumn) {
  Commit({WriteManifest({WriteHour(1, "[1]")})});
  Evolve({Required(1, "time", Type(TypeId::kTimestampTz)),
          Required(3, "added", Type(TypeId::kString))});
  EXPECT_THAT(ReadTable(io_, metadata_), IsErrorSaying(ErrorKind::kInvalid, "column=added"));
}

TEST_F(TableScanTest, RefusesDeleteFilesByName) {
  DataFile deletes = WriteHour(1, "[1]");
  deletes.content = FileContent::kPositionDeletes;
  Commit(
      {WriteManifest({WriteHour(1, "[1]")}), WriteManifest({deletes}, ManifestContent::kDeletes)});
  EXPECT_THAT(PlanFiles(io_, metadata_), IsErrorSaying(ErrorKind::kInvalid, deletes.file_path));
}

TEST_F(TableScanTest, TellsADamagedFileFromAMissingOne) {
  DataFile file = WriteHour(1, "[1]");
  ASSERT_THAT(WriteFile(io_, "memory://w/data/broken.parquet", "PAR1 no"), IsOk());
  const auto nothing = [](const auto&) { return Status(); };
  file.file_path = "memory://w/data/broken.parquet";
  EXPECT_THAT(ReadDataFile(io_, metadata_, file, nothing), IsError(ErrorKind::kCorrupt));
  file.file_path = "memory://w/data/none.parquet";
  EXPECT_THAT(ReadDataFile(io_, metadata_, file, nothing), IsError(ErrorKind::kNotFound));
  file.file_format = "ORC";
  EXPECT_THAT(ReadDataFile(io_, metadata_, file, nothing),
              IsErrorSaying(ErrorKind::kInvalid, "format=ORC"));
}

TEST_F(TableScanTest, ReadsNestedColumnsByTheirIds) {
  const auto nested = [](const char* x, const char* element) {
    return std::vector<Field>{
        Optional(1, "s",
                 Type::Struct(
                     {Optional(4, x, Type(TypeId::kInt)), Optional(5, "u", Type(TypeId::kUuid))})),
        Optional(2, "l",
                 Type::List(6, Type(element[0] == 'i' ? TypeId::kInt : TypeId::kLong), false)),
        Optional(3, "m", Type::Map(7, Type(TypeId::kString), 8, Type(TypeId::kFloat), false))};
  };
  metadata_ = TableOf(nested("x", "int"));
  auto writer = *DataFileWriter::Make(io_, *DataFileFormat::Make(metadata_),
                                      "memory://w/data/n.parquet", {}, RowOrder::kUnsorted);
  const auto place = arrow::struct_(
      {arrow::field("x", arrow::int32()), arrow::field("u", arrow::fixed_size_binary(16))});
  ASSERT_THAT(
      writer->Write(*Rows({
          {"s", ArrayOf(place, R"([{"x": 1, "u": "0123456789abcdef"}, null])")},
          {"l", ArrayOf(arrow::list(arrow::int32()), "[[1, null], null]")},
          {"m", ArrayOf(arrow::map(arrow::utf8(), arrow::float32()), R"([[["k", 1.5]], []])")},
      })),
      IsOk());
  Commit({WriteManifest({*writer->Finish()})});
  Evolve(nested("y", "long"));
  EXPECT_THAT(Values("s")[0], ::testing::HasSubstr("y:int32 = 1"));
  EXPECT_EQ(Values("s")[1], "null");
  EXPECT_THAT(Values("l"), ElementsAre("list<: int64>[1, null]", "null"));
  EXPECT_THAT(Values("m")[0], ::testing::HasSubstr("1.5"));
}

}  // namespace

}  // namespace signaldb

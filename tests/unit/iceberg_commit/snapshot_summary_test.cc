#include "iceberg/commit/snapshot_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace signaldb {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

DataFile File(std::int64_t rows, std::int64_t bytes, std::int32_t hour) {
  DataFile file;
  file.record_count = rows;
  file.file_size_in_bytes = bytes;
  file.partition = {Literal{hour}};
  return file;
}

TEST(MakeSnapshotSummary, CountsTheFirstSnapshotFromZero) {
  const Properties summary = MakeSnapshotSummary({File(3, 100, 1), File(4, 50, 1), File(1, 10, 2)},
                                                 {}, nullptr, {{"k", "v"}});
  const Properties expected = {{"added-data-files", "3"},
                               {"added-records", "8"},
                               {"added-files-size", "160"},
                               {"changed-partition-count", "2"},
                               {"total-records", "8"},
                               {"total-files-size", "160"},
                               {"total-data-files", "3"},
                               {"total-delete-files", "0"},
                               {"total-position-deletes", "0"},
                               {"total-equality-deletes", "0"},
                               {"k", "v"}};
  EXPECT_EQ(summary, expected);
}

TEST(MakeSnapshotSummary, AddsToTheTotalsOfTheHead) {
  Snapshot head;
  head.summary = {{"total-records", "10"}, {"total-delete-files", "2"}, {"added-records", "9"}};
  const Properties summary = MakeSnapshotSummary({File(1, 5, 1)}, {}, &head, {});
  EXPECT_THAT(summary, Contains(Pair("total-records", "11")));
  EXPECT_THAT(summary, Contains(Pair("total-delete-files", "2")));
  EXPECT_THAT(summary, Contains(Pair("added-records", "1")));
}

// A total that is not known must not start again from zero.
TEST(MakeSnapshotSummary, LeavesOutTotalsThatTheHeadDoesNotTell) {
  for (const std::string value : {"", "x", "-1", "1.5", "12 ", "99999999999999999999"}) {
    SCOPED_TRACE(value);
    Snapshot head;
    head.summary = {{"total-records", value}};
    const Properties summary = MakeSnapshotSummary({File(1, 5, 1)}, {}, &head, {});
    EXPECT_THAT(summary, Not(Contains(Key("total-records"))));
    EXPECT_THAT(summary, Not(Contains(Key("total-data-files"))));
  }
}

TEST(MakeSnapshotSummary, WritesNoCountsOfZeroAndLetsNobodyOverrideThem) {
  const Properties summary = MakeSnapshotSummary({File(0, 0, 1)}, {}, nullptr,
                                                 {{"added-records", "7"}, {"total-records", "7"}});
  EXPECT_THAT(summary, Not(Contains(Key("added-records"))));
  EXPECT_THAT(summary, Contains(Pair("total-records", "0")));
}

TEST(MakeSnapshotSummary, TakesWhatIsRemovedOffTheTotals) {
  Snapshot head;
  head.summary = {{"total-records", "20"}, {"total-data-files", "1"}, {"total-files-size", "500"}};
  const Properties summary =
      MakeSnapshotSummary({File(1, 5, 1)}, {File(7, 100, 2), File(4, 50, 1)}, &head, {});
  EXPECT_THAT(summary, Contains(Pair("deleted-data-files", "2")));
  EXPECT_THAT(summary, Contains(Pair("deleted-records", "11")));
  EXPECT_THAT(summary, Contains(Pair("removed-files-size", "150")));
  EXPECT_THAT(summary, Contains(Pair("changed-partition-count", "2")));
  EXPECT_THAT(summary, Contains(Pair("total-records", "10")));
  EXPECT_THAT(summary, Contains(Pair("total-files-size", "355")));
  EXPECT_THAT(summary, Contains(Pair("total-data-files", "0")));
  // Nobody's total was right if this is what is left.
  EXPECT_THAT(MakeSnapshotSummary({}, {File(21, 1, 1)}, &head, {}),
              Not(Contains(Key("total-records"))));
}

TEST(OperationOf, NamesWhatAddingAndRemovingIs) {
  const std::vector<DataFile> some = {File(1, 1, 1)};
  EXPECT_EQ(OperationOf(some, {}), "append");
  EXPECT_EQ(OperationOf({}, some), "delete");
  EXPECT_EQ(OperationOf(some, some), "overwrite");
}

}  // namespace
}  // namespace signaldb

#include "iceberg/metadata/snapshot_expiry.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;

constexpr std::int64_t kSecond = 1'000;
constexpr std::size_t kAll = 1'000;

Snapshot Made(std::int64_t id, std::optional<std::int64_t> parent) {
  Snapshot snapshot;
  snapshot.snapshot_id = id;
  snapshot.parent_snapshot_id = parent;
  snapshot.sequence_number = id;
  snapshot.timestamp_ms = id * kSecond;
  snapshot.operation = "append";
  snapshot.manifest_list = "memory://t/" + std::to_string(id) + ".avro";
  return snapshot;
}

/// Snapshots 1 to `count`, a second apart.
TableMetadata Linear(std::int64_t count) {
  TableMetadata metadata =
      MakeTableMetadata({.table_uuid = "5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10",
                         .location = "memory://t",
                         .schema = {.fields = {{.id = 1, .name = "a", .type = Type(TypeId::kInt)}}},
                         .now_ms = 1})
          .value();
  for (std::int64_t id = 1; id <= count; ++id) {
    const auto parent = id == 1 ? std::nullopt : std::optional(id - 1);
    EXPECT_THAT(AddSnapshotToMain(metadata, Made(id, parent)), IsOk());
  }
  return metadata;
}

std::vector<std::int64_t> Ids(const std::vector<std::shared_ptr<const Snapshot>>& snapshots) {
  std::vector<std::int64_t> ids;
  for (const auto& snapshot : snapshots) ids.push_back(snapshot->snapshot_id);
  return ids;
}

std::vector<std::int64_t> LogOf(const TableMetadata& metadata) {
  std::vector<std::int64_t> ids;
  for (const SnapshotLogEntry& entry : metadata.snapshot_log) ids.push_back(entry.snapshot_id);
  return ids;
}

ExpiryPolicy KeepSeconds(std::int64_t seconds) {
  return {.on_commit = true, .snapshot_age_max_ms = seconds * kSecond};
}

TEST(ExpireSnapshots, KeepsWhatIsYoungEnough) {
  TableMetadata metadata = Linear(6);
  const auto expired = ExpireSnapshots(metadata, KeepSeconds(2), 6 * kSecond, kAll);
  ASSERT_THAT(expired, IsOk());
  EXPECT_THAT(Ids(*expired), ElementsAre(1, 2, 3));
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(4, 5, 6));
  EXPECT_THAT(LogOf(metadata), ElementsAre(4, 5, 6));
  EXPECT_THAT(ParseTableMetadata(SerializeTableMetadata(metadata)), IsOk());
}

TEST(ExpireSnapshots, KeepsTheNewestWhateverTheirAge) {
  TableMetadata metadata = Linear(6);
  ExpiryPolicy policy = KeepSeconds(1);
  policy.snapshots_min = 4;
  const auto expired = ExpireSnapshots(metadata, policy, 100 * kSecond, kAll);
  ASSERT_THAT(expired, IsOk());
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(3, 4, 5, 6));
}

TEST(ExpireSnapshots, KeepsNoMoreThanTheMostHoweverYoung) {
  ExpiryPolicy policy = KeepSeconds(1'000);
  policy.snapshots_max = 3;
  TableMetadata metadata = Linear(3);
  EXPECT_THAT(Ids(ExpireSnapshots(metadata, policy, 4 * kSecond, kAll).value()), IsEmpty());
  metadata = Linear(4);
  EXPECT_THAT(Ids(ExpireSnapshots(metadata, policy, 4 * kSecond, kAll).value()), ElementsAre(1));
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(2, 3, 4));
  EXPECT_THAT(LogOf(metadata), ElementsAre(2, 3, 4));
}

TEST(ExpireSnapshots, KeepsTheLeastWhereTheMostIsLess) {
  TableMetadata metadata = Linear(6);
  ExpiryPolicy policy = KeepSeconds(1);
  policy.snapshots_min = 4;
  policy.snapshots_max = 2;
  ASSERT_THAT(ExpireSnapshots(metadata, policy, 100 * kSecond, kAll), IsOk());
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(3, 4, 5, 6));
}

TEST(ExpireSnapshots, CountsTheMostForEachBranchAndKeepsTags) {
  TableMetadata metadata = Linear(9);
  metadata.refs["audit"] = {.snapshot_id = 5};
  metadata.refs["v1"] = {.snapshot_id = 1, .is_branch = false};
  ExpiryPolicy policy = KeepSeconds(1'000);
  policy.snapshots_max = 2;
  ASSERT_THAT(ExpireSnapshots(metadata, policy, 9 * kSecond, kAll), IsOk());
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(1, 4, 5, 8, 9));
}

TEST(ExpireSnapshots, LeavesABranchWithLimitsOfItsOwnToThem) {
  ExpiryPolicy policy = KeepSeconds(1'000);
  policy.snapshots_max = 2;
  TableMetadata by_age = Linear(6);
  by_age.refs["main"].max_snapshot_age_ms = 3 * kSecond;
  ASSERT_THAT(ExpireSnapshots(by_age, policy, 6 * kSecond, kAll), IsOk());
  EXPECT_THAT(Ids(by_age.snapshots), ElementsAre(3, 4, 5, 6));
  TableMetadata by_count = Linear(6);
  by_count.refs["main"].min_snapshots_to_keep = 5;
  ASSERT_THAT(ExpireSnapshots(by_count, policy, 6 * kSecond, kAll), IsOk());
  EXPECT_THAT(Ids(by_count.snapshots), ElementsAre(2, 3, 4, 5, 6));
}

TEST(ExpireSnapshots, NeverTakesTheHead) {
  TableMetadata metadata = Linear(3);
  ASSERT_THAT(ExpireSnapshots(metadata, KeepSeconds(1), 100 * kSecond, kAll), IsOk());
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(3));
  EXPECT_EQ(metadata.current_snapshot_id, 3);
}

TEST(ExpireSnapshots, TakesTheOldestFirstIfThereAreTooMany) {
  TableMetadata metadata = Linear(6);
  const auto expired = ExpireSnapshots(metadata, KeepSeconds(1), 100 * kSecond, 2);
  ASSERT_THAT(expired, IsOk());
  EXPECT_THAT(Ids(*expired), ElementsAre(1, 2));
  EXPECT_THAT(LogOf(metadata), ElementsAre(3, 4, 5, 6));
}

TEST(ExpireSnapshots, RespectsTagsAndCutsTheLogBehindTheGap) {
  TableMetadata metadata = Linear(6);
  metadata.refs["v1"] = {.snapshot_id = 2, .is_branch = false};
  ASSERT_THAT(ExpireSnapshots(metadata, KeepSeconds(1), 6 * kSecond, kAll), IsOk());
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(2, 5, 6));
  EXPECT_THAT(LogOf(metadata), ElementsAre(5, 6));
  EXPECT_TRUE(metadata.refs.contains("v1"));
}

TEST(ExpireSnapshots, RespectsTheLimitsOfABranch) {
  TableMetadata metadata = Linear(6);
  metadata.refs["audit"] = {.snapshot_id = 4, .min_snapshots_to_keep = 2};
  ASSERT_THAT(ExpireSnapshots(metadata, KeepSeconds(1), 6 * kSecond, kAll), IsOk());
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(3, 4, 5, 6));

  metadata.refs["audit"] = {
      .snapshot_id = 4, .min_snapshots_to_keep = 1, .max_snapshot_age_ms = 100 * kSecond};
  ASSERT_THAT(ExpireSnapshots(metadata, KeepSeconds(1), 7 * kSecond, kAll), IsOk());
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(3, 4, 6));
}

TEST(ExpireSnapshots, DropsRefsThatAreTooOldButMain) {
  TableMetadata metadata = Linear(6);
  metadata.refs["old"] = {.snapshot_id = 2, .is_branch = false, .max_ref_age_ms = kSecond};
  metadata.refs["kept"] = {.snapshot_id = 3, .is_branch = false, .max_ref_age_ms = 100 * kSecond};
  metadata.refs["main"].max_ref_age_ms = 1;
  ASSERT_THAT(ExpireSnapshots(metadata, KeepSeconds(1), 20 * kSecond, kAll), IsOk());
  EXPECT_FALSE(metadata.refs.contains("old"));
  EXPECT_TRUE(metadata.refs.contains("main"));
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(3, 6));
}

// Rolled back, or staged by others: no branch leads to it.
TEST(ExpireSnapshots, KeepsYoungSnapshotsOfNoBranch) {
  TableMetadata metadata = Linear(4);
  metadata.refs["main"].snapshot_id = 3;
  metadata.current_snapshot_id = 3;
  ASSERT_THAT(ExpireSnapshots(metadata, KeepSeconds(2), 6 * kSecond, kAll), IsOk());
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(3, 4));
  ASSERT_THAT(ExpireSnapshots(metadata, KeepSeconds(2), 7 * kSecond, kAll), IsOk());
  EXPECT_THAT(Ids(metadata.snapshots), ElementsAre(3));
}

TEST(ExpireSnapshots, DropsTheStatisticsOfWhatGoes) {
  TableMetadata metadata = Linear(3);
  metadata.statistics_json = R"([{"snapshot-id":1,"x":[1]},{"snapshot-id":3,"x":[3]}])";
  metadata.partition_statistics_json = R"([{"snapshot-id":2}])";
  ASSERT_THAT(ExpireSnapshots(metadata, KeepSeconds(1), 9 * kSecond, kAll), IsOk());
  EXPECT_EQ(metadata.statistics_json, R"([{"snapshot-id":3,"x":[3]}])");
  EXPECT_EQ(metadata.partition_statistics_json, "[]");
}

TEST(ExpireSnapshots, LeavesTheTableAloneIfItsStatisticsCannotBeRead) {
  TableMetadata metadata = Linear(3);
  metadata.statistics_json = R"([{"snapshot":1}])";
  metadata.refs["old"] = {.snapshot_id = 2, .is_branch = false, .max_ref_age_ms = 1};
  EXPECT_THAT(ExpireSnapshots(metadata, KeepSeconds(1), 9 * kSecond, kAll),
              IsError(ErrorKind::kCorrupt));
  EXPECT_EQ(metadata.snapshots.size(), 3U);
  EXPECT_TRUE(metadata.refs.contains("old"));
}

TEST(ExpireSnapshots, DoesNothingWhileEverythingIsYoung) {
  TableMetadata metadata = Linear(3);
  const std::string before = SerializeTableMetadata(metadata);
  const auto expired = ExpireSnapshots(metadata, ExpiryPolicy(), 4 * kSecond, kAll);
  ASSERT_THAT(expired, IsOk());
  EXPECT_THAT(*expired, IsEmpty());
  EXPECT_EQ(SerializeTableMetadata(metadata), before);
}

TEST(ExpireSnapshots, SurvivesAHistoryThatRunsInCircles) {
  TableMetadata metadata = Linear(3);
  Snapshot first = Made(1, 2);
  metadata.snapshots[0] = std::make_shared<const Snapshot>(first);
  ExpiryPolicy policy = KeepSeconds(1);
  policy.snapshots_min = 100;
  ASSERT_THAT(ExpireSnapshots(metadata, policy, 9 * kSecond, kAll), IsOk());
  EXPECT_EQ(metadata.snapshots.size(), 3U);
}

TEST(ExpiryPolicy, ReadsThePropertiesOfTheTable) {
  const auto none = ExpiryPolicy::From({});
  ASSERT_THAT(none, IsOk());
  EXPECT_FALSE(none->on_commit);
  const auto set = ExpiryPolicy::From({{"signaldb.expire-on-commit.enabled", "true"},
                                       {"history.expire.max-snapshot-age-ms", "60000"},
                                       {"history.expire.min-snapshots-to-keep", "7"},
                                       {"signaldb.expire-on-commit.max-snapshots", "8"},
                                       {"history.expire.max-ref-age-ms", "90000"}});
  ASSERT_THAT(set, IsOk());
  EXPECT_TRUE(set->on_commit);
  EXPECT_EQ(set->snapshot_age_max_ms, 60'000);
  EXPECT_EQ(set->snapshots_min, 7);
  EXPECT_EQ(set->snapshots_max, 8);
  EXPECT_EQ(set->ref_age_max_ms, 90'000);
}

TEST(ExpiryPolicy, IsOffWhereFilesMustNotBeDeleted) {
  const auto policy =
      ExpiryPolicy::From({{"signaldb.expire-on-commit.enabled", "true"}, {"gc.enabled", "false"}});
  ASSERT_THAT(policy, IsOk());
  EXPECT_FALSE(policy->on_commit);
}

TEST(ExpiryPolicy, RefusesWhatIsNoNumberAboveZero) {
  for (const char* const value : {"0", "-1", "5d", "", "99999999999999999999"}) {
    EXPECT_THAT(ExpiryPolicy::From({{"signaldb.expire-on-commit.enabled", "true"},
                                    {"history.expire.max-snapshot-age-ms", value}}),
                IsErrorSaying(ErrorKind::kInvalid, "history.expire.max-snapshot-age-ms"))
        << value;
    EXPECT_THAT(ExpiryPolicy::From({{"signaldb.expire-on-commit.enabled", "true"},
                                    {"signaldb.expire-on-commit.max-snapshots", value}}),
                IsErrorSaying(ErrorKind::kInvalid, "signaldb.expire-on-commit.max-snapshots"))
        << value;
  }
  EXPECT_THAT(ExpiryPolicy::From({{"history.expire.max-snapshot-age-ms", "5d"}}), IsOk());
}

TEST(HasHistorySince, TellsWhetherSnapshotsAreMissing) {
  TableMetadata metadata = Linear(6);
  EXPECT_TRUE(HasHistorySince(metadata, 0));
  ASSERT_THAT(ExpireSnapshots(metadata, KeepSeconds(2), 6 * kSecond, kAll), IsOk());
  EXPECT_FALSE(HasHistorySince(metadata, 2));
  EXPECT_TRUE(HasHistorySince(metadata, 3));
  EXPECT_TRUE(HasHistorySince(metadata, 6));
}

}  // namespace
}  // namespace signaldb

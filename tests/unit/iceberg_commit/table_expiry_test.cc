// Snapshots that commits expire: what stays readable, and that no file is left behind.
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iceberg/commit/table_commit.h"
#include "testing/metadata_pointer.h"
#include "testing/table_world.h"

namespace signaldb {
namespace {

using signaldb::testing::CommitFault;
using signaldb::testing::FaultMoment;
using signaldb::testing::IsError;
using signaldb::testing::IsErrorSaying;
using signaldb::testing::IsOk;
using signaldb::testing::TableWorld;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Properties KeepThree(Properties more = {}) {
  more.insert({{"signaldb.expire-on-commit.enabled", "true"},
               {"history.expire.max-snapshot-age-ms", "1000"},
               {"history.expire.min-snapshots-to-keep", "3"},
               {"write.metadata.previous-versions-max", "2"},
               {"write.metadata.delete-after-commit.enabled", "true"}});
  return more;
}

void AppendAfterAMinute(TableWorld& world, const std::string& file) {
  world.clock.Advance(std::chrono::minutes(1));
  ASSERT_THAT(world.Commit({TableWorld::Append("logs", {file})}, file), IsOk());
}

/// What another program would do: the table is `next` now.
void Replace(TableWorld& world, const TableMetadata& next) {
  const TableIdentifier table = TableWorld::Id("logs");
  const std::string base = world.real_catalog->MetadataLocation(table).value();
  const std::string location = NextMetadataLocation(next, base, ToString(UuidV4(world.random)));
  ASSERT_THAT(WriteFile(world.real_io, location, SerializeTableMetadata(next)), IsOk());
  const PointerUpdate update = testing::Swap(table, base, location);
  ASSERT_THAT(world.real_catalog->Commit({&update, 1}), IsOk());
}

std::vector<std::string> Appended(TableWorld& world, int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) {
    names.push_back(std::to_string(100 + i));
    AppendAfterAMinute(world, names.back());
  }
  return names;
}

TEST(TableExpiry, KeepsHistoryShortAndNoFileThatNobodyNeeds) {
  TableWorld world;
  // Merged in every third commit, so that manifests go out of use as well.
  world.CreateTable("logs", KeepThree({{"commit.manifest.min-count-to-merge", "3"}}));
  const std::vector<std::string> names = Appended(world, 20);
  EXPECT_THAT(world.FilesIn("logs"), ElementsAreArray(names));
  EXPECT_THAT(world.Current("logs").snapshots, SizeIs(3));
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
}

TEST(TableExpiry, IsOffUnlessTheTableAsksForIt) {
  TableWorld world;
  Properties properties = KeepThree();
  properties.erase("signaldb.expire-on-commit.enabled");
  world.CreateTable("logs", properties);
  Appended(world, 6);
  EXPECT_THAT(world.Current("logs").snapshots, SizeIs(6));
}

TEST(TableExpiry, ShortensALongHistoryByAFewAtATime) {
  TableWorld world;
  world.CreateTable("logs", {{"write.metadata.previous-versions-max", "1"},
                             {"write.metadata.delete-after-commit.enabled", "true"}});
  Appended(world, 60);
  TableChange change = TableWorld::Append("logs", {"x"});
  change.on_base = [](const TableMetadata&) { return KeepThree(); };
  ASSERT_THAT(world.Commit({change}), IsOk());
  EXPECT_THAT(world.Current("logs").snapshots, SizeIs(41));
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
  for (const char* const file : {"y", "z", "zz"}) AppendAfterAMinute(world, file);
  EXPECT_THAT(world.Current("logs").snapshots, SizeIs(3));
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
}

TEST(TableExpiry, LeavesFilesOfATaggedSnapshotAlone) {
  TableWorld world;
  world.CreateTable("logs", KeepThree({{"commit.manifest.min-count-to-merge", "2"}}));
  Appended(world, 2);
  TableMetadata tagged = world.Current("logs");
  const std::int64_t id = *tagged.current_snapshot_id;
  tagged.refs["v1"] = {.snapshot_id = id, .is_branch = false};
  Replace(world, tagged);
  for (const char* const name : {"a", "b", "c", "d", "e", "f"}) AppendAfterAMinute(world, name);
  const TableMetadata now = world.Current("logs");
  ASSERT_NE(now.SnapshotById(id), nullptr);
  EXPECT_THAT(now.snapshots, SizeIs(4));
  for (const ManifestFile& manifest : world.ReadList(now.SnapshotById(id)->manifest_list)) {
    EXPECT_THAT(world.real_io.Read(manifest.manifest_path), IsOk());
  }
}

TEST(TableExpiry, DeletesNothingBeforeItIsCertain) {
  for (const CommitFault fault : {CommitFault::kConflict, CommitFault::kOutage,
                                  CommitFault::kLostRequest, CommitFault::kInvalid}) {
    TableWorld world;
    world.CreateTable("logs", KeepThree());
    Appended(world, 3);
    const TableMetadata before = world.Current("logs");
    world.clock.Advance(std::chrono::minutes(1));
    world.catalog.Script({}, fault);
    ASSERT_FALSE(world.Commit({TableWorld::Append("logs", {"x"})}).has_value());
    for (const auto& snapshot : before.snapshots) {
      EXPECT_THAT(world.real_io.Read(snapshot->manifest_list), IsOk());
    }
  }
}

TEST(TableExpiry, CleansUpAfterACommitThatWasFoundByLooking) {
  TableWorld world;
  world.CreateTable("logs", KeepThree());
  Appended(world, 3);
  world.clock.Advance(std::chrono::minutes(1));
  world.catalog.Script({CommitFault::kLostReply});
  const auto report = world.Commit({TableWorld::Append("logs", {"x"})});
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->found_by_looking);
  EXPECT_THAT(world.Current("logs").snapshots, SizeIs(3));
  // But the metadata file that fell off the log, which stays whenever a reply is lost.
  EXPECT_THAT(world.Unreachable("logs"), SizeIs(1));
}

// Others committed so often meanwhile that ours was expired: adding the rows again would double
// them.
TEST(TableExpiry, DoesNotGuessWhenItsOwnSnapshotMayBeExpired) {
  TableWorld world;
  world.CreateTable("logs", KeepThree());
  world.catalog.Script({CommitFault::kLostReply});
  world.catalog.AfterNextCommit([&] { Appended(world, 6); });
  EXPECT_THAT(world.Commit({TableWorld::Append("logs", {"x"})}),
              IsErrorSaying(ErrorKind::kUnknownOutcome, "expired"));
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("100", "101", "102", "103", "104", "105", "x"));
}

TEST(TableExpiry, CommitsAlthoughFilesOfExpiredSnapshotsAreMissing) {
  TableWorld world;
  world.CreateTable("logs", KeepThree());
  Appended(world, 3);
  const std::string list = world.Current("logs").snapshots.front()->manifest_list;
  world.cache.Clear();
  ASSERT_THAT(world.real_io.Delete(list), IsOk());
  AppendAfterAMinute(world, "x");
  EXPECT_THAT(world.Current("logs").snapshots, SizeIs(3));
}

TEST(TableExpiry, CommitsWhateverFailsInTheStoreWhileItCleansUp) {
  for (const FaultMoment moment : {FaultMoment::kBefore, FaultMoment::kAfter}) {
    for (std::uint64_t at = 1; at < 100; ++at) {
      TableWorld world;
      world.CreateTable("logs", KeepThree({{"commit.manifest.min-count-to-merge", "3"}}));
      std::vector<std::string> names = Appended(world, 4);
      world.clock.Advance(std::chrono::minutes(1));
      world.io.Arm(at, moment);
      ASSERT_THAT(world.Commit({TableWorld::Append("logs", {"x"})}), IsOk()) << at;
      const bool fired = world.io.fired();
      world.io.Disarm();
      names.emplace_back("x");
      EXPECT_THAT(world.FilesIn("logs"), ElementsAreArray(names));
      for (const auto& snapshot : world.Current("logs").snapshots) {
        for (const ManifestFile& manifest : world.ReadList(snapshot->manifest_list)) {
          EXPECT_THAT(world.real_io.Read(manifest.manifest_path), IsOk());
        }
      }
      if (!fired) break;
    }
  }
}

// Tags, branches and roll-backs at random: every kept snapshot stays whole.
TEST(TableExpiry, KeepsEveryKeptSnapshotWholeInHistoriesOfAnyShape) {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    std::mt19937 random(seed);
    TableWorld world;
    world.CreateTable("logs", KeepThree({{"commit.manifest.min-count-to-merge", "3"}}));
    for (int step = 0; step < 40; ++step) {
      AppendAfterAMinute(world, std::to_string(1'000 + step));
      TableMetadata now = world.Current("logs");
      const auto& any = now.snapshots[random() % now.snapshots.size()];
      switch (random() % 6) {
        case 0:
          now.refs["tag"] = {.snapshot_id = any->snapshot_id, .is_branch = false};
          break;
        case 1:
          now.refs["branch"] = {.snapshot_id = any->snapshot_id, .min_snapshots_to_keep = 2};
          break;
        case 2:
          now.refs["main"].snapshot_id = any->snapshot_id;
          now.current_snapshot_id = any->snapshot_id;
          break;
        case 3:
          std::erase_if(now.refs, [](const auto& ref) { return ref.first != "main"; });
          break;
        default:
          continue;
      }
      Replace(world, now);
    }
    const TableMetadata now = world.Current("logs");
    EXPECT_LE(now.snapshots.size(), 12U);
    for (const auto& snapshot : now.snapshots) {
      for (const ManifestFile& manifest : world.ReadList(snapshot->manifest_list)) {
        EXPECT_THAT(world.real_io.Read(manifest.manifest_path), IsOk()) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace signaldb

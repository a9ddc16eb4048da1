// Commits that take files out of a table.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iceberg/commit/table_commit.h"
#include "testing/table_world.h"

namespace signaldb {
namespace {

using signaldb::testing::CommitFault;
using signaldb::testing::FaultMoment;
using signaldb::testing::IsError;
using signaldb::testing::IsErrorSaying;
using signaldb::testing::IsOk;
using signaldb::testing::TableWorld;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void Append(TableWorld& world, const std::vector<std::string>& files) {
  ASSERT_THAT(world.Commit({TableWorld::Append("logs", files)}, files.front()), IsOk());
}

TableChange Remove(const std::vector<std::string>& files,
                   const std::vector<std::string>& added = {}) {
  TableChange change = TableWorld::Append("logs", added);
  for (const std::string& file : files) change.removed_files.push_back(TableWorld::File(file));
  return change;
}

/// A plan on the table as it is now, about all files whose name begins with `prefix`.
ChangePlan PlanOn(TableWorld& world, Isolation isolation, const std::string& prefix) {
  return {.snapshot_id = world.Current("logs").current_snapshot_id,
          .isolation = isolation,
          .concerns = [prefix](const TableMetadata&, const DataFile& file) -> Result<bool> {
            return file.file_path.starts_with("memory://w/data/" + prefix);
          }};
}

TEST(TableRemove, TakesFilesOutInOneSnapshot) {
  TableWorld world;
  world.CreateTable("logs");
  Append(world, {"a", "b"});
  Append(world, {"c"});
  Append(world, {"d"});
  ASSERT_THAT(world.Commit({Remove({"b", "d"})}), IsOk());
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("a", "c"));
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
  const TableMetadata metadata = world.Current("logs");
  const Snapshot& head = *metadata.current_snapshot();
  EXPECT_EQ(head.operation, "delete");
  EXPECT_EQ(head.summary.at("deleted-data-files"), "2");
  EXPECT_EQ(head.summary.at("total-data-files"), "2");
  EXPECT_FALSE(head.summary.contains("added-data-files"));
}

TEST(TableRemove, MarksEntriesAsTheFormatWants) {
  TableWorld world;
  world.CreateTable("logs");
  Append(world, {"a", "b"});
  const TableMetadata before = world.Current("logs");
  ASSERT_THAT(world.Commit({Remove({"b"}, {"x"})}), IsOk());
  const TableMetadata metadata = world.Current("logs");
  const Snapshot& head = *metadata.current_snapshot();
  EXPECT_EQ(head.operation, "overwrite");
  int seen = 0;
  for (const ManifestFile& manifest : world.ReadList(head.manifest_list)) {
    EXPECT_EQ(manifest.sequence_number, 2);
    for (const ManifestEntry& entry : world.ReadManifest(manifest, metadata)) {
      ++seen;
      const char name = entry.data_file.file_path.back();
      EXPECT_EQ(entry.status, name == 'a'   ? EntryStatus::kExisting
                              : name == 'b' ? EntryStatus::kDeleted
                                            : EntryStatus::kAdded);
      EXPECT_EQ(entry.snapshot_id, name == 'a' ? *before.current_snapshot_id : head.snapshot_id);
      EXPECT_EQ(entry.sequence_number, name == 'x' ? 2 : 1);
      if (name != 'x') {
        EXPECT_EQ(manifest.min_sequence_number, 1);
      }
    }
  }
  EXPECT_EQ(seen, 3);
}

TEST(TableRemove, WorksOnMergedManifestsAndLeavesManifestsWithoutFilesOut) {
  TableWorld world;
  world.CreateTable("logs", {{"commit.manifest.min-count-to-merge", "2"}});
  for (const char* const name : {"a", "b", "c"}) Append(world, {name});
  ASSERT_THAT(world.Commit({Remove({"a", "c"})}), IsOk());
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("b"));
  ASSERT_THAT(world.Commit({Remove({"b"})}), IsOk());
  Append(world, {"d"});
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("d"));
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
}

TEST(TableRemove, RefusesAFileThatIsNotInTheTableAndNamesIt) {
  TableWorld world;
  world.CreateTable("logs");
  Append(world, {"a"});
  const int commits = world.catalog.commits();
  EXPECT_THAT(
      world.Commit({Remove({"a", "gone"}, {"x"})}),
      IsErrorSaying(ErrorKind::kConflict, "file=memory://w/data/gone table=acme.prod.logs"));
  EXPECT_EQ(world.catalog.commits(), commits) << "another attempt would not help";
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("a"));
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
}

TEST(TableRemove, OfTwoThatRemoveTheSameFileOneWins) {
  TableWorld world;
  world.CreateTable("logs");
  Append(world, {"a", "b"});
  world.catalog.Script({CommitFault::kConflict});
  world.catalog.AfterNextCommit(
      [&] { EXPECT_THAT(world.Commit({Remove({"a"})}, "other"), IsOk()); });
  EXPECT_THAT(world.Commit({Remove({"a"}, {"x"})}), IsError(ErrorKind::kConflict));
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("b"));
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
}

TEST(TableRemove, RebasesOnAppendsAndMergesOfOthers) {
  TableWorld world;
  world.CreateTable("logs", {{"commit.manifest.min-count-to-merge", "3"}});
  Append(world, {"a", "b"});
  world.catalog.Script({CommitFault::kConflict, CommitFault::kOutage});
  world.catalog.AfterNextCommit([&] {
    for (const char* const name : {"c", "d", "e"}) Append(world, {name});
  });
  ASSERT_THAT(world.Commit({Remove({"a"}, {"x"})}), IsOk());
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("b", "c", "d", "e", "x"));
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
}

// An append between plan and commit, by isolation level and by whether it is what the plan is
// about.
TEST(TableRemove, LooksAtWhatWasAddedSinceThePlan) {
  struct Case {
    Isolation isolation;
    const char* added;
    bool conflicts;
  };
  for (const Case& c :
       {Case{Isolation::kSerializable, "a9", true}, Case{Isolation::kSerializable, "b9", false},
        Case{Isolation::kSnapshot, "a9", false}}) {
    TableWorld world;
    world.CreateTable("logs", {{"commit.manifest.min-count-to-merge", "2"}});
    Append(world, {"a1", "b1"});
    TableChange change = Remove({"a1"});
    change.plan = PlanOn(world, c.isolation, "a");
    world.catalog.Script({CommitFault::kConflict});
    world.catalog.AfterNextCommit([&] {
      Append(world, {c.added});
      Append(world, {"c"});  // Merges the manifest of the one before.
    });
    const Result<CommitReport> report = world.Commit({change});
    if (!c.conflicts) {
      EXPECT_THAT(report, IsOk());
      EXPECT_THAT(world.FilesIn("logs"),
                  ElementsAre(c.added == std::string("a9") ? "a9" : "b1",
                              c.added == std::string("a9") ? "b1" : "b9", "c"));
      continue;
    }
    ASSERT_THAT(report, IsError(ErrorKind::kConflict));
    EXPECT_THAT(report.error().message,
                AllOf(HasSubstr("table=acme.prod.logs"), HasSubstr("file=memory://w/data/a9"),
                      HasSubstr("snapshot_id=")));
    EXPECT_THAT(world.FilesIn("logs"), ElementsAre("a1", "a9", "b1", "c"));
    EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
  }
}

TEST(TableRemove, IgnoresCompactionsAndRefusesWhenHistoryIsCut) {
  TableWorld world;
  world.CreateTable("logs");
  Append(world, {"a1"});
  TableChange change = Remove({"a1"});
  change.plan = PlanOn(world, Isolation::kSerializable, "a");
  change.plan->snapshot_id = 4711;
  EXPECT_THAT(world.Commit({change}), IsErrorSaying(ErrorKind::kConflict, "history was cut"));
  change.plan->snapshot_id.reset();
  EXPECT_THAT(world.Commit({change}), IsErrorSaying(ErrorKind::kConflict, "were added since"));
}

TEST(TableRemove, AppliesOnceWhateverTheCatalogDoes) {
  for (const CommitFault fault :
       {CommitFault::kConflict, CommitFault::kOutage, CommitFault::kLostRequest,
        CommitFault::kLostReply, CommitFault::kLateRequest}) {
    TableWorld world;
    world.CreateTable("logs", {{"commit.manifest.min-count-to-merge", "2"}});
    Append(world, {"a", "b"});
    Append(world, {"c"});
    TableChange change = Remove({"a"}, {"x"});
    change.plan = PlanOn(world, Isolation::kSerializable, "");
    world.catalog.Script({fault});
    ASSERT_THAT(world.Commit({change}), IsOk());
    EXPECT_THAT(world.FilesIn("logs"), ElementsAre("b", "c", "x"));
    EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
  }
}

TEST(TableRemove, LeavesTheTableWholeWhateverFailsInTheStore) {
  for (const FaultMoment moment : {FaultMoment::kBefore, FaultMoment::kAfter}) {
    for (std::uint64_t at = 1; at < 100; ++at) {
      TableWorld world;
      world.CreateTable("logs", {{"commit.manifest.min-count-to-merge", "3"}});
      Append(world, {"a", "b"});
      Append(world, {"c"});
      world.io.Arm(at, moment);
      const bool applied = world.Commit({Remove({"a"}, {"x"})}).has_value();
      const bool fired = world.io.fired();
      world.io.Disarm();
      EXPECT_TRUE(applied) << "one fault is outlasted, at " << at;
      EXPECT_THAT(world.FilesIn("logs"), ElementsAre("b", "c", "x"));
      if (!fired) break;
    }
  }
}

TEST(TableRemove, ItsDataFilesGoWhenTheLastSnapshotThatReadsThemExpires) {
  TableWorld world;
  world.CreateTable("logs", {{"signaldb.expire-on-commit.enabled", "true"},
                             {"history.expire.max-snapshot-age-ms", "1000"},
                             {"history.expire.min-snapshots-to-keep", "2"}});
  for (const char* const file : {"a", "b"}) {
    ASSERT_THAT(WriteFile(world.real_io, std::string("memory://w/data/") + file, "rows"), IsOk());
  }
  const auto exists = [&](const std::string& file) {
    return world.real_io.Read("memory://w/data/" + file).has_value();
  };
  Append(world, {"a", "b"});
  world.clock.Advance(std::chrono::minutes(1));
  ASSERT_THAT(world.Commit({Remove({"a"})}), IsOk());
  EXPECT_TRUE(exists("a")) << "the snapshot before still reads it";
  for (const char* const name : {"c", "d", "e"}) {
    world.clock.Advance(std::chrono::minutes(1));
    Append(world, {name});
  }
  EXPECT_FALSE(exists("a"));
  EXPECT_TRUE(exists("b"));
}

// Removed, then added again under its name: nobody should, but somebody does.
TEST(TableRemove, ADataFileThatCameBackIsNotDeletedWithTheSnapshotThatRemovedIt) {
  TableWorld world;
  world.CreateTable("logs", {{"signaldb.expire-on-commit.enabled", "true"},
                             {"history.expire.max-snapshot-age-ms", "1000"},
                             {"history.expire.min-snapshots-to-keep", "2"}});
  ASSERT_THAT(WriteFile(world.real_io, "memory://w/data/a", "rows"), IsOk());
  Append(world, {"a", "b"});
  world.clock.Advance(std::chrono::minutes(1));
  ASSERT_THAT(world.Commit({Remove({"a"})}), IsOk());
  for (const char* const name : {"a", "c", "d", "e"}) {
    world.clock.Advance(std::chrono::minutes(1));
    Append(world, {name});
  }
  EXPECT_THAT(world.real_io.Read("memory://w/data/a"), IsOk());
}

}  // namespace
}  // namespace signaldb

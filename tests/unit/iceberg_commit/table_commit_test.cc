#include "iceberg/commit/table_commit.h"

#include <deque>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/metadata_pointer.h"
#include "testing/table_world.h"

namespace signaldb {
namespace {

using signaldb::testing::CommitFault;
using signaldb::testing::IsError;
using signaldb::testing::IsErrorSaying;
using signaldb::testing::IsOk;
using signaldb::testing::IsOkAnd;
using signaldb::testing::Swap;
using signaldb::testing::TableWorld;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(TableCommitter, AppendsFilesInOneSnapshot) {
  TableWorld world;
  const LoadedTable created = world.CreateTable("logs");
  TableChange change = TableWorld::Append("logs", {"a", "b"});
  change.summary = {{"signaldb.ranges", "1-2"}};
  const Result<CommitReport> report = world.Commit({change});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->attempts, 1);
  EXPECT_FALSE(report->found_by_looking);
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("a", "b"));
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());

  const TableMetadata metadata = world.Current("logs");
  const Snapshot* const snapshot = metadata.current_snapshot();
  ASSERT_NE(snapshot, nullptr);
  EXPECT_EQ(snapshot->snapshot_id, report->snapshot_ids.at(0));
  EXPECT_EQ(snapshot->operation, "append");
  EXPECT_EQ(snapshot->sequence_number, 1);
  EXPECT_FALSE(snapshot->parent_snapshot_id.has_value());
  EXPECT_EQ(snapshot->summary.at("signaldb.commit-id"), "commit-1");
  EXPECT_EQ(snapshot->summary.at("engine-name"), "signaldb-writer");
  EXPECT_EQ(snapshot->summary.at("signaldb.ranges"), "1-2");
  EXPECT_EQ(snapshot->summary.at("total-data-files"), "2");
  ASSERT_EQ(metadata.metadata_log.size(), 1U);
  EXPECT_EQ(metadata.metadata_log[0].metadata_file, created.metadata_location);
}

TEST(TableCommitter, ChainsSnapshotsAndKeepsOlderManifests) {
  TableWorld world;
  world.CreateTable("logs");
  std::int64_t parent = 0;
  for (int i = 1; i <= 5; ++i) {
    const Result<CommitReport> report =
        world.Commit({TableWorld::Append("logs", {std::to_string(i)})});
    ASSERT_THAT(report, IsOk());
    const TableMetadata metadata = world.Current("logs");
    EXPECT_EQ(metadata.current_snapshot()->sequence_number, i);
    EXPECT_EQ(metadata.current_snapshot()->parent_snapshot_id.value_or(0), parent);
    EXPECT_EQ(metadata.current_snapshot()->summary.at("total-records"), std::to_string(i));
    parent = report->snapshot_ids.at(0);
  }
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("1", "2", "3", "4", "5"));
}

TEST(TableCommitter, KeepsTimeGoingForwardWhateverTheClockSays) {
  TableWorld world;
  world.CreateTable("logs");
  std::int64_t last = world.Current("logs").last_updated_ms;
  for (const int seconds : {1'790'000'100, 1'790'000'100, 0, -1'000, 1'790'000'099}) {
    world.clock.SetWall(std::chrono::seconds(seconds));
    ASSERT_THAT(world.Commit({TableWorld::Append("logs", {std::to_string(last)})}), IsOk());
    const TableMetadata metadata = world.Current("logs");
    EXPECT_GT(metadata.last_updated_ms, last);
    EXPECT_EQ(metadata.current_snapshot()->timestamp_ms, metadata.last_updated_ms);
    last = metadata.last_updated_ms;
  }
}

TEST(TableCommitter, SetsPropertiesWithoutASnapshotIfThereAreNoFiles) {
  TableWorld world;
  world.CreateTable("logs");
  TableChange change{.table = TableWorld::Id("logs")};
  change.on_base = [](const TableMetadata&) { return Properties{{"k", "v"}}; };
  const Result<CommitReport> report = world.Commit({change});
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->snapshot_ids, ElementsAre(0));
  EXPECT_EQ(world.Current("logs").properties.at("k"), "v");
  EXPECT_EQ(world.Current("logs").current_snapshot(), nullptr);
}

// What the catalog does to a commit, what the caller must be told, and how often the rows are in.
TEST(TableCommitter, TellsTheTruthWhateverTheCatalogDoes) {
  using enum CommitFault;
  struct Case {
    const char* name;
    std::deque<CommitFault> script;
    CommitFault then;
    std::optional<ErrorKind> error;
    bool is_in;
    int commits;
  };
  const Case cases[] = {
      {"clean", {}, kNone, {}, true, 1},
      {"conflict", {kConflict}, kNone, {}, true, 2},
      {"conflict for ever", {}, kConflict, ErrorKind::kConflict, false, 4},
      {"outage", {kOutage}, kNone, {}, true, 2},
      {"outage for ever", {}, kOutage, ErrorKind::kUnavailable, false, 4},
      {"lost reply", {kLostReply}, kNone, {}, true, 1},
      {"lost reply at the last attempt",
       {kOutage, kOutage, kOutage, kLostReply},
       kNone,
       ErrorKind::kUnknownOutcome,
       true,
       4},
      {"lost request", {kLostRequest}, kNone, {}, true, 2},
      {"lost request for ever", {}, kLostRequest, ErrorKind::kUnknownOutcome, false, 4},
      {"lost request then outage stays unknown",
       {kLostRequest},
       kOutage,
       ErrorKind::kUnknownOutcome,
       false,
       4},
      {"lost request then conflict for ever stays unknown",
       {kLostRequest},
       kConflict,
       ErrorKind::kUnknownOutcome,
       false,
       4},
      {"late request is found", {kLateRequest}, kNone, {}, true, 2},
      {"late request, then outage", {kLateRequest, kOutage}, kNone, {}, true, 2},
      {"late request twice", {kLateRequest, kLateRequest}, kNone, {}, true, 2},
      {"invalid stops at once", {kInvalid}, kNone, ErrorKind::kInvalid, false, 1},
      {"lost request then invalid stays unknown",
       {kLostRequest, kInvalid},
       kNone,
       ErrorKind::kUnknownOutcome,
       false,
       2},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    TableWorld world;
    world.CreateTable("a");
    world.CreateTable("b");
    const int commits_before = world.catalog.commits();
    world.catalog.Script(c.script, c.then);
    const Result<CommitReport> report =
        world.Commit({TableWorld::Append("a", {"x"}), TableWorld::Append("b", {"y"})});
    if (c.error.has_value()) {
      EXPECT_THAT(report, IsError(*c.error));
    } else {
      EXPECT_THAT(report, IsOk());
    }
    EXPECT_EQ(world.catalog.commits() - commits_before, c.commits);
    const std::vector<std::string> none;
    EXPECT_EQ(world.FilesIn("a"), c.is_in ? std::vector<std::string>{"x"} : none);
    EXPECT_EQ(world.FilesIn("b"), c.is_in ? std::vector<std::string>{"y"} : none);
    // What is certain leaves no garbage; what is not deletes nothing.
    const bool unsure = c.error == ErrorKind::kUnknownOutcome;
    if (unsure && !c.is_in) {
      EXPECT_FALSE(world.Unreachable("a").empty());
    }
    if (!unsure) {
      EXPECT_THAT(world.Unreachable("a"), IsEmpty());
      EXPECT_THAT(world.Unreachable("b"), IsEmpty());
    }
  }
}

TEST(TableCommitter, StaysUnknownWhenTheTableCannotBeReadAfterALostReply) {
  TableWorld world;
  world.CreateTable("logs");
  TableChange change = TableWorld::Append("logs", {"x"});
  change.on_base = [&](const TableMetadata&) -> Result<Properties> {
    world.catalog.FailReads(100);  // From the first attempt's look on.
    return Properties{};
  };
  world.catalog.Script({CommitFault::kLostReply});
  EXPECT_THAT(world.Commit({change}), IsError(ErrorKind::kUnknownOutcome));
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("x"));
}

// Our metadata file has left the log by the time we look: the snapshot still tells.
TEST(TableCommitter, FindsItsCommitUnderManyLaterOnes) {
  TableWorld world;
  world.CreateTable("logs", {{"write.metadata.previous-versions-max", "1"}});
  world.catalog.Script({CommitFault::kLostReply});
  world.catalog.AfterNextCommit([&] {
    for (const char* const name : {"1", "2", "3"}) {
      EXPECT_THAT(world.Commit({TableWorld::Append("logs", {name})}, name), IsOk());
    }
  });
  const Result<CommitReport> report = world.Commit({TableWorld::Append("logs", {"x"})});
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->found_by_looking);
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("1", "2", "3", "x"));
}

// Without a snapshot only the metadata log tells.
TEST(TableCommitter, FindsItsPropertiesUnderALaterCommit) {
  TableWorld world;
  world.CreateTable("logs");
  world.catalog.Script({CommitFault::kLostReply});
  world.catalog.AfterNextCommit(
      [&] { EXPECT_THAT(world.Commit({TableWorld::Append("logs", {"1"})}, "1"), IsOk()); });
  TableChange change{.table = TableWorld::Id("logs")};
  int asked = 0;
  change.on_base = [&](const TableMetadata&) {
    return Properties{{"asked", std::to_string(++asked)}};
  };
  const Result<CommitReport> report = world.Commit({change});
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->found_by_looking);
  EXPECT_EQ(asked, 1);
}

TEST(TableCommitter, KeepsSnapshotIdAndManifestsOverAttempts) {
  TableWorld world;
  world.CreateTable("logs");
  world.catalog.Script({CommitFault::kConflict, CommitFault::kOutage});
  const Result<CommitReport> report = world.Commit({TableWorld::Append("logs", {"x"})});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->attempts, 3);
  EXPECT_EQ(report->lost_races, 1) << "an outage is none";
  const TableMetadata metadata = world.Current("logs");
  EXPECT_EQ(metadata.snapshots.size(), 1U);
  const std::vector<ManifestFile> list = world.ReadList(metadata.current_snapshot()->manifest_list);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_TRUE(list[0].manifest_path.ends_with("-m0.avro")) << list[0].manifest_path;
  EXPECT_TRUE(metadata.current_snapshot()->manifest_list.contains("-3-"));
}

TEST(TableCommitter, RebasesOnWhatOthersCommitted) {
  TableWorld world;
  world.CreateTable("logs");
  int bases = 0;
  TableChange change = TableWorld::Append("logs", {"ours"});
  change.on_base = [&](const TableMetadata& base) -> Result<Properties> {
    // Somebody commits after we looked, once.
    if (bases++ == 0) {
      EXPECT_THAT(world.Commit({TableWorld::Append("logs", {"theirs"})}, "commit-2"), IsOk());
    } else {
      EXPECT_EQ(base.snapshots.size(), 1U);
    }
    return Properties{{"seen", std::to_string(bases)}};
  };
  const Result<CommitReport> report = world.Commit({change});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->attempts, 2);
  EXPECT_THAT(world.FilesIn("logs"), ElementsAre("ours", "theirs"));
  EXPECT_EQ(world.Current("logs").properties.at("seen"), "2");
  EXPECT_EQ(world.Current("logs").current_snapshot()->sequence_number, 2);
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
}

TEST(TableCommitter, GivesUpAtOnceWhenTheBaseIsRefused) {
  TableWorld world;
  world.CreateTable("a");
  world.CreateTable("b");
  const int commits_before = world.catalog.commits();
  TableChange refused = TableWorld::Append("b", {"y"});
  int asked = 0;
  refused.on_base = [&](const TableMetadata&) -> Result<Properties> {
    ++asked;
    return Fail(ErrorKind::kConflict, "position is covered");
  };
  EXPECT_THAT(world.Commit({TableWorld::Append("a", {"x"}), refused}),
              IsErrorSaying(ErrorKind::kConflict, "covered"));
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(world.catalog.commits(), commits_before);
  EXPECT_THAT(world.FilesIn("a"), IsEmpty());
  EXPECT_THAT(world.Unreachable("a"), IsEmpty());
}

TEST(TableCommitter, DoesNothingOnceStopped) {
  TableWorld world;
  world.CreateTable("logs");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(world.committer.Commit("c", {TableWorld::Append("logs", {"x"})}, stop.get_token()),
              IsError(ErrorKind::kCancelled));
  EXPECT_THAT(world.FilesIn("logs"), IsEmpty());
}

TEST(TableCommitter, RefusesCommitsThatMakeNoSense) {
  TableWorld world;
  world.CreateTable("logs");
  EXPECT_THAT(world.Commit({}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(world.Commit({TableWorld::Append("logs", {"x"}), TableWorld::Append("logs", {"y"})}),
              IsErrorSaying(ErrorKind::kInvalid, "twice"));
  EXPECT_THAT(world.Commit({TableWorld::Append("logs", {"x", "x"})}),
              IsErrorSaying(ErrorKind::kInvalid, "twice"));
  EXPECT_THAT(world.Commit({TableWorld::Append("none", {"x"})}), IsError(ErrorKind::kNotFound));
}

// Everything a foreign writer may do to a table between our writing the files and committing them.
TEST(TableCommitter, JudgesFilesByTheTableTheyMeet) {
  struct Case {
    const char* name;
    std::function<void(TableMetadata&)> change;
    std::function<void(TableChange&)> ours;
    std::optional<std::string> error;  ///< A part of the message of kInvalid.
  };
  const auto nothing = [](TableChange&) {};
  const auto schema_zero = [](TableChange& c) { c.schema_id = 0; };
  const auto with_fields = [](std::function<void(std::vector<Field>&)> change) {
    return [change = std::move(change)](TableMetadata& m) {
      auto schema = std::make_shared<Schema>(m.schema());
      schema->schema_id = 1;
      change(schema->fields);
      m.schemas.push_back(schema);
      m.current_schema_id = 1;
      m.last_column_id = 3;
    };
  };
  const Case cases[] = {
      {"optional column added",
       [](TableMetadata& m) {
         Schema schema = m.schema();
         schema.fields.push_back({.id = 3, .name = "more", .type = Type(TypeId::kString)});
         EXPECT_THAT(EvolveSchema(m, schema), IsOk());
       },
       schema_zero,
       {}},
      {"required column added",
       [](TableMetadata& m) {
         auto schema = std::make_shared<Schema>(m.schema());
         schema->schema_id = 1;
         schema->fields.push_back(
             {.id = 3, .name = "more", .required = true, .type = Type(TypeId::kString)});
         m.schemas.push_back(schema);
         m.current_schema_id = 1;
         m.last_column_id = 3;
       },
       schema_zero, "more"},
      {"column replaced by another of its name", with_fields([](std::vector<Field>& fields) {
         fields[0].name = "old";
         fields.push_back({.id = 3, .name = "id", .type = fields[0].type});
       }),
       schema_zero, "column=id"},
      {"column renamed", with_fields([](std::vector<Field>& fields) { fields[0].name = "key"; }),
       schema_zero, "column=id"},
      {"column dropped", with_fields([](std::vector<Field>& fields) { fields.pop_back(); }),
       schema_zero, "was dropped"},
      {"column of another type",
       with_fields([](std::vector<Field>& fields) { fields[0].type = Type(TypeId::kDouble); }),
       schema_zero, "column=id"},
      {"schema of the files removed", [](TableMetadata&) {},
       [](TableChange& c) { c.schema_id = 7; }, "schema_id=7"},
      {"spec of the files removed", [](TableMetadata&) {},
       [](TableChange& c) { c.added_files[0].spec_id = 5; }, "spec_id=5"},
      {"partitioned since",
       [](TableMetadata& m) {
         m.partition_specs.push_back(std::make_shared<PartitionSpec>(
             PartitionSpec{.spec_id = 1,
                           .fields = {{.source_id = 1,
                                       .field_id = 1000,
                                       .name = "id",
                                       .transform = Transform::FromText("identity")}}}));
         m.default_spec_id = 1;
         m.last_partition_id = 1000;
       },
       nothing,
       {}},
      {"format version 1", [](TableMetadata& m) { m.format_version = 1; }, nothing,
       "format_version=1"},
      {"format version 3",
       [](TableMetadata& m) {
         m.format_version = 3;
         m.next_row_id = 0;
       },
       nothing, "format_version=3"},
      {"another table under the name", [](TableMetadata&) {},
       [](TableChange& c) { c.table_uuid = "11111111-1111-4111-8111-111111111111"; },
       "another table"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    TableWorld world;
    const LoadedTable table = world.CreateTable("logs");
    TableMetadata metadata = world.ReadMetadata(table.metadata_location);
    c.change(metadata);
    const std::string foreign = "memory://w/logs/metadata/00001-foreign.metadata.json";
    ASSERT_THAT(WriteFile(world.real_io, foreign, SerializeTableMetadata(metadata)), IsOk());
    const PointerUpdate update = Swap(TableWorld::Id("logs"), table.metadata_location, foreign);
    ASSERT_THAT(world.real_catalog->Commit({&update, 1}), IsOk());
    TableChange ours = TableWorld::Append("logs", {"x"});
    c.ours(ours);
    const Result<CommitReport> report = world.Commit({ours});
    if (c.error.has_value()) {
      EXPECT_THAT(report, IsErrorSaying(ErrorKind::kInvalid, *c.error));
    } else {
      ASSERT_THAT(report, IsOk());
      EXPECT_THAT(world.FilesIn("logs"), ElementsAre("x"));
    }
  }
}

TEST(TableCommitter, DoesNotTouchATableWhoseFilesAreMissing) {
  TableWorld world;
  world.CreateTable("logs");
  ASSERT_THAT(world.Commit({TableWorld::Append("logs", {"x"})}), IsOk());
  const TableMetadata metadata = world.Current("logs");
  world.cache.Clear();
  ASSERT_THAT(world.real_io.Delete(metadata.current_snapshot()->manifest_list), IsOk());
  EXPECT_THAT(world.Commit({TableWorld::Append("logs", {"y"})}), IsError(ErrorKind::kCorrupt));
  const std::string location =
      world.real_catalog->MetadataLocation(TableWorld::Id("logs")).value_or("");
  ASSERT_THAT(world.real_io.Delete(location), IsOk());
  world.cache.Clear();
  EXPECT_THAT(world.Commit({TableWorld::Append("logs", {"y"})}),
              IsErrorSaying(ErrorKind::kCorrupt, location));
  EXPECT_THAT(world.committer.Load(TableWorld::Id("logs")), IsError(ErrorKind::kCorrupt));
}

TEST(TableCommitter, DoesNotCommitOnABaseThatIsOnlyInItsCache) {
  TableWorld world;
  const LoadedTable base = world.CreateTable("t");
  const std::string bytes = world.real_io.Read(base.metadata_location).value();
  ASSERT_THAT(world.real_io.Delete(base.metadata_location), IsOk());
  EXPECT_THAT(world.Commit({TableWorld::Append("t", {"a"})}),
              IsErrorSaying(ErrorKind::kCorrupt, base.metadata_location));
  EXPECT_THAT(world.real_catalog->MetadataLocation(TableWorld::Id("t")),
              IsOkAnd(base.metadata_location));
  ASSERT_THAT(WriteFile(world.real_io, base.metadata_location, bytes), IsOk());
  EXPECT_THAT(world.Commit({TableWorld::Append("t", {"a"})}), IsOk());
}

// One thread is slow, others of the same process are not: what it reads is old, but not put back.
TEST(TableCommitter, IsOvertakenByOthersOfItsProcessAgainAndAgain) {
  TableWorld world;
  world.CreateTable("t");
  int others = 0;
  world.catalog.AfterReads([&] {
    if (others == 20) return;
    const std::string name = "other-" + std::to_string(++others);
    ASSERT_THAT(world.Commit({TableWorld::Append("t", {name})}, name), IsOk());
  });
  EXPECT_THAT(world.committer.Load(TableWorld::Id("t")), IsOk());
  EXPECT_THAT(world.committer.Load(TableWorld::Id("t")), IsOk());
  EXPECT_EQ(others, 2);
  // What is known of the table does not go back with the slow one.
  EXPECT_EQ(world.cache.LastSeen(TableWorld::Id("t"))->metadata->last_sequence_number, 2);
}

TEST(TableCommitter, NoticesACatalogThatWasPutBackFromAnOlderCopy) {
  TableWorld world;
  world.CreateTable("t");
  ASSERT_THAT(world.Commit({TableWorld::Append("t", {"a"})}), IsOk());
  const std::string older = world.real_catalog->MetadataLocation(TableWorld::Id("t")).value();
  ASSERT_THAT(world.Commit({TableWorld::Append("t", {"b"})}), IsOk());
  const std::string newer = world.real_catalog->MetadataLocation(TableWorld::Id("t")).value();
  const auto move = [&](const std::string& from, const std::string& to) {
    const PointerUpdate update{.table = TableWorld::Id("t"), .expected = from, .next = to};
    ASSERT_THAT(world.real_catalog->Commit({&update, 1}), IsOk());
  };
  move(newer, older);
  EXPECT_THAT(world.Commit({TableWorld::Append("t", {"c"})}),
              IsErrorSaying(ErrorKind::kCorrupt, "older state"));
  EXPECT_THAT(world.FilesIn("t"), ElementsAre("a"));
  move(older, newer);
  EXPECT_THAT(world.Commit({TableWorld::Append("t", {"c"})}), IsOk());
  EXPECT_THAT(world.FilesIn("t"), ElementsAre("a", "b", "c"));
}

TEST(TableCommitter, DeletesMetadataThatFellOffTheLogOnlyIfAsked) {
  for (const bool asked : {false, true}) {
    TableWorld world;
    world.CreateTable("logs",
                      {{"write.metadata.previous-versions-max", "2"},
                       {"write.metadata.delete-after-commit.enabled", asked ? "true" : "false"}});
    for (int i = 0; i < 6; ++i) {
      ASSERT_THAT(world.Commit({TableWorld::Append("logs", {std::to_string(i)})}), IsOk());
    }
    const std::vector<std::string> unreachable = world.Unreachable("logs");
    EXPECT_EQ(unreachable.size(), asked ? 0U : 4U);
    EXPECT_THAT(world.FilesIn("logs"), ::testing::SizeIs(6));
  }
}

TEST(TableCommitter, KeepsManifestsFewByMergingThem) {
  for (const bool retried : {false, true}) {
    TableWorld world;
    world.CreateTable("logs", {{"commit.manifest.min-count-to-merge", "3"}});
    std::vector<std::string> names;
    for (int i = 0; i < 8; ++i) {
      names.push_back(std::to_string(i));
      if (retried) world.catalog.Script({CommitFault::kConflict, CommitFault::kLostReply});
      ASSERT_THAT(world.Commit({TableWorld::Append("logs", {names.back()})}), IsOk());
      EXPECT_EQ(world.FilesIn("logs"), names);
      EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
    }
    const TableMetadata metadata = world.Current("logs");
    const std::vector<ManifestFile> list =
        world.ReadList(metadata.current_snapshot()->manifest_list);
    EXPECT_LE(list.size(), 3U);
    std::int64_t sequence_number = 0;
    for (const ManifestFile& manifest : list) {
      for (const ManifestEntry& entry : world.ReadManifest(manifest, metadata)) {
        sequence_number += entry.sequence_number.value_or(-100);
      }
    }
    EXPECT_EQ(sequence_number, 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8);
  }
}

TEST(TableCommitter, MergesNothingIfTheTableSaysSo) {
  TableWorld world;
  world.CreateTable("logs", {{"commit.manifest.min-count-to-merge", "2"},
                             {"commit.manifest-merge.enabled", "false"}});
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(world.Commit({TableWorld::Append("logs", {std::to_string(i)})}), IsOk());
  }
  EXPECT_EQ(world.ReadList(world.Current("logs").current_snapshot()->manifest_list).size(), 5U);
}

TEST(TableCommitter, CreatesATableAndItsNamespaceOnce) {
  TableWorld world;
  const LoadedTable first = world.CreateTable("logs");
  const LoadedTable second = world.CreateTable("logs");
  EXPECT_EQ(first.metadata_location, second.metadata_location);
  EXPECT_FALSE(first.metadata->table_uuid.empty());
  EXPECT_THAT(world.Unreachable("logs"), IsEmpty());
  EXPECT_THAT(world.committer.Load(TableWorld::Id("spans")), IsError(ErrorKind::kNotFound));
}

TEST(TableCommitter, CreatesATableWhateverTheCatalogDoes) {
  using enum CommitFault;
  for (const CommitFault fault : {kConflict, kOutage, kLostRequest, kLostReply, kLateRequest}) {
    TableWorld world;
    world.catalog.Script({fault});
    const Result<LoadedTable> made =
        world.committer.LoadOrCreate(TableWorld::Id("logs"), TableWorld::Definition("logs"));
    // A conflict that is no conflict: nobody else's table is there, so it stays an error or heals.
    ASSERT_TRUE(made.has_value() || fault == kConflict) << made.error().message;
    if (!made.has_value()) continue;
    EXPECT_EQ(world.real_catalog->MetadataLocation(TableWorld::Id("logs")).value_or(""),
              made->metadata_location);
    EXPECT_THAT(world.Commit({TableWorld::Append("logs", {"x"})}), IsOk());
  }
}

TEST(TableCommitter, ReadsOldTablesForLookingOnly) {
  TableWorld world;
  world.CreateTable("logs");
  const Result<LoadedTable> fresh = world.committer.LoadForReading(TableWorld::Id("logs"));
  ASSERT_THAT(fresh, IsOk());
  TableMetadata metadata = *fresh->metadata;
  metadata.properties["foreign"] = "yes";
  const std::string foreign = "memory://w/logs/metadata/00001-foreign.metadata.json";
  ASSERT_THAT(WriteFile(world.real_io, foreign, SerializeTableMetadata(metadata)), IsOk());
  const PointerUpdate update = Swap(TableWorld::Id("logs"), fresh->metadata_location, foreign);
  ASSERT_THAT(world.real_catalog->Commit({&update, 1}), IsOk());
  EXPECT_EQ(world.committer.LoadForReading(TableWorld::Id("logs"))->metadata_location,
            fresh->metadata_location);
  EXPECT_EQ(world.committer.Load(TableWorld::Id("logs"))->metadata_location, foreign);
  world.clock.Advance(std::chrono::hours(1));
  EXPECT_EQ(world.committer.LoadForReading(TableWorld::Id("logs"))->metadata_location, foreign);
}

}  // namespace
}  // namespace signaldb

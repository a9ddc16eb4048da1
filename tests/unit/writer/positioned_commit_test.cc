#include "writer/positioned_commit.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"
#include "testing/table_rows.h"
#include "testing/table_world.h"

namespace signaldb::testing {
namespace {

using Counts = std::map<std::string, int>;

const SourceKey kSource = "log/test";

std::shared_ptr<arrow::RecordBatch> RowsOf(const std::vector<std::string>& bodies) {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  for (const std::string& body : bodies) {
    EXPECT_TRUE(ids.Append(static_cast<std::int64_t>(ids.length())).ok());
    EXPECT_TRUE(texts.Append(body).ok());
  }
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64(), false),
                                                 arrow::field("body", arrow::utf8())}),
                                  static_cast<std::int64_t>(bodies.size()),
                                  {ids.Finish().ValueOrDie(), texts.Finish().ValueOrDie()});
}

class PositionedCommitTest : public ::testing::Test {
 protected:
  struct Message {
    std::string table;
    SourcePosition position;
    std::string body;
    std::shared_ptr<const SourceLane> lane = nullptr;  // The test's own.
    Delivery delivery = Delivery::kAgain;
  };

  // A cut with these messages.
  std::unique_ptr<PositionedCommit> Cut(TableWorld& in, const std::vector<Message>& messages) {
    std::map<std::string, std::vector<PositionedRows>> by_table;
    for (const Message& m : messages)
      by_table[m.table].push_back(
          {m.lane ? m.lane : lane, m.position, RowsOf({m.body}), m.delivery});
    std::vector<PositionedTable> tables;
    for (auto& [name, rows] : by_table) {
      tables.push_back(
          {.table = TableWorld::Id(name),
           .definition = [name] { return Result<NewTable>(TableWorld::Definition(name)); },
           .messages = std::move(rows)});
    }
    return std::make_unique<PositionedCommit>(
        CommitCollaborators{in.committer, in.io, in.clock, in.random, in.events}, FileOptions{},
        std::move(tables));
  }
  std::unique_ptr<PositionedCommit> Cut(const std::vector<Message>& messages) {
    return Cut(world, messages);
  }

  // Attempts until it succeeds, as the scheduler does.
  static void Drive(PositionedCommit& commit) {
    Status status;
    for (int i = 0; i < 10; ++i) {
      status = commit.Attempt({});
      if (status) return;
    }
    FAIL() << status.error().message;
  }

  static Counts Rows(TableWorld& in, const std::string& table) {
    auto counts = CountColumn(*in.real_catalog, in.real_io, TableWorld::Id(table), "body");
    EXPECT_THAT(counts, IsOk());
    return counts.value_or(Counts{});
  }
  Counts Rows(const std::string& table) { return Rows(world, table); }

  static std::vector<std::string> StoredDataFiles(TableWorld& in) {
    std::vector<std::string> files =
        in.real_io.List("memory://w/").value_or(std::vector<std::string>());
    std::erase_if(files, [](const std::string& f) { return !f.ends_with(".parquet"); });
    return files;
  }
  std::vector<std::string> StoredDataFiles() { return StoredDataFiles(world); }

  Coverage Covered(const std::string& table) {
    return CoverageOf(kSource, world.Current(table).properties).value_or(Coverage{});
  }

  // As another engine would: the same table without our property.
  void RemoveWatermark(const std::string& table) {
    const std::string old =
        world.real_catalog->MetadataLocation(TableWorld::Id(table)).value_or("");
    TableMetadata metadata = world.ReadMetadata(old);
    ASSERT_EQ(metadata.properties.erase(WatermarkProperty(kSource)), 1u);
    Publish(table, metadata, old);
  }

  void Publish(const std::string& table, const TableMetadata& metadata,
               std::optional<std::string> old) {
    const std::string next = NextMetadataLocation(metadata, old, ToString(UuidV4(world.random)));
    const Result<std::string> bytes = EncodeMetadataFile(metadata);
    ASSERT_THAT(bytes, IsOk());
    ASSERT_THAT(WriteFile(world.real_io, next, *bytes), IsOk());
    const PointerUpdate update{.table = TableWorld::Id(table), .expected = old, .next = next};
    ASSERT_THAT(world.real_catalog->Commit({&update, 1}), IsOk());
  }

  // Another process drops the table and makes a new one of the same name.
  void Replace(const std::string& table) {
    ASSERT_THAT(world.real_catalog->DropTable(TableWorld::Id(table)), IsOk());
    NewTable definition = TableWorld::Definition(table);
    definition.location += "-again";
    definition.table_uuid = ToString(UuidV4(world.random));
    definition.now_ms = ToMillis(world.clock.WallNow());
    const Result<TableMetadata> made = MakeTableMetadata(std::move(definition));
    ASSERT_THAT(made, IsOk());
    Publish(table, *made, std::nullopt);
  }

  TableWorld world;
  const std::shared_ptr<const SourceLane> lane =
      std::make_shared<SourceLane>(kSource, LaneOrder::kInOrder);
};

TEST_F(PositionedCommitTest, BringsTheRowsOfAllTablesInWithTheirWatermark) {
  auto cut = Cut({{"a", 1, "one"}, {"b", 1, "one"}, {"a", 3, "three"}});
  EXPECT_THAT(cut->Attempt({}), IsOk());
  EXPECT_EQ(Rows("a"), (Counts{{"one", 1}, {"three", 1}}));
  EXPECT_EQ(Rows("b"), (Counts{{"one", 1}}));
  EXPECT_EQ(Covered("a"), (Coverage{.low = 3}));
  EXPECT_EQ(Covered("b"), (Coverage{.low = 3}));
  cut.reset();
  EXPECT_EQ(StoredDataFiles().size(), 2u) << "files that tables own must stay";
}

TEST_F(PositionedCommitTest, KeepsTheSummaryShortWhateverTheGaps) {
  std::vector<Message> messages;
  for (SourcePosition p = 1; p < 400; p += 2) messages.push_back({"a", p, std::to_string(p)});
  EXPECT_THAT(Cut(messages)->Attempt({}), IsOk());
  const TableMetadata table = world.Current("a");
  EXPECT_EQ(table.current_snapshot()->summary.at("signaldb.ranges"), "log/test=1-399");
}

TEST_F(PositionedCommitTest, AddsTheRowsOnceWhateverBecomesOfReplies) {
  struct Case {
    const char* name;
    std::deque<CommitFault> script;
  };
  // One try a call: what the committer itself would find out is left to the next attempt.
  for (const Case& c : std::vector<Case>{
           {"lost request", {CommitFault::kNone, CommitFault::kLostRequest}},
           {"lost reply", {CommitFault::kNone, CommitFault::kLostReply}},
           {"late request", {CommitFault::kNone, CommitFault::kLateRequest}},
           {"late request, then an outage",
            {CommitFault::kNone, CommitFault::kLateRequest, CommitFault::kOutage}},
           {"late twice",
            {CommitFault::kNone, CommitFault::kLateRequest, CommitFault::kLateRequest}},
           {"conflict", {CommitFault::kNone, CommitFault::kConflict}},
           {"creation's reply lost", {CommitFault::kLostReply, CommitFault::kLostReply}},
           {"refused", {CommitFault::kNone, CommitFault::kInvalid}},
       }) {
    SCOPED_TRACE(c.name);
    TableWorld fresh(std::make_unique<MemoryCatalog>(), {.retry = {.max_attempts = 1}});
    fresh.catalog.Script(c.script);
    Drive(*Cut(fresh, {{"a", 1, "one"}, {"a", 2, "two"}}));
    EXPECT_EQ(Rows(fresh, "a"), (Counts{{"one", 1}, {"two", 1}}));
    Drive(*Cut(fresh, {{"a", 1, "one"}, {"a", 2, "two"}, {"a", 3, "three"}}));
    EXPECT_EQ(Rows(fresh, "a"), (Counts{{"one", 1}, {"two", 1}, {"three", 1}}));
  }
}

TEST_F(PositionedCommitTest, DeletesNoFileOnceTheOutcomeIsUnknown) {
  world.CreateTable("a");
  world.catalog.Script({}, CommitFault::kLostRequest);
  auto cut = Cut({{"a", 1, "one"}});
  EXPECT_THAT(cut->Attempt({}), IsError(ErrorKind::kUnknownOutcome));
  const auto files = StoredDataFiles();
  ASSERT_EQ(files.size(), 1u);
  EXPECT_THAT(cut->Attempt({}), IsError(ErrorKind::kUnknownOutcome));
  EXPECT_EQ(StoredDataFiles(), files) << "nothing is encoded twice without need";
  cut.reset();
  EXPECT_EQ(StoredDataFiles(), files) << "the request may still land";
}

TEST_F(PositionedCommitTest, DeletesItsFilesWhenItIsGivenUpForCertain) {
  world.CreateTable("a");
  world.catalog.Script({}, CommitFault::kOutage);
  auto cut = Cut({{"a", 1, "one"}});
  EXPECT_THAT(cut->Attempt({}), IsError(ErrorKind::kUnavailable));
  EXPECT_EQ(StoredDataFiles().size(), 1u) << "kept for the next attempt";
  cut.reset();
  EXPECT_TRUE(StoredDataFiles().empty());
}

TEST_F(PositionedCommitTest, AddsOnlyWhatEachTableLacks) {
  EXPECT_THAT(Cut({{"a", 1, "one"}, {"a", 2, "two"}})->Attempt({}), IsOk());
  // After a crash the source gives everything again; table b never got its part.
  EXPECT_THAT(
      Cut({{"a", 1, "one"}, {"b", 1, "one"}, {"a", 2, "two"}, {"a", 3, "three"}})->Attempt({}),
      IsOk());
  EXPECT_EQ(Rows("a"), (Counts{{"one", 1}, {"two", 1}, {"three", 1}}));
  EXPECT_EQ(Rows("b"), (Counts{{"one", 1}}));
  EXPECT_EQ(Covered("b"), (Coverage{.low = 3}));
  EXPECT_THAT(Cut({{"a", 1, "one"}, {"b", 1, "one"}})->Attempt({}), IsOk());
  EXPECT_EQ(Rows("b"), (Counts{{"one", 1}})) << "covered by all: nothing to do";
}

TEST_F(PositionedCommitTest, GivesItsFilesUpWhenAZombieWasFirst) {
  world.CreateTable("a");
  world.catalog.Script({CommitFault::kConflict});
  world.catalog.AfterNextCommit([this] { Drive(*Cut({{"a", 1, "one"}})); });
  auto cut = Cut({{"a", 1, "one"}, {"a", 2, "two"}});
  EXPECT_THAT(cut->Attempt({}), IsErrorSaying(ErrorKind::kConflict, "position=1"));
  EXPECT_THAT(cut->Attempt({}), IsOk());
  cut.reset();
  EXPECT_EQ(Rows("a"), (Counts{{"one", 1}, {"two", 1}}));
  EXPECT_EQ(StoredDataFiles().size(), 2u) << "the file with both rows is gone";
}

TEST_F(PositionedCommitTest, CountsTheRacesThatItLost) {
  world.CreateTable("a");
  world.catalog.Script({CommitFault::kConflict, CommitFault::kConflict});
  auto cut = Cut({{"a", 1, "one"}});
  EXPECT_THAT(cut->Attempt({}), IsOk());
  EXPECT_EQ(cut->lost_races(), 2);
}

TEST_F(PositionedCommitTest, KeepsAWatermarkForEveryLaneOfACut) {
  const auto kafka = std::make_shared<SourceLane>("kafka/orders/0", LaneOrder::kInOrder);
  Drive(*Cut({{"a", 1, "one"}, {"a", 50, "fifty", kafka}, {"b", 51, "b", kafka}}));
  const Properties properties = world.Current("a").properties;
  EXPECT_THAT(CoverageOf(kSource, properties), IsOkAnd(Coverage{.low = 1}));
  EXPECT_THAT(CoverageOf(kafka->key(), properties), IsOkAnd(Coverage{.low = 51}))
      << "what lies up to the end of the cut has no rows for this table";
  EXPECT_THAT(CoverageOf(kSource, world.Current("b").properties), IsOkAnd(Coverage{}));
  // The lanes' positions are their own.
  Drive(*Cut({{"a", 51, "log", lane}, {"a", 50, "fifty", kafka}}));
  EXPECT_EQ(Rows("a"), (Counts{{"one", 1}, {"fifty", 1}, {"log", 1}}));
}

TEST_F(PositionedCommitTest, ListsWhatALaneInAnyOrderBroughtUntilTheFloorPassesIt) {
  const auto nats = std::make_shared<SourceLane>("nats/s/1/c", LaneOrder::kAnyOrder);
  Drive(*Cut({{"a", 7, "seven", nats}, {"a", 5, "five", nats}, {"a", 6, "six", nats}}));
  const auto covered = [&] {
    return CoverageOf(nats->key(), world.Current("a").properties).value_or(Coverage{});
  };
  EXPECT_EQ(covered(), (Coverage{.low = 0, .above = {{5, 7}}}));
  Drive(*Cut({{"a", 3, "three", nats}, {"a", 6, "six", nats}}));
  EXPECT_EQ(Rows("a"), (Counts{{"three", 1}, {"five", 1}, {"six", 1}, {"seven", 1}}));
  nats->RaiseFloor(5);
  Drive(*Cut({{"a", 9, "nine", nats}}));
  EXPECT_EQ(covered(), (Coverage{.low = 7, .above = {{9, 9}}}));
}

TEST_F(PositionedCommitTest, ListsWhatALaneInAnyOrderBroughtFromTheFirstPositionOn) {
  const auto nats = std::make_shared<SourceLane>("nats/s/1/c", LaneOrder::kAnyOrder);
  Drive(*Cut({{"a", 1, "one", nats}, {"a", 2, "two", nats}, {"a", 4, "four", nats}}));
  EXPECT_THAT(CoverageOf(nats->key(), world.Current("a").properties),
              IsOkAnd(Coverage{.low = 2, .above = {{4, 4}}}));
  Drive(*Cut({{"a", 1, "one", nats}, {"a", 2, "two", nats}}));
  EXPECT_EQ(Rows("a"), (Counts{{"one", 1}, {"two", 1}, {"four", 1}}));
}

TEST_F(PositionedCommitTest, KnowsWhatALaneInAnyOrderBroughtToATableThatLostItsWatermark) {
  const auto nats = std::make_shared<SourceLane>("nats/s/1/c", LaneOrder::kAnyOrder);
  Drive(*Cut({{"a", 1, "log"}, {"a", 7, "seven", nats}, {"a", 5, "five", nats}}));
  TableMetadata metadata = world.Current("a");
  metadata.properties.erase(WatermarkProperty(nats->key()));
  EXPECT_THAT(CoverageIn(*nats, metadata), IsOkAnd(Coverage{.low = 0, .above = {{5, 5}, {7, 7}}}));
  metadata.properties.erase(WatermarkProperty(kSource));
  EXPECT_THAT(CoverageIn(*lane, metadata), IsOkAnd(Coverage{.low = 1}));
}

TEST_F(PositionedCommitTest, SaysSoWhenAnotherProcessUsesThePositionsOfANewMessage) {
  Drive(*Cut({{"a", 1, "theirs"}}));
  auto cut = Cut({{"a", 1, "ours", nullptr, Delivery::kFirst}});
  EXPECT_THAT(cut->Attempt({}), IsErrorSaying(ErrorKind::kCorrupt, "a copy of this log"));
  EXPECT_THAT(cut->Attempt({}), IsErrorSaying(ErrorKind::kCorrupt, "a copy of this log"));
  EXPECT_EQ(Rows("a"), (Counts{{"theirs", 1}}));
}

TEST_F(PositionedCommitTest, TakesItsOwnLostCommitForNobodyElses) {
  world.CreateTable("a");
  world.catalog.Script({CommitFault::kLostReply});
  Drive(*Cut({{"a", 1, "one", nullptr, Delivery::kFirst}}));
  EXPECT_EQ(Rows("a"), (Counts{{"one", 1}}));
}

TEST_F(PositionedCommitTest, WaitsForATableThatIsNotOurs) {
  std::vector<PositionedTable> tables;
  tables.push_back({.table = TableWorld::Id("theirs"),
                    .definition = {},
                    .messages = {{lane, 1, RowsOf({"one"})}}});
  PositionedCommit cut({world.committer, world.io, world.clock, world.random, world.events},
                       FileOptions{}, std::move(tables));
  EXPECT_THAT(cut.Attempt({}), IsErrorSaying(ErrorKind::kNotFound, "theirs"));
  world.CreateTable("theirs");
  EXPECT_THAT(cut.Attempt({}), IsOk());
  EXPECT_EQ(Rows("theirs"), (Counts{{"one", 1}}));
}

TEST_F(PositionedCommitTest, EncodesAnewForATableThatWasReplaced) {
  world.CreateTable("a");
  world.catalog.Script({CommitFault::kConflict});
  world.catalog.AfterNextCommit([this] { Replace("a"); });
  auto cut = Cut({{"a", 1, "one"}});
  EXPECT_THAT(cut->Attempt({}), IsError(ErrorKind::kInvalid));
  EXPECT_TRUE(StoredDataFiles().empty()) << "made for the table that is gone";
  EXPECT_THAT(cut->Attempt({}), IsOk());
  EXPECT_EQ(Rows("a"), (Counts{{"one", 1}}));
}

TEST_F(PositionedCommitTest, MakesADroppedTableAnew) {
  world.CreateTable("a");
  world.catalog.Script({CommitFault::kConflict});
  world.catalog.AfterNextCommit(
      [this] { EXPECT_THAT(world.real_catalog->DropTable(TableWorld::Id("a")), IsOk()); });
  auto cut = Cut({{"a", 1, "one"}});
  EXPECT_THAT(cut->Attempt({}), IsError(ErrorKind::kNotFound));
  Drive(*cut);
  EXPECT_EQ(Rows("a"), (Counts{{"one", 1}}));
}

TEST_F(PositionedCommitTest, StopsAtATableWhoseMetadataIsGone) {
  Drive(*Cut({{"a", 1, "one"}, {"b", 1, "one"}}));
  ASSERT_THAT(
      world.real_io.Delete(world.real_catalog->MetadataLocation(TableWorld::Id("a")).value_or("")),
      IsOk());
  world.cache.Clear();
  auto cut = Cut({{"a", 2, "two"}, {"b", 2, "two"}});
  EXPECT_THAT(cut->Attempt({}), IsErrorSaying(ErrorKind::kCorrupt, "a"));
  cut.reset();
  EXPECT_EQ(Rows("b"), (Counts{{"one", 1}})) << "all tables or none";
  EXPECT_EQ(StoredDataFiles().size(), 2u);
}

TEST_F(PositionedCommitTest, RefusesToLoseAColumnThatTheTableLacks) {
  NewTable narrow = TableWorld::Definition("a");
  narrow.schema.fields.pop_back();
  ASSERT_THAT(world.committer.LoadOrCreate(TableWorld::Id("a"), narrow), IsOk());
  EXPECT_THAT(Cut({{"a", 1, "one"}})->Attempt({}),
              IsErrorSaying(ErrorKind::kInvalid, "column=body"));
}

TEST_F(PositionedCommitTest, KnowsWhatIsInATableThatLostItsWatermark) {
  Drive(*Cut({{"a", 1, "one"}}));
  Drive(*Cut({{"a", 2, "two"}, {"b", 3, "three"}, {"a", 4, "four"}}));
  RemoveWatermark("a");
  Drive(*Cut({{"a", 1, "one"}, {"a", 2, "two"}, {"a", 4, "four"}, {"a", 5, "five"}}));
  EXPECT_EQ(Rows("a"), (Counts{{"one", 1}, {"two", 1}, {"four", 1}, {"five", 1}}));
  EXPECT_EQ(Covered("a"), (Coverage{.low = 5}));
}

TEST_F(PositionedCommitTest, StopsWaitingForTheCatalogWhenAsked) {
  TableWorld patient(std::make_unique<MemoryCatalog>(), {.retry = {.max_attempts = 4}});
  patient.catalog.FailReads(3);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(Cut(patient, {{"a", 1, "one"}})->Attempt(stop.get_token()),
              IsError(ErrorKind::kCancelled));
  EXPECT_EQ(patient.clock.MonotonicNow(), Nanos(0)) << "no wait between attempts either";
}

TEST_F(PositionedCommitTest, LeavesNothingBehindWhicheverFileOperationFails) {
  for (const FaultMoment moment : {FaultMoment::kBefore, FaultMoment::kAfter}) {
    for (std::uint64_t n = 1;; ++n) {
      SCOPED_TRACE(::testing::Message() << "operation " << n);
      TableWorld fresh;
      fresh.io.Arm(n, moment);
      auto cut = Cut(fresh, {{"a", 1, "one"}, {"b", 1, "one"}, {"b", 2, "two"}});
      Drive(*cut);
      cut.reset();
      EXPECT_EQ(Rows(fresh, "a"), (Counts{{"one", 1}}));
      EXPECT_EQ(Rows(fresh, "b"), (Counts{{"one", 1}, {"two", 1}}));
      // A deletion may be what failed, or a file may be in doubt: then one is left, by name in the
      // log.
      EXPECT_LE(StoredDataFiles(fresh).size(), 3u);
      if (moment == FaultMoment::kBefore) {
        EXPECT_EQ(StoredDataFiles(fresh).size(), 2u);
      }
      if (!fresh.io.fired()) break;
      ASSERT_LT(n, 200u);
    }
  }
}

}  // namespace
}  // namespace signaldb::testing

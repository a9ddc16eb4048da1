// Letters as the intake writes them, in real tables in memory, and what the desk makes of them.
#include "pipeline/letter_desk.h"

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iceberg/scan/table_scan.h"
#include "pipeline/queue_intake.h"
#include "pipeline/table_cuts.h"
#include "testing/table_world.h"

namespace signaldb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

const DatasetId kProd{.tenant = "acme", .dataset = "prod"};

std::string Record(const std::string& name, int depth) {
  std::string value = R"({"stringValue":"x"})";
  for (int i = 0; i < depth; ++i) value = R"({"arrayValue":{"values":[)" + value + "]}}";
  return R"({"body":{"stringValue":")" + name + R"("},"attributes":[{"key":"k","value":)" + value +
         "}]}";
}

std::string Request(const std::vector<std::string>& records) {
  std::string list;
  for (const std::string& record : records) list += (list.empty() ? "" : ",") + record;
  return R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[)" + list + "]}]}]}";
}

class LetterDeskTest : public ::testing::Test {
 protected:
  LetterDeskTest() {
    lane = *intake.OpenLane({.key = "kafka/c/t/0",
                             .order = LaneOrder::kInOrder,
                             .on_progress = [](const auto&) { return Status(); }});
  }

  void Deliver(const std::string& body, const DatasetId& dataset = kProd,
               const std::optional<std::string>& unfit = {}) {
    SourceMessage message{.position = ++position,
                          .encoding = MessageEncoding::kJson,
                          .received_at = world.clock.WallNow(),
                          .parts = {}};
    message.parts.push_back({.tenant = dataset.tenant,
                             .dataset = dataset.dataset,
                             .body = std::as_bytes(std::span(body)),
                             .owner = nullptr});
    message.unfit = unfit;
    ASSERT_THAT(lane->Deliver(message), IsOk());
    world.clock.Advance(std::chrono::seconds(10));
    while (scheduler.CommitOneDue({})) {
    }
  }

  // Of the deep records of messages, those up to this depth are rows today.
  LetterDesk Desk(int depth_max = 32) {
    return {world.catalog, with, {}, tables, DecodeOptions{.depth_max = depth_max}};
  }

  std::vector<std::string> Bodies() {
    std::vector<std::string> bodies;
    const auto rows = ReadTable(world.real_io, world.Current("logs"));
    EXPECT_THAT(rows, IsOk());
    for (const auto& batch : *rows) {
      const auto column = batch->GetColumnByName("body");
      for (std::int64_t i = 0; i < batch->num_rows(); ++i)
        bodies.push_back((*column->GetScalar(i))->ToString());
    }
    return bodies;
  }

  std::vector<SourcePosition> Letters(const LetterFilter& filter = {}) {
    std::vector<SourcePosition> positions;
    EXPECT_THAT(Desk().ForEach(kProd, filter,
                               [&](const DeadLetter& letter) -> Status {
                                 positions.push_back(letter.position);
                                 return {};
                               }),
                IsOk());
    return positions;
  }

  std::string LastCommit(const std::string& table) {
    const TableMetadata metadata = world.Current(table);
    return metadata.current_snapshot()->summary.at("signaldb.commit-id");
  }

  TableWorld world;
  CommitCollaborators with{world.committer, world.io, world.clock, world.random, world.events};
  TelemetryTableOptions tables{.warehouse = "memory://w", .properties = {}};
  MemoryBudget budget{100'000'000};
  CommitScheduler scheduler{CutOptions{}, world.clock, world.random,
                            world.events, budget,      CommitIntoTables(with, {}, tables)};
  QueueIntake intake{{.decode = {.depth_max = 4}}, scheduler, world.clock, world.events, budget};
  std::unique_ptr<MessageLane> lane;
  SourcePosition position = 0;
};

TEST_F(LetterDeskTest, FindsLettersThatCameInTheCommitOfTheirNeighbours) {
  Deliver(Request({Record("good", 1), Record("deep", 8)}));
  Deliver("poison");
  EXPECT_THAT(Desk().Datasets({}), IsOkAnd(ElementsAre(kProd)));
  EXPECT_THAT(Desk().Datasets({.tenant = "nobody"}), IsOkAnd(::testing::IsEmpty()));
  EXPECT_THAT(Letters(), UnorderedElementsAre(1, 2));
  EXPECT_THAT(Letters({.reason = "deeply"}), ElementsAre(1));
  EXPECT_THAT(Letters({.since = world.clock.WallNow() - std::chrono::seconds(10)}), ElementsAre(2));
  EXPECT_THAT(Letters({.source = "kafka/c/t/1"}), ElementsAre());
  EXPECT_THAT(Letters({.position = 2}), ElementsAre(2));
  EXPECT_THAT(Letters({.part = 1}), ElementsAre());
  EXPECT_THAT(world.Current("dead_letters").snapshots.front()->summary.at("signaldb.commit-id"),
              world.Current("logs").snapshots.front()->summary.at("signaldb.commit-id"));
}

TEST_F(LetterDeskTest, ReplaysWhatCanBeRowsTodayOnce) {
  Deliver(Request({Record("good", 1), Record("deep", 8), Record("deepest", 20)}));
  Deliver("poison");
  auto report = Desk(4).Replay(kProd, {});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->left, 2) << "the limits have not changed";
  EXPECT_EQ(report->rows, 0);
  EXPECT_THAT(Bodies(), ElementsAre("good"));

  report = Desk(10).Replay(kProd, {});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->matched, 2);
  EXPECT_EQ(report->replaced, 1) << "the deepest is still too deep";
  EXPECT_EQ(report->left, 1);
  EXPECT_EQ(report->rows, 1);
  EXPECT_THAT(report->reasons, ::testing::SizeIs(2));
  EXPECT_THAT(Bodies(), UnorderedElementsAre("good", "deep"));
  EXPECT_EQ(LastCommit("logs"), LastCommit("dead_letters"));
  EXPECT_THAT(Letters(), UnorderedElementsAre(1, 2));

  report = Desk(10).Replay(kProd, {});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->rows, 0);
  report = Desk(32).Replay(kProd, {.reason = "deeply"});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->removed, 1);
  EXPECT_THAT(Bodies(), UnorderedElementsAre("good", "deep", "deepest"));
  EXPECT_THAT(Letters(), ElementsAre(2));
}

TEST_F(LetterDeskTest, NeitherDoublesNorLosesWhenACommitGoesWrong) {
  for (const CommitFault fault :
       {CommitFault::kConflict, CommitFault::kOutage, CommitFault::kLostRequest,
        CommitFault::kLostReply, CommitFault::kLateRequest, CommitFault::kInvalid}) {
    SCOPED_TRACE(static_cast<int>(fault));
    const std::string name = "deep" + std::to_string(position);
    Deliver(Request({Record(name, 8)}));
    const std::size_t before = position - 1;
    world.catalog.Script({fault, fault, fault, fault});
    std::ignore = Desk().Replay(kProd, {});
    world.catalog.Script({});
    EXPECT_THAT(Desk().Replay(kProd, {}), IsOk());
    EXPECT_EQ(Bodies().size(), before + 1);
    EXPECT_THAT(Bodies(), ::testing::Contains(name).Times(1));
    EXPECT_THAT(Letters(), ElementsAre());
  }
}

TEST_F(LetterDeskTest, LeavesLettersOfNobodyKnownUntilToldWhereTo) {
  Deliver(Request({Record("evil", 1), Record("deep", 8)}), kProd, "not a tenant id id=\"a.b\"");
  Deliver(Request({}));
  Deliver("poison");
  auto report = Desk().Replay(kProd, {});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->rows, 0);
  EXPECT_EQ(report->left, 2);
  EXPECT_THAT(report->reasons,
              ::testing::Contains(::testing::Key(::testing::HasSubstr(
                  "whose rows they are is not known; --to-tenant and --to-dataset say where to, if "
                  "you know: not a tenant id id=\"a.b\""))));
  EXPECT_THAT(Letters(), UnorderedElementsAre(1, 3));

  const DatasetId elsewhere{.tenant = "acme", .dataset = "found"};
  report = Desk(4).Replay(kProd, {.position = 1}, elsewhere);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->rows, 1);
  EXPECT_EQ(report->replaced, 1);
  const auto rows_elsewhere = [&] {
    const auto table = world.committer.Load(TableInDataset(elsewhere, "logs"));
    EXPECT_THAT(table, IsOk());
    std::int64_t rows = 0;
    const auto batches = ReadTable(world.real_io, *table->metadata);
    EXPECT_THAT(batches, IsOk());
    for (const auto& batch : *batches) rows += batch->num_rows();
    return rows;
  };
  EXPECT_EQ(rows_elsewhere(), 1);
  // What was left of it by the limit follows, whether it is told where to or not.
  report = Desk().Replay(kProd, {.position = 1});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->removed, 1);
  EXPECT_EQ(rows_elsewhere(), 2);
  EXPECT_THAT(Letters(), ElementsAre(3));
}

TEST_F(LetterDeskTest, SaysWhyALetterWithoutRecordsStays) {
  Deliver(Request({}), kProd, "headers contradict each other");
  const auto report = Desk().Replay(kProd, {}, kProd);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->left, 1);
  EXPECT_THAT(report->reasons,
              ElementsAre(::testing::Key("it holds no records, so there is nothing to write")));
}

TEST_F(LetterDeskTest, GivesWayToAnotherReplay) {
  Deliver(Request({Record("deep", 8)}));
  world.catalog.Script({CommitFault::kOutage});
  bool other_done = false;
  world.catalog.AfterNextCommit([&] {
    EXPECT_THAT(Desk().Replay(kProd, {}), IsOk());
    other_done = true;
  });
  EXPECT_THAT(Desk().Replay(kProd, {}), IsError(ErrorKind::kConflict));
  EXPECT_TRUE(other_done);
  EXPECT_THAT(Bodies(), ElementsAre("deep"));
}

TEST_F(LetterDeskTest, DropsOnlyWhatMatches) {
  Deliver(Request({Record("deep", 8)}));
  Deliver("poison");
  Deliver("more poison");
  auto report = Desk().Drop(kProd, {.position = 2});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->removed, 1);
  EXPECT_THAT(Letters(), UnorderedElementsAre(1, 3));
  report = Desk().Drop(kProd, {});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->removed, 2);
  EXPECT_THAT(Letters(), ElementsAre());
}

TEST_F(LetterDeskTest, KeepsTheNeighboursOfOneFile) {
  world.clock.Advance(std::chrono::seconds(1));
  SourceMessage message{.position = 0,
                        .encoding = MessageEncoding::kJson,
                        .received_at = world.clock.WallNow(),
                        .parts = {}};
  const std::string body = "poison";
  message.parts.push_back({.tenant = "acme",
                           .dataset = "prod",
                           .body = std::as_bytes(std::span(body)),
                           .owner = nullptr});
  for (message.position = 1; message.position <= 9; ++message.position)
    ASSERT_THAT(lane->Deliver(message), IsOk());
  world.clock.Advance(std::chrono::seconds(10));
  EXPECT_TRUE(scheduler.CommitOneDue({}));
  for (const SourcePosition dropped : {1, 5, 6, 9}) {
    ASSERT_THAT(Desk().Drop(kProd, {.position = dropped}), IsOk());
  }
  EXPECT_THAT(Letters(), UnorderedElementsAre(2, 3, 4, 7, 8));
}

}  // namespace
}  // namespace signaldb::testing

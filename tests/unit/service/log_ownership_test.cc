#include "service/log_ownership.h"

#include <future>

#include <gtest/gtest.h>

#include "log/log_slice.h"
#include "service/locations.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/recording_listener.h"
#include "testing/sim_file_system.h"
#include "testing/table_world.h"

namespace signaldb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr const char* kDir = "/log";

class LogOwnership : public ::testing::Test {
 protected:
  void Open() {
    log.reset();
    auto opened = DurableLog::Open(files, clock, random, events, {.dir = kDir});
    ASSERT_THAT(opened, IsOk());
    log = *std::move(opened);
  }
  void Append(int count) {
    for (int i = 0; i < count; ++i) {
      std::promise<Result<Position>> answer;
      log->Append({.header = "h", .body = {}, .body_owner = nullptr},
                  [&](Result<Position> position) { answer.set_value(std::move(position)); });
      ASSERT_THAT(answer.get_future().get(), IsOk());
    }
  }
  Status Claim(std::string_view destination) {
    return ClaimLog(files, events, *log, kDir, destination);
  }
  std::optional<std::string> Note() { return files.ReadWhole("/log/destination"); }

  SimFileSystem files;
  FakeClock clock;
  SeededRandom random{1};
  RecordingListener events;
  std::unique_ptr<DurableLog> log;
};

TEST_F(LogOwnership, RefusesRecordsOfOtherTablesUntilTheyAreTrimmed) {
  Open();
  EXPECT_THAT(Claim("catalog=a"), IsOk());
  EXPECT_THAT(Note(), Optional(Eq("catalog=a\n")));
  Append(2);
  Open();
  EXPECT_THAT(Claim("catalog=a"), IsOk());
  const Status refused = Claim("catalog=b");
  EXPECT_THAT(refused, IsErrorSaying(ErrorKind::kInvalid, "old=\"catalog=a\" new=\"catalog=b\""));
  EXPECT_THAT(refused, IsErrorSaying(ErrorKind::kInvalid, "start once with the old"));
  ASSERT_THAT(log->Trim(1), IsOk());
  EXPECT_THAT(Claim("catalog=b"), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(Note(), Optional(Eq("catalog=a\n")));
  ASSERT_THAT(log->Trim(2), IsOk());
  EXPECT_THAT(Claim("catalog=b"), IsOk());
  EXPECT_THAT(Note(), Optional(Eq("catalog=b\n")));
  EXPECT_TRUE(events.Said(Severity::kInfo, "other tables from now on"));
}

TEST_F(LogOwnership, TakesALogWithoutANoteAsItIs) {
  Open();
  Append(1);
  // Older versions wrote none; and it must be possible to drain a log on a full disk.
  files.Arm({.effect = FaultEffect::kErrorBefore, .only = FileOperation::kWrite});
  EXPECT_THAT(Claim("catalog=a"), IsOk());
  EXPECT_TRUE(events.Said(Severity::kWarning, "could not be noted"));
  EXPECT_THAT(Claim("catalog=a"), IsOk());
  EXPECT_THAT(Note(), Optional(Eq("catalog=a\n")));
}

TEST_F(LogOwnership, TakesAnUnreadableNoteForAnotherOne) {
  Open();
  Append(1);
  files.PutDurable("/log/destination", std::string(20'000, 'x'));
  EXPECT_THAT(Claim("catalog=a"), IsError(ErrorKind::kInvalid));
  files.Arm({.effect = FaultEffect::kErrorBefore, .only = FileOperation::kRead});
  EXPECT_THAT(Claim("catalog=a"), IsError(ErrorKind::kUnavailable));
}

TEST_F(LogOwnership, ASliceReplaysItsOwnPositionsOnly) {
  Open();
  Append(5);
  const auto positions = [](DurableLog& from, Position at) {
    std::vector<Position> found;
    EXPECT_THAT(from.Replay(at,
                            [&](Position position, std::string_view, std::span<const std::byte>) {
                              found.push_back(position);
                              return Status();
                            }),
                IsOk());
    return found;
  };
  LogSlice middle(*log, {.first = 2, .last = 3});
  EXPECT_THAT(positions(middle, 0), ElementsAre(2, 3));
  EXPECT_THAT(positions(middle, 3), ElementsAre(3));
  EXPECT_THAT(positions(middle, 4), IsEmpty());
  EXPECT_EQ(middle.last_durable(), 3U);
  LogSlice rest(*log, {.first = 4});
  EXPECT_THAT(positions(rest, 0), ElementsAre(4, 5));
  EXPECT_EQ(rest.last_durable(), 5U);
  EXPECT_THAT(middle.Replay(0,
                            [](Position, std::string_view, std::span<const std::byte>) -> Status {
                              return Fail(ErrorKind::kCancelled, "by the reader");
                            }),
              IsErrorSaying(ErrorKind::kCancelled, "by the reader"));
  EXPECT_THAT(middle.Trim(5), IsOk());
  EXPECT_EQ(log->trimmed(), 3U);
}

TEST(HighestPositionInTables, LooksThroughAllTelemetryTables) {
  TableWorld world;
  const SourceKey source = LogSourceKey({1});
  const auto highest = [&](const SourceKey& of) {
    return HighestPositionInTables(*world.real_catalog, world.committer, world.events, of);
  };
  EXPECT_THAT(highest(source), IsOkAnd(Eq(0U)));
  const auto make = [&](const TableIdentifier& id, const Coverage& coverage) {
    ASSERT_THAT(world.committer.LoadOrCreate(
                    id, TableWorld::Definition(id.ToText(), {{WatermarkProperty(source),
                                                              EncodeWatermark(source, coverage)}})),
                IsOk());
  };
  make(TableIdentifier{.levels = {"acme", "prod"}, .name = "logs"}, {.low = 7, .above = {}});
  make(TableIdentifier{.levels = {"acme", "prod"}, .name = "traces"},
       {.low = 3, .above = {{9, 11}}});
  make(TableIdentifier{.levels = {"other", "prod"}, .name = "logs"}, {.low = 5, .above = {}});
  make({.levels = {"acme", "prod"}, .name = "not_ours"}, {.low = 100, .above = {}});
  make({.levels = {"deep", "er", "down"}, .name = "logs"}, {.low = 100, .above = {}});
  EXPECT_THAT(highest(source), IsOkAnd(Eq(11U)));
  EXPECT_THAT(highest(LogSourceKey({2})), IsOkAnd(Eq(0U)));
}

TEST(HighestPositionInTables, PassesOverWhatIsBrokenAndWaitsForWhatIsAway) {
  TableWorld world;
  const SourceKey source = LogSourceKey({1});
  const TableIdentifier broken = TableIdentifier{.levels = {"acme", "prod"}, .name = "logs"};
  ASSERT_THAT(world.committer.LoadOrCreate(
                  broken, TableWorld::Definition("broken", {{WatermarkProperty(source), "what?"}})),
              IsOk());
  const TableIdentifier sound = TableIdentifier{.levels = {"acme", "prod"}, .name = "traces"};
  ASSERT_THAT(world.committer.LoadOrCreate(
                  sound, TableWorld::Definition(
                             "sound", {{WatermarkProperty(source),
                                        EncodeWatermark(source, {.low = 4, .above = {}})}})),
              IsOk());
  EXPECT_THAT(HighestPositionInTables(*world.real_catalog, world.committer, world.events, source),
              IsOkAnd(Eq(4U)));
}

TEST(CheckPlaces, KeepsLogTablesAndCatalogApart) {
  struct Row {
    const char* name;
    ServicePlaces places;
    const char* refused;  // Null: allowed.
  };
  const Row rows[] = {
      {"side by side", {"/d/log", "/d/tables", "/d/catalog.db"}, nullptr},
      {"alike by name only", {"/d/log", "/d/log-tables", "/d/log.db"}, nullptr},
      {"in memory", {"/d/log", "", ""}, nullptr},
      {"catalog beside the tables", {"/d/log", "/d/tables", "/d/tables/catalog.db"}, nullptr},
      {"catalog over the lock", {"/d/log", "/d/tables", "/d/log/lock"}, "catalog must not be"},
      {"catalog deep in the log", {"/d/log", "/d/tables", "/d/log/a/b.db"}, "catalog must not be"},
      {"one folder", {"/d/x", "/d/x", "/d/catalog.db"}, "one another's folder"},
      {"tables in the log", {"/d/x", "/d/x/tables", ""}, "one another's folder"},
      {"log in the tables", {"/d/x/log", "/d/x", ""}, "one another's folder"},
      {"everything is in the root", {"/d/log", "/", ""}, "one another's folder"},
  };
  SimFileSystem files;
  for (const Row& row : rows) {
    const Status checked = CheckPlaces(files, row.places);
    if (row.refused == nullptr) {
      EXPECT_THAT(checked, IsOk()) << row.name;
    } else {
      EXPECT_THAT(checked, IsErrorSaying(ErrorKind::kInvalid, row.refused)) << row.name;
    }
  }
}

}  // namespace
}  // namespace signaldb::testing

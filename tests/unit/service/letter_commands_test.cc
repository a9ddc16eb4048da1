// Letters in an SQLite catalog and on disk, written by the intake of another "process".
#include "service/letter_commands.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/local/posix_file_system.h"
#include "pipeline/queue_intake.h"
#include "pipeline/table_cuts.h"
#include "testing/matchers.h"
#include "testing/temp_dir.h"

namespace signaldb::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class LetterCommandsTest : public ::testing::Test {
 protected:
  ServiceConfiguration Load(std::vector<std::string> settings = {}) {
    ConfigurationSources sources;
    sources.working_directory = folder.path();
    sources.settings = std::move(settings);
    auto loaded = LoadConfiguration(sources);
    EXPECT_THAT(loaded, IsOk());
    return loaded ? loaded->values : ServiceConfiguration{};
  }

  Result<std::unique_ptr<LetterCommands>> Open(const ServiceConfiguration& values) {
    return LetterCommands::Open(values, files, clock, random, events);
  }

  void Write(const std::vector<std::string>& bodies) {
    std::vector<SourceMessage> messages;
    for (const std::string& body : bodies) {
      messages.push_back({.encoding = MessageEncoding::kJson,
                          .received_at = std::chrono::seconds(1'790'000'000),
                          .parts = {{.tenant = "acme",
                                     .dataset = "prod",
                                     .body = std::as_bytes(std::span(body)),
                                     .owner = nullptr}}});
    }
    Deliver(std::move(messages));
  }

  /// Commits the messages, whose positions begin with 1.
  void Deliver(std::vector<SourceMessage> messages) {
    const ServiceConfiguration values = Load();
    auto storage = OpenStorage(values, files, clock, random, events);
    ASSERT_THAT(storage, IsOk());
    MemoryBudget budget(1'000'000);
    CommitScheduler scheduler(CutOptions{}, clock, random, events, budget,
                              CommitIntoTables({*storage->committer, *storage->io, clock, random,
                                                events, storage->in_flight.get()},
                                               FilesOf(values), TablesOf(values)));
    QueueIntake intake({}, scheduler, clock, events, budget);
    const auto lane =
        *intake.OpenLane({.key = "memory/q", .on_progress = [](const auto&) { return Status(); }});
    std::int64_t position = 0;
    for (SourceMessage& message : messages) {
      message.position = ++position;
      ASSERT_THAT(lane->Deliver(message), IsOk());
    }
    scheduler.Start();
    ASSERT_THAT(lane->Flush(clock.MonotonicNow() + std::chrono::seconds(60)), IsOk());
  }

  TempDir folder;
  PosixFileSystem files;
  SystemClock clock;
  SystemRandom random;
  NullEventListener events;
};

TEST_F(LetterCommandsTest, MakesNoCatalogToLookInto) {
  EXPECT_THAT(Open(Load()), IsErrorSaying(ErrorKind::kUnavailable, "there is no catalog at /"));
  const auto names = files.List(folder.path());
  ASSERT_THAT(names, IsOk());
  EXPECT_THAT(*names, ::testing::IsEmpty());
}

TEST_F(LetterCommandsTest, ListsAndShowsNothingWhereThereIsNothing) {
  Write({});
  const auto commands = Open(Load());
  ASSERT_THAT(commands, IsOk());
  EXPECT_THAT((*commands)->List({}, LetterForm::kText), IsOkAnd(std::string("no dead letters\n")));
  EXPECT_THAT((*commands)->List({}, LetterForm::kJson), IsOkAnd(std::string("[]\n")));
  EXPECT_THAT((*commands)->Show({}, LetterForm::kText), IsError(ErrorKind::kNotFound));
  EXPECT_THAT((*commands)->Count({}), IsOkAnd(0));
}

TEST_F(LetterCommandsTest, RefusesTablesInTheMemoryOfAnotherProcess) {
  EXPECT_THAT(Open(Load({"schema.catalog_type=memory", "storage.dsn=memory://"})),
              IsErrorSaying(ErrorKind::kInvalid, "memory"));
}

TEST_F(LetterCommandsTest, CountsReasonsThatDifferInDigitsAsOne) {
  Write({"{1", "{22", "[]"});
  const auto commands = Open(Load());
  ASSERT_THAT(commands, IsOk());
  const auto text = (*commands)->List({}, LetterForm::kText);
  EXPECT_THAT(text, IsOkAnd(AllOf(HasSubstr("acme.prod: 3 letters for 3 messages, 3 can be"),
                                  HasSubstr("from 2026-09-21T14:13:20Z"))));
  const auto json = (*commands)->List({.reason = "JSON"}, LetterForm::kJson);
  EXPECT_THAT(json, IsOkAnd(HasSubstr(R"("tenant":"acme","dataset":"prod","letters":)")));
}

TEST_F(LetterCommandsTest, CountsReasonsThatDifferInHexDigitsAsOne) {
  std::vector<SourceMessage> messages;
  for (const char* reason :
       {"what first_byte=0xa9", "what first_byte=0x10", "what first_byte=0xff"}) {
    messages.push_back(
        {.received_at = clock.WallNow(),
         .parts = {{.tenant = "acme", .dataset = "prod", .body = {}, .owner = nullptr}},
         .unfit = reason});
  }
  Deliver(std::move(messages));
  const auto commands = Open(Load());
  ASSERT_THAT(commands, IsOk());
  EXPECT_THAT((*commands)->List({}, LetterForm::kText),
              IsOkAnd(HasSubstr("       3  \"what first_byte=0x#\"\n")));
}

TEST_F(LetterCommandsTest, ShowsOneLetterInThreeForms) {
  Write({"{1", "{2"});
  const auto commands = Open(Load());
  ASSERT_THAT(commands, IsOk());
  const LetterFilter one{.position = 2};
  EXPECT_THAT((*commands)->Show(one, LetterForm::kRaw), IsOkAnd(std::string("{2")));
  EXPECT_THAT((*commands)->Show(one, LetterForm::kJson),
              IsOkAnd(HasSubstr(R"("position":2,"first_position":2,"messages":1)")));
  EXPECT_THAT(
      (*commands)->Show(one, LetterForm::kText),
      IsOkAnd(AllOf(HasSubstr("memory/q"), HasSubstr("whole, 2 bytes of 2"), HasSubstr("\"{2\""))));
  EXPECT_THAT((*commands)->Show({}, LetterForm::kRaw),
              IsErrorSaying(ErrorKind::kInvalid, "several letters match"));
}

TEST_F(LetterCommandsTest, SaysWhatBecameOfThem) {
  Write({"{1", "{2"});
  const auto commands = Open(Load());
  ASSERT_THAT(commands, IsOk());
  const auto replayed = (*commands)->Replay({}, {}, LetterForm::kText);
  ASSERT_THAT(replayed, IsOk());
  EXPECT_EQ(replayed->report.left, 2);
  EXPECT_THAT(replayed->text, HasSubstr("2 letters matched: 0 removed"));
  const auto dropped = (*commands)->Drop({.position = 1}, LetterForm::kJson);
  ASSERT_THAT(dropped, IsOk());
  EXPECT_THAT(dropped->text, HasSubstr(R"("matched":1,"removed":1)"));
  EXPECT_THAT((*commands)->Count({}), IsOkAnd(1));
}

}  // namespace
}  // namespace signaldb::testing

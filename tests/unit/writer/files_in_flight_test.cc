#include "writer/files_in_flight.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"
#include "testing/recording_listener.h"
#include "testing/sim_file_system.h"
#include "testing/table_world.h"

namespace signaldb {
namespace {

using testing::CrashPolicy;
using ::testing::ElementsAre;
using testing::FaultPlan;
using ::testing::IsEmpty;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::SimFileSystem;
using ::testing::SizeIs;
using testing::TableWorld;

const std::string kDir = "/store/.signaldb-in-flight/0";

class FilesInFlightTest : public ::testing::Test {
 protected:
  FilesInFlightTest() { table_ = world_.CreateTable("logs"); }

  std::unique_ptr<FilesInFlight> Open() {
    auto opened = FilesInFlight::Open(files_, world_.random, events_, kDir);
    EXPECT_THAT(opened, IsOk());
    return opened.has_value() ? *std::move(opened) : nullptr;
  }
  Status Note(FilesInFlight& journal, const std::string& transaction,
              const std::vector<FileNames>& names) {
    return journal.Note({transaction, TableWorld::Id("logs")}, table_.metadata->table_uuid, names);
  }
  Status Recover() {
    return RecoverFilesInFlight(files_, events_, kDir, world_.committer, world_.io, {});
  }
  /// As if a writer had written it.
  void PutFile(const std::string& name) {
    EXPECT_THAT(WriteFile(world_.real_io, "memory://w/data/" + name, "rows"), IsOk());
  }
  std::vector<std::string> DataFiles() {
    return world_.real_io.List("memory://w/data").value_or(std::vector<std::string>{});
  }
  static FileNames Names(const std::string& stem, std::size_t count) {
    return {.stem = "memory://w/data/" + stem, .count = count};
  }
  /// The journal's process dies; what was synced stays.
  void Crash(std::unique_ptr<FilesInFlight>& journal) {
    files_.Crash(CrashPolicy::kLoseUnsynced, world_.random);
    journal.reset();
  }
  std::vector<std::string> Journals() { return files_.Names(kDir); }

  SimFileSystem files_;
  TableWorld world_;
  testing::RecordingListener events_;
  LoadedTable table_;
};

TEST_F(FilesInFlightTest, LeavesNothingIfNothingIsOpen) {
  auto journal = Open();
  EXPECT_THAT(Note(*journal, "t1", {Names("a", 1)}), IsOk());
  EXPECT_THAT(Journals(), SizeIs(2));
  journal->Resolve("t1");
  journal.reset();
  EXPECT_THAT(Journals(), IsEmpty());
}

TEST_F(FilesInFlightTest, WhatIsNotedIsDeletedAfterAPowerCut) {
  auto journal = Open();
  EXPECT_THAT(Note(*journal, "t1", {Names("a", 3), Names("b", 1)}), IsOk());
  for (const char* const name : {"a-0.parquet", "a-2.parquet", "b-0.parquet", "c-0.parquet"}) {
    PutFile(name);
  }
  Crash(journal);
  EXPECT_THAT(Recover(), IsOk());
  EXPECT_THAT(DataFiles(), ElementsAre("memory://w/data/c-0.parquet"));
  EXPECT_THAT(Journals(), IsEmpty());
}

TEST_F(FilesInFlightTest, FilesOfACommitThatHappenedStay) {
  auto journal = Open();
  EXPECT_THAT(Note(*journal, "t1", {Names("a", 2)}), IsOk());
  PutFile("a-0.parquet");
  PutFile("a-1.parquet");
  ASSERT_THAT(world_.Commit({TableWorld::Append("logs", {"a-0.parquet"})}, "t1"), IsOk());
  Crash(journal);
  EXPECT_THAT(Recover(), IsOk());
  EXPECT_THAT(DataFiles(), ElementsAre("memory://w/data/a-0.parquet"));
  EXPECT_THAT(world_.FilesIn("logs"), ElementsAre("a-0.parquet"));
}

TEST_F(FilesInFlightTest, RecoveryMovesThePointerSoThatALateCommitCannotApply) {
  auto journal = Open();
  EXPECT_THAT(Note(*journal, "t1", {Names("a", 1)}), IsOk());
  const std::string before = table_.metadata_location;
  Crash(journal);
  EXPECT_THAT(Recover(), IsOk());
  const PointerUpdate late{.table = TableWorld::Id("logs"),
                           .expected = before,
                           .next = "memory://w/logs/metadata/late.metadata.json"};
  EXPECT_THAT(world_.real_catalog->Commit({&late, 1}), IsError(ErrorKind::kConflict));
}

TEST_F(FilesInFlightTest, ALivingWritersJournalIsLeftAlone) {
  const auto journal = Open();
  EXPECT_THAT(Note(*journal, "t1", {Names("a", 1)}), IsOk());
  PutFile("a-0.parquet");
  EXPECT_THAT(Recover(), IsOk());
  EXPECT_THAT(DataFiles(), SizeIs(1));
  EXPECT_THAT(Journals(), SizeIs(2));
}

TEST_F(FilesInFlightTest, ResolvedTransactionsAreNotLookedAt) {
  auto journal = Open();
  EXPECT_THAT(Note(*journal, "t1", {Names("a", 1)}), IsOk());
  EXPECT_THAT(Note(*journal, "t2", {Names("b", 1)}), IsOk());
  journal->Resolve("t1");
  journal->Resolve("t1");
  journal->Resolve("never noted");
  PutFile("a-0.parquet");
  PutFile("b-0.parquet");
  files_.Crash(CrashPolicy::kKeepAll, world_.random);
  journal.reset();
  EXPECT_THAT(Recover(), IsOk());
  EXPECT_THAT(DataFiles(), ElementsAre("memory://w/data/a-0.parquet"));
}

TEST_F(FilesInFlightTest, FilesOfATableThatIsGoneStay) {
  auto journal = Open();
  EXPECT_THAT(Note(*journal, "t1", {Names("a", 1)}), IsOk());
  PutFile("a-0.parquet");
  ASSERT_THAT(world_.real_catalog->DropTable(TableWorld::Id("logs")), IsOk());
  world_.CreateTable("logs");  // Another one of the same name.
  Crash(journal);
  EXPECT_THAT(Recover(), IsOk());
  EXPECT_THAT(DataFiles(), SizeIs(1));
  EXPECT_TRUE(events_.Said(Severity::kWarning, "table is gone"));
  EXPECT_THAT(Journals(), IsEmpty());
}

TEST_F(FilesInFlightTest, WhatCannotBeSettledNowIsSettledLater) {
  auto journal = Open();
  EXPECT_THAT(Note(*journal, "t1", {Names("a", 1)}), IsOk());
  PutFile("a-0.parquet");
  Crash(journal);
  world_.catalog.FailReads(100);
  EXPECT_THAT(Recover(), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(DataFiles(), SizeIs(1));
  world_.catalog.FailReads(0);
  EXPECT_THAT(Recover(), IsOk());
  EXPECT_THAT(DataFiles(), IsEmpty());
}

// A file system on which somebody else removes each file just before we do.
class Overtaken final : public FileSystem {
 public:
  explicit Overtaken(FileSystem& files) : files_(files) {}
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    return files_.Open(path, mode);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return files_.Rename(from, to);
  }
  Status Remove(const std::string& path) override {
    std::ignore = files_.Remove(path);
    return files_.Remove(path);
  }
  Status MakeDirs(const std::string& path) override { return files_.MakeDirs(path); }
  Status SyncDir(const std::string& path) override { return files_.SyncDir(path); }
  Result<std::vector<DirEntry>> List(const std::string& path) override { return files_.List(path); }
  Result<std::optional<DirEntry>> Stat(const std::string& path) override {
    return files_.Stat(path);
  }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return files_.Lock(path);
  }

 private:
  FileSystem& files_;
};

TEST_F(FilesInFlightTest, RecoveriesThatOvertakeEachOtherAreFine) {
  auto journal = Open();
  EXPECT_THAT(Note(*journal, "t1", {Names("a", 1)}), IsOk());
  PutFile("a-0.parquet");
  Crash(journal);
  Overtaken files(files_);
  EXPECT_THAT(RecoverFilesInFlight(files, events_, kDir, world_.committer, world_.io, {}), IsOk());
  EXPECT_THAT(DataFiles(), IsEmpty());
  EXPECT_THAT(Journals(), IsEmpty());
}

TEST_F(FilesInFlightTest, NoteFailsIfItIsNotDurable) {
  auto journal = Open();
  files_.Arm({.effect = testing::FaultEffect::kErrorBefore, .only = testing::FileOperation::kSync});
  EXPECT_THAT(Note(*journal, "t1", {Names("a", 1)}), IsError(ErrorKind::kUnavailable));
  files_.Disarm();
  EXPECT_THAT(journal->Note({"t1", TableWorld::Id("logs")}, "uuid",
                            {{.stem = "memory://w/data/a\tb", .count = 1}}),
              IsErrorSaying(ErrorKind::kInvalid, "tab"));
}

TEST_F(FilesInFlightTest, DamagedLinesDeleteNothing) {
  const std::string uuid = table_.metadata->table_uuid;
  const std::string good = "F\tt1\tacme.prod\tlogs\t" + uuid + "\tmemory://w/data/a\t1\t.\n";
  files_.PutDurable(kDir + "/x.journal",
                    "garbage\nF\tt2\tacme.prod\tlogs\t" + uuid + "\tmemory://w/data/b\t1\n" +
                        "F\tt3\tacme.prod\tlogs\t" + uuid + "\tmemory://w/data/c\t1000001\t.\n" +
                        "F\tt4\t\tlogs\t" + uuid + "\tmemory://w/data/d\t1\t.\n" +
                        "F\tt5\tacme.prod\tlogs\t" + uuid + "\tmemory://w/data/e\tmany\t.\n" +
                        good + "F\tt6\tacme.prod\tlogs\t" + uuid + "\tmemory://w/data/f");
  for (const char* const stem : {"a", "b", "c", "d", "e", "f"}) {
    PutFile(std::string(stem) + "-0.parquet");
  }
  EXPECT_THAT(Recover(), IsOk());
  EXPECT_THAT(DataFiles(), SizeIs(5));
  EXPECT_THAT(DataFiles(), ::testing::Not(::testing::Contains("memory://w/data/a-0.parquet")));
}

TEST_F(FilesInFlightTest, AJournalWithoutOpenTransactionsStartsOver) {
  const auto journal = Open();
  const std::string stem(2'000, 's');
  std::size_t largest = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::string id = "t" + std::to_string(i);
    ASSERT_THAT(Note(*journal, id, {Names(stem, 1)}), IsOk());
    journal->Resolve(id);
    for (const std::string& name : Journals()) {
      if (!name.ends_with(".journal")) continue;
      largest = std::max(largest, files_.ReadWhole(kDir + "/" + name).value_or("").size());
    }
  }
  EXPECT_LT(largest, (1U << 20U) + 5'000);
  EXPECT_GT(largest, 1U << 19U);
}

TEST_F(FilesInFlightTest, NoFolderIsNothingToRecover) {
  EXPECT_THAT(RecoverFilesInFlight(files_, events_, "/nowhere", world_.committer, world_.io, {}),
              IsOk());
}

TEST(JournalFolder, IsApartByCatalog) {
  EXPECT_NE(JournalFolder("/store", "a"), JournalFolder("/store", "b"));
  EXPECT_TRUE(JournalFolder("/store", "a").starts_with("/store/.signaldb-in-flight/"));
}

}  // namespace
}  // namespace signaldb

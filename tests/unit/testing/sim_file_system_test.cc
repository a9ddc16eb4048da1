#include "testing/sim_file_system.h"

#include "testing/matchers.h"

namespace signaldb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Ne;
using ::testing::Optional;

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A folder /d with a durable file f that holds "old", and a handle on it.
class SimFileSystemTest : public ::testing::Test {
 protected:
  SimFileSystemTest() {
    files_.PutDurable("/d/f", "old");
    file_ = std::move(files_.Open("/d/f", OpenMode::kWrite).value());
  }
  void Crash(CrashPolicy policy) { files_.Crash(policy, random_); }

  SimFileSystem files_;
  SeededRandom random_{7};
  std::unique_ptr<File> file_;
};

TEST_F(SimFileSystemTest, LosesWhatWasNotSynced) {
  ASSERT_THAT(file_->WriteAt(0, Bytes("NEW")), IsOk());
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("NEW")));
  Crash(CrashPolicy::kLoseUnsynced);
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("old")));
}

TEST_F(SimFileSystemTest, KeepsWhatWasSynced) {
  ASSERT_THAT(file_->WriteAt(1, Bytes("NEW")), IsOk());
  ASSERT_THAT(file_->Sync(), IsOk());
  ASSERT_THAT(file_->WriteAt(0, Bytes("xxxx")), IsOk());
  Crash(CrashPolicy::kLoseUnsynced);
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("oNEW")));
}

TEST_F(SimFileSystemTest, KilledProcessLeavesThePageCacheUnsynced) {
  ASSERT_THAT(file_->WriteAt(0, Bytes("NEW")), IsOk());
  Crash(CrashPolicy::kProcessKill);
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("NEW")));
  Crash(CrashPolicy::kLoseUnsynced);
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("old")));
}

TEST_F(SimFileSystemTest, FailedSyncLosesDataThatALaterSyncPretendsToKeep) {
  ASSERT_THAT(file_->WriteAt(0, Bytes("NEW")), IsOk());
  files_.Arm({.only = FileOperation::kSync});
  EXPECT_THAT(file_->Sync(), IsError(ErrorKind::kUnknownOutcome));
  EXPECT_THAT(file_->Sync(), IsOk());
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("NEW")));
  Crash(CrashPolicy::kKeepAll);
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("old")));
}

TEST_F(SimFileSystemTest, WhatAFailedSyncGaveUpNeverComesBackOverNewerData) {
  ASSERT_THAT(file_->WriteAt(0, Bytes("BAD")), IsOk());
  files_.Arm({.only = FileOperation::kSync});
  EXPECT_THAT(file_->Sync(), IsError(ErrorKind::kUnknownOutcome));
  ASSERT_THAT(file_->WriteAt(0, Bytes("new")), IsOk());
  ASSERT_THAT(file_->Sync(), IsOk());
  for (int i = 0; i < 50; ++i) {
    Crash(CrashPolicy::kRandom);
    ASSERT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("new")));
  }
}

TEST_F(SimFileSystemTest, SyncThatFailsAfterItsEffectKeepsTheData) {
  ASSERT_THAT(file_->WriteAt(0, Bytes("NEW")), IsOk());
  files_.Arm({.effect = FaultEffect::kErrorAfter, .only = FileOperation::kSync});
  EXPECT_THAT(file_->Sync(), IsError(ErrorKind::kUnknownOutcome));
  Crash(CrashPolicy::kLoseUnsynced);
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("NEW")));
}

TEST_F(SimFileSystemTest, NamesAreLostUntilTheirFolderIsSynced) {
  auto created = files_.Open("/d/new", OpenMode::kCreateNew);
  ASSERT_THAT(created, IsOk());
  ASSERT_THAT((*created)->WriteAt(0, Bytes("x")), IsOk());
  ASSERT_THAT((*created)->Sync(), IsOk());
  ASSERT_THAT(files_.Rename("/d/f", "/d/g"), IsOk());
  EXPECT_THAT(files_.Names("/d"), ElementsAre("g", "new"));
  Crash(CrashPolicy::kLoseUnsynced);
  EXPECT_THAT(files_.Names("/d"), ElementsAre("f"));
}

TEST_F(SimFileSystemTest, SyncedFolderKeepsItsNamesButNotTheDataBehindThem) {
  auto created = files_.Open("/d/new", OpenMode::kCreateNew);
  ASSERT_THAT((*created)->WriteAt(0, Bytes("x")), IsOk());
  ASSERT_THAT(files_.Rename("/d/new", "/d/f"), IsOk());
  ASSERT_THAT(files_.SyncDir("/d"), IsOk());
  Crash(CrashPolicy::kLoseUnsynced);
  EXPECT_THAT(files_.Names("/d"), ElementsAre("f"));
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("")));  // the classic: rename without fsync
}

TEST_F(SimFileSystemTest, RemovedFileComesBackUnlessTheFolderWasSynced) {
  ASSERT_THAT(files_.Remove("/d/f"), IsOk());
  EXPECT_THAT(files_.Names("/d"), IsEmpty());
  Crash(CrashPolicy::kLoseUnsynced);
  EXPECT_THAT(files_.Names("/d"), ElementsAre("f"));
  ASSERT_THAT(files_.Remove("/d/f"), IsOk());
  ASSERT_THAT(files_.SyncDir("/d"), IsOk());
  Crash(CrashPolicy::kLoseUnsynced);
  EXPECT_THAT(files_.Names("/d"), IsEmpty());
}

TEST_F(SimFileSystemTest, AdversarialPoliciesKeepTheAwkwardHalf) {
  const std::string block(4 * 512, 'x');
  struct Row {
    CrashPolicy policy;
    std::optional<std::string> expected;
  };
  const Row rows[] = {
      {CrashPolicy::kNamesOnly, ""},
      {CrashPolicy::kDataOnly, std::nullopt},
      {CrashPolicy::kKeepAll, block},
      {CrashPolicy::kZeroes, std::string(4 * 512, '\0')},
      {CrashPolicy::kTailOnly, std::string(2 * 512, '\0') + std::string(2 * 512, 'x')},
  };
  for (const Row& row : rows) {
    SimFileSystem files;
    files.PutDurable("/d/f", "");
    auto created = files.Open("/d/new", OpenMode::kCreateNew);
    ASSERT_THAT((*created)->WriteAt(0, Bytes(block)), IsOk());
    files.Crash(row.policy, random_);
    EXPECT_EQ(files.ReadWhole("/d/new"), row.expected) << ToString(row.policy);
  }
}

TEST_F(SimFileSystemTest, RandomCrashTearsWritesInEveryWay) {
  bool torn = false, none = false, all = false, hole = false;
  const std::string block(3 * 512, 'x');
  for (int i = 0; i < 300; ++i) {
    SimFileSystem files;
    files.PutDurable("/d/f", "");
    auto file = files.Open("/d/f", OpenMode::kWrite);
    ASSERT_THAT((*file)->WriteAt(0, Bytes(block)), IsOk());
    files.Crash(CrashPolicy::kRandom, random_);
    const std::string after = files.ReadWhole("/d/f").value();
    none |= after.empty();
    all |= after == block;
    torn |= after.size() % 512 != 0 && after.find('\0') == std::string::npos;
    hole |= after.find(std::string("\0x", 2)) != std::string::npos;
  }
  EXPECT_TRUE(torn && none && all && hole);
}

TEST_F(SimFileSystemTest, CrashKillsHandlesAndLocks) {
  auto lock = files_.Lock("/d/lock");
  ASSERT_THAT(lock, IsOk());
  EXPECT_THAT(files_.Lock("/d/lock"), IsError(ErrorKind::kConflict));
  Crash(CrashPolicy::kProcessKill);
  EXPECT_THAT(file_->WriteAt(0, Bytes("x")), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(file_->Sync(), IsError(ErrorKind::kUnknownOutcome));
  auto again = files_.Lock("/d/lock");
  EXPECT_THAT(again, IsOk());
  lock->reset();  // the dead one must not release the new one
  EXPECT_THAT(files_.Lock("/d/lock"), IsError(ErrorKind::kConflict));
}

TEST_F(SimFileSystemTest, TellsAFileFromItsSuccessorUnderTheSameName) {
  const auto lock = files_.Lock("/d/lock");
  ASSERT_THAT(lock, IsOk());
  EXPECT_THAT(files_.Stat("/d/lock"), IsOkAnd(Optional(Field(&DirEntry::id, (*lock)->id()))));
  files_.RemoveDurable("/d/lock");
  files_.PutDurable("/d/lock", "");
  EXPECT_THAT(files_.Stat("/d/lock"), IsOkAnd(Optional(Field(&DirEntry::id, Ne((*lock)->id())))));
}

TEST_F(SimFileSystemTest, FailsTheNthOperationBeforeAfterOrHalfWay) {
  files_.Arm({.at = 2});
  EXPECT_THAT(file_->WriteAt(0, Bytes("abcd")), IsOk());
  EXPECT_FALSE(files_.fault_fired());
  EXPECT_THAT(file_->WriteAt(0, Bytes("XXXX")), IsError(ErrorKind::kUnavailable));
  EXPECT_TRUE(files_.fault_fired());
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("abcd")));
  EXPECT_THAT(file_->WriteAt(0, Bytes("abcd")), IsOk());

  files_.Arm({.effect = FaultEffect::kErrorPartial, .only = FileOperation::kWrite});
  EXPECT_THAT(files_.Stat("/d/f"), IsOk());
  EXPECT_THAT(file_->WriteAt(0, Bytes("XXXX")), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("XXcd")));

  files_.Arm({.effect = FaultEffect::kErrorAfter, .times = 2});
  EXPECT_THAT(file_->WriteAt(0, Bytes("1234")), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(files_.Rename("/d/f", "/d/g"), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(files_.ReadWhole("/d/g"), Optional(Eq("1234")));
  EXPECT_THAT(files_.Remove("/d/g"), IsOk());
}

TEST_F(SimFileSystemTest, NothingWorksAfterAPowerCutUntilTheCrash) {
  files_.Arm({.effect = FaultEffect::kPowerCutAfter, .only = FileOperation::kSync});
  ASSERT_THAT(file_->WriteAt(0, Bytes("NEW")), IsOk());
  EXPECT_FALSE(file_->Sync().has_value());
  EXPECT_THAT(files_.Stat("/d/f"), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(files_.MakeDirs("/e"), IsError(ErrorKind::kUnavailable));
  Crash(CrashPolicy::kLoseUnsynced);
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("NEW")));
  EXPECT_THAT(files_.MakeDirs("/e/f"), IsOk());
  Crash(CrashPolicy::kLoseUnsynced);
  EXPECT_THAT(files_.Names("/e"), ElementsAre("f"));
}

TEST_F(SimFileSystemTest, FullDiskTakesWhatFits) {
  files_.SetCapacity(5);
  EXPECT_THAT(file_->WriteAt(0, Bytes("123")), IsOk());
  EXPECT_THAT(file_->WriteAt(3, Bytes("456")), IsErrorSaying(ErrorKind::kUnavailable, "full"));
  EXPECT_THAT(files_.ReadWhole("/d/f"), Optional(Eq("12345")));
  EXPECT_THAT(file_->WriteAt(0, Bytes("abc")), IsOk());  // over what is there costs nothing
  files_.SetCapacity(std::nullopt);
  EXPECT_THAT(file_->WriteAt(5, Bytes("6")), IsOk());
}

TEST_F(SimFileSystemTest, FollowsThePortOnErrors) {
  EXPECT_THAT(files_.Open("/d/none", OpenMode::kRead), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(files_.Open("/d/f", OpenMode::kCreateNew), IsError(ErrorKind::kConflict));
  EXPECT_THAT(files_.Open("/d", OpenMode::kRead), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(files_.Remove("/d"), IsError(ErrorKind::kConflict));
  EXPECT_THAT(files_.MakeDirs("/d/f"), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(files_.List("/none"), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(files_.Stat("/none"), IsOkAnd(Eq(std::nullopt)));
  const std::uint64_t before = files_.operations();
  EXPECT_THAT(file_->Size(), IsOkAnd(Eq(3U)));
  EXPECT_EQ(files_.operations(), before + 1);
}

}  // namespace
}  // namespace signaldb::testing

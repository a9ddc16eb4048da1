// Which source a position belongs to when folders are copied, put back, mixed, or taken away.

#include <thread>

#include "log/recovery.h"
#include "log/segment_writer.h"
#include "log/state_file.h"
#include "log_rig.h"

namespace signaldb {
namespace {

using testing::AppendAndWait;
using testing::CrashPolicy;
using ::testing::ElementsAre;
using ::testing::Eq;
using testing::FaultEffect;
using ::testing::Ge;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;
using testing::kLogDir;
using testing::LogRig;
using testing::ReadLog;
using ::testing::SizeIs;

std::string PathOf(std::string_view name) { return fmt::format("{}/{}", kLogDir, name); }

std::string Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

using Files = std::map<std::string, std::string>;

Files TakeCopy(const LogRig& rig) {
  Files copy;
  for (const std::string& name : rig.files.Names(kLogDir))
    copy[name] = rig.files.ReadWhole(PathOf(name)).value();
  return copy;
}

enum class Inodes : std::uint8_t { kSame, kNew };

/// Puts the copy where the folder was.
void PutBack(LogRig& rig, const Files& copy, Inodes inodes) {
  rig.log.reset();
  for (const std::string& name : rig.files.Names(kLogDir)) {
    if (inodes == Inodes::kNew || !copy.contains(name)) rig.files.RemoveDurable(PathOf(name));
  }
  for (const auto& [name, bytes] : copy) rig.files.PutDurable(PathOf(name), bytes);
}

void AppendSome(LogRig& rig, int count) {
  for (int i = 0; i < count; ++i) ASSERT_THAT(AppendAndWait(*rig.log, "h", "body"), IsOk());
}

TEST(LogIdentity, StaysOverRestartsAndCrashes) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  const Uuid uuid = rig.log->uuid();
  AppendSome(rig, 3);
  for (const CrashPolicy policy : testing::kCrashPolicies) {
    ASSERT_THAT(rig.Reopen(), IsOk());
    ASSERT_THAT(rig.CrashAndOpen(policy), IsOk());
    EXPECT_EQ(rig.log->uuid(), uuid) << ToString(policy);
    EXPECT_THAT(rig.log->identities(), SizeIs(1));
  }
  EXPECT_FALSE(rig.events.Said(Severity::kWarning, "new identity"));
}

TEST(LogIdentity, BeginsAnewInACopyAndKeepsThatOfWhatWasThere) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  const Uuid old_uuid = rig.log->uuid();
  AppendSome(rig, 3);
  ASSERT_THAT(rig.Reopen(), IsOk());
  rig.log.reset();
  const Files copy = TakeCopy(rig);
  PutBack(rig, copy, Inodes::kNew);
  ASSERT_THAT(rig.Open(), IsOk());
  const Uuid new_uuid = rig.log->uuid();
  EXPECT_NE(new_uuid, old_uuid);
  EXPECT_TRUE(rig.events.Said(Severity::kWarning, "new identity"));
  const auto both = ElementsAre(LogIdentity{.uuid = old_uuid, .first = 1},
                                LogIdentity{.uuid = new_uuid, .first = 4});
  EXPECT_THAT(rig.log->identities(), both);
  AppendSome(rig, 2);
  // From here on it is this folder's own.
  ASSERT_THAT(rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
  EXPECT_THAT(rig.log->identities(), both);
  EXPECT_EQ(rig.log->uuid_of(3), old_uuid);
  EXPECT_EQ(rig.log->uuid_of(4), new_uuid);
  EXPECT_EQ(rig.log->uuid_of(5), new_uuid);
  // What is in the tables needs no identity any more.
  ASSERT_THAT(rig.log->Trim(2), IsOk());
  EXPECT_THAT(rig.log->identities(), SizeIs(2));
  ASSERT_THAT(rig.log->Trim(3), IsOk());
  EXPECT_THAT(rig.log->identities(), ElementsAre(LogIdentity{.uuid = new_uuid, .first = 4}));
  ASSERT_THAT(rig.Reopen(), IsOk());
  EXPECT_THAT(rig.log->identities(), ElementsAre(LogIdentity{.uuid = new_uuid, .first = 4}));
}

TEST(LogIdentity, OfCopiesThatNobodyWroteToAreNotCollected) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  AppendSome(rig, 1);
  const Uuid old_uuid = rig.log->uuid();
  for (int i = 0; i < 5; ++i) {
    rig.log.reset();
    PutBack(rig, TakeCopy(rig), Inodes::kNew);
    ASSERT_THAT(rig.Open(), IsOk());
    EXPECT_THAT(rig.log->identities(), SizeIs(2));
    EXPECT_EQ(rig.log->uuid_of(1), old_uuid);
  }
}

TEST(LogIdentity, IsTakenOnRequestDurablyBeforeTheFirstAppend) {
  // With a fault at every operation from the taking on.
  for (const FaultEffect effect :
       {FaultEffect::kErrorBefore, FaultEffect::kErrorAfter, FaultEffect::kErrorPartial}) {
    bool fired = true;
    for (std::uint64_t at = 1; fired; ++at) {
      LogRig rig(at);
      ASSERT_THAT(rig.Open(), IsOk());
      AppendSome(rig, 2);
      const Uuid old_uuid = rig.log->uuid();
      ASSERT_THAT(rig.Reopen(), IsOk());
      rig.files.Arm({.at = at, .effect = effect});
      const Result<Uuid> taken = rig.log->TakeNewIdentity("a test wants it");
      ASSERT_THAT(taken, IsOk());
      std::vector<Position> acknowledged;
      for (int i = 0; i < 3; ++i) {
        const auto position = AppendAndWait(*rig.log, "h", "fresh");
        if (position.has_value()) acknowledged.push_back(*position);
      }
      fired = rig.files.fault_fired();
      ASSERT_THAT(rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
      EXPECT_EQ(rig.log->uuid_of(2), old_uuid);
      for (const Position position : acknowledged) {
        EXPECT_EQ(rig.log->uuid_of(position), *taken) << ToString(effect) << " at=" << at;
      }
      EXPECT_THAT(ReadLog(*rig.log, 3), IsOkAnd(SizeIs(Ge(acknowledged.size()))));
    }
  }
}

TEST(LogIdentity, OfAFolderPutBackInPlaceIsLeftToWhoKnowsTheTables) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  AppendSome(rig, 2);
  rig.log.reset();
  const Files copy = TakeCopy(rig);
  ASSERT_THAT(rig.Open(), IsOk());
  const Uuid old_uuid = rig.log->uuid();
  AppendSome(rig, 5);
  PutBack(rig, copy, Inodes::kSame);
  ASSERT_THAT(rig.Open(), IsOk());
  EXPECT_EQ(rig.log->uuid(), old_uuid);
  EXPECT_EQ(rig.log->last_durable(), 2U);
  ASSERT_THAT(rig.log->TakeNewIdentity("the tables hold more"), IsOk());
  EXPECT_EQ(rig.log->uuid_of(2), old_uuid);
  EXPECT_NE(rig.log->uuid_of(3), old_uuid);
}

TEST(LogIdentity, IsKnownToSegmentsWhenFilesOfTwoCopiesAreMixed) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  AppendSome(rig, 2);
  const Uuid first = rig.log->uuid();
  rig.log.reset();
  const Files copy = TakeCopy(rig);
  PutBack(rig, copy, Inodes::kNew);
  ASSERT_THAT(rig.Open(), IsOk());
  const Uuid second = rig.log->uuid();
  AppendSome(rig, 2);
  rig.log.reset();
  // The older files over the newer ones, whose last segment stays.
  for (const auto& [name, bytes] : copy) rig.files.PutDurable(PathOf(name), bytes);
  ASSERT_THAT(rig.Open(), IsOk());
  EXPECT_EQ(rig.log->uuid_of(2), first);
  EXPECT_EQ(rig.log->uuid_of(3), second);
  EXPECT_EQ(rig.log->uuid_of(4), second);
  EXPECT_NE(rig.log->uuid(), second);
  EXPECT_NE(rig.log->uuid(), first);
  EXPECT_THAT(rig.log->identities(), SizeIs(3));
}

TEST(LogIdentity, IsKnownToSegmentsWhenItsFileIsLost) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  AppendSome(rig, 2);
  const Uuid first = rig.log->uuid();
  ASSERT_THAT(rig.Reopen(), IsOk());
  const Uuid second = rig.log->TakeNewIdentity("a test wants it").value();
  AppendSome(rig, 2);
  rig.log.reset();
  rig.files.RemoveDurable(PathOf(kIdentityFileName));
  ASSERT_THAT(rig.Open(), IsOk());
  EXPECT_EQ(rig.log->uuid_of(2), first);
  EXPECT_EQ(rig.log->uuid_of(3), second);
  EXPECT_NE(rig.log->uuid(), second);
}

TEST(LogIdentity, OfASegmentWithADamagedHeaderIsTakenFromTheFile) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  AppendSome(rig, 2);
  const Uuid first = rig.log->uuid();
  ASSERT_THAT(rig.Reopen(), IsOk());
  const Uuid second = rig.log->TakeNewIdentity("a test wants it").value();
  AppendSome(rig, 2);
  rig.log.reset();
  for (const std::string& path : rig.Segments()) {
    std::string bytes = rig.files.ReadWhole(path).value();
    bytes[60] ^= 1;
    rig.files.PutDurable(path, bytes);
  }
  for (int open = 0; open < 2; ++open) {  // damaged, then mended
    ASSERT_THAT(rig.Reopen(), IsOk());
    EXPECT_THAT(ReadLog(*rig.log), IsOkAnd(SizeIs(4)));
    EXPECT_EQ(rig.log->uuid_of(2), first);
    EXPECT_EQ(rig.log->uuid_of(3), second);
    EXPECT_EQ(rig.log->uuid(), second);
  }
}

/// What the first version of the format left: no identities, no lock, shorter headers.
void PutVersionOne(LogRig& rig, const Uuid& uuid) {
  ASSERT_THAT(rig.files.MakeDirs(kLogDir), IsOk());
  rig.files.PutDurable(PathOf(kIdentityFileName), Text(EncodeStateFile({.uuid = uuid})));
  auto writer = SegmentWriter::Create(
      rig.files, kLogDir,
      {.uuid = uuid, .id = {.sequence = 1, .base = 1}, .bytes = kSegmentHeaderBytesV1});
  ASSERT_THAT(writer, IsOk());
  std::vector<FrameToWrite> frames;
  for (Position position : {1, 2}) {
    frames.push_back({.frame = {.position = position,
                                .header_bytes = 1,
                                .content_checksum = ContentChecksum(ContentSeed(uuid), "h", {})},
                      .header = "h",
                      .body = {}});
  }
  ASSERT_THAT(writer->Write(frames), IsOk());
  ASSERT_THAT(writer->Sync(), IsOk());
}

TEST(LogIdentity, OfAFirstVersionLogIsKept) {
  for (const std::size_t damaged_byte : {1000, 3, 60}) {
    LogRig rig;
    const Uuid uuid{1, 2, 3};
    PutVersionOne(rig, uuid);
    if (damaged_byte < kSegmentHeaderBytesV1) {
      std::string bytes = rig.files.ReadWhole(rig.Segments().front()).value();
      bytes[damaged_byte] ^= 1;
      rig.files.PutDurable(rig.Segments().front(), bytes);
    }
    for (int open = 0; open < 3; ++open) {
      ASSERT_THAT(rig.Reopen(), IsOk());
      EXPECT_THAT(rig.log->identities(), ElementsAre(LogIdentity{.uuid = uuid, .first = 1}));
      EXPECT_THAT(ReadLog(*rig.log), IsOkAnd(SizeIs(2 + open)));
      AppendSome(rig, 1);
    }
    // By now it knows its lock file.
    rig.log.reset();
    PutBack(rig, TakeCopy(rig), Inodes::kNew);
    ASSERT_THAT(rig.Open(), IsOk());
    EXPECT_NE(rig.log->uuid(), uuid);
    EXPECT_EQ(rig.log->uuid_of(1), uuid);
  }
}

TEST(LogIdentity, ListIsBounded) {
  SeededRandom random(1);
  testing::RecordingListener events;
  std::vector<LogIdentity> identities(kIdentitiesMax - 1);
  EXPECT_THAT(BeginIdentity(random, events, kLogDir, "why", 5, identities), IsOk());
  EXPECT_THAT(BeginIdentity(random, events, kLogDir, "why", 5, identities),
              IsErrorSaying(ErrorKind::kInvalid, "copied too often"));
  EXPECT_THAT(identities, SizeIs(kIdentitiesMax));
  const IdentityFile file{.identities = identities};
  EXPECT_EQ(DecodeIdentityFile(EncodeIdentityFile(file)), file);
}

TEST(LogPlace, RefusesAppendsOnceItsFolderIsGoneAndTakesThemWhenItIsBack) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  AppendSome(rig, 1);
  ASSERT_THAT(rig.files.Rename("/data/log", "/data/elsewhere"), IsOk());
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "lost?"),
              IsErrorSaying(ErrorKind::kUnavailable, "removed or replaced"));
  EXPECT_FALSE(rig.log->healthy());
  EXPECT_THAT(rig.log->trouble(), ::testing::HasSubstr("/data/log/lock"));
  EXPECT_TRUE(rig.events.Said(Severity::kError, "cannot be written"));
  EXPECT_THAT(rig.log->Trim(1), IsErrorSaying(ErrorKind::kUnavailable, "removed or replaced"));
  ASSERT_THAT(rig.files.Rename("/data/elsewhere", "/data/log"), IsOk());
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "again"), IsOk());
  EXPECT_TRUE(rig.log->healthy());
  EXPECT_EQ(rig.log->trouble(), "");
  ASSERT_THAT(rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
  EXPECT_THAT(ReadLog(*rig.log), IsOkAnd(SizeIs(2)));
}

TEST(LogPlace, WritesNothingIntoTheFolderThatTookItsPlace) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  AppendSome(rig, 3);
  const Files copy = TakeCopy(rig);
  ASSERT_THAT(rig.files.Rename("/data/log", "/data/elsewhere"), IsOk());
  for (const auto& [name, bytes] : copy) rig.files.PutDurable(PathOf(name), bytes);
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "b"), testing::IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(rig.log->Trim(3), testing::IsError(ErrorKind::kUnavailable));
  rig.log->Close();
  EXPECT_EQ(TakeCopy(rig), copy);
}

TEST(LogPlace, IsLookedAtWithoutAppendsToo) {
  LogRig rig;
  rig.options.mend_interval = std::chrono::milliseconds(1);
  ASSERT_THAT(rig.Open(), IsOk());
  EXPECT_TRUE(rig.log->healthy());
  ASSERT_THAT(rig.files.Rename("/data/log", "/data/elsewhere"), IsOk());
  for (int i = 0; rig.log->healthy() && i < 5000; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_FALSE(rig.log->healthy());
  ASSERT_THAT(rig.files.Rename("/data/elsewhere", "/data/log"), IsOk());
  for (int i = 0; !rig.log->healthy() && i < 5000; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(rig.log->healthy());
}

}  // namespace
}  // namespace signaldb

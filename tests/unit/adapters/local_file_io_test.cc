#include "adapters/local/local_file_io.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <arrow/io/interfaces.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/local/posix_file_system.h"
#include "base/random.h"
#include "testing/matchers.h"
#include "testing/sim_file_system.h"
#include "testing/temp_dir.h"

namespace signaldb {
namespace {

using signaldb::testing::FaultEffect;
using signaldb::testing::IsError;
using signaldb::testing::IsOk;
using signaldb::testing::IsOkAnd;
using signaldb::testing::SimFileSystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PathOfFileLocation, TakesLocalFilesOnly) {
  struct Case {
    std::string location;
    std::string path;  ///< Empty: refused.
  };
  const Case cases[] = {
      {"file:///w/a.parquet", "/w/a.parquet"},
      {"file:/w/a", "/w/a"},
      {"/w/a", "/w/a"},
      {"file:///w//a", "/w/a"},
      {"file:///w/a b%20?#", "/w/a b%20?#"},
      {"file:///w/..a", "/w/..a"},
      {"file:///w/../a", ""},
      {"file:///w/./a", ""},
      {"file:///w/..", ""},
      {"file:///", ""},
      {"file:///w/", ""},
      {"file://host/w", ""},
      {"w/a", ""},
      {"s3://bucket/a", ""},
      {"memory:///a", ""},
      {std::string("file:///w\0/a", 12), ""},
      {"", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.location);
    if (c.path.empty()) {
      EXPECT_THAT(PathOfFileLocation(c.location), IsError(ErrorKind::kInvalid));
    } else {
      EXPECT_THAT(PathOfFileLocation(c.location), IsOkAnd(c.path));
    }
  }
}

TEST(LocalFileIo, WritesReadsListsAndDeletesRealFiles) {
  const testing::TempDir folder;
  PosixFileSystem files;
  SeededRandom random(1);
  LocalFileIo io(files, random, folder.path());
  const std::string table = "file://" + folder.path() + "/t";
  ASSERT_THAT(WriteFile(io, table + "/metadata/1.json", "one"), IsOk());
  const std::string big(3 * 256 * 1024 + 17, 'b');
  ASSERT_THAT(WriteFile(io, table + "/data/h=1/2.parquet", big), IsOk());
  EXPECT_THAT(io.Read(table + "/data/h=1/2.parquet"), IsOkAnd(big));
  EXPECT_THAT(io.List(table),
              IsOkAnd(ElementsAre(table + "/data/h=1/2.parquet", table + "/metadata/1.json")));
  EXPECT_THAT(io.List(table + "/none"), IsOkAnd(IsEmpty()));
  EXPECT_THAT(WriteFile(io, table + "/metadata/1.json", "two"), IsError(ErrorKind::kConflict));
  EXPECT_THAT(io.Read(table + "/metadata/1.json"), IsOkAnd("one"));
  EXPECT_THAT(files.List(folder.path() + "/t/metadata"), IsOkAnd(::testing::SizeIs(1)));
  ASSERT_THAT(io.Delete(table + "/metadata/1.json"), IsOk());
  ASSERT_THAT(io.Delete(table + "/metadata/1.json"), IsOk());
  EXPECT_THAT(io.Read(table + "/metadata/1.json"), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(io.Open(table + "/metadata/1.json"), IsError(ErrorKind::kNotFound));
}

TEST(LocalFileIo, ReadsPartsOfAFile) {
  SimFileSystem files;
  SeededRandom random(1);
  LocalFileIo io(files, random, "/w");
  ASSERT_THAT(WriteFile(io, "file:///w/a", "0123456789"), IsOk());
  auto file = io.Open("file:///w/a");
  ASSERT_THAT(file, IsOk());
  arrow::io::RandomAccessFile& input = **file;
  EXPECT_EQ(input.GetSize().ValueOrDie(), 10);
  EXPECT_EQ(input.ReadAt(8, 5).ValueOrDie()->ToString(), "89");
  EXPECT_EQ(input.ReadAt(10, 5).ValueOrDie()->size(), 0);
  ASSERT_TRUE(input.Seek(3).ok());
  EXPECT_EQ(input.Read(2).ValueOrDie()->ToString(), "34");
  EXPECT_EQ(input.Tell().ValueOrDie(), 5);
  EXPECT_FALSE(input.ReadAt(-1, 2).ok());
  ASSERT_TRUE(input.Close().ok());
  EXPECT_TRUE(input.closed());
  EXPECT_FALSE(input.ReadAt(0, 1).ok());
}

TEST(LocalFileIo, StaysInsideItsRoot) {
  SimFileSystem files;
  SeededRandom random(1);
  LocalFileIo io(files, random, "/w/root/");
  for (const std::string& location : std::vector<std::string>{
           "file:///w/a", "file:///w/rootless/a", "file:///w/root/../a", "file:///w/root"}) {
    SCOPED_TRACE(location);
    EXPECT_THAT(io.Create(location), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(io.Read(location), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(io.Open(location), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(io.Delete(location), IsError(ErrorKind::kInvalid));
  }
  EXPECT_THAT(io.List("file:///w"), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(io.List("file:///w/root/.."), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(io.List("file:///w/root"), IsOkAnd(IsEmpty()));
}

TEST(LocalFileIo, LeavesNothingOfAFileThatWasNotFinished) {
  SimFileSystem files;
  SeededRandom random(1);
  LocalFileIo io(files, random, "/w");
  {
    auto file = io.Create("file:///w/t/a");
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT((*file)->Append(std::vector<std::byte>(1'000'000)), IsOk());
    EXPECT_THAT(io.List("file:///w"), IsOkAnd(IsEmpty()));
    EXPECT_THAT(files.List("/w/t"), IsOkAnd(::testing::SizeIs(1)));
  }
  EXPECT_THAT(files.List("/w/t"), IsOkAnd(IsEmpty()));
}

// Whatever fails, and whether or not the failed step had its effect: the file is whole or not
// there, success means durable, and an error that says "not there" or "unknown" is true.
TEST(LocalFileIo, ShowsAWholeFileOrNoneWhateverFails) {
  const std::string bytes(300'000, 'x');
  for (const FaultEffect effect :
       {FaultEffect::kErrorBefore, FaultEffect::kErrorAfter, FaultEffect::kErrorPartial,
        FaultEffect::kPowerCutBefore, FaultEffect::kPowerCutAfter}) {
    for (const testing::CrashPolicy policy : testing::kCrashPolicies) {
      bool fired = true;
      for (std::uint64_t at = 1; fired; ++at) {
        SCOPED_TRACE(std::string(ToString(effect)) + " " + std::string(ToString(policy)) + " " +
                     std::to_string(at));
        ASSERT_LT(at, 100U);
        SimFileSystem files;
        SeededRandom random(at);
        LocalFileIo io(files, random, "/w");
        files.Arm({.at = at, .effect = effect});
        const Status status = WriteFile(io, "file:///w/t/data/a", bytes);
        fired = files.fault_fired();
        files.Disarm();
        if (!fired) {
          ASSERT_THAT(status, IsOk());
        }
        if (!status.has_value()) {
          EXPECT_TRUE(status.error().kind == ErrorKind::kUnavailable ||
                      status.error().kind == ErrorKind::kUnknownOutcome)
              << status.error().message;
        }
        files.CutPower();
        files.Crash(policy, random);
        const Result<std::string> found = io.Read("file:///w/t/data/a");
        if (status.has_value()) {
          ASSERT_THAT(found, IsOkAnd(bytes));
        }
        if (found.has_value()) {
          ASSERT_EQ(*found, bytes);
        }
        const Result<std::vector<std::string>> listed = io.List("file:///w");
        ASSERT_THAT(listed, IsOk());
        EXPECT_EQ(listed->size(), found.has_value() ? 1U : 0U);
      }
    }
  }
}

}  // namespace
}  // namespace signaldb

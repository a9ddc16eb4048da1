#include "iceberg/commit/parallel_writes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/memory/memory_file_io.h"
#include "testing/faulty_file_io.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using signaldb::testing::FaultMoment;
using signaldb::testing::FaultyFileIo;
using signaldb::testing::IsError;
using signaldb::testing::IsOk;
using signaldb::testing::IsOkAnd;

std::vector<PendingFile> Files(int count) {
  std::vector<PendingFile> files;
  for (int i = 0; i < count; ++i) {
    files.push_back({.location = "memory://w/" + std::to_string(i), .bytes = std::to_string(i)});
  }
  return files;
}

TEST(WriteFiles, WritesAllOnAnyNumberOfThreads) {
  for (const std::size_t threads : {std::size_t{1}, std::size_t{2}, std::size_t{50}}) {
    MemoryFileIo io;
    ASSERT_THAT(WriteFiles(io, Files(20), threads), IsOk());
    EXPECT_THAT(io.Read("memory://w/19"), IsOkAnd("19"));
    EXPECT_THAT(io.List("memory://w"), IsOkAnd(::testing::SizeIs(20)));
  }
}

TEST(WriteFiles, HasNothingToDoForNoFiles) {
  MemoryFileIo io;
  EXPECT_THAT(WriteFiles(io, {}, 4), IsOk());
}

TEST(WriteFiles, StopsAtTheFirstError) {
  MemoryFileIo real;
  FaultyFileIo io(real);
  io.Arm(1 + 3 * 3, FaultMoment::kBefore);  // The fourth Create.
  EXPECT_THAT(WriteFiles(io, Files(20), 1), IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(real.List("memory://w"), IsOkAnd(::testing::SizeIs(3)));
}

}  // namespace
}  // namespace signaldb

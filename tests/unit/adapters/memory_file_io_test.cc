#include "adapters/memory/memory_file_io.h"

#include <arrow/io/interfaces.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using signaldb::testing::IsError;
using signaldb::testing::IsOk;
using signaldb::testing::IsOkAnd;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MemoryFileIo, ShowsAFileOnlyWhenFinished) {
  MemoryFileIo io;
  {
    Result<std::unique_ptr<OutputFile>> file = io.Create("memory://w/a");
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT((*file)->Append(std::as_bytes(std::span("ab", 2))), IsOk());
    EXPECT_EQ((*file)->bytes_written(), 2U);
    EXPECT_THAT(io.Read("memory://w/a"), IsError(ErrorKind::kNotFound));
    ASSERT_THAT((*file)->Finish(), IsOk());
  }
  EXPECT_THAT(io.Read("memory://w/a"), IsOkAnd("ab"));
}

TEST(MemoryFileIo, WritesALocationOnce) {
  MemoryFileIo io;
  ASSERT_THAT(WriteFile(io, "memory://w/a", "1"), IsOk());
  EXPECT_THAT(WriteFile(io, "memory://w/a", "2"), IsError(ErrorKind::kConflict));
  EXPECT_THAT(io.Read("memory://w/a"), IsOkAnd("1"));
}

TEST(MemoryFileIo, KeepsADeletedFileReadableForThoseWhoOpenedIt) {
  MemoryFileIo io;
  ASSERT_THAT(WriteFile(io, "memory://w/a", "abc"), IsOk());
  auto file = io.Open("memory://w/a");
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT(io.Delete("memory://w/a"), IsOk());
  EXPECT_THAT(io.Delete("memory://w/a"), IsOk());
  EXPECT_EQ(io.bytes_used(), 0U);
  EXPECT_EQ((*file)->ReadAt(1, 2).ValueOrDie()->ToString(), "bc");
}

TEST(MemoryFileIo, ListsWhatIsInsideAFolder) {
  MemoryFileIo io;
  for (const std::string& name : std::vector<std::string>{"w/a/2", "w/a/1", "w/ab", "w/a", "x"}) {
    ASSERT_THAT(WriteFile(io, "memory://" + name, ""), IsOk());
  }
  EXPECT_THAT(io.List("memory://w/a"), IsOkAnd(ElementsAre("memory://w/a/1", "memory://w/a/2")));
  EXPECT_THAT(io.List("memory://none"), IsOkAnd(IsEmpty()));
}

TEST(MemoryFileIo, RefusesOtherStoresAndTooMuch) {
  MemoryFileIo io(4);
  EXPECT_THAT(io.Read("file:///a"), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(io.Create("memory://"), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(io.List("/"), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(WriteFile(io, "memory://a", "1234"), IsOk());
  EXPECT_THAT(WriteFile(io, "memory://b", "1"), IsError(ErrorKind::kUnavailable));
}

}  // namespace
}  // namespace signaldb

#include "adapters/local/text_file.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "adapters/local/posix_file_system.h"
#include "testing/matchers.h"
#include "testing/temp_dir.h"

namespace signaldb {
namespace {

using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOkAnd;
using testing::TempDir;

void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

TEST(TextFile, ReadsAFileUpToItsLimit) {
  const TempDir dir;
  PosixFileSystem files;
  for (const std::size_t size : {std::size_t{0}, std::size_t{99}, std::size_t{100}}) {
    Write(dir / "f", std::string(size, 'x'));
    EXPECT_THAT(ReadTextFile(files, dir / "f", 100), IsOkAnd(std::string(size, 'x')));
  }
  for (const std::size_t size : {std::size_t{101}, std::size_t{100'000}}) {
    Write(dir / "f", std::string(size, 'x'));
    EXPECT_THAT(ReadTextFile(files, dir / "f", 100),
                IsErrorSaying(ErrorKind::kInvalid, "bytes_max=100"));
  }
  EXPECT_THAT(ReadTextFile(files, dir / "none", 100), IsError(ErrorKind::kNotFound));
}

TEST(TextFile, OneLineEndIsNoPartOfASecret) {
  for (const char* const text : {"abc", "abc\n", "abc\r\n"}) {
    EXPECT_EQ(WithoutLineEnd(text), "abc");
  }
  EXPECT_EQ(WithoutLineEnd("abc\n\n"), "abc\n");
  EXPECT_EQ(WithoutLineEnd(""), "");
}

}  // namespace
}  // namespace signaldb

#include "adapters/local/posix_file_system.h"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "testing/matchers.h"
#include "testing/temp_dir.h"

namespace signaldb {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Field;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;
using ::testing::Optional;
using testing::TempDir;

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string ReadAll(File& file) {
  std::string text(file.Size().value_or(0), '?');
  const auto got = file.ReadAt(0, std::as_writable_bytes(std::span(text)));
  EXPECT_THAT(got, IsOkAnd(Eq(text.size())));
  return text;
}

TEST(ErrorFromErrno, SaysWhatTheCallerDoesNext) {
  struct Row {
    int number;
    ErrorKind kind;
    const char* text;
  };
  constexpr Row kRows[] = {
      {ENOENT, ErrorKind::kNotFound, "no such file"},
      {EEXIST, ErrorKind::kConflict, "file exists"},
      {ENOTEMPTY, ErrorKind::kConflict, "not empty"},
      {EWOULDBLOCK, ErrorKind::kConflict, "stop the process that holds it"},
      {EISDIR, ErrorKind::kInvalid, "is a directory"},
      {ENOTDIR, ErrorKind::kInvalid, "not a directory"},
      {ENAMETOOLONG, ErrorKind::kInvalid, "name too long"},
      {ELOOP, ErrorKind::kInvalid, "symbolic link"},
      {EINVAL, ErrorKind::kInvalid, "invalid argument"},
      {EXDEV, ErrorKind::kInvalid, "cross-device"},
      {EBADF, ErrorKind::kInternal, "bad file descriptor"},
      {EFAULT, ErrorKind::kInternal, "bad address"},
      {EIO, ErrorKind::kUnavailable, "check the disk"},
      {ENOSPC, ErrorKind::kUnavailable, "free space"},
      {EDQUOT, ErrorKind::kUnavailable, "raise the quota"},
      {EROFS, ErrorKind::kUnavailable, "mount the file system writable"},
      {EACCES, ErrorKind::kUnavailable, "check owner and mode"},
      {EPERM, ErrorKind::kUnavailable, "check owner and mode"},
      {EMFILE, ErrorKind::kUnavailable, "raise the limit of open files"},
      {ENOMEM, ErrorKind::kUnavailable, "cannot allocate memory"},
      {4242, ErrorKind::kUnavailable, "unknown error"},
  };
  for (const Row& row : kRows) {
    const Error error = ErrorFromErrno(row.number, "open file", "/a/b");
    EXPECT_EQ(error.kind, row.kind) << error.message;
    EXPECT_NE(error.message.find(row.text), std::string::npos) << error.message;
    EXPECT_TRUE(error.message.starts_with("cannot open file: ")) << error.message;
    EXPECT_TRUE(error.message.ends_with(" path=/a/b")) << error.message;
  }
}

TEST(PosixFileSystem, ReadsWhatWasWrittenByPosition) {
  const TempDir dir;
  PosixFileSystem files;
  auto file = files.Open(dir / "f", OpenMode::kCreateNew);
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT((*file)->WriteAt(0, Bytes("hello world")), IsOk());
  EXPECT_THAT((*file)->WriteAt(6, Bytes("there")), IsOk());
  EXPECT_THAT((*file)->Sync(), IsOk());
  EXPECT_EQ(ReadAll(**file), "hello there");
  EXPECT_THAT((*file)->Truncate(5), IsOk());
  EXPECT_EQ(ReadAll(**file), "hello");
  std::string more(10, '?');
  EXPECT_THAT((*file)->ReadAt(3, std::as_writable_bytes(std::span(more))), IsOkAnd(Eq(2U)));
  EXPECT_THAT((*file)->ReadAt(5, std::as_writable_bytes(std::span(more))), IsOkAnd(Eq(0U)));
}

TEST(PosixFileSystem, WritesMorePiecesThanOneCallTakes) {
  const TempDir dir;
  PosixFileSystem files;
  std::vector<std::string> texts;
  std::string whole = "ab";
  for (int i = 0; i < 2000; ++i)
    whole += texts.emplace_back(std::to_string(i % 7 == 0 ? i : 0), 0, i % 7 == 1 ? 0 : 9);
  std::vector<std::span<const std::byte>> pieces;
  for (const std::string& text : texts) pieces.push_back(Bytes(text));
  auto file = files.Open(dir / "f", OpenMode::kCreateNew);
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT((*file)->WriteAt(0, Bytes("ab")), IsOk());
  EXPECT_THAT((*file)->WritePiecesAt(2, pieces), IsOk());
  EXPECT_EQ(ReadAll(**file), whole);
  EXPECT_THAT((*file)->WritePiecesAt(0, {}), IsOk());
}

TEST(PosixFileSystem, OpensByMode) {
  const TempDir dir;
  PosixFileSystem files;
  EXPECT_THAT(files.Open(dir / "f", OpenMode::kRead), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(files.Open(dir / "f", OpenMode::kWrite), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(files.Open(dir / "f", OpenMode::kCreateNew), IsOk());
  EXPECT_THAT(files.Open(dir / "f", OpenMode::kCreateNew), IsError(ErrorKind::kConflict));
  auto reader = files.Open(dir / "f", OpenMode::kRead);
  ASSERT_THAT(reader, IsOk());
  EXPECT_FALSE((*reader)->WriteAt(0, Bytes("x")).has_value());
  EXPECT_THAT(files.Open(dir.path(), OpenMode::kRead), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(files.Open(dir / std::string(300, 'x'), OpenMode::kRead),
              IsError(ErrorKind::kInvalid));
}

TEST(PosixFileSystem, NeverOpensThroughASymbolicLink) {
  const TempDir dir;
  PosixFileSystem files;
  ASSERT_THAT(files.Open(dir / "real", OpenMode::kCreateNew), IsOk());
  std::filesystem::create_symlink(dir / "real", dir / "link");
  EXPECT_THAT(files.Open(dir / "link", OpenMode::kRead),
              IsErrorSaying(ErrorKind::kInvalid, "symbolic link"));
  EXPECT_THAT(files.Open(dir / "link", OpenMode::kCreateNew), IsError(ErrorKind::kConflict));
  EXPECT_THAT(files.Lock(dir / "link"), IsError(ErrorKind::kInvalid));
}

TEST(PosixFileSystem, RenamesOverAndRemoves) {
  const TempDir dir;
  PosixFileSystem files;
  {
    auto a = files.Open(dir / "a", OpenMode::kCreateNew);
    auto b = files.Open(dir / "b", OpenMode::kCreateNew);
    ASSERT_THAT((*a)->WriteAt(0, Bytes("A")), IsOk());
    ASSERT_THAT((*b)->WriteAt(0, Bytes("B")), IsOk());
  }
  EXPECT_THAT(files.Rename(dir / "a", dir / "b"), IsOk());
  EXPECT_THAT(files.Rename(dir / "a", dir / "b"), IsError(ErrorKind::kNotFound));
  EXPECT_EQ(ReadAll(**files.Open(dir / "b", OpenMode::kRead)), "A");
  EXPECT_THAT(files.SyncDir(dir.path()), IsOk());
  EXPECT_THAT(files.Remove(dir / "b"), IsOk());
  EXPECT_THAT(files.Remove(dir / "b"), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(files.SyncDir(dir / "none"), IsError(ErrorKind::kNotFound));
}

TEST(PosixFileSystem, MakesFoldersAndTheirParentsAgainAndAgain) {
  const TempDir dir;
  PosixFileSystem files;
  EXPECT_THAT(files.MakeDirs(dir / "x/y/z"), IsOk());
  EXPECT_THAT(files.MakeDirs(dir / "x/y/z"), IsOk());
  EXPECT_TRUE(std::filesystem::is_directory(dir / "x/y/z"));
  EXPECT_THAT(files.Remove(dir / "x"), IsError(ErrorKind::kConflict));
  EXPECT_THAT(files.Remove(dir / "x/y/z"), IsOk());
  EXPECT_THAT(files.MakeDirs(dir / "x/y/z"), IsOk());
  // Removed behind our back: what was remembered is not believed.
  std::filesystem::remove_all(dir / "x");
  EXPECT_THAT(files.MakeDirs(dir / "x/y/z"), IsOk());
  EXPECT_TRUE(std::filesystem::is_directory(dir / "x/y/z"));
  ASSERT_THAT(files.Open(dir / "file", OpenMode::kCreateNew), IsOk());
  EXPECT_THAT(files.MakeDirs(dir / "file"), IsError(ErrorKind::kInvalid));
  EXPECT_FALSE(files.MakeDirs(dir / "file/under").has_value());
  EXPECT_THAT(files.MakeDirs("/"), IsOk());
}

TEST(PosixFileSystem, ListsInByteOrderAndStats) {
  const TempDir dir;
  PosixFileSystem files;
  for (const char* name : {"b", "a", "C"}) {
    auto file = files.Open(dir / name, OpenMode::kCreateNew);
    ASSERT_THAT((*file)->WriteAt(0, Bytes("123")), IsOk());
  }
  ASSERT_THAT(files.MakeDirs(dir / "d"), IsOk());
  EXPECT_THAT(
      files.List(dir.path()),
      IsOkAnd(ElementsAre(Field(&DirEntry::name, "C"), Field(&DirEntry::name, "a"),
                          Field(&DirEntry::name, "b"), Field(&DirEntry::is_directory, true))));
  EXPECT_THAT(files.List(dir / "none"), IsError(ErrorKind::kNotFound));
  const auto stat = files.Stat(dir / "a");
  ASSERT_THAT(stat, IsOk());
  ASSERT_TRUE(stat->has_value());
  EXPECT_EQ((*stat)->name, "a");
  EXPECT_EQ((*stat)->size, 3U);
  EXPECT_THAT(files.Stat(dir / "none"), IsOkAnd(Eq(std::nullopt)));
  EXPECT_THAT(files.Stat(dir / "a/none"), IsOkAnd(Eq(std::nullopt)));
}

TEST(PosixFileSystem, LocksOnceAtATime) {
  const TempDir dir;
  PosixFileSystem files;
  auto held = files.Lock(dir / "lock");
  ASSERT_THAT(held, IsOk());
  EXPECT_THAT(files.Lock(dir / "lock"), IsError(ErrorKind::kConflict));
  held->reset();
  EXPECT_THAT(files.Lock(dir / "lock"), IsOk());
}

TEST(PosixFileSystem, TellsAFileFromItsSuccessorUnderTheSameName) {
  const TempDir dir;
  PosixFileSystem files;
  auto held = files.Lock(dir / "lock");
  ASSERT_THAT(held, IsOk());
  const FileId id = (*held)->id();
  EXPECT_THAT(files.Stat(dir / "lock"), IsOkAnd(Optional(Field(&DirEntry::id, id))));
  EXPECT_THAT(files.List(dir.path()), IsOkAnd(ElementsAre(Field(&DirEntry::id, id))));
  ASSERT_THAT(files.Rename(dir / "lock", dir / "moved"), IsOk());
  EXPECT_THAT(files.Stat(dir / "moved"), IsOkAnd(Optional(Field(&DirEntry::id, id))));
  EXPECT_EQ((*held)->id(), id);
  // With the file gone for good its inode is free, and many file systems give it away at once.
  held->reset();
  ASSERT_THAT(files.Remove(dir / "moved"), IsOk());
  SystemClock().SleepFor(std::chrono::milliseconds(20), {});
  auto successor = files.Lock(dir / "lock");
  ASSERT_THAT(successor, IsOk());
  EXPECT_FALSE((*successor)->id() == id);
}

TEST(PosixFileSystem, SaysDiskFullAsUnavailable) {
  PosixFileSystem files;
  auto full = files.Open("/dev/full", OpenMode::kWrite);
  ASSERT_THAT(full, IsOk());
  EXPECT_THAT((*full)->WriteAt(0, Bytes("x")),
              IsErrorSaying(ErrorKind::kUnavailable, "no space left"));
  const std::span<const std::byte> pieces[] = {Bytes("x"), Bytes("y")};
  EXPECT_THAT((*full)->WritePiecesAt(0, pieces),
              IsErrorSaying(ErrorKind::kUnavailable, "no space left"));
  EXPECT_THAT((*full)->Sync(),
              IsError(ErrorKind::kUnknownOutcome));  // EINVAL: no such thing as syncing it
}

}  // namespace
}  // namespace signaldb

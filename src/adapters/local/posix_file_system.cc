#include "adapters/local/posix_file_system.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

namespace signaldb {
namespace {

constexpr mode_t kFileMode = 0644;
constexpr mode_t kDirMode = 0755;
constexpr std::size_t kDurableDirsMax = 4096;
/// Pieces handed to one pwritev; Linux takes 1024.
constexpr std::size_t kPiecesPerCallMax = 512;
/// Linux moves at most 0x7ffff000 bytes in one call.
constexpr std::size_t kBytesPerCallMax = 1ULL << 30;

[[nodiscard]] std::unexpected<Error> FailErrno(int number, std::string_view doing,
                                               std::string_view path) {
  return std::unexpected(ErrorFromErrno(number, doing, path));
}

/// A failed sync has an unknown outcome whatever the errno says.
[[nodiscard]] std::unexpected<Error> FailSync(int number, std::string_view doing,
                                              std::string_view path) {
  return Fail(ErrorKind::kUnknownOutcome, ErrorFromErrno(number, doing, path).message);
}

/// Repeats a call while a signal interrupts it.
template <typename Call>
auto Uninterrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

/// Owns a descriptor. Errors of close(2) are not looked at: what must be durable was synced before.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  [[nodiscard]] Result<std::size_t> ReadAt(std::uint64_t offset,
                                           std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const std::size_t want = std::min(out.size() - done, kBytesPerCallMax);
      const ssize_t got = Uninterrupted([&] {
        return ::pread(fd_.get(), out.data() + done, want, static_cast<off_t>(offset + done));
      });
      if (got < 0) return FailErrno(errno, "read file", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  [[nodiscard]] Status WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const std::size_t want = std::min(bytes.size(), kBytesPerCallMax);
      const ssize_t put = Uninterrupted(
          [&] { return ::pwrite(fd_.get(), bytes.data(), want, static_cast<off_t>(offset)); });
      if (put < 0) return FailErrno(errno, "write file", path_);
      if (put == 0) return FailErrno(EIO, "write file", path_);  // no progress would loop for ever
      offset += static_cast<std::uint64_t>(put);
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return {};
  }

  [[nodiscard]] Status WritePiecesAt(std::uint64_t offset,
                                     std::span<const std::span<const std::byte>> pieces) override {
    std::array<iovec, kPiecesPerCallMax> vectors;
    while (!pieces.empty()) {
      std::size_t count = 0;
      std::size_t bytes = 0;
      while (count < pieces.size() && count < vectors.size() &&
             bytes + pieces[count].size() <= kBytesPerCallMax) {
        // iovec is shared with readv and hence not const; pwritev only reads.
        vectors[count] = {.iov_base = const_cast<std::byte*>(pieces[count].data()),
                          .iov_len = pieces[count].size()};
        bytes += pieces[count++].size();
      }
      if (count == 0) {
        SIGNALDB_TRY(WriteAt(offset, pieces.front()));
        offset += pieces.front().size();
        pieces = pieces.subspan(1);
        continue;
      }
      const ssize_t put = Uninterrupted([&] {
        return ::pwritev(fd_.get(), vectors.data(), static_cast<int>(count),
                         static_cast<off_t>(offset));
      });
      if (put < 0) return FailErrno(errno, "write file", path_);
      SIGNALDB_TRY(FinishShortWrite(offset, pieces.first(count), static_cast<std::size_t>(put)));
      offset += bytes;
      pieces = pieces.subspan(count);
    }
    return {};
  }

  [[nodiscard]] Status Sync() override {
    if (Uninterrupted([&] { return ::fdatasync(fd_.get()); }) != 0)
      return FailSync(errno, "sync file", path_);
    return {};
  }

  [[nodiscard]] Status Truncate(std::uint64_t size) override {
    if (Uninterrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0) {
      return FailErrno(errno, "truncate file", path_);
    }
    return {};
  }

  [[nodiscard]] Result<std::uint64_t> Size() override {
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) return FailErrno(errno, "stat file", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

 private:
  /// Writes piece by piece what pwritev left over.
  [[nodiscard]] Status FinishShortWrite(std::uint64_t offset,
                                        std::span<const std::span<const std::byte>> pieces,
                                        std::size_t done) {
    for (const std::span<const std::byte> piece : pieces) {
      const std::size_t skip = std::min(done, piece.size());
      done -= skip;
      SIGNALDB_TRY(WriteAt(offset + skip, piece.subspan(skip)));
      offset += piece.size();
    }
    return {};
  }

  Descriptor fd_;
  std::string path_;
};

class PosixFileLock final : public FileLock {
 public:
  PosixFileLock(Descriptor fd, const FileId& id) : fd_(std::move(fd)), id_(id) {}
  [[nodiscard]] const FileId& id() const override { return id_; }

 private:
  Descriptor fd_;  // closing it releases the lock
  const FileId id_;
};

/// statx, which unlike stat knows when a file was created.
[[nodiscard]] int StatWithBirth(int dir, const char* path, int flags, struct statx& info) {
  return ::statx(dir, path, flags, STATX_BASIC_STATS | STATX_BTIME, &info);
}

[[nodiscard]] FileId IdOf(const struct statx& info) {
  constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
  const bool knows_birth = (info.stx_mask & STATX_BTIME) != 0;
  return {.device = makedev(info.stx_dev_major, info.stx_dev_minor),
          .inode = info.stx_ino,
          .born_ns =
              knows_birth ? info.stx_btime.tv_sec * kNanosPerSecond + info.stx_btime.tv_nsec : 0};
}

[[nodiscard]] DirEntry EntryOf(std::string_view name, const struct statx& info) {
  return {.name = std::string(name),
          .is_directory = S_ISDIR(info.stx_mode),
          .size = S_ISREG(info.stx_mode) ? info.stx_size : 0,
          .id = IdOf(info)};
}

[[nodiscard]] ErrorKind KindFromErrno(int number) {
  switch (number) {
    case ENOENT:
      return ErrorKind::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
    case EWOULDBLOCK:
      return ErrorKind::kConflict;
    case EISDIR:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
    case EXDEV:
      return ErrorKind::kInvalid;
    case EBADF:
    case EFAULT:
      return ErrorKind::kInternal;
    default:
      return ErrorKind::kUnavailable;
  }
}

/// What a person does about it; empty where the error says it all.
[[nodiscard]] std::string_view AdviceFor(int number) {
  switch (number) {
    case ENOSPC:
      return ", free space on the disk";
    case EDQUOT:
      return ", raise the quota";
    case EACCES:
    case EPERM:
      return ", check owner and mode";
    case EROFS:
      return ", mount the file system writable";
    case EMFILE:
    case ENFILE:
      return ", raise the limit of open files";
    case EIO:
      return ", check the disk";
    case ELOOP:
      return ", replace the symbolic link by the file";
    case EWOULDBLOCK:
      return ", stop the process that holds it";
    default:
      return "";
  }
}

}  // namespace

Error ErrorFromErrno(int number, std::string_view doing, std::string_view path) {
  const char* description = ::strerrordesc_np(number);
  std::string text = description != nullptr ? description : "unknown error";
  // Only a word's first capital goes: "Input/output error", but not the one of "RFS specific
  // error".
  if (text.size() > 1 && text[1] >= 'a' && text[1] <= 'z')
    text[0] = static_cast<char>(std::tolower(text[0]));
  return {KindFromErrno(number), fmt::format("cannot {}: {}{} errno={} path={}", doing, text,
                                             AdviceFor(number), number, path)};
}

Result<std::unique_ptr<File>> PosixFileSystem::Open(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC | O_NOFOLLOW;
  switch (mode) {
    case OpenMode::kRead:
      flags |= O_RDONLY;
      break;
    case OpenMode::kWrite:
      flags |= O_RDWR;
      break;
    case OpenMode::kCreateNew:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
  }
  Descriptor fd(Uninterrupted([&] { return ::open(path.c_str(), flags, kFileMode); }));
  if (fd.get() < 0) return FailErrno(errno, "open file", path);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return FailErrno(errno, "stat file", path);
  if (S_ISDIR(info.st_mode)) return FailErrno(EISDIR, "open file", path);
  return std::make_unique<PosixFile>(std::move(fd), path);
}

Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return FailErrno(errno, "rename file", from);
  Forget(from);
  return {};
}

Status PosixFileSystem::Remove(const std::string& path) {
  if (std::remove(path.c_str()) != 0) return FailErrno(errno, "remove", path);
  Forget(path);
  return {};
}

Status PosixFileSystem::MakeDirs(const std::string& path) {
  if (IsKnownDurable(path)) return {};
  const std::string parent = ParentDir(path);
  if (parent != path && parent != "/") SIGNALDB_TRY(MakeDirs(parent));
  const bool created = ::mkdir(path.c_str(), kDirMode) == 0;
  if (!created) {
    const int number = errno;
    SIGNALDB_ASSIGN(const std::optional<DirEntry> entry, Stat(path));
    // The name is taken, yet leads nowhere.
    if (!entry.has_value())
      return FailErrno(number == EEXIST ? ELOOP : number, "make folder", path);
    if (!entry->is_directory) return FailErrno(ENOTDIR, "make folder", path);
  }
  const Descriptor fd(
      Uninterrupted([&] { return ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (fd.get() < 0) {
    // A folder that was there and whose parent is none of our business.
    if (!created && errno == EACCES) return {};
    return FailErrno(errno, "open folder", parent);
  }
  if (Uninterrupted([&] { return ::fsync(fd.get()); }) != 0) {
    // The folder may or may not stay; making it again is harmless.
    return FailErrno(errno, "sync folder", parent);
  }
  Remember(path);
  return {};
}

Status PosixFileSystem::SyncDir(const std::string& path) {
  const Descriptor fd(
      Uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (fd.get() < 0) {
    if (errno == ENOENT) return FailErrno(errno, "open folder", path);
    return FailSync(errno, "open folder", path);
  }
  if (Uninterrupted([&] { return ::fsync(fd.get()); }) != 0)
    return FailSync(errno, "sync folder", path);
  return {};
}

Result<std::vector<DirEntry>> PosixFileSystem::List(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), &::closedir);
  if (dir == nullptr) return FailErrno(errno, "list folder", path);
  const int folder = ::dirfd(dir.get());
  if (folder < 0) return FailErrno(errno, "list folder", path);
  std::vector<DirEntry> entries;
  while (true) {
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): safe where no two threads share the stream.
    const dirent* found = ::readdir(dir.get());
    if (found == nullptr) {
      if (errno != 0) return FailErrno(errno, "list folder", path);
      break;
    }
    const std::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    struct statx info{};
    if (StatWithBirth(folder, found->d_name, AT_SYMLINK_NOFOLLOW, info) != 0) {
      if (errno == ENOENT) continue;  // removed since readdir
      return FailErrno(errno, "stat file", fmt::format("{}/{}", path, name));
    }
    entries.push_back(EntryOf(name, info));
  }
  std::ranges::sort(entries, {}, &DirEntry::name);
  return entries;
}

Result<std::optional<DirEntry>> PosixFileSystem::Stat(const std::string& path) {
  struct statx info{};
  if (StatWithBirth(AT_FDCWD, path.c_str(), 0, info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return FailErrno(errno, "stat file", path);
  }
  return EntryOf(std::string_view(path).substr(path.find_last_of('/') + 1), info);
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::Lock(const std::string& path) {
  Descriptor fd(Uninterrupted(
      [&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode); }));
  if (fd.get() < 0) return FailErrno(errno, "open lock file", path);
  if (Uninterrupted([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
    return FailErrno(errno, "lock file", path);
  }
  struct statx info{};
  if (StatWithBirth(fd.get(), "", AT_EMPTY_PATH, info) != 0)
    return FailErrno(errno, "stat lock file", path);
  return std::make_unique<PosixFileLock>(std::move(fd), IdOf(info));
}

bool PosixFileSystem::IsKnownDurable(const std::string& path) {
  {
    const std::scoped_lock lock(mutex_);
    if (!durable_dirs_.contains(path)) return false;
  }
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

void PosixFileSystem::Remember(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  if (durable_dirs_.size() >= kDurableDirsMax) durable_dirs_.clear();
  durable_dirs_.insert(path);
}

void PosixFileSystem::Forget(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  durable_dirs_.erase(path);
}

}  // namespace signaldb

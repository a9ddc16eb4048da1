#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/file_system.h"

namespace signaldb {

/// What the errno of a failed call means for the caller; the one place where errno is translated.
/// `doing` names the step ("open file"), `path` what it was done to.
[[nodiscard]] Error ErrorFromErrno(int number, std::string_view doing, std::string_view path);

/// The operating system's files.
///
/// Files are opened close-on-exec and never through a symbolic link as the last part of the path;
/// folders above it may be links. New files get mode 0644, new folders 0755, less the umask.
/// `Sync` is fdatasync: it covers the bytes and the size. A lock is flock(2): it also holds against
/// a second `Lock` inside this process.
///
/// Threads: thread-safe.
class PosixFileSystem final : public FileSystem {
 public:
  [[nodiscard]] Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  [[nodiscard]] Status Rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Status Remove(const std::string& path) override;
  /// Also makes parents durable that existed before, once in the life of this object: whoever made
  /// them may have died before doing so. Those that we may not open for reading are trusted.
  [[nodiscard]] Status MakeDirs(const std::string& path) override;
  [[nodiscard]] Status SyncDir(const std::string& path) override;
  [[nodiscard]] Result<std::vector<DirEntry>> List(const std::string& path) override;
  [[nodiscard]] Result<std::optional<DirEntry>> Stat(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  /// Whether `path` was made durable by us and still exists.
  [[nodiscard]] bool IsKnownDurable(const std::string& path);
  void Remember(const std::string& path);
  void Forget(const std::string& path);

  std::mutex mutex_;
  std::unordered_set<std::string> durable_dirs_;  ///< At most kDurableDirsMax; emptied when full.
};

}  // namespace signaldb

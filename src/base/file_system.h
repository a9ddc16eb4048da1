#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "signaldb/result.h"

namespace signaldb {

/// One open file, by explicit positions: an append that failed half-way leaves no hidden state.
///
/// Threads: thread-compatible. Closed by destruction.
class File {
 public:
  virtual ~File() = default;

  /// Reads up to `out.size()` bytes at `offset`; fewer only at the end of the file.
  /// Errors: kUnavailable (I/O).
  [[nodiscard]] virtual Result<std::size_t> ReadAt(std::uint64_t offset,
                                                   std::span<std::byte> out) = 0;

  /// Writes all of `bytes` at `offset`. After an error any part of them may be there.
  /// Errors: kUnavailable (I/O, disk full).
  [[nodiscard]] virtual Status WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) = 0;

  /// Writes the pieces one behind the other from `offset` on, in as few system calls as there can
  /// be. Errors: as WriteAt.
  [[nodiscard]] virtual Status WritePiecesAt(std::uint64_t offset,
                                             std::span<const std::span<const std::byte>> pieces);

  /// Makes everything written so far survive a power cut. After an error nothing more may be
  /// trusted to this file: Linux forgets the failed pages, and a second call would lie. Write a new
  /// file. Errors: kUnknownOutcome.
  [[nodiscard]] virtual Status Sync() = 0;

  /// Errors: kUnavailable.
  [[nodiscard]] virtual Status Truncate(std::uint64_t size) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> Size() = 0;
};

/// Tells a file or folder from every other: from its copies, and from a later one that was given
/// the same inode (as ext4 does at once). Moving it within its file system changes nothing.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t born_ns = 0;  ///< When it was created; 0 where the file system does not say.

  friend bool operator==(const FileId&, const FileId&) = default;
};

/// Holds an exclusive lock until destroyed; the kernel releases it when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
  /// Of the file that is locked, wherever its name leads by now.
  [[nodiscard]] virtual const FileId& id() const = 0;
};

enum class OpenMode : std::uint8_t {
  kRead,       ///< Must exist.
  kWrite,      ///< Must exist; for reading too.
  kCreateNew,  ///< Must not exist (kConflict otherwise); for reading too.
};

struct DirEntry {
  std::string name;  ///< Without its folder.
  bool is_directory = false;
  std::uint64_t size = 0;
  FileId id{};
};

/// The part of POSIX that durability rests on. The real one is adapters/local; the simulated one
/// (tests) loses unsynced data, tears writes and reorders folder operations.
///
/// Paths are absolute. Every function can also fail with kInvalid: a name too long, a folder where
/// a file is asked for, or a symbolic link as the last part of a file's path. Creating, renaming or
/// removing a name is durable only after SyncDir of its folder.
///
/// Threads: thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Errors: kNotFound, kConflict (kCreateNew and it exists), kUnavailable.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> Open(const std::string& path,
                                                           OpenMode mode) = 0;
  /// Replaces `to` atomically. Errors: kNotFound, kUnavailable.
  [[nodiscard]] virtual Status Rename(const std::string& from, const std::string& to) = 0;
  /// Removes a file or an empty folder. Errors: kNotFound, kConflict (the folder is not empty),
  /// kUnavailable.
  [[nodiscard]] virtual Status Remove(const std::string& path) = 0;
  /// Creates the folder and its missing parents, each made durable. Errors: kUnavailable.
  [[nodiscard]] virtual Status MakeDirs(const std::string& path) = 0;
  /// Makes the names inside `path` durable. Errors: kNotFound, kUnknownOutcome.
  [[nodiscard]] virtual Status SyncDir(const std::string& path) = 0;
  /// Names in byte order. Errors: kNotFound, kUnavailable.
  [[nodiscard]] virtual Result<std::vector<DirEntry>> List(const std::string& path) = 0;
  /// Nothing if there is no such file or folder. Errors: kUnavailable.
  [[nodiscard]] virtual Result<std::optional<DirEntry>> Stat(const std::string& path) = 0;
  /// Creates `path` if needed and locks it against every other process. Errors: kConflict (held),
  /// kUnavailable.
  [[nodiscard]] virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

/// The folder part of an absolute path: "/a/b" -> "/a", "/a" -> "/".
[[nodiscard]] std::string ParentDir(std::string_view path);

}  // namespace signaldb

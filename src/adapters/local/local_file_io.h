#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/random.h"
#include "iceberg/file_io.h"

namespace signaldb {

/// The absolute path in "file:///abs/path" (also "file:/abs/path" and "/abs/path", which other
/// writers put into metadata).
/// Errors: kInvalid (another scheme or host; "." or ".." as a part; NUL; a folder).
[[nodiscard]] Result<std::string> PathOfFileLocation(std::string_view location);

/// Files of the machine: locations file:///abs/path inside one root folder.
///
/// A file is written under a temporary name in its folder, synced, renamed, and its folder synced:
/// a power cut leaves the whole file or a temporary that List never shows, and that Delete of the
/// file's location removes.
///
/// Symbolic links are followed: who may create links under the root is trusted.
///
/// Lifetime: borrows `file_system` and `random`; both outlive this object and its files.
/// Threads:  thread-safe.
class LocalFileIo final : public FileIo {
 public:
  /// `root` is an absolute path; locations outside it are kInvalid. "/" allows all.
  LocalFileIo(FileSystem& file_system, Random& random, std::string root);

  [[nodiscard]] Result<std::unique_ptr<OutputFile>> Create(const std::string& location) override;
  [[nodiscard]] Result<std::string> Read(const std::string& location) override;
  [[nodiscard]] Result<std::shared_ptr<arrow::io::RandomAccessFile>> Open(
      const std::string& location) override;
  [[nodiscard]] Status Delete(const std::string& location) override;
  [[nodiscard]] Result<std::vector<std::string>> List(const std::string& prefix) override;
  [[nodiscard]] Result<std::vector<std::string>> ListUnfinished(const std::string& prefix) override;

  /// True for the last part of a path that only a crash leaves behind; safe to remove when no
  /// writer runs.
  [[nodiscard]] static bool IsTemporaryName(std::string_view name);

 private:
  class Output;
  enum class Kind : std::uint8_t { kFinished, kUnfinished };
  [[nodiscard]] Result<std::vector<std::string>> Walk(const std::string& prefix, Kind kind);
  [[nodiscard]] Result<std::string> PathOf(std::string_view location) const;
  [[nodiscard]] Status Publish(const std::string& temporary, const std::string& path);

  FileSystem& file_system_;
  Random& random_;
  const std::string root_;    // Without a slash at its end; empty for "/".
  std::mutex publish_mutex_;  // Between "is the name free" and the rename.
};

}  // namespace signaldb

#include "log/state_file.h"

#include <utility>
#include <vector>

namespace signaldb {
namespace {

/// The file is new, so an unknown outcome of its fsync is no different from a failure.
[[nodiscard]] Status AsUnavailable(Status status) {
  if (status.has_value()) return status;
  return Fail(ErrorKind::kUnavailable, std::move(status).error().message);
}

[[nodiscard]] Status WriteNew(FileSystem& files, const std::string& path,
                              std::span<const std::byte> bytes) {
  if (Status removed = files.Remove(path);
      !removed.has_value() && removed.error().kind != ErrorKind::kNotFound) {
    return AsUnavailable(std::move(removed));
  }
  auto file = files.Open(path, OpenMode::kCreateNew);
  if (!file.has_value()) return Fail(ErrorKind::kUnavailable, std::move(file).error().message);
  SIGNALDB_TRY(AsUnavailable((*file)->WriteAt(0, bytes)));
  return AsUnavailable((*file)->Sync());
}

/// Its bytes, and of a longer file one more than `bytes_max`, to notice it; nothing if there is
/// none.
[[nodiscard]] Result<std::optional<std::vector<std::byte>>> ReadSmallFile(FileSystem& files,
                                                                          const std::string& path,
                                                                          std::size_t bytes_max) {
  auto file = files.Open(path, OpenMode::kRead);
  if (!file.has_value()) {
    if (file.error().kind == ErrorKind::kNotFound) return std::nullopt;
    return Fail(ErrorKind::kUnavailable, std::move(file).error().message);
  }
  std::vector<std::byte> bytes(bytes_max + 1);
  SIGNALDB_ASSIGN(const std::size_t count, (*file)->ReadAt(0, bytes));
  bytes.resize(count);
  return bytes;
}

}  // namespace

Status ReplaceFile(FileSystem& files, const std::string& path, std::span<const std::byte> bytes) {
  const std::string unfinished = path + std::string(kUnfinishedSuffix);
  SIGNALDB_TRY(WriteNew(files, unfinished, bytes));
  SIGNALDB_TRY(AsUnavailable(files.Rename(unfinished, path)));
  return AsUnavailable(files.SyncDir(ParentDir(path)));
}

Result<IdentityRead> ReadIdentityFile(FileSystem& files, const std::string& path) {
  SIGNALDB_ASSIGN(const auto bytes, ReadSmallFile(files, path, kIdentityFileBytesMax));
  if (!bytes.has_value()) return IdentityRead{};
  auto file = DecodeIdentityFile(*bytes);
  if (!file.has_value()) return IdentityRead{.found = StateFound::kDamaged, .file = {}};
  return IdentityRead{.found = StateFound::kGood, .file = *std::move(file)};
}

Result<StateRead> ReadStateFile(FileSystem& files, const std::string& path, StateKind kind) {
  SIGNALDB_ASSIGN(const auto bytes, ReadSmallFile(files, path, kStateFileBytes));
  if (!bytes.has_value()) return StateRead{};
  const auto state = DecodeStateFile(*bytes, kind);
  if (!state.has_value()) return StateRead{.found = StateFound::kDamaged, .state = {}};
  return StateRead{.found = StateFound::kGood, .state = *state};
}

}  // namespace signaldb

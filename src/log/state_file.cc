#include "log/state_file.h"

#include <utility>

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

}  // namespace

Status ReplaceFile(FileSystem& files, const std::string& path, std::span<const std::byte> bytes) {
  const std::string unfinished = path + std::string(kUnfinishedSuffix);
  SIGNALDB_TRY(WriteNew(files, unfinished, bytes));
  SIGNALDB_TRY(AsUnavailable(files.Rename(unfinished, path)));
  return AsUnavailable(files.SyncDir(ParentDir(path)));
}

Result<StateRead> ReadStateFile(FileSystem& files, const std::string& path, StateKind kind) {
  auto file = files.Open(path, OpenMode::kRead);
  if (!file.has_value()) {
    if (file.error().kind == ErrorKind::kNotFound) return StateRead{};
    return Fail(ErrorKind::kUnavailable, std::move(file).error().message);
  }
  // One byte more than there should be, to notice a longer file.
  std::array<std::byte, kStateFileBytes + 1> bytes{};
  SIGNALDB_ASSIGN(const std::size_t count, (*file)->ReadAt(0, bytes));
  const auto state = DecodeStateFile(std::span(bytes).first(count), kind);
  if (!state.has_value()) return StateRead{.found = StateFound::kDamaged, .state = {}};
  return StateRead{.found = StateFound::kGood, .state = *state};
}

}  // namespace signaldb

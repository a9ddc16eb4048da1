#include "base/file_system.h"

namespace signaldb {

Status File::WritePiecesAt(std::uint64_t offset,
                           std::span<const std::span<const std::byte>> pieces) {
  for (const std::span<const std::byte> piece : pieces) {
    SIGNALDB_TRY(WriteAt(offset, piece));
    offset += piece.size();
  }
  return {};
}

std::string ParentDir(std::string_view path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string_view::npos || slash == 0) return "/";
  return std::string(path.substr(0, slash));
}

}  // namespace signaldb

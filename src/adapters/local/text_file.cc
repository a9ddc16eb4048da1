#include "adapters/local/text_file.h"

#include <filesystem>
#include <memory>
#include <span>
#include <system_error>

#include <fmt/format.h>

namespace signaldb {

Result<std::string> ReadTextFile(FileSystem& files, const std::string& path,
                                 std::size_t bytes_max) {
  std::error_code failed;
  const std::filesystem::path real = std::filesystem::canonical(path, failed);
  const std::string opened = failed ? path : real.string();
  SIGNALDB_ASSIGN(const std::unique_ptr<File> file, files.Open(opened, OpenMode::kRead));
  // One byte more than allowed is asked for, not the size: a pipe has none.
  std::string text(bytes_max + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto rest = std::as_writable_bytes(std::span(text)).subspan(size);
    SIGNALDB_ASSIGN(const std::size_t read, file->ReadAt(size, rest));
    if (read == 0) break;
    size += read;
  }
  if (size > bytes_max) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("file is too long bytes_max={} path={}", bytes_max, path));
  }
  text.resize(size);
  return text;
}

}  // namespace signaldb

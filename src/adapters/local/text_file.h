#pragma once

#include <cstddef>
#include <string>

#include "base/file_system.h"
#include "signaldb/result.h"

namespace signaldb {

/// Longest file that a secret is read from.
inline constexpr std::size_t kSecretFileBytesMax = std::size_t{64} << 10;

/// The text of a file an operator named: it may be a symbolic link, as in mounted secrets.
/// Errors: kNotFound, kInvalid (longer than `bytes_max`), kUnavailable.
[[nodiscard]] Result<std::string> ReadTextFile(FileSystem& files, const std::string& path,
                                               std::size_t bytes_max);

/// A secret as such a file has it: the line end is not part of it.
[[nodiscard]] inline std::string WithoutLineEnd(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

}  // namespace signaldb

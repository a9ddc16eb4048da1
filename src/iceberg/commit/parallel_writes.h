#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "iceberg/file_io.h"
#include "signaldb/result.h"

namespace signaldb {

/// A whole file that is to be written.
struct PendingFile {
  std::string location;
  std::string bytes;
};

/// Writes all files, durable, on up to `threads_max` threads, the caller's among them (1: in order,
/// on the caller's alone). Starts no further file after an error.
/// Errors: those of WriteFile, the first that occurred; any of the files may be there then.
[[nodiscard]] Status WriteFiles(FileIo& io, const std::vector<PendingFile>& files,
                                std::size_t threads_max);

}  // namespace signaldb

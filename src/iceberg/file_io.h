#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "signaldb/result.h"

namespace arrow::io {
class RandomAccessFile;
}

namespace signaldb {

/// A file being written. Nobody sees it before Finish; destroyed without Finish it leaves nothing.
///
/// Threads: thread-compatible.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  /// Errors: kUnavailable (I/O, full). After an error only destruction is left.
  [[nodiscard]] virtual Status Append(std::span<const std::byte> bytes) = 0;
  /// Makes the file durable and visible under its location; at most once.
  /// Errors: kUnavailable, kConflict (the location exists), kUnknownOutcome (it may be there; its
  /// location is never used again).
  [[nodiscard]] virtual Status Finish() = 0;
  [[nodiscard]] virtual std::uint64_t bytes_written() const = 0;
};

/// Port: the store that tables live in. Locations are URIs with a scheme: file:///abs/path,
/// memory://...
///
/// Implementation contract: a location is written once and never changes; Finish returns only after
/// the bytes, and the name, survive a power cut; readers see a whole file or none. Thread-safe.
class FileIo {
 public:
  virtual ~FileIo() = default;

  /// Errors: kInvalid (not a location of this store), kUnavailable.
  [[nodiscard]] virtual Result<std::unique_ptr<OutputFile>> Create(const std::string& location) = 0;
  /// The whole file. Errors: kNotFound, kInvalid, kUnavailable.
  [[nodiscard]] virtual Result<std::string> Read(const std::string& location) = 0;
  /// For Parquet readers. Errors: kNotFound, kInvalid, kUnavailable.
  [[nodiscard]] virtual Result<std::shared_ptr<arrow::io::RandomAccessFile>> Open(
      const std::string& location) = 0;
  /// Gone afterwards, also if it never was. Errors: kInvalid, kUnavailable.
  [[nodiscard]] virtual Status Delete(const std::string& location) = 0;
  /// Every file whose location starts with `prefix` + "/", in order. Errors: kInvalid,
  /// kUnavailable.
  [[nodiscard]] virtual Result<std::vector<std::string>> List(const std::string& prefix) = 0;
  /// Locations under `prefix` + "/" of files that were begun and are not finished, be it by a
  /// crash; Delete removes what is there of them. None where a store keeps nothing before Finish.
  /// Errors: kInvalid, kUnavailable.
  [[nodiscard]] virtual Result<std::vector<std::string>> ListUnfinished(
      const std::string& /*prefix*/) {
    return {};
  }
};

/// Create, Append, Finish. Errors: as those.
[[nodiscard]] Status WriteFile(FileIo& io, const std::string& location, std::string_view bytes);

}  // namespace signaldb

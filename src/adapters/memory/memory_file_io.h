#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "iceberg/file_io.h"

namespace signaldb {

/// Files in memory under "memory://...": for tests, trials and embedding. Holds to the contract of
/// FileIo in all but surviving the process.
///
/// Threads: thread-safe. Outlives the OutputFiles it made; files opened for reading may outlive it.
class MemoryFileIo final : public FileIo {
 public:
  explicit MemoryFileIo(std::uint64_t bytes_max = std::uint64_t{1} << 40) : bytes_max_(bytes_max) {}

  [[nodiscard]] Result<std::unique_ptr<OutputFile>> Create(const std::string& location) override;
  [[nodiscard]] Result<std::string> Read(const std::string& location) override;
  [[nodiscard]] Result<std::shared_ptr<arrow::io::RandomAccessFile>> Open(
      const std::string& location) override;
  [[nodiscard]] Status Delete(const std::string& location) override;
  [[nodiscard]] Result<std::vector<std::string>> List(const std::string& prefix) override;

  [[nodiscard]] std::uint64_t bytes_used() const;

 private:
  class Output;
  [[nodiscard]] Status Store(const std::string& location, std::string bytes);
  [[nodiscard]] Result<std::shared_ptr<const std::string>> Find(const std::string& location) const;

  const std::uint64_t bytes_max_;
  mutable std::mutex mutex_;
  // Shared with readers: a file that is deleted while it is read stays readable, as on POSIX.
  std::map<std::string, std::shared_ptr<const std::string>> files_;
  std::uint64_t bytes_used_ = 0;
};

}  // namespace signaldb

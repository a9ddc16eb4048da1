#include "adapters/memory/memory_file_io.h"

#include <utility>

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <fmt/format.h>

namespace signaldb {

namespace {

constexpr std::string_view kScheme = "memory://";

Status CheckLocation(const std::string& location) {
  if (!location.starts_with(kScheme) || location.size() == kScheme.size() ||
      location.ends_with('/')) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("not a file of the memory store; it looks like memory://path "
                            "location={}",
                            location));
  }
  return {};
}

/// An Arrow buffer over a file's bytes that keeps them alive.
class SharedBytes final : public arrow::Buffer {
 public:
  explicit SharedBytes(std::shared_ptr<const std::string> bytes)
      : arrow::Buffer(std::string_view(*bytes)), bytes_(std::move(bytes)) {}

 private:
  std::shared_ptr<const std::string> bytes_;
};

}  // namespace

class MemoryFileIo::Output final : public OutputFile {
 public:
  Output(MemoryFileIo& io, std::string location) : io_(io), location_(std::move(location)) {}

  Status Append(std::span<const std::byte> bytes) override {
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    bytes_written_ += bytes.size();
    return {};
  }
  Status Finish() override { return io_.Store(location_, std::move(bytes_)); }
  std::uint64_t bytes_written() const override { return bytes_written_; }

 private:
  MemoryFileIo& io_;
  const std::string location_;
  std::string bytes_;
  std::uint64_t bytes_written_ = 0;
};

Result<std::unique_ptr<OutputFile>> MemoryFileIo::Create(const std::string& location) {
  SIGNALDB_TRY(CheckLocation(location));
  return std::make_unique<Output>(*this, location);
}

Status MemoryFileIo::Store(const std::string& location, std::string bytes) {
  const std::scoped_lock lock(mutex_);
  if (bytes_used_ + bytes.size() > bytes_max_) {
    return Fail(ErrorKind::kUnavailable, fmt::format("the memory store is full bytes_max={} "
                                                     "location={}",
                                                     bytes_max_, location));
  }
  const std::uint64_t size = bytes.size();
  const auto [where, inserted] =
      files_.try_emplace(location, std::make_shared<const std::string>(std::move(bytes)));
  if (!inserted) {
    return Fail(ErrorKind::kConflict, fmt::format("file exists already location={}", location));
  }
  bytes_used_ += size;
  return {};
}

Result<std::shared_ptr<const std::string>> MemoryFileIo::Find(const std::string& location) const {
  SIGNALDB_TRY(CheckLocation(location));
  const std::scoped_lock lock(mutex_);
  const auto found = files_.find(location);
  if (found == files_.end()) {
    return Fail(ErrorKind::kNotFound, fmt::format("no such file location={}", location));
  }
  return found->second;
}

Result<std::string> MemoryFileIo::Read(const std::string& location) {
  SIGNALDB_ASSIGN(const std::shared_ptr<const std::string> bytes, Find(location));
  return *bytes;
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> MemoryFileIo::Open(
    const std::string& location) {
  SIGNALDB_ASSIGN(std::shared_ptr<const std::string> bytes, Find(location));
  return std::make_shared<arrow::io::BufferReader>(std::make_shared<SharedBytes>(std::move(bytes)));
}

Status MemoryFileIo::Delete(const std::string& location) {
  SIGNALDB_TRY(CheckLocation(location));
  const std::scoped_lock lock(mutex_);
  const auto found = files_.find(location);
  if (found == files_.end()) return {};
  bytes_used_ -= found->second->size();
  files_.erase(found);
  return {};
}

Result<std::vector<std::string>> MemoryFileIo::List(const std::string& prefix) {
  if (!prefix.starts_with(kScheme)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("not a folder of the memory store prefix={}", prefix));
  }
  const std::string folder = prefix.ends_with('/') ? prefix : prefix + "/";
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> locations;
  for (auto it = files_.lower_bound(folder); it != files_.end() && it->first.starts_with(folder);
       ++it) {
    locations.push_back(it->first);
  }
  return locations;
}

std::uint64_t MemoryFileIo::bytes_used() const {
  const std::scoped_lock lock(mutex_);
  return bytes_used_;
}

}  // namespace signaldb

#include "adapters/local/local_file_io.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <fmt/format.h>

namespace signaldb {

namespace {

constexpr std::string_view kTemporaryPrefix = ".signaldb-tmp-";
constexpr std::size_t kBufferBytes = 256 << 10;
/// From here on a copy into a fresh buffer costs more than the system call that it may save.
constexpr std::size_t kUnbufferedBytes = 32 << 10;
/// A name that another process may have removed the folder of; more often than this is no race.
constexpr int kCreateAttemptsMax = 3;
/// Folders inside folders that List follows: deeper than any table, shallower than a loop.
constexpr int kListDepthMax = 64;

std::string TemporaryOf(const std::string& path) {
  const std::size_t name = path.rfind('/') + 1;
  return path.substr(0, name) + std::string(kTemporaryPrefix) + path.substr(name);
}

Error NamingFile(Error error, const std::string& path) {
  if (!error.message.contains(path)) error.message += fmt::format(" path={}", path);
  return error;
}

Result<std::string> ReadWhole(File& file, const std::string& path) {
  SIGNALDB_ASSIGN(const std::uint64_t size, file.Size());
  std::string bytes(size, '\0');
  SIGNALDB_ASSIGN(const std::size_t read,
                  file.ReadAt(0, std::as_writable_bytes(std::span(bytes.data(), bytes.size()))));
  if (read != size) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("file was cut while it was read path={} bytes={} expected={}", path,
                            read, size));
  }
  return bytes;
}

arrow::Status ToArrow(const Error& error) {
  if (error.kind == ErrorKind::kNotFound) return arrow::Status::KeyError(error.message);
  return arrow::Status::IOError(error.message);
}

/// Our File as Arrow reads it. ReadAt may come from many threads; File wants one at a time.
class LocalInput final : public arrow::io::RandomAccessFile {
 public:
  LocalInput(std::unique_ptr<File> file, std::int64_t size) : file_(std::move(file)), size_(size) {}

  arrow::Status Close() override {
    const std::scoped_lock lock(mutex_);
    file_.reset();
    return arrow::Status::OK();
  }
  bool closed() const override {
    const std::scoped_lock lock(mutex_);
    return file_ == nullptr;
  }
  arrow::Result<std::int64_t> Tell() const override { return position_; }
  arrow::Status Seek(std::int64_t position) override {
    if (position < 0) return arrow::Status::Invalid("negative position");
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<std::int64_t> GetSize() override { return size_; }

  arrow::Result<std::int64_t> ReadAt(std::int64_t position, std::int64_t bytes,
                                     void* out) override {
    if (position < 0 || bytes < 0) return arrow::Status::Invalid("negative position or size");
    const std::scoped_lock lock(mutex_);
    if (file_ == nullptr) return arrow::Status::Invalid("file is closed");
    const std::int64_t wanted = std::clamp<std::int64_t>(size_ - position, 0, bytes);
    if (wanted == 0) return 0;
    const Result<std::size_t> read =
        file_->ReadAt(static_cast<std::uint64_t>(position),
                      std::span(static_cast<std::byte*>(out), static_cast<std::size_t>(wanted)));
    if (!read.has_value()) return ToArrow(read.error());
    return static_cast<std::int64_t>(*read);
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(std::int64_t position,
                                                       std::int64_t bytes) override {
    const std::int64_t wanted = std::clamp<std::int64_t>(size_ - position, 0, bytes);
    ARROW_ASSIGN_OR_RAISE(std::unique_ptr<arrow::ResizableBuffer> buffer,
                          arrow::AllocateResizableBuffer(wanted));
    ARROW_ASSIGN_OR_RAISE(const std::int64_t read,
                          ReadAt(position, wanted, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(read));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<std::int64_t> Read(std::int64_t bytes, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const std::int64_t read, ReadAt(position_, bytes, out));
    position_ += read;
    return read;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(std::int64_t bytes) override {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, ReadAt(position_, bytes));
    position_ += buffer->size();
    return buffer;
  }

 private:
  mutable std::mutex mutex_;
  std::unique_ptr<File> file_;
  const std::int64_t size_;
  std::int64_t position_ = 0;
};

}  // namespace

Result<std::string> PathOfFileLocation(std::string_view location) {
  std::string_view path = location;
  if (path.starts_with("file://")) {
    path.remove_prefix(7);
  } else if (path.starts_with("file:/")) {
    path.remove_prefix(5);
  }
  if (!path.starts_with('/') || path.ends_with('/') || path.contains('\0')) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("not a local file; it looks like file:///folder/file location={}", location));
  }
  std::string clean;
  std::size_t begin = 1;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty()) continue;
    if (part == "." || part == "..") {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a location must not hold \".\" or \"..\" location={}", location));
    }
    clean += '/';
    clean += part;
  }
  return clean;
}

/// Buffers appends; see LocalFileIo for what Finish does.
class LocalFileIo::Output final : public OutputFile {
 public:
  Output(LocalFileIo& io, std::unique_ptr<File> file, std::string temporary, std::string path)
      : io_(io), file_(std::move(file)), temporary_(std::move(temporary)), path_(std::move(path)) {
    buffer_.reserve(kBufferBytes);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() override {
    file_.reset();
    // If this fails the temporary stays; its name says what it is.
    if (!published_) std::ignore = io_.file_system_.Remove(temporary_);
  }

  Status Append(std::span<const std::byte> bytes) override {
    bytes_written_ += bytes.size();
    if (buffer_.empty() && bytes.size() >= kUnbufferedBytes) return WriteThrough(bytes);
    if (buffer_.size() + bytes.size() < kBufferBytes) {
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
      return {};
    }
    SIGNALDB_TRY(Flush());
    if (bytes.size() >= kUnbufferedBytes) return WriteThrough(bytes);
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status Finish() override {
    SIGNALDB_TRY(Flush());
    if (const Status synced = file_->Sync(); !synced.has_value()) {
      // Nobody can see the file yet, so nothing is unknown: it is simply not there.
      return Fail(ErrorKind::kUnavailable, NamingFile(synced.error(), path_).message);
    }
    file_.reset();
    const Status done = io_.Publish(temporary_, path_);
    published_ = done.has_value() || done.error().kind == ErrorKind::kUnknownOutcome;
    return done;
  }

  std::uint64_t bytes_written() const override { return bytes_written_; }

 private:
  Status Flush() {
    SIGNALDB_TRY(WriteThrough(buffer_));
    buffer_.clear();
    return {};
  }

  Status WriteThrough(std::span<const std::byte> bytes) {
    if (bytes.empty()) return {};
    Status written = file_->WriteAt(offset_, bytes);
    if (!written.has_value()) {
      return std::unexpected(NamingFile(std::move(written).error(), path_));
    }
    offset_ += bytes.size();
    return {};
  }

  LocalFileIo& io_;
  std::unique_ptr<File> file_;
  const std::string temporary_;
  const std::string path_;
  std::vector<std::byte> buffer_;
  std::uint64_t offset_ = 0;
  std::uint64_t bytes_written_ = 0;
  bool published_ = false;
};

LocalFileIo::LocalFileIo(FileSystem& file_system, Random& random, std::string root)
    : file_system_(file_system),
      random_(random),
      root_(root.ends_with('/') ? root.substr(0, root.size() - 1) : std::move(root)) {
  SIGNALDB_ASSERT(root_.empty() || root_.starts_with('/'));
}

bool LocalFileIo::IsTemporaryName(std::string_view name) {
  return name.starts_with(kTemporaryPrefix);
}

Result<std::string> LocalFileIo::PathOf(std::string_view location) const {
  SIGNALDB_ASSIGN(std::string path, PathOfFileLocation(location));
  if (!path.starts_with(root_ + "/")) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("location is outside the storage folder location={} root={}", location, root_));
  }
  return path;
}

Result<std::unique_ptr<OutputFile>> LocalFileIo::Create(const std::string& location) {
  SIGNALDB_ASSIGN(std::string path, PathOf(location));
  const std::string folder = ParentDir(path);
  // Named after the file, so that Delete finds what a crash left of it.
  std::string temporary = TemporaryOf(path);
  Error last{ErrorKind::kInternal, "no attempt was made"};
  for (int attempt = 0; attempt < kCreateAttemptsMax; ++attempt) {
    Result<std::unique_ptr<File>> file = file_system_.Open(temporary, OpenMode::kCreateNew);
    if (file.has_value()) {
      return std::make_unique<Output>(*this, *std::move(file), std::move(temporary),
                                      std::move(path));
    }
    last = std::move(file).error();
    if (last.kind == ErrorKind::kConflict) {
      temporary += fmt::format("-{:016x}", random_.Next());
      continue;
    }
    if (last.kind != ErrorKind::kNotFound) break;
    SIGNALDB_TRY(file_system_.MakeDirs(folder));
  }
  return Fail(ErrorKind::kUnavailable, NamingFile(std::move(last), temporary).message);
}

Status LocalFileIo::Publish(const std::string& temporary, const std::string& path) {
  {
    // Rename replaces; within this process nobody else gets between the look and the rename, and
    // names of ours are never chosen by two processes.
    const std::scoped_lock lock(publish_mutex_);
    SIGNALDB_ASSIGN(const std::optional<DirEntry> there, file_system_.Stat(path));
    if (there.has_value()) {
      return Fail(ErrorKind::kConflict, fmt::format("file exists already path={}", path));
    }
    const Status renamed = file_system_.Rename(temporary, path);
    if (!renamed.has_value()) {
      return Fail(ErrorKind::kUnavailable, NamingFile(renamed.error(), path).message);
    }
  }
  const Status synced = file_system_.SyncDir(ParentDir(path));
  if (!synced.has_value()) {
    return Fail(ErrorKind::kUnknownOutcome, NamingFile(synced.error(), path).message);
  }
  return {};
}

Result<std::string> LocalFileIo::Read(const std::string& location) {
  SIGNALDB_ASSIGN(const std::string path, PathOf(location));
  SIGNALDB_ASSIGN(const std::unique_ptr<File> file, file_system_.Open(path, OpenMode::kRead));
  return ReadWhole(*file, path);
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> LocalFileIo::Open(
    const std::string& location) {
  SIGNALDB_ASSIGN(const std::string path, PathOf(location));
  SIGNALDB_ASSIGN(std::unique_ptr<File> file, file_system_.Open(path, OpenMode::kRead));
  SIGNALDB_ASSIGN(const std::uint64_t size, file->Size());
  return std::make_shared<LocalInput>(std::move(file), static_cast<std::int64_t>(size));
}

Status LocalFileIo::Delete(const std::string& location) {
  SIGNALDB_ASSIGN(const std::string path, PathOf(location));
  // Not synced: a deleted file that a power cut brings back is garbage, not damage.
  for (const std::string& name : {path, TemporaryOf(path)}) {
    const Status removed = file_system_.Remove(name);
    if (!removed.has_value() && removed.error().kind != ErrorKind::kNotFound) return removed;
  }
  return {};
}

Result<std::vector<std::string>> LocalFileIo::List(const std::string& prefix) {
  return Walk(prefix, Kind::kFinished);
}

Result<std::vector<std::string>> LocalFileIo::ListUnfinished(const std::string& prefix) {
  return Walk(prefix, Kind::kUnfinished);
}

Result<std::vector<std::string>> LocalFileIo::Walk(const std::string& prefix, Kind kind) {
  std::string_view trimmed = prefix;
  if (trimmed.ends_with('/')) trimmed.remove_suffix(1);
  SIGNALDB_ASSIGN(const std::string top, PathOfFileLocation(trimmed));
  if (top != root_ && !top.starts_with(root_ + "/")) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("location is outside the storage folder location={} root={}", prefix, root_));
  }
  std::vector<std::string> locations;
  std::deque<std::pair<std::string, int>> folders{{top, 0}};
  while (!folders.empty()) {
    const auto [folder, depth] = std::move(folders.front());
    folders.pop_front();
    Result<std::vector<DirEntry>> entries = file_system_.List(folder);
    if (!entries.has_value()) {
      if (entries.error().kind == ErrorKind::kNotFound) continue;
      return std::unexpected(std::move(entries).error());
    }
    for (const DirEntry& entry : *entries) {
      if (entry.is_directory) {
        if (depth < kListDepthMax) folders.emplace_back(folder + "/" + entry.name, depth + 1);
      } else if (IsTemporaryName(entry.name) == (kind == Kind::kUnfinished)) {
        const std::size_t skipped = kind == Kind::kUnfinished ? kTemporaryPrefix.size() : 0;
        locations.push_back(fmt::format("file://{}/{}", folder, entry.name.substr(skipped)));
      }
    }
  }
  std::ranges::sort(locations);
  return locations;
}

}  // namespace signaldb

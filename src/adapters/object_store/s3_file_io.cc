#include "adapters/object_store/s3_file_io.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <arrow/filesystem/s3fs.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/io_util.h>
#include <fmt/format.h>

#include "adapters/object_store/s3_endpoint.h"

namespace signaldb {

namespace {

constexpr std::string_view kScheme = "s3://";
constexpr auto kSchemes = std::to_array<std::string_view>({kScheme, "s3a://", "s3n://"});
constexpr double kConnectSeconds = 5;
constexpr double kRequestSeconds = 30;
constexpr int kAttempts = 3;

Error StoreError(const arrow::Status& status, std::string_view doing, const std::string& location,
                 ErrorKind kind = ErrorKind::kUnavailable) {
  return {.kind = kind,
          .message = fmt::format("{} failed: {} location={}", doing, status.message(), location)};
}

std::unexpected<Error> FailRead(const arrow::Status& status, const std::string& location) {
  if (arrow::internal::ErrnoFromStatus(status) == ENOENT) {
    return Fail(ErrorKind::kNotFound, fmt::format("no such object location={}", location));
  }
  return std::unexpected(StoreError(status, "reading the object", location));
}

// Once in a process: it cannot be started again.
Status StartSdk() {
  static const arrow::Status kStarted = arrow::fs::EnsureS3Initialized();
  if (kStarted.ok()) return {};
  return Fail(ErrorKind::kInternal, kStarted.message());
}

bool IsPart(std::string_view part) { return !part.empty() && part != "." && part != ".."; }

}  // namespace

Result<std::string> KeyOfS3Location(std::string_view location) {
  const auto scheme = std::ranges::find_if(
      kSchemes, [&](std::string_view known) { return location.starts_with(known); });
  std::string_view rest = location;
  bool good = scheme != kSchemes.end();
  if (good) rest.remove_prefix(scheme->size());
  std::string path(rest);
  int parts = 0;
  for (bool more = true; good && more; ++parts) {
    const std::size_t slash = rest.find('/');
    good = IsPart(rest.substr(0, slash));
    more = slash != rest.npos;
    if (more) rest.remove_prefix(slash + 1);
  }
  if (good && parts > 1) return path;
  return Fail(
      ErrorKind::kInvalid,
      fmt::format("not an object of S3; it looks like s3://bucket/key location={}", location));
}

class S3FileIo::Output final : public OutputFile {
 public:
  Output(std::shared_ptr<arrow::io::OutputStream> stream, std::string location)
      : stream_(std::move(stream)), location_(std::move(location)) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  // Arrow's own destructor would complete the upload, and show half a file.
  ~Output() override {
    if (!finished_) (void)stream_->Abort();
  }

  Status Append(std::span<const std::byte> bytes) override {
    const arrow::Status written =
        stream_->Write(bytes.data(), static_cast<std::int64_t>(bytes.size()));
    if (!written.ok()) return std::unexpected(StoreError(written, "writing the object", location_));
    bytes_written_ += bytes.size();
    return {};
  }

  Status Finish() override {
    finished_ = true;
    const arrow::Status closed = stream_->Close();
    if (closed.ok()) return {};
    // The answer may have been lost behind a completed upload.
    return std::unexpected(
        StoreError(closed, "completing the upload", location_, ErrorKind::kUnknownOutcome));
  }

  std::uint64_t bytes_written() const override { return bytes_written_; }

 private:
  const std::shared_ptr<arrow::io::OutputStream> stream_;
  const std::string location_;
  std::uint64_t bytes_written_ = 0;
  bool finished_ = false;
};

S3FileIo::S3FileIo(std::shared_ptr<arrow::fs::S3FileSystem> store) : store_(std::move(store)) {}

S3FileIo::~S3FileIo() = default;

void S3FileIo::EndProcess() {
  if (arrow::fs::IsS3Initialized()) (void)arrow::fs::EnsureS3Finalized();
}

Result<std::unique_ptr<S3FileIo>> S3FileIo::Make(const S3Options& options) {
  if (options.access_key_id.empty() != options.secret_access_key.empty()) {
    return Fail(ErrorKind::kInvalid,
                "access key id and secret access key of the store belong together; set both or "
                "none");
  }
  SIGNALDB_TRY(CheckS3Endpoint(options.endpoint));
  SIGNALDB_TRY(StartSdk());
  arrow::fs::S3Options with =
      options.access_key_id.empty()
          ? arrow::fs::S3Options::Defaults()
          : arrow::fs::S3Options::FromAccessKey(options.access_key_id, options.secret_access_key);
  if (!options.endpoint.empty()) {
    const S3Endpoint endpoint = PartsOfS3Endpoint(options.endpoint);
    with.scheme = endpoint.scheme;
    with.endpoint_override = endpoint.host;
  }
  with.region = options.region;
  with.force_virtual_addressing = !options.path_style;
  with.connect_timeout = kConnectSeconds;
  with.request_timeout = kRequestSeconds;
  with.retry_strategy = arrow::fs::S3RetryStrategy::GetAwsStandardRetryStrategy(kAttempts);
  auto store = arrow::fs::S3FileSystem::Make(with);
  if (!store.ok()) return Fail(ErrorKind::kInvalid, store.status().message());
  return std::unique_ptr<S3FileIo>(new S3FileIo(*std::move(store)));
}

Result<std::unique_ptr<OutputFile>> S3FileIo::Create(const std::string& location) {
  SIGNALDB_ASSIGN(const std::string key, KeyOfS3Location(location));
  auto stream = store_->OpenOutputStream(key);
  if (!stream.ok())
    return std::unexpected(StoreError(stream.status(), "creating the object", location));
  return std::make_unique<Output>(*std::move(stream), location);
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> S3FileIo::Open(const std::string& location) {
  SIGNALDB_ASSIGN(const std::string key, KeyOfS3Location(location));
  auto file = store_->OpenInputFile(key);
  if (!file.ok()) return FailRead(file.status(), location);
  return *std::move(file);
}

Result<std::string> S3FileIo::Read(const std::string& location) {
  SIGNALDB_ASSIGN(const auto file, Open(location));
  const auto size = file->GetSize();
  if (!size.ok()) return FailRead(size.status(), location);
  std::string bytes(static_cast<std::size_t>(*size), '\0');
  const auto read = file->ReadAt(0, *size, bytes.data());
  if (!read.ok()) return FailRead(read.status(), location);
  if (*read == *size) return bytes;
  return Fail(
      ErrorKind::kUnavailable,
      fmt::format("object ended early location={} bytes={} expected={}", location, *read, *size));
}

Status S3FileIo::Delete(const std::string& location) {
  SIGNALDB_ASSIGN(const std::string key, KeyOfS3Location(location));
  const arrow::Status deleted = store_->DeleteFile(key);
  if (deleted.ok() || arrow::internal::ErrnoFromStatus(deleted) == ENOENT) return {};
  return std::unexpected(StoreError(deleted, "deleting the object", location));
}

Result<std::vector<std::string>> S3FileIo::List(const std::string& prefix) {
  SIGNALDB_ASSIGN(const std::string key, KeyOfS3Location(prefix + "/x"));
  arrow::fs::FileSelector selector;
  selector.base_dir = key.substr(0, key.size() - 2);
  selector.recursive = true;
  selector.allow_not_found = true;
  const auto found = store_->GetFileInfo(selector);
  if (!found.ok()) return std::unexpected(StoreError(found.status(), "listing", prefix));
  std::vector<std::string> locations;
  for (const arrow::fs::FileInfo& info : *found) {
    if (info.IsFile()) locations.push_back(std::string(kScheme) + info.path());
  }
  std::ranges::sort(locations);
  return locations;
}

}  // namespace signaldb

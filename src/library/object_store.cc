#include "signaldb/object_store.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "adapters/local/local_file_io.h"
#include "adapters/local/posix_file_system.h"
#include "adapters/memory/memory_file_io.h"
#include "adapters/object_store/s3_dsn.h"
#include "adapters/object_store/s3_file_io.h"
#include "library/store_parts.h"
#include "writer/files_in_flight.h"

namespace signaldb {

namespace {

constexpr std::string_view kMemory = "memory://";

bool NeedsEscaping(char c) {
  return c == '%' || c == '?' || c == '#' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::unique_ptr<ObjectStore::Parts> NewParts() {
  auto parts = std::make_unique<ObjectStore::Parts>();
  parts->files = std::make_unique<PosixFileSystem>();
  parts->clock = std::make_unique<SystemClock>();
  parts->random = std::make_unique<SystemRandom>();
  return parts;
}

std::unique_ptr<ObjectStore::Parts> MemoryParts() {
  auto parts = NewParts();
  parts->io = std::make_unique<MemoryFileIo>();
  parts->warehouse = kMemory;
  return parts;
}

Result<std::unique_ptr<ObjectStore::Parts>> LocalParts(std::string_view dsn) {
  while (dsn.ends_with('/') && dsn.size() > std::string_view("file:///").size()) {
    dsn.remove_suffix(1);
  }
  SIGNALDB_ASSIGN(std::string folder, PathOfFileLocation(dsn));
  if (std::ranges::any_of(folder, NeedsEscaping)) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("table locations cannot hold % ? # and control characters dsn={}", dsn));
  }
  auto parts = NewParts();
  SIGNALDB_TRY(parts->files->MakeDirs(folder));
  parts->io = std::make_unique<LocalFileIo>(*parts->files, *parts->random, folder);
  parts->warehouse = "file://" + folder;
  parts->folder = std::move(folder);
  return parts;
}

Result<std::unique_ptr<ObjectStore::Parts>> S3Parts(const StorageConfig& config) {
  SIGNALDB_ASSIGN(S3Dsn dsn, ParseS3Dsn(config.dsn));
  if (!config.journal_folder.empty() && !config.journal_folder.starts_with('/')) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("expected an absolute path storage.journal_folder={}", config.journal_folder));
  }
  auto parts = NewParts();
  const std::string endpoint = std::move(dsn.endpoint).value_or(config.endpoint);
  SIGNALDB_ASSIGN(parts->io,
                  S3FileIo::Make({.endpoint = endpoint,
                                  .region = std::move(dsn.region).value_or(config.region),
                                  .path_style = dsn.path_style.value_or(config.path_style),
                                  .access_key_id = config.access_key_id,
                                  .secret_access_key = config.secret_access_key}));
  if (!config.journal_folder.empty()) SIGNALDB_TRY(parts->files->MakeDirs(config.journal_folder));
  parts->warehouse = std::move(dsn.warehouse);
  parts->folder = config.journal_folder;
  parts->key = fmt::format("{} {} ", endpoint, parts->warehouse);
  return parts;
}

class Opened final : public ObjectStore {
 public:
  explicit Opened(std::unique_ptr<Parts> parts) : ObjectStore(std::move(parts)) {}
};

}  // namespace

ObjectStore::ObjectStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ObjectStore::~ObjectStore() = default;

InMemory::InMemory() : ObjectStore(MemoryParts()) {}

Result<std::shared_ptr<ObjectStore>> ObjectStore::Open(const StorageConfig& config) {
  if (config.dsn == kMemory) return std::make_shared<InMemory>();
  if (IsS3Dsn(config.dsn)) {
    SIGNALDB_ASSIGN(auto parts, S3Parts(config));
    return std::make_shared<Opened>(std::move(parts));
  }
  if (!config.dsn.starts_with("file:///")) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a store is \"file:///absolute/path\", \"s3://bucket/prefix\" or "
                            "\"memory://\" dsn={}",
                            config.dsn));
  }
  SIGNALDB_ASSIGN(auto parts, LocalParts(config.dsn));
  return std::make_shared<Opened>(std::move(parts));
}

Result<std::shared_ptr<ObjectStore>> ObjectStore::Open(std::string_view dsn) {
  StorageConfig config;
  config.dsn = dsn;
  return Open(config);
}

void ObjectStore::EndProcess() { S3FileIo::EndProcess(); }

const std::string& ObjectStore::warehouse() const { return parts_->warehouse; }

Result<std::vector<std::string>> ObjectStore::List() {
  SIGNALDB_ASSIGN(std::vector<std::string> locations, parts_->io->List(parts_->warehouse));
  const std::string journals = fmt::format("{}/{}/", parts_->warehouse, kJournalFolder);
  std::erase_if(locations, [&](const std::string& at) { return at.starts_with(journals); });
  return locations;
}

Result<std::string> ObjectStore::Read(const std::string& location) {
  return parts_->io->Read(location);
}

}  // namespace signaldb

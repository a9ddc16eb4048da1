#include "signaldb/object_store.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "adapters/local/local_file_io.h"
#include "adapters/local/posix_file_system.h"
#include "adapters/memory/memory_file_io.h"
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

class Local final : public ObjectStore {
 public:
  explicit Local(std::unique_ptr<Parts> parts) : ObjectStore(std::move(parts)) {}
};

}  // namespace

ObjectStore::ObjectStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ObjectStore::~ObjectStore() = default;

InMemory::InMemory() : ObjectStore(MemoryParts()) {}

Result<std::shared_ptr<ObjectStore>> ObjectStore::Open(std::string_view dsn) {
  if (dsn == kMemory) return std::make_shared<InMemory>();
  if (!dsn.starts_with("file:///")) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a store is \"file:///absolute/path\" or \"memory://\" dsn={}", dsn));
  }
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
  return std::make_shared<Local>(std::move(parts));
}

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

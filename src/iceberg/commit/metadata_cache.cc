#include "iceberg/commit/metadata_cache.h"

#include <utility>

#include <fmt/format.h>

namespace signaldb {

namespace {

constexpr std::size_t kTablesSeenMax = 10'000;

// Estimates: what counts is that a long history weighs as much as it should, not the last byte.
std::size_t BytesOf(const TableMetadata& metadata) {
  std::size_t bytes = 4096;
  for (const auto& snapshot : metadata.snapshots) {
    bytes += sizeof(Snapshot) + 2 * snapshot->json.size();
  }
  for (const MetadataLogEntry& entry : metadata.metadata_log) {
    bytes += sizeof(MetadataLogEntry) + entry.metadata_file.size();
  }
  for (const auto& schema : metadata.schemas) bytes += 256 * schema->fields.size();
  for (const auto& [key, value] : metadata.properties) bytes += 96 + key.size() + value.size();
  bytes += sizeof(SnapshotLogEntry) * metadata.snapshot_log.size();
  bytes += metadata.statistics_json.size() + metadata.partition_statistics_json.size();
  return bytes;
}

std::size_t BytesOf(const std::vector<ManifestFile>& manifests) {
  std::size_t bytes = 256;
  for (const ManifestFile& manifest : manifests) {
    bytes += sizeof(ManifestFile) + manifest.manifest_path.size();
    bytes += manifest.partitions.size() * (sizeof(PartitionFieldSummary) + 64);
  }
  return bytes;
}

bool IsNewer(const TableMetadata& a, const TableMetadata& b) {
  return a.table_uuid == b.table_uuid && a.last_sequence_number > b.last_sequence_number;
}

Error Naming(Error error, const std::string& location) {
  if (!error.message.contains(location)) error.message += fmt::format(" location={}", location);
  return error;
}

}  // namespace

MetadataCache::MetadataCache(Clock& clock, EventListener& events, MetadataCacheOptions options)
    : clock_(clock), events_(events), options_(options), read_ttl_(options.read_ttl) {}

template <typename T>
std::shared_ptr<const T> MetadataCache::Find(const std::string& location) {
  const std::scoped_lock lock(mutex_);
  const auto found = by_location_.find(location);
  if (found == by_location_.end()) return nullptr;
  const auto* value = std::get_if<std::shared_ptr<const T>>(&found->second->value);
  if (value == nullptr) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return *value;
}

Result<std::shared_ptr<const TableMetadata>> MetadataCache::Metadata(FileIo& io,
                                                                     const std::string& location) {
  if (auto found = Find<TableMetadata>(location)) {
    events_.Count("signaldb_writer_catalog_cache_hits_total", 1);
    return found;
  }
  events_.Count("signaldb_writer_catalog_cache_misses_total", 1);
  SIGNALDB_ASSIGN(const std::string bytes, io.Read(location));
  Result<TableMetadata> parsed = ParseTableMetadata(bytes);
  if (!parsed.has_value()) return std::unexpected(Naming(std::move(parsed).error(), location));
  auto metadata = std::make_shared<const TableMetadata>(*std::move(parsed));
  PutMetadata(location, metadata);
  return metadata;
}

Result<std::shared_ptr<const std::vector<ManifestFile>>> MetadataCache::ManifestList(
    FileIo& io, const std::string& location) {
  if (auto found = Find<std::vector<ManifestFile>>(location)) return found;
  SIGNALDB_ASSIGN(const std::string bytes, io.Read(location));
  Result<std::vector<ManifestFile>> decoded = DecodeManifestList(bytes, location);
  if (!decoded.has_value()) return std::unexpected(Naming(std::move(decoded).error(), location));
  auto manifests = std::make_shared<const std::vector<ManifestFile>>(*std::move(decoded));
  PutManifestList(location, manifests);
  return manifests;
}

void MetadataCache::PutMetadata(const std::string& location,
                                std::shared_ptr<const TableMetadata> metadata) {
  const std::size_t bytes = BytesOf(*metadata) + location.size();
  Put(location, std::move(metadata), bytes);
}

void MetadataCache::PutManifestList(const std::string& location,
                                    std::shared_ptr<const std::vector<ManifestFile>> manifests) {
  const std::size_t bytes = BytesOf(*manifests) + location.size();
  Put(location, std::move(manifests), bytes);
}

void MetadataCache::Put(const std::string& location, Value value, std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  DropLocked(location);
  if (bytes > options_.bytes_max) return;
  entries_.push_front(Entry{.location = location, .value = std::move(value), .bytes = bytes});
  by_location_.emplace(location, entries_.begin());
  bytes_used_ += bytes;
  while (bytes_used_ > options_.bytes_max) DropLocked(std::string(entries_.back().location));
}

void MetadataCache::Drop(const std::string& location) {
  const std::scoped_lock lock(mutex_);
  DropLocked(location);
}

void MetadataCache::DropLocked(const std::string& location) {
  const auto found = by_location_.find(location);
  if (found == by_location_.end()) return;
  bytes_used_ -= found->second->bytes;
  entries_.erase(found->second);
  by_location_.erase(found);
}

std::optional<LoadedTable> MetadataCache::FreshTable(const TableIdentifier& table) {
  const std::scoped_lock lock(mutex_);
  const auto found = tables_.find(table);
  if (found == tables_.end()) return std::nullopt;
  if (clock_.MonotonicNow() - found->second.at >= read_ttl_) return std::nullopt;
  return found->second.table;
}

std::optional<LoadedTable> MetadataCache::LastSeen(const TableIdentifier& table) const {
  const std::scoped_lock lock(mutex_);
  const auto found = tables_.find(table);
  if (found == tables_.end()) return std::nullopt;
  return found->second.table;
}

void MetadataCache::NoteTable(const LoadedTable& table) {
  const std::scoped_lock lock(mutex_);
  if (tables_.size() >= kTablesSeenMax && !tables_.contains(table.table)) tables_.clear();
  const auto known = tables_.find(table.table);
  if (known != tables_.end() && IsNewer(*known->second.table.metadata, *table.metadata)) return;
  tables_.insert_or_assign(table.table, Seen{.table = table, .at = clock_.MonotonicNow()});
}

void MetadataCache::ForgetTable(const TableIdentifier& table) {
  const std::scoped_lock lock(mutex_);
  tables_.erase(table);
}

std::optional<CachedTableInfo> MetadataCache::InfoOf(const TableIdentifier& table) const {
  const std::scoped_lock lock(mutex_);
  const auto found = tables_.find(table);
  if (found == tables_.end()) return std::nullopt;
  const Nanos age = clock_.MonotonicNow() - found->second.at;
  return CachedTableInfo{.age = age, .expired = age >= read_ttl_};
}

void MetadataCache::SetReadTtl(std::chrono::milliseconds ttl) {
  const std::scoped_lock lock(mutex_);
  read_ttl_ = ttl;
}

void MetadataCache::Clear() {
  const std::scoped_lock lock(mutex_);
  entries_.clear();
  by_location_.clear();
  tables_.clear();
  bytes_used_ = 0;
}

std::size_t MetadataCache::bytes_used() const {
  const std::scoped_lock lock(mutex_);
  return bytes_used_;
}

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "iceberg/catalog.h"
#include "iceberg/file_io.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

/// A table as it was when it was read.
struct LoadedTable {
  TableIdentifier table;
  std::string metadata_location;
  std::shared_ptr<const TableMetadata> metadata;  ///< Shared: cached versions share their history.
};

struct MetadataCacheOptions {
  std::size_t bytes_max = std::size_t{256} << 20;  ///< More keeps long histories of many tables.
  /// How old a table may be when it is read for looking only; 0 reads the catalog every time. Never
  /// plays a part in commits.
  std::chrono::milliseconds read_ttl{300'000};
};

/// How old what a table's readers see may be.
struct CachedTableInfo {
  Nanos age{0};
  bool expired = false;
};

/// Parsed metadata files and manifest lists by their location. Locations never change their
/// content, so an entry cannot be wrong, only be thrown out: least recently used first.
///
/// Apart from that it remembers, for reads that may be a little old, where a table's pointer stood.
///
/// Lifetime: borrows `clock` and `events`; both outlive it.
/// Threads:  thread-safe. A file may be read twice by two threads that miss at once.
class MetadataCache {
 public:
  MetadataCache(Clock& clock, EventListener& events, MetadataCacheOptions options = {});

  /// Errors: as FileIo::Read and ParseTableMetadata; the message names the location.
  [[nodiscard]] Result<std::shared_ptr<const TableMetadata>> Metadata(FileIo& io,
                                                                      const std::string& location);
  /// Errors: as FileIo::Read and DecodeManifestList.
  [[nodiscard]] Result<std::shared_ptr<const std::vector<ManifestFile>>> ManifestList(
      FileIo& io, const std::string& location);

  /// What was just written needs no reading back.
  void PutMetadata(const std::string& location, std::shared_ptr<const TableMetadata> metadata);
  void PutManifestList(const std::string& location,
                       std::shared_ptr<const std::vector<ManifestFile>> manifests);
  /// Forgets a version that nobody will ask for again.
  void Drop(const std::string& location);

  /// The table as last seen, if that was within the time to live.
  [[nodiscard]] std::optional<LoadedTable> FreshTable(const TableIdentifier& table);
  /// The table as last noted, however long ago.
  [[nodiscard]] std::optional<LoadedTable> LastSeen(const TableIdentifier& table) const;
  /// A slower thread's older state of the same table is not taken.
  void NoteTable(const LoadedTable& table);
  void ForgetTable(const TableIdentifier& table);
  /// Nothing if the table was never seen since Clear.
  [[nodiscard]] std::optional<CachedTableInfo> InfoOf(const TableIdentifier& table) const;

  /// For reads from now on, of what is cached too.
  void SetReadTtl(std::chrono::milliseconds ttl);
  void Clear();
  [[nodiscard]] std::size_t bytes_used() const;

 private:
  using Value = std::variant<std::shared_ptr<const TableMetadata>,
                             std::shared_ptr<const std::vector<ManifestFile>>>;
  struct Entry {
    std::string location;
    Value value;
    std::size_t bytes = 0;
  };
  struct Seen {
    LoadedTable table;
    Nanos at{0};
  };

  template <typename T>
  [[nodiscard]] std::shared_ptr<const T> Find(const std::string& location);
  void Put(const std::string& location, Value value, std::size_t bytes);
  void DropLocked(const std::string& location);

  Clock& clock_;
  EventListener& events_;
  const MetadataCacheOptions options_;
  mutable std::mutex mutex_;
  std::chrono::milliseconds read_ttl_;
  std::list<Entry> entries_;  // Most recently used first.
  std::map<std::string, std::list<Entry>::iterator, std::less<>> by_location_;
  std::size_t bytes_used_ = 0;
  std::map<TableIdentifier, Seen> tables_;  // At most kTablesSeenMax.
};

}  // namespace signaldb

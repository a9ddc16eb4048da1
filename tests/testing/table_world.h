#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "adapters/memory/memory_catalog.h"
#include "adapters/memory/memory_file_io.h"
#include "base/event_listener.h"
#include "base/random.h"
#include "iceberg/commit/metadata_cache.h"
#include "iceberg/commit/table_commit.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"
#include "testing/fake_clock.h"
#include "testing/faulty_catalog.h"
#include "testing/faulty_file_io.h"
#include "testing/matchers.h"

namespace signaldb::testing {

/// Everything a TableCommitter needs, in memory or over a catalog of the test's, with faults.
class TableWorld {
 public:
  explicit TableWorld(std::unique_ptr<Catalog> real = std::make_unique<MemoryCatalog>(),
                      TableCommitterOptions options = DefaultOptions())
      : real_catalog(std::move(real)),
        committer({catalog, io, clock, random, events, cache}, std::move(options)) {}

  [[nodiscard]] static TableCommitterOptions DefaultOptions() {
    return {.retry = {.max_attempts = 4}, .engine_version = "test", .write_threads = 1};
  }

  [[nodiscard]] static TableIdentifier Id(const std::string& name) {
    return {.levels = {"acme", "prod"}, .name = name};
  }

  /// Columns id (long, required) and body (string); unpartitioned.
  [[nodiscard]] static NewTable Definition(const std::string& name, Properties properties = {}) {
    NewTable table;
    table.location = "memory://w/" + name;
    table.schema.fields = {{.id = 1, .name = "id", .required = true, .type = Type(TypeId::kLong)},
                           {.id = 2, .name = "body", .type = Type(TypeId::kString)}};
    table.properties = std::move(properties);
    return table;
  }

  LoadedTable CreateTable(const std::string& name, Properties properties = {}) {
    Result<LoadedTable> made =
        committer.LoadOrCreate(Id(name), Definition(name, std::move(properties)));
    EXPECT_THAT(made, IsOk());
    return made.has_value() ? *made : LoadedTable{};
  }

  /// A data file that exists only by its name.
  [[nodiscard]] static DataFile File(const std::string& name, std::int64_t rows = 1) {
    DataFile file;
    file.file_path = "memory://w/data/" + name;
    file.record_count = rows;
    file.file_size_in_bytes = 100 * rows;
    return file;
  }

  [[nodiscard]] static TableChange Append(const std::string& table,
                                          const std::vector<std::string>& files) {
    TableChange change;
    change.table = Id(table);
    for (const std::string& file : files) change.added_files.push_back(File(file));
    return change;
  }

  [[nodiscard]] Result<CommitReport> Commit(std::vector<TableChange> changes,
                                            const std::string& commit_id = "commit-1") {
    return committer.Commit(commit_id, std::move(changes), {});
  }

  /// The names of the files that the table's current snapshot holds, each as often as it does, read
  /// past caches and faults. Every file of metadata on the way must exist and be sound.
  std::vector<std::string> FilesIn(const std::string& table) {
    std::vector<std::string> names;
    const Result<std::string> location = real_catalog->MetadataLocation(Id(table));
    EXPECT_THAT(location, IsOk());
    if (!location.has_value()) return names;
    const TableMetadata metadata = ReadMetadata(*location);
    if (metadata.current_snapshot() == nullptr) return names;
    for (const ManifestFile& manifest : ReadList(metadata.current_snapshot()->manifest_list)) {
      for (const ManifestEntry& entry : ReadManifest(manifest, metadata)) {
        if (entry.status == EntryStatus::kDeleted) continue;
        names.push_back(entry.data_file.file_path.substr(std::string("memory://w/data/").size()));
      }
    }
    std::ranges::sort(names);
    return names;
  }

  TableMetadata ReadMetadata(const std::string& location) {
    const Result<std::string> bytes = real_io.Read(location);
    EXPECT_THAT(bytes, IsOk());
    Result<TableMetadata> metadata = ParseTableMetadata(bytes.value_or(""));
    EXPECT_THAT(metadata, IsOk());
    return metadata.has_value() ? *std::move(metadata) : TableMetadata{};
  }

  TableMetadata Current(const std::string& table) {
    return ReadMetadata(real_catalog->MetadataLocation(Id(table)).value_or(""));
  }

  std::vector<ManifestFile> ReadList(const std::string& location) {
    const Result<std::string> bytes = real_io.Read(location);
    EXPECT_THAT(bytes, IsOk());
    Result<std::vector<ManifestFile>> list = DecodeManifestList(bytes.value_or(""), location);
    EXPECT_THAT(list, IsOk());
    return list.has_value() ? *std::move(list) : std::vector<ManifestFile>{};
  }

  std::vector<ManifestEntry> ReadManifest(const ManifestFile& file, const TableMetadata& metadata) {
    const Result<std::string> bytes = real_io.Read(file.manifest_path);
    EXPECT_THAT(bytes, IsOk());
    EXPECT_EQ(static_cast<std::int64_t>(bytes.value_or("").size()), file.manifest_length);
    Result<std::vector<ManifestEntry>> entries = DecodeManifest(bytes.value_or(""), file, metadata);
    EXPECT_THAT(entries, IsOk());
    return entries.has_value() ? *std::move(entries) : std::vector<ManifestEntry>{};
  }

  /// Files of metadata (metadata.json, lists, manifests) of the table that are stored but not
  /// reachable from its current version.
  std::vector<std::string> Unreachable(const std::string& table) {
    const std::string location = real_catalog->MetadataLocation(Id(table)).value_or("");
    const TableMetadata metadata = ReadMetadata(location);
    std::set<std::string> reachable = {location};
    for (const MetadataLogEntry& entry : metadata.metadata_log) {
      reachable.insert(entry.metadata_file);
    }
    for (const auto& snapshot : metadata.snapshots) {
      reachable.insert(snapshot->manifest_list);
      for (const ManifestFile& manifest : ReadList(snapshot->manifest_list)) {
        reachable.insert(manifest.manifest_path);
      }
    }
    std::vector<std::string> unreachable;
    for (const std::string& file :
         real_io.List("memory://w/" + table).value_or(std::vector<std::string>{})) {
      if (!reachable.contains(file)) unreachable.push_back(file);
    }
    return unreachable;
  }

  std::unique_ptr<Catalog> real_catalog;
  FaultyCatalog catalog{*real_catalog};
  MemoryFileIo real_io;
  FaultyFileIo io{real_io};
  FakeClock clock;
  SeededRandom random{42};
  NullEventListener events;
  MetadataCache cache{clock, events};
  TableCommitter committer;
};

}  // namespace signaldb::testing

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "iceberg/manifest/manifest.h"
#include "library/catalog_parts.h"

namespace signaldb {

namespace {

/// Part of the name of a table that is being purged, which says what it is to whoever lists tables.
constexpr std::string_view kMark = "-being-purged-";

/// Names met so far, as hashes. Past the limit a file met again is deleted again, which does no
/// harm, and counted again.
class NamesMet {
 public:
  [[nodiscard]] bool IsNew(std::string_view name) {
    const std::uint64_t hash = XXH3_64bits(name.data(), name.size());
    if (met_.size() >= kNamesMax) return !met_.contains(hash);
    return met_.insert(hash).second;
  }

 private:
  static constexpr std::size_t kNamesMax = 1U << 20U;
  std::unordered_set<std::uint64_t> met_;
};

bool IsUnder(std::string_view file, std::string_view folder) {
  return file.size() > folder.size() && file.starts_with(folder) && file[folder.size()] == '/';
}

bool IsFalse(std::string_view text) {
  constexpr std::string_view kFalse = "false";
  return std::ranges::equal(text, kFalse, {}, [](char c) { return c | 0x20; });
}

/// Deletes what one version of a table names, from the data up, so that what is left after an
/// interruption still leads to the rest.
class Purge {
 public:
  Purge(FileIo& io, const TableMetadata& metadata) : io_(io), metadata_(metadata) {
    folders_.push_back(metadata.location);
    for (const char* const key : {"write.data.path", "write.metadata.path"}) {
      const auto found = metadata.properties.find(key);
      if (found != metadata.properties.end()) folders_.push_back(found->second);
    }
  }

  /// All but the metadata files. Errors: kUnavailable, kCorrupt.
  [[nodiscard]] Status DeleteContent() {
    for (const auto& snapshot : metadata_.snapshots) {
      const std::string& list = snapshot->manifest_list;
      if (list.empty() || !met_.IsNew(list)) continue;
      const Result<std::string> bytes = io_.Read(list);
      // Of an earlier, interrupted purge.
      if (!bytes.has_value() && bytes.error().kind == ErrorKind::kNotFound) continue;
      if (!bytes.has_value()) return std::unexpected(bytes.error());
      SIGNALDB_ASSIGN(const std::vector<ManifestFile> manifests, DecodeManifestList(*bytes, list));
      for (const ManifestFile& manifest : manifests) SIGNALDB_TRY(DeleteManifest(manifest));
      SIGNALDB_TRY(Delete(list, report_.manifest_lists));
    }
    return {};
  }

  [[nodiscard]] Status DeleteMetadata(const std::string& current) {
    for (const MetadataLogEntry& entry : metadata_.metadata_log) {
      if (entry.metadata_file == current || !met_.IsNew(entry.metadata_file)) continue;
      SIGNALDB_TRY(Delete(entry.metadata_file, report_.metadata_files));
    }
    return Delete(current, report_.metadata_files);
  }

  [[nodiscard]] const PurgeReport& report() const { return report_; }

 private:
  [[nodiscard]] Status DeleteManifest(const ManifestFile& manifest) {
    if (!met_.IsNew(manifest.manifest_path)) return {};
    const Result<std::string> bytes = io_.Read(manifest.manifest_path);
    if (!bytes.has_value() && bytes.error().kind == ErrorKind::kNotFound) return {};
    if (!bytes.has_value()) return std::unexpected(bytes.error());
    SIGNALDB_ASSIGN(const std::vector<ManifestEntry> entries,
                    DecodeManifest(*bytes, manifest, metadata_));
    for (const ManifestEntry& entry : entries) {
      const std::string& file = entry.data_file.file_path;
      if (entry.status == EntryStatus::kDeleted || !met_.IsNew(file)) continue;
      SIGNALDB_TRY(Delete(file, report_.data_files));
    }
    return Delete(manifest.manifest_path, report_.manifests);
  }

  [[nodiscard]] Status Delete(const std::string& file, std::uint64_t& count) {
    const bool is_ours = std::ranges::any_of(
        folders_, [&](const std::string& folder) { return IsUnder(file, folder); });
    if (!is_ours) {
      ++report_.files_kept;
      return {};
    }
    SIGNALDB_TRY(io_.Delete(file));
    ++count;
    return {};
  }

  FileIo& io_;
  const TableMetadata& metadata_;
  std::vector<std::string> folders_;
  NamesMet met_;
  PurgeReport report_;
};

Status RefuseIfKept(const LoadedTable& table) {
  const auto found = table.metadata->properties.find("gc.enabled");
  if (found == table.metadata->properties.end() || !IsFalse(found->second)) return {};
  return Fail(ErrorKind::kInvalid,
              fmt::format("the table says gc.enabled=false, for others use its files; drop it "
                          "without purging table={}",
                          table.table.ToText()));
}

/// One table's metadata at a time. A neighbour whose metadata cannot be read names no files either.
Status RefuseIfShared(IcebergCatalog::Parts& parts, const LoadedTable& table) {
  Catalog& catalog = *parts.catalog.catalog;
  SIGNALDB_ASSIGN(const std::vector<Namespace> namespaces, catalog.ListNamespaces());
  for (const Namespace& levels : namespaces) {
    SIGNALDB_ASSIGN(const std::vector<TableIdentifier> neighbours, catalog.ListTables(levels));
    for (const TableIdentifier& neighbour : neighbours) {
      if (neighbour == table.table) continue;
      const Result<LoadedTable> other = parts.committer->Load(neighbour);
      if (!other.has_value() && other.error().kind == ErrorKind::kUnavailable) {
        return std::unexpected(other.error());
      }
      if (!other.has_value()) continue;
      if (other->metadata->table_uuid == table.metadata->table_uuid ||
          other->metadata->location == table.metadata->location) {
        return Fail(ErrorKind::kConflict,
                    fmt::format("another table has the same files; drop one of them without "
                                "purging table={} other={}",
                                table.table.ToText(), neighbour.ToText()));
      }
      parts.cache->Drop(other->metadata_location);
    }
  }
  return {};
}

Error Unfinished(Error error, const TableIdentifier& table) {
  // Of a store, where something stands in a file's place; nothing was refused.
  if (error.kind == ErrorKind::kConflict) error.kind = ErrorKind::kUnavailable;
  error.message = fmt::format(
      "the table is gone from its name but files are left; purge it again under its present one "
      "cause=\"{}\" table={}",
      error.message, table.ToText());
  return error;
}

}  // namespace

Result<PurgeReport> PurgeTable(IcebergCatalog::Parts& parts, const TableIdentifier& table) {
  Catalog& catalog = *parts.catalog.catalog;
  ObjectStore::Parts& store = parts.store->parts();
  SIGNALDB_ASSIGN(LoadedTable loaded, parts.committer->Load(table));
  SIGNALDB_TRY(RefuseIfKept(loaded));
  SIGNALDB_TRY(RefuseIfShared(parts, loaded));
  // Under another name first: a commit that is on its way finds its table gone, so that what is
  // read then is all there will ever be.
  TableIdentifier marked = table;
  if (!table.name.contains(kMark)) {
    marked.name = fmt::format("{}{}{}", table.name, kMark, ToString(UuidV4(*store.random)));
    SIGNALDB_TRY(catalog.RenameTable(table, marked));
    parts.cache->ForgetTable(table);
  }
  Result<LoadedTable> final_state = parts.committer->Load(marked);
  if (!final_state.has_value()) {
    return std::unexpected(Unfinished(std::move(final_state).error(), marked));
  }
  Purge purge(*store.io, *final_state->metadata);
  Status done = purge.DeleteContent();
  if (done.has_value()) done = catalog.DropTable(marked);
  if (!done.has_value()) return std::unexpected(Unfinished(std::move(done).error(), marked));
  SIGNALDB_TRY(purge.DeleteMetadata(final_state->metadata_location));
  parts.cache->ForgetTable(marked);
  const PurgeReport& report = purge.report();
  parts.events->Log({.severity = Severity::kInfo,
                     .module = "library",
                     .message = "table purged",
                     .fields = {{"table", table.ToText()},
                                {"data_files", std::to_string(report.data_files)},
                                {"manifests", std::to_string(report.manifests)},
                                {"files_kept", std::to_string(report.files_kept)}}});
  return report;
}

}  // namespace signaldb

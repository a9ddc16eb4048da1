#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "signaldb/config.h"
#include "signaldb/object_store.h"
#include "signaldb/result.h"
#include "signaldb/table_options.h"

namespace arrow {
class Schema;
}

namespace signaldb {

/// A table's place in the catalog: `{"my_tenant.my_dataset", "metrics_gauge"}`.
struct TableName {
  std::string levels;  ///< Of the namespace, with dots between them.
  std::string name;

  friend auto operator<=>(const TableName&, const TableName&) = default;
};

using StringMap = std::map<std::string, std::string>;

/// A table as it was when it was looked at.
struct TableInfo {
  std::string uuid;
  std::string location;           ///< Of the folder under which it writes.
  std::string metadata_location;  ///< What RegisterTable takes.
  std::shared_ptr<arrow::Schema> schema;
  StringMap properties;
  std::optional<std::int64_t> current_snapshot_id;
  std::size_t snapshots = 0;
  std::optional<std::int64_t> rows;  ///< As the current snapshot's summary has it.
};

/// What PurgeTable has deleted.
struct PurgeReport {
  std::uint64_t data_files = 0;  ///< Files of deletes too.
  std::uint64_t manifests = 0;
  std::uint64_t manifest_lists = 0;
  std::uint64_t metadata_files = 0;
  /// Files that the table names and that lie outside its folders: they were added by name, and may
  /// belong to somebody else. They stay.
  std::uint64_t files_kept = 0;
};

/// The catalog that writers of the same object store and `Configuration::schema` use, for all that
/// is not writing: namespaces and tables are made, listed, looked at and removed.
///
/// Tables are those of every program on the same catalog (PyIceberg, Java, ...), not ours only.
///
/// Lifetime: shares the object store.
/// Threads:  thread-safe.
class IcebergCatalog {
 public:
  struct Parts;

  /// Errors: kInvalid (a bad configuration), kUnavailable, kCorrupt.
  [[nodiscard]] static Result<std::unique_ptr<IcebergCatalog>> Open(
      const Configuration& config, std::shared_ptr<ObjectStore> object_store);
  explicit IcebergCatalog(std::unique_ptr<Parts> parts);
  ~IcebergCatalog();
  IcebergCatalog(const IcebergCatalog&) = delete;
  IcebergCatalog& operator=(const IcebergCatalog&) = delete;

  // Every function below may also fail with kInvalid (a name that a catalog cannot hold),
  // kUnavailable, and kUnknownOutcome if it changes something: look whether it happened.

  /// Errors: kConflict (exists).
  [[nodiscard]] Status CreateNamespace(std::string_view levels, const StringMap& properties = {});
  /// Those that were created or hold a table, in order.
  [[nodiscard]] Result<std::vector<std::string>> ListNamespaces();
  /// Errors: kNotFound.
  [[nodiscard]] Result<StringMap> NamespaceProperties(std::string_view levels);
  /// Sets some and removes some, all or none. Errors: kNotFound, kConflict (with another change).
  [[nodiscard]] Status UpdateNamespaceProperties(std::string_view levels, const StringMap& set,
                                                 const std::vector<std::string>& removed = {});
  /// Errors: kNotFound, kConflict (something is inside).
  [[nodiscard]] Status DropNamespace(std::string_view levels);

  /// Makes an empty table, its namespace too. Errors: kConflict (a table or view of the name
  /// exists), kInvalid (options that contradict themselves; names the column).
  [[nodiscard]] Result<TableInfo> CreateTable(const TableName& table, const TableOptions& options);
  /// Tables directly in the namespace, in order. Errors: kNotFound.
  [[nodiscard]] Result<std::vector<TableName>> ListTables(std::string_view levels);
  /// Errors: kNotFound, kCorrupt (its metadata is missing or damaged).
  [[nodiscard]] Result<TableInfo> LoadTable(const TableName& table);
  /// Sets some table properties and removes some, all or none; others stay. One that is to be
  /// removed need not be there. No snapshot is made. Errors: kNotFound, kConflict (others won every
  /// attempt), kInvalid (a key that Iceberg reserves, a key in both), kCorrupt.
  [[nodiscard]] Status SetTableProperties(const TableName& table, const StringMap& properties,
                                          const std::vector<std::string>& removed = {});
  /// Another name for the same table; its files stay where they are. Writers that were made for the
  /// old name fail with kNotFound. Errors: kNotFound (the table, or the namespace to move to),
  /// kConflict (the new name is taken).
  [[nodiscard]] Status RenameTable(const TableName& from, const TableName& to);
  /// Takes a table in by its metadata file, its namespace too: one that was dropped, or that comes
  /// from another catalog, which must not commit to it any more.
  /// Errors: kConflict (the name is taken), kNotFound (no such file), kInvalid (not in this store),
  /// kCorrupt (not the metadata of a table).
  [[nodiscard]] Result<TableInfo> RegisterTable(const TableName& table,
                                                const std::string& metadata_location);
  /// Forgets the table. Its files stay: RegisterTable brings it back. Errors: kNotFound.
  [[nodiscard]] Status DropTable(const TableName& table);

  /// Drops the table and deletes the files that its metadata names: data, manifests, lists and
  /// metadata. Nobody can read or write it from the first moment on: it gets another name, which
  /// errors tell and under which it is purged again should this one be interrupted. The memory it
  /// needs does not grow with the table. Statistics files of other engines stay.
  ///
  /// Errors:
  ///   kNotFound     No such table.
  ///   kInvalid      Refused, for the table says `gc.enabled=false`: others use its files.
  ///   kConflict     Refused: another table of the catalog has the same uuid or folder.
  ///   kUnavailable, kUnknownOutcome, kCorrupt
  ///                 Files are left; the message says under which name to purge again.
  [[nodiscard]] Result<PurgeReport> PurgeTable(const TableName& table);

 private:
  std::unique_ptr<Parts> parts_;
};

}  // namespace signaldb

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "adapters/sqlite/sqlite_connection.h"
#include "iceberg/catalog.h"

namespace signaldb {

struct SqliteCatalogOptions {
  std::string catalog_name = "signaldb";  ///< Other tools must use the same, or see nothing.
  /// How long a call waits for another process that holds the file. Longer hides contention,
  /// shorter makes commits fail and be retried.
  std::chrono::milliseconds busy_timeout{10'000};
  std::string vfs;  ///< SQLite's virtual file system by name; empty for the default.
};

/// The path in `sqlite://PATH`; ":memory:" for `sqlite::memory:` and `sqlite://:memory:`.
/// Errors: kInvalid (another scheme, no path).
[[nodiscard]] Result<std::string> PathOfSqliteUri(std::string_view uri);

/// The Iceberg SQL catalog on SQLite, in the layout that Java, PyIceberg and iceberg-rust share
/// (V1; V0 files are used as they are). Several tables commit in one transaction, which every other
/// reader sees as ordinary rows.
///
/// Owns:          the file, by one connection. Open it once a process.
/// Does not own:  the folder, which must exist.
/// Threads:       thread-safe; calls run one after another under a mutex.
class SqliteCatalog final : public Catalog {
 public:
  /// Opens or creates the file and its tables, and makes what it finds durable.
  /// Errors: kInvalid (bad URI, network file system), kUnavailable, kCorrupt.
  [[nodiscard]] static Result<std::unique_ptr<SqliteCatalog>> Open(std::string_view uri,
                                                                   SqliteCatalogOptions options);

  [[nodiscard]] Result<std::string> MetadataLocation(const TableIdentifier& table) override;
  [[nodiscard]] Status Commit(std::span<const PointerUpdate> updates) override;
  [[nodiscard]] Status CreateNamespace(const Namespace& levels,
                                       const Properties& properties) override;
  [[nodiscard]] Result<bool> NamespaceExists(const Namespace& levels) override;
  [[nodiscard]] Result<std::vector<Namespace>> ListNamespaces() override;
  [[nodiscard]] Result<std::vector<TableIdentifier>> ListTables(const Namespace& levels) override;
  [[nodiscard]] Status DropTable(const TableIdentifier& table) override;

  /// True if the tables have the column `iceberg_type`.
  [[nodiscard]] bool is_v1() const;
  /// Adds `iceberg_type` to a V0 file; after that every known tool can write to it. Nothing if it
  /// is there. Errors: kUnavailable, kUnknownOutcome.
  [[nodiscard]] Status UpgradeToV1();

 private:
  enum class Layout : std::uint8_t { kV0, kV1 };

  SqliteCatalog(SqliteConnection::Settings settings, std::string catalog_name)
      : settings_(std::move(settings)), catalog_name_(std::move(catalog_name)) {}

  [[nodiscard]] Status ConnectLocked();
  [[nodiscard]] Status EnsureConnectedLocked();
  [[nodiscard]] Status SettleLocked();
  [[nodiscard]] Status CreateTablesLocked();
  [[nodiscard]] Status InTransactionLocked(const std::function<Status()>& body);
  void AbandonTransactionLocked();
  [[nodiscard]] Status ApplyLocked(const PointerUpdate& update);
  [[nodiscard]] Status InsertLocked(const PointerUpdate& update);
  [[nodiscard]] Result<bool> ExistsLocked(const Namespace& levels, SqliteStep step);
  [[nodiscard]] Result<std::vector<SqliteRow>> LoadLocked(const TableIdentifier& table,
                                                          SqliteStep step);
  /// `v1`, or `v0` for files without the column `iceberg_type`.
  [[nodiscard]] std::string_view ByLayout(std::string_view v1, std::string_view v0) const {
    return layout_ == Layout::kV1 ? v1 : v0;
  }

  const SqliteConnection::Settings settings_;
  const std::string catalog_name_;
  mutable std::mutex mutex_;
  std::unique_ptr<SqliteConnection> connection_;  // Empty after a failure that made it doubtful.
  Layout layout_ = Layout::kV1;
};

}  // namespace signaldb

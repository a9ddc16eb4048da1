#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "adapters/sqlite/sqlite_connection.h"
#include "iceberg/sql_catalog.h"

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
class SqliteCatalog final : public SqlCatalog {
 public:
  /// Opens or creates the file and its tables, and makes what it finds durable.
  /// Errors: kInvalid (bad URI, network file system), kUnavailable, kCorrupt.
  [[nodiscard]] static Result<std::unique_ptr<SqliteCatalog>> Open(std::string_view uri,
                                                                   SqliteCatalogOptions options);

  /// True if the tables have the column `iceberg_type`.
  [[nodiscard]] bool is_v1() const;
  /// Adds `iceberg_type` to a V0 file; after that every known tool can write to it. Nothing if it
  /// is there. Errors: kUnavailable, kUnknownOutcome.
  [[nodiscard]] Status UpgradeToV1();

 private:
  SqliteCatalog(SqliteConnection::Settings settings, std::string catalog_name)
      : SqlCatalog(std::move(catalog_name)), settings_(std::move(settings)) {}

  [[nodiscard]] Status Reading(const Body& body) override;
  [[nodiscard]] Status Writing(const Body& body) override;
  [[nodiscard]] Status ConnectLocked();
  [[nodiscard]] Status EnsureConnectedLocked();
  /// Errors: kUnavailable (the file is not in its place any more; nothing was asked of it).
  [[nodiscard]] Status CheckPlaceLocked();
  [[nodiscard]] Status SettleLocked();
  [[nodiscard]] Status CreateTablesLocked();
  [[nodiscard]] Status InTransactionLocked(const std::function<Status()>& body);
  void AbandonTransactionLocked();

  const SqliteConnection::Settings settings_;
  mutable std::mutex mutex_;
  std::unique_ptr<SqliteConnection> connection_;  // Empty after a failure that made it doubtful.
  bool was_connected_ = false;  // A file that is gone now is not to be replaced by an empty one.
  SqlCatalogLayout layout_ = SqlCatalogLayout::kV1;
};

}  // namespace signaldb

#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/postgres/connection_pool.h"
#include "adapters/postgres/postgres_connection.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "iceberg/sql_catalog.h"

namespace signaldb {

struct PostgresCatalogOptions {
  std::string catalog_name = "signaldb";  ///< Other tools must use the same, or see nothing.
  ConnectionPoolOptions pool;
  /// Longer hides a slow server, shorter fails commits that would have come through.
  std::chrono::milliseconds statement_timeout{10'000};
  std::chrono::milliseconds lock_timeout{5'000};
};

/// The Iceberg SQL catalog on PostgreSQL, in the layout that Java, PyIceberg and iceberg-rust share
/// (V1; V0 tables are used as they are).
///
/// A connection lost before COMMIT was sent is kUnavailable: the server rolls back. Lost after, it
/// is kUnknownOutcome, and only reading the table again can tell.
///
/// Owns:          its connections; the tables in the first schema of the search_path.
/// Does not own:  the database, its users and rights, views (rows of type VIEW are left alone).
/// Lifetime:      borrows clock and listener.
/// Threads:       thread-safe; as many calls run at once as the pool has connections.
class PostgresCatalog final : public SqlCatalog {
 public:
  /// Connects, and creates the tables if they are not there.
  /// Errors: kInvalid (bad URI or options), kUnavailable (away, refused, read-only or a standby,
  /// lacking rights), kCorrupt.
  [[nodiscard]] static Result<std::unique_ptr<PostgresCatalog>> Open(std::string_view uri,
                                                                     PostgresCatalogOptions options,
                                                                     Clock& clock,
                                                                     EventListener& events);

  /// True if the tables have the column `iceberg_type`.
  [[nodiscard]] bool is_v1() const { return layout_ == SqlCatalogLayout::kV1; }
  [[nodiscard]] ConnectionPool& pool() { return *pool_; }

 private:
  PostgresCatalog(std::string catalog_name, std::unique_ptr<ConnectionPool> pool)
      : SqlCatalog(std::move(catalog_name)), pool_(std::move(pool)) {}

  [[nodiscard]] Status Reading(const Body& body) override;
  [[nodiscard]] Status Writing(const Body& body) override;
  [[nodiscard]] Status InTransaction(PostgresConnection::Access access, const Body& body);
  [[nodiscard]] Status FindOrCreateTables();

  const std::unique_ptr<ConnectionPool> pool_;
  SqlCatalogLayout layout_ = SqlCatalogLayout::kV1;  // Constant after Open.
};

}  // namespace signaldb

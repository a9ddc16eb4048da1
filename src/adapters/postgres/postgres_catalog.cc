#include "adapters/postgres/postgres_catalog.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/retry.h"

namespace signaldb {

namespace {

// Columns of the very table that the statements will use, wherever the search_path finds it.
constexpr std::string_view kColumns =
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('iceberg_tables') AND attnum > "
    "0 "
    "AND NOT attisdropped";
constexpr std::string_view kHasNamespaces =
    "SELECT 1 WHERE to_regclass('iceberg_namespace_properties') IS NOT NULL";
// CREATE TABLE IF NOT EXISTS fails when two sessions do it at once, so one waits for the other. The
// number is arbitrary, and ours.
constexpr std::string_view kLockCreation = "SELECT pg_advisory_xact_lock(5283940172661)";

class PostgresSession final : public SqlSession {
 public:
  PostgresSession(PostgresConnection& connection, SqlCatalogLayout layout)
      : connection_(connection), layout_(layout) {}

  [[nodiscard]] Result<std::vector<SqlRow>> Query(
      std::string_view sql, std::initializer_list<SqlText> parameters) override {
    SIGNALDB_ASSIGN(PostgresConnection::Answer answer, connection_.Run(sql, parameters));
    return std::move(answer.rows);
  }
  [[nodiscard]] Result<int> Execute(std::string_view sql,
                                    std::initializer_list<SqlText> parameters) override {
    SIGNALDB_ASSIGN(const PostgresConnection::Answer answer, connection_.Run(sql, parameters));
    return answer.changed;
  }
  [[nodiscard]] SqlCatalogLayout layout() const override { return layout_; }

 private:
  PostgresConnection& connection_;
  const SqlCatalogLayout layout_;
};

}  // namespace

Result<std::unique_ptr<PostgresCatalog>> PostgresCatalog::Open(std::string_view uri,
                                                               PostgresCatalogOptions options,
                                                               Clock& clock,
                                                               EventListener& events) {
  SIGNALDB_TRY(CheckCatalogName(options.catalog_name));
  SIGNALDB_ASSIGN(PostgresTarget target, ParsePostgresUri(uri));
  if (options.statement_timeout.count() <= 0 || options.lock_timeout.count() <= 0) {
    return Fail(ErrorKind::kInvalid, "the timeouts of a postgresql catalog must be above zero");
  }
  ConnectionPool::Opener open =
      [target = std::move(target),
       timeouts = PostgresConnection::Timeouts{.statement = options.statement_timeout,
                                               .lock = options.lock_timeout},
       &clock](Nanos timeout) -> Result<std::unique_ptr<PoolMember>> {
    return PostgresConnection::Open(target, timeouts, timeout, clock);
  };
  SIGNALDB_ASSIGN(std::unique_ptr<ConnectionPool> pool,
                  ConnectionPool::Start(options.pool, std::move(open), clock, events));
  std::unique_ptr<PostgresCatalog> catalog(
      new PostgresCatalog(std::move(options.catalog_name), std::move(pool)));
  Status ready = catalog->FindOrCreateTables();
  if (!ready.has_value()) {
    // Nothing of a caller's has been tried yet; opening again finds the tables or creates them.
    const bool may_try_again =
        IsRetryable(ready.error().kind) || ready.error().kind == ErrorKind::kUnknownOutcome;
    if (may_try_again) ready.error().kind = ErrorKind::kUnavailable;
    return std::unexpected(std::move(ready).error());
  }
  return catalog;
}

Status PostgresCatalog::FindOrCreateTables() {
  return Writing([this](SqlSession& sql) -> Status {
    SIGNALDB_ASSIGN(std::vector<SqlRow> columns, sql.Query(kColumns, {}));
    SIGNALDB_ASSIGN(const std::vector<SqlRow> namespaces, sql.Query(kHasNamespaces, {}));
    // Looked for first: whoever may not create tables may well use them.
    if (columns.empty() || namespaces.empty()) {
      SIGNALDB_TRY(sql.Query(kLockCreation, {}));
      SIGNALDB_TRY(sql.Execute(kSqlCreateTables, {}));
      SIGNALDB_TRY(sql.Execute(kSqlCreateNamespaces, {}));
      SIGNALDB_ASSIGN(columns, sql.Query(kColumns, {}));
    }
    layout_ =
        std::ranges::any_of(columns, [](const SqlRow& row) { return row.at(0) == "iceberg_type"; })
            ? SqlCatalogLayout::kV1
            : SqlCatalogLayout::kV0;
    return {};
  });
}

Status PostgresCatalog::Reading(const Body& body) {
  return InTransaction(PostgresConnection::Access::kRead, body);
}

Status PostgresCatalog::Writing(const Body& body) {
  return InTransaction(PostgresConnection::Access::kWrite, body);
}

Status PostgresCatalog::InTransaction(PostgresConnection::Access access, const Body& body) {
  SIGNALDB_ASSIGN(ConnectionPool::Lease lease, pool_->Acquire());
  auto& connection = static_cast<PostgresConnection&>(lease.member());
  Status done = connection.Begin(access);
  if (done.has_value()) {
    PostgresSession session(connection, layout_);
    done = body(session);
  }
  if (done.has_value() && access == PostgresConnection::Access::kWrite) {
    done = connection.Commit();
    if (done.has_value()) return {};
    lease.MarkBroken();
    return done;
  }
  // A session whose transaction cannot be ended is of no use to the next one.
  if (!connection.is_usable() || !connection.Rollback().has_value()) lease.MarkBroken();
  return done;
}

}  // namespace signaldb

#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "adapters/postgres/connection_pool.h"
#include "adapters/postgres/postgres_error.h"
#include "adapters/postgres/postgres_uri.h"
#include "base/clock.h"
#include "iceberg/sql_catalog.h"
#include "signaldb/result.h"

struct pg_conn;
struct pg_result;

namespace signaldb {

/// One connection. Every call has a deadline of its own beside the server's timeouts, so a server
/// that stops answering never holds a thread.
///
/// Nothing is set for longer than a transaction and no statement is prepared: a pooler between us
/// and the server may give every transaction another session.
///
/// Threads: confined to whoever holds the lease.
class PostgresConnection final : public PoolMember {
 public:
  struct Timeouts {
    std::chrono::milliseconds statement;  ///< For one statement, on the server.
    std::chrono::milliseconds lock;       ///< For one row that another transaction holds.
  };
  enum class Access : std::uint8_t { kRead, kWrite };
  struct Answer {
    std::vector<SqlRow> rows;
    int changed = 0;
  };

  /// Errors: as ErrorFromSqlState; a standby or read-only server is kUnavailable.
  [[nodiscard]] static Result<std::unique_ptr<PostgresConnection>> Open(
      const PostgresTarget& target, const Timeouts& timeouts, Nanos timeout, Clock& clock);

  /// A round trip: the server answers and takes writes.
  [[nodiscard]] bool IsHealthy() override;

  /// Begins a transaction: READ COMMITTED to write, a single view to read; always on the primary,
  /// and durable at COMMIT whatever the operator's default is.
  [[nodiscard]] Status Begin(Access access);
  /// Errors: kUnknownOutcome (no answer), kConflict (rolled back).
  [[nodiscard]] Status Commit();
  [[nodiscard]] Status Rollback();

  /// Runs one statement; parameters stand as `?`.
  [[nodiscard]] Result<Answer> Run(std::string_view sql, std::initializer_list<SqlText> parameters);

  /// False after a failure that leaves its state in doubt; it is of no use any more.
  [[nodiscard]] bool is_usable() const;

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  struct Clear {
    void operator()(pg_result* result) const;
  };
  using PgResult = std::unique_ptr<pg_result, Clear>;

  PostgresConnection(pg_conn* connection, const Timeouts& timeouts, Clock& clock)
      : connection_(connection), timeouts_(timeouts), clock_(clock) {}

  [[nodiscard]] Status FinishConnecting(Nanos deadline);
  [[nodiscard]] bool WaitForSocket(short events, Nanos deadline);
  /// Sends what is buffered and waits for the last result. Errors: as ErrorFromSqlState.
  [[nodiscard]] Result<PgResult> Receive(PostgresStep step, Nanos timeout);
  [[nodiscard]] Status Simple(const char* sql, PostgresStep step, std::string_view tag);
  [[nodiscard]] std::unexpected<Error> Lost(PostgresStep step, std::string_view what);

  std::unique_ptr<pg_conn, Finish> connection_;
  const Timeouts timeouts_;
  Clock& clock_;
  bool is_lost_ = false;
};

}  // namespace signaldb

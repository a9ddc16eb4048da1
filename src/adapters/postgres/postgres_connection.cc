#include "adapters/postgres/postgres_connection.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

namespace signaldb {

namespace {

constexpr Oid kTextOid = 25;
// How much longer than the server's own timeout we wait for its answer, which then says more.
constexpr Nanos kAnswerGrace = std::chrono::seconds(2);
constexpr Nanos kHealthTimeout = std::chrono::seconds(2);

/// `?` becomes `$1`, `$2`, ...; our statements hold no question mark otherwise.
std::string WithNumberedParameters(std::string_view sql) {
  std::string numbered;
  int number = 0;
  for (const char c : sql) {
    if (c == '?') {
      numbered += fmt::format("${}", ++number);
    } else {
      numbered += c;
    }
  }
  return numbered;
}

std::string_view SqlStateOf(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state == nullptr ? "" : state;
}

void IgnoreNotice(void*, const PGresult*) {}

}  // namespace

void PostgresConnection::Finish::operator()(pg_conn* connection) const { PQfinish(connection); }
void PostgresConnection::Clear::operator()(pg_result* result) const { PQclear(result); }

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(const PostgresTarget& target,
                                                                     const Timeouts& timeouts,
                                                                     Nanos timeout, Clock& clock) {
  const Nanos deadline = clock.MonotonicNow() + timeout;
  std::vector<const char*> keys;
  std::vector<const char*> values;
  for (const auto& [key, value] : target.options) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  std::unique_ptr<PostgresConnection> connection(
      new PostgresConnection(PQconnectStartParams(keys.data(), values.data(), 0), timeouts, clock));
  if (connection->connection_ == nullptr) {
    return Fail(ErrorKind::kUnavailable, "out of memory for a connection to the catalog");
  }
  // libpq would print them.
  PQsetNoticeReceiver(connection->connection_.get(), &IgnoreNotice, nullptr);
  const Status connected = connection->FinishConnecting(deadline);
  if (!connected.has_value()) {
    Error error = connected.error();
    error.message += fmt::format(" catalog={}", target.display);
    return std::unexpected(std::move(error));
  }
  PQsetnonblocking(connection->connection_.get(), 1);
  return connection;
}

Status PostgresConnection::FinishConnecting(Nanos deadline) {
  if (PQstatus(connection_.get()) == CONNECTION_BAD) {
    return Lost(PostgresStep::kConnect, PQerrorMessage(connection_.get()));
  }
  // As libpq asks: first wait until the socket takes writes, then as each poll says.
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (next != PGRES_POLLING_OK) {
    if (!WaitForSocket(next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) {
      return Lost(PostgresStep::kConnect,
                  "no answer in time; check the host, or raise "
                  "connection_timeout_ms");
    }
    next = PQconnectPoll(connection_.get());
    if (next == PGRES_POLLING_FAILED) {
      return Lost(PostgresStep::kConnect, PQerrorMessage(connection_.get()));
    }
  }
  return {};
}

bool PostgresConnection::WaitForSocket(short events, Nanos deadline) {
  const int socket = PQsocket(connection_.get());
  if (socket < 0) return true;  // Already failed; the next call of libpq says so.
  const Nanos left = deadline - clock_.MonotonicNow();
  if (left <= Nanos(0)) return false;
  pollfd waiting{.fd = socket, .events = events, .revents = 0};
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  // An interrupted wait is repeated by the caller's loop, which looks at the clock again.
  return ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(millis, 3'600'000))) != 0;
}

std::unexpected<Error> PostgresConnection::Lost(PostgresStep step, std::string_view what) {
  is_lost_ = true;
  return std::unexpected(ErrorFromSqlState("", step, what));
}

Result<PostgresConnection::PgResult> PostgresConnection::Receive(PostgresStep step, Nanos timeout) {
  PGconn* const connection = connection_.get();
  const Nanos deadline = clock_.MonotonicNow() + timeout;
  PgResult last;
  while (true) {
    const int unsent = PQflush(connection);
    if (unsent < 0) return Lost(step, PQerrorMessage(connection));
    if (unsent == 0 && PQisBusy(connection) == 0) {
      PgResult result(PQgetResult(connection));
      if (result == nullptr) break;
      // The first error is the one that explains the others.
      if (last == nullptr || PQresultStatus(last.get()) != PGRES_FATAL_ERROR) {
        last = std::move(result);
      }
      continue;
    }
    const auto events = static_cast<short>(unsent == 0 ? POLLIN : POLLIN | POLLOUT);
    if (!WaitForSocket(events, deadline)) return Lost(step, "no answer in time");
    if (PQconsumeInput(connection) == 0) return Lost(step, PQerrorMessage(connection));
  }
  if (last == nullptr) return Lost(step, PQerrorMessage(connection));
  const ExecStatusType status = PQresultStatus(last.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return last;
  if (PQstatus(connection) != CONNECTION_OK) is_lost_ = true;
  return std::unexpected(
      ErrorFromSqlState(SqlStateOf(last.get()), step, PQresultErrorMessage(last.get())));
}

Status PostgresConnection::Simple(const char* sql, PostgresStep step, std::string_view tag) {
  if (PQsendQuery(connection_.get(), sql) == 0) {
    return Lost(step, PQerrorMessage(connection_.get()));
  }
  SIGNALDB_ASSIGN(const PgResult result, Receive(step, timeouts_.statement + kAnswerGrace));
  const std::string_view got = PQcmdStatus(result.get());
  if (got == tag) return {};
  // COMMIT of a transaction that has failed answers ROLLBACK, without an error.
  return Fail(
      ErrorKind::kConflict,
      fmt::format("the catalog rolled the transaction back expected={} answer={}", tag, got));
}

Status PostgresConnection::Begin(Access access) {
  // READ WRITE makes a standby or a read-only server refuse, also to readers. One message.
  const std::string begin = fmt::format(
      "BEGIN ISOLATION LEVEL {} READ WRITE; SET LOCAL synchronous_commit = on; "
      "SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; "
      "SET LOCAL idle_in_transaction_session_timeout = {}",
      access == Access::kWrite ? "READ COMMITTED" : "REPEATABLE READ", timeouts_.statement.count(),
      timeouts_.lock.count(), timeouts_.statement.count());
  return Simple(begin.c_str(), PostgresStep::kStatement, "SET");
}

Status PostgresConnection::Commit() { return Simple("COMMIT", PostgresStep::kCommit, "COMMIT"); }

Status PostgresConnection::Rollback() {
  return Simple("ROLLBACK", PostgresStep::kStatement, "ROLLBACK");
}

Result<PostgresConnection::Answer> PostgresConnection::Run(
    std::string_view sql, std::initializer_list<SqlText> parameters) {
  std::vector<Oid> types(parameters.size(), kTextOid);
  std::vector<const char*> values;
  for (const SqlText& parameter : parameters) {
    values.push_back(parameter.has_value() ? parameter->c_str() : nullptr);
  }
  if (PQsendQueryParams(connection_.get(), WithNumberedParameters(sql).c_str(),
                        static_cast<int>(values.size()), types.data(), values.data(), nullptr,
                        nullptr, 0) == 0) {
    return Lost(PostgresStep::kStatement, PQerrorMessage(connection_.get()));
  }
  SIGNALDB_ASSIGN(const PgResult result,
                  Receive(PostgresStep::kStatement, timeouts_.statement + kAnswerGrace));
  Answer answer;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    SqlRow& cells = answer.rows.emplace_back();
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      if (PQgetisnull(result.get(), row, column) != 0) {
        cells.emplace_back(std::nullopt);
      } else {
        cells.emplace_back(
            std::string(PQgetvalue(result.get(), row, column),
                        static_cast<std::size_t>(PQgetlength(result.get(), row, column))));
      }
    }
  }
  const std::string_view changed = PQcmdTuples(result.get());
  std::from_chars(changed.data(), changed.data() + changed.size(), answer.changed);
  return answer;
}

bool PostgresConnection::IsHealthy() {
  if (!is_usable() || PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) return false;
  if (PQsendQuery(connection_.get(), "SELECT pg_is_in_recovery()") == 0) return false;
  const Result<PgResult> answer = Receive(PostgresStep::kStatement, kHealthTimeout);
  return answer.has_value() && PQntuples(answer->get()) == 1 &&
         std::string_view(PQgetvalue(answer->get(), 0, 0)) == "f";
}

bool PostgresConnection::is_usable() const {
  return !is_lost_ && PQstatus(connection_.get()) == CONNECTION_OK;
}

}  // namespace signaldb

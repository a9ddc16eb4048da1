#include "adapters/sqlite/sqlite_connection.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace signaldb {

namespace {

/// Ends the use of a prepared statement: releases its locks and forgets its parameters.
class ResetOnExit {
 public:
  explicit ResetOnExit(sqlite3_stmt* statement) : statement_(statement) {}
  ResetOnExit(const ResetOnExit&) = delete;
  ResetOnExit& operator=(const ResetOnExit&) = delete;
  ~ResetOnExit() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  sqlite3_stmt* statement_;
};

SqliteText ColumnText(sqlite3_stmt* statement, int column) {
  const unsigned char* text = sqlite3_column_text(statement, column);
  if (text == nullptr) return std::nullopt;
  const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
  return std::string(reinterpret_cast<const char*>(text), bytes);
}

}  // namespace

void SqliteConnection::CloseDatabase::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

void SqliteConnection::FinalizeStatement::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Error SqliteConnection::LastError(SqliteStep step) const {
  return ErrorFromSqlite(sqlite3_extended_errcode(database_.get()), step,
                         sqlite3_errmsg(database_.get()));
}

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const Settings& settings,
                                                                 File file) {
  sqlite3* database = nullptr;
  // No URI file names: a path is a path, whatever characters it holds. No internal mutexes: one
  // thread at a time is in here.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                    (file == File::kMayBeNew ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(settings.path.c_str(), &database, flags,
                                   settings.vfs.empty() ? nullptr : settings.vfs.c_str());
  if (database == nullptr) {
    return std::unexpected(ErrorFromSqlite(code, SqliteStep::kOpen, settings.path));
  }
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(database));
  if (code != SQLITE_OK) {
    return std::unexpected(
        ErrorFromSqlite(sqlite3_extended_errcode(database), SqliteStep::kOpen, settings.path));
  }
  sqlite3_extended_result_codes(database, 1);
  sqlite3_busy_timeout(database, static_cast<int>(settings.busy_timeout.count()));
  SIGNALDB_ASSIGN(const std::vector<SqliteRow> mode,
                  connection->Query("PRAGMA journal_mode=DELETE", {}, SqliteStep::kOpen));
  const bool in_memory = settings.path == ":memory:";
  if (!in_memory && (mode.empty() || mode[0].empty() || mode[0][0] != "delete")) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("catalog is open elsewhere in another journal mode; close it there "
                            "path={}",
                            settings.path));
  }
  SIGNALDB_TRY(connection->Query("PRAGMA synchronous=EXTRA", {}, SqliteStep::kOpen));
  return connection;
}

Result<sqlite3_stmt*> SqliteConnection::Prepared(std::string_view sql, SqliteStep step) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second.get();
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return std::unexpected(LastError(step));
  }
  return statements_.emplace(sql, Statement(statement)).first->second.get();
}

Result<std::vector<SqliteRow>> SqliteConnection::Query(std::string_view sql,
                                                       std::initializer_list<SqliteText> parameters,
                                                       SqliteStep step) {
  SIGNALDB_ASSIGN(sqlite3_stmt* const statement, Prepared(sql, step));
  const ResetOnExit reset(statement);
  int index = 0;
  for (const SqliteText& parameter : parameters) {
    ++index;
    const int code = parameter.has_value()
                         ? sqlite3_bind_text(statement, index, parameter->data(),
                                             static_cast<int>(parameter->size()), SQLITE_STATIC)
                         : sqlite3_bind_null(statement, index);
    if (code != SQLITE_OK) return std::unexpected(LastError(step));
  }
  std::vector<SqliteRow> rows;
  while (true) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) return rows;
    if (code != SQLITE_ROW) return std::unexpected(LastError(step));
    SqliteRow row;
    for (int column = 0; column < sqlite3_column_count(statement); ++column) {
      row.push_back(ColumnText(statement, column));
    }
    rows.push_back(std::move(row));
  }
}

Result<int> SqliteConnection::Execute(std::string_view sql,
                                      std::initializer_list<SqliteText> parameters,
                                      SqliteStep step) {
  SIGNALDB_TRY(Query(sql, parameters, step));
  return sqlite3_changes(database_.get());
}

bool SqliteConnection::has_moved() const {
  int moved = 0;
  // A virtual file system that does not know the question has no answer of yes.
  const int code = sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return code == SQLITE_OK && moved != 0;
}

bool SqliteConnection::in_transaction() const {
  return sqlite3_get_autocommit(database_.get()) == 0;
}

}  // namespace signaldb

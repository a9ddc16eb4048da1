#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/sqlite/sqlite_error.h"
#include "signaldb/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace signaldb {

/// A column or parameter that is text or NULL; the catalog has no others.
using SqliteText = std::optional<std::string>;
using SqliteRow = std::vector<SqliteText>;

/// One connection and its prepared statements.
///
/// Settings: rollback journal (WAL can be corrupted by SQLite before 3.51.3), synchronous=EXTRA
/// (the journal's removal, which is the commit, survives a power cut), foreign locks waited for
/// `busy_timeout`.
///
/// Threads: confined to whoever holds the catalog's mutex.
class SqliteConnection {
 public:
  struct Settings {
    std::string path;  ///< ":memory:" for a private database in memory.
    std::chrono::milliseconds busy_timeout;
    std::string vfs;  ///< Empty: SQLite's default.
  };

  enum class File : std::uint8_t { kMayBeNew, kMustExist };

  [[nodiscard]] static Result<std::unique_ptr<SqliteConnection>> Open(const Settings& settings,
                                                                      File file);

  /// Runs a statement to its end. Errors: as ErrorFromSqlite.
  [[nodiscard]] Result<std::vector<SqliteRow>> Query(std::string_view sql,
                                                     std::initializer_list<SqliteText> parameters,
                                                     SqliteStep step);
  /// The same for a statement without rows; returns how many rows it changed.
  [[nodiscard]] Result<int> Execute(std::string_view sql,
                                    std::initializer_list<SqliteText> parameters, SqliteStep step);

  /// True inside a transaction, also after an error that SQLite did not roll back by itself.
  [[nodiscard]] bool in_transaction() const;
  /// True if the path leads to another file by now, or to none: what is written here nobody sees.
  [[nodiscard]] bool has_moved() const;

 private:
  struct CloseDatabase {
    void operator()(sqlite3* database) const;
  };
  struct FinalizeStatement {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

  explicit SqliteConnection(sqlite3* database) : database_(database) {}
  [[nodiscard]] Result<sqlite3_stmt*> Prepared(std::string_view sql, SqliteStep step);
  [[nodiscard]] Error LastError(SqliteStep step) const;

  std::unique_ptr<sqlite3, CloseDatabase> database_;
  std::map<std::string, Statement, std::less<>> statements_;  // Before database_ in destruction.
};

}  // namespace signaldb

#include "adapters/sqlite/sqlite_error.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

namespace signaldb {
namespace {

// Each code stands once for every step at which it can come up: what SQLite was doing decides.
TEST(ErrorFromSqlite, SaysWhatToDoNext) {
  struct Case {
    const char* name;
    int code;
    SqliteStep step;
    ErrorKind kind;
  };
  static constexpr Case kCases[] = {
      {"busy at begin", SQLITE_BUSY, SqliteStep::kStatement, ErrorKind::kUnavailable},
      {"busy snapshot", SQLITE_BUSY_SNAPSHOT, SqliteStep::kStatement, ErrorKind::kUnavailable},
      {"locked", SQLITE_LOCKED, SqliteStep::kStatement, ErrorKind::kUnavailable},
      {"full before commit", SQLITE_FULL, SqliteStep::kStatement, ErrorKind::kUnavailable},
      {"write error before commit", SQLITE_IOERR_WRITE, SqliteStep::kStatement,
       ErrorKind::kUnavailable},
      {"primary key", SQLITE_CONSTRAINT_PRIMARYKEY, SqliteStep::kStatement, ErrorKind::kConflict},
      {"unique", SQLITE_CONSTRAINT_UNIQUE, SqliteStep::kStatement, ErrorKind::kConflict},
      {"read only", SQLITE_READONLY, SqliteStep::kStatement, ErrorKind::kUnavailable},
      {"damaged, seen in a statement", SQLITE_CORRUPT, SqliteStep::kStatement, ErrorKind::kCorrupt},
      {"damaged, seen in a read", SQLITE_CORRUPT_INDEX, SqliteStep::kRead, ErrorKind::kCorrupt},
      {"no database", SQLITE_NOTADB, SqliteStep::kOpen, ErrorKind::kCorrupt},
      {"folder missing", SQLITE_CANTOPEN, SqliteStep::kOpen, ErrorKind::kUnavailable},
      {"read error", SQLITE_IOERR_READ, SqliteStep::kRead, ErrorKind::kUnavailable},
      {"no memory", SQLITE_NOMEM, SqliteStep::kRead, ErrorKind::kUnavailable},
      {"foreign columns", SQLITE_ERROR, SqliteStep::kOpen, ErrorKind::kCorrupt},
      {"our statement is wrong", SQLITE_ERROR, SqliteStep::kStatement, ErrorKind::kInternal},
      {"misuse", SQLITE_MISUSE, SqliteStep::kRead, ErrorKind::kInternal},
      {"busy at commit: readers hold it, nothing written", SQLITE_BUSY, SqliteStep::kCommit,
       ErrorKind::kUnavailable},
      {"constraint at commit", SQLITE_CONSTRAINT, SqliteStep::kCommit, ErrorKind::kConflict},
      {"full at commit", SQLITE_FULL, SqliteStep::kCommit, ErrorKind::kUnknownOutcome},
      {"i/o at commit", SQLITE_IOERR, SqliteStep::kCommit, ErrorKind::kUnknownOutcome},
      {"fsync at commit", SQLITE_IOERR_FSYNC, SqliteStep::kCommit, ErrorKind::kUnknownOutcome},
      {"folder fsync at commit", SQLITE_IOERR_DIR_FSYNC, SqliteStep::kCommit,
       ErrorKind::kUnknownOutcome},
      {"damaged at commit", SQLITE_CORRUPT, SqliteStep::kCommit, ErrorKind::kUnknownOutcome},
      {"no memory at commit", SQLITE_NOMEM, SqliteStep::kCommit, ErrorKind::kUnknownOutcome},
      {"read only at commit", SQLITE_READONLY, SqliteStep::kCommit, ErrorKind::kUnknownOutcome},
      {"a code of a later version at commit", 200, SqliteStep::kCommit, ErrorKind::kUnknownOutcome},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Error error = ErrorFromSqlite(c.code, c.step, "text");
    EXPECT_EQ(error.kind, c.kind) << error.message;
    EXPECT_TRUE(error.message.contains("sqlite_code=" + std::to_string(c.code)));
  }
}

}  // namespace
}  // namespace signaldb

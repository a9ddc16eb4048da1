#include "adapters/sqlite/sqlite_error.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace signaldb {

namespace {

std::string_view Advice(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kConflict:
      return "catalog refused the change";
    case ErrorKind::kUnavailable:
      return "catalog is not available; see that nobody locks it and that its disk has room";
    case ErrorKind::kUnknownOutcome:
      return "catalog did not say whether it committed; the table will be read again";
    case ErrorKind::kCorrupt:
      return "catalog file is damaged or no database; restore it";
    default:
      return "catalog call failed";
  }
}

ErrorKind KindBeforeCommit(int primary_code, SqliteStep step) {
  switch (primary_code) {
    case SQLITE_CONSTRAINT:
      return ErrorKind::kConflict;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_PROTOCOL:
    case SQLITE_ABORT:
    case SQLITE_INTERRUPT:
    case SQLITE_NOLFS:
      return ErrorKind::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorKind::kCorrupt;
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
      // Our statements are fixed and tested: if SQLite cannot compile one, the tables are not ours.
      return step == SqliteStep::kOpen ? ErrorKind::kCorrupt : ErrorKind::kInternal;
    default:
      return ErrorKind::kInternal;
  }
}

ErrorKind KindAtCommit(int primary_code) {
  switch (primary_code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorKind::kUnavailable;
    case SQLITE_CONSTRAINT:
      return ErrorKind::kConflict;
    default:
      return ErrorKind::kUnknownOutcome;
  }
}

}  // namespace

Error ErrorFromSqlite(int extended_code, SqliteStep step, std::string_view message) {
  const int primary_code = extended_code & 0xff;
  const ErrorKind kind = step == SqliteStep::kCommit ? KindAtCommit(primary_code)
                                                     : KindBeforeCommit(primary_code, step);
  return Error{
      kind, fmt::format("{} sqlite_code={} sqlite_text=\"{}\" sqlite_message=\"{}\"", Advice(kind),
                        extended_code, sqlite3_errstr(extended_code), message)};
}

}  // namespace signaldb

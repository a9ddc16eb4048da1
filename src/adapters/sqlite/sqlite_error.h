#pragma once

#include <cstdint>
#include <string_view>

#include "signaldb/result.h"

namespace signaldb {

/// What was asked of SQLite when it failed: it decides what the failure means.
enum class SqliteStep : std::uint8_t {
  kOpen,       ///< Opening the file or preparing a statement.
  kRead,       ///< Outside a transaction of ours.
  kStatement,  ///< Inside a transaction that is then rolled back.
  kCommit,     ///< COMMIT itself.
};

/// Translates an extended result code; the only place that knows what codes mean.
///
/// Before COMMIT nothing can have happened, so nothing is unknown. At COMMIT only "busy" and
/// "constraint" say for certain that nothing was written; every other failure may come after the
/// point of no return (the journal's removal), or leave a hot journal that undoes the change.
[[nodiscard]] Error ErrorFromSqlite(int extended_code, SqliteStep step, std::string_view message);

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <string_view>

#include "signaldb/result.h"

namespace signaldb {

/// What was asked of PostgreSQL when it failed: it decides what the failure means.
enum class PostgresStep : std::uint8_t {
  kConnect,    ///< Reaching the server and being let in.
  kStatement,  ///< Inside a transaction that is then rolled back, or before one.
  kCommit,     ///< COMMIT was sent.
};

/// Translates a five-letter SQLSTATE; the only place that knows what they mean. An empty one means
/// that the connection broke or no answer came in time.
///
/// Before COMMIT nothing can have happened, so nothing is unknown. At COMMIT only an integrity
/// violation and a serialisation failure say for certain that the server rolled back.
[[nodiscard]] Error ErrorFromSqlState(std::string_view sqlstate, PostgresStep step,
                                      std::string_view message);

}  // namespace signaldb

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "signaldb/result.h"

namespace signaldb {

/// Where a PostgreSQL catalog is and how to get in.
struct PostgresTarget {
  std::vector<std::pair<std::string, std::string>>
      options;          ///< By libpq's keywords, decoded; the password is among them.
  std::string display;  ///< "host:port/database", for messages: no user, no password.
};

/// True for `postgres://` and `postgresql://`.
[[nodiscard]] bool IsPostgresUri(std::string_view uri);

/// Reads `postgres://user:password@host:port/database?option=value` as libpq does: percent-encoded
/// parts, several hosts, Unix sockets (`?host=/run/postgresql`), and every option of libpq, such as
/// sslmode, sslrootcert, sslcert, sslkey, options, application_name. What is left out gets the
/// defaults of libpq, and ours: TCP keepalives, only a server that takes writes, UTF-8.
///
/// Errors: kInvalid; the message never repeats the URI, whose password may be anywhere in it.
[[nodiscard]] Result<PostgresTarget> ParsePostgresUri(std::string_view uri);

/// What tells one PostgreSQL catalog from another, the same for every program of ours: server,
/// database, and what decides the search path. Names no secret.
[[nodiscard]] std::string PostgresCatalogKey(const PostgresTarget& target,
                                             std::string_view catalog_name);

}  // namespace signaldb

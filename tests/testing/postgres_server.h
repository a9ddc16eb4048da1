#pragma once

#include <memory>
#include <string>

#include <sys/types.h>

#include "signaldb/result.h"
#include "testing/temp_dir.h"

namespace signaldb::testing {

/// A PostgreSQL server of one's own: cluster and Unix socket in a folder that goes with it, on a
/// free port of the loopback device, everybody trusted. As root it runs as user postgres.
///
/// Threads: confined to the test's main thread, whose end also ends the server.
class PostgresServer {
 public:
  /// Errors: kUnavailable, with the reason, if PostgreSQL is not installed or does not start.
  [[nodiscard]] static Result<std::unique_ptr<PostgresServer>> Start();
  /// The server of this process, started once; why there is none, if there is none.
  [[nodiscard]] static const Result<std::unique_ptr<PostgresServer>>& OfThisProcess();
  ~PostgresServer();

  /// postgres://postgres@127.0.0.1:PORT/DATABASE
  [[nodiscard]] std::string Uri(const std::string& database = "postgres") const;
  /// A database that nobody has used yet; returns its name.
  [[nodiscard]] std::string NewDatabase();
  /// Runs statements in a session of its own; the first cell of the answer, "" without one.
  [[nodiscard]] std::string Ask(const std::string& sql,
                                const std::string& database = "postgres") const;
  /// Stops it as a crash would, and starts it again.
  [[nodiscard]] Status CrashAndRestart();
  /// As a crash would; Launch() brings it back.
  void Crash();
  [[nodiscard]] Status Launch();

 private:
  PostgresServer() = default;

  TempDir folder_;
  int port_ = 0;
  pid_t pid_ = -1;
  int databases_ = 0;
};

}  // namespace signaldb::testing

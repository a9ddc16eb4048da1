#include "adapters/postgres/postgres_error.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/postgres/postgres_uri.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using signaldb::testing::IsErrorSaying;
using signaldb::testing::IsOk;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

TEST(ErrorFromSqlState, SaysWhatTheCallerDoesNext) {
  struct Case {
    std::string name;
    std::string sqlstate;
    ErrorKind before_commit;
    ErrorKind at_commit;
  };
  const Case cases[] = {
      {"connection lost", "", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"connection failure", "08006", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"resolution unknown", "08007", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"primary key", "23505", ErrorKind::kConflict, ErrorKind::kConflict},
      {"not null", "23502", ErrorKind::kConflict, ErrorKind::kConflict},
      {"serialisation", "40001", ErrorKind::kConflict, ErrorKind::kConflict},
      {"deadlock", "40P01", ErrorKind::kConflict, ErrorKind::kConflict},
      {"completion unknown", "40003", ErrorKind::kConflict, ErrorKind::kUnknownOutcome},
      {"lock timeout", "55P03", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"statement timeout", "57014", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"terminated", "57P01", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"crash", "57P02", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"starting", "57P03", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"too many connections", "53300", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"disk full", "53100", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"read-only", "25006", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"idle in transaction", "25P03", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"bad password", "28P01", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"no database", "3D000", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"no rights", "42501", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"i/o error", "58030", ErrorKind::kUnavailable, ErrorKind::kUnknownOutcome},
      {"too long", "22001", ErrorKind::kInvalid, ErrorKind::kUnknownOutcome},
      {"bad UTF-8", "22021", ErrorKind::kInvalid, ErrorKind::kUnknownOutcome},
      {"no table", "42P01", ErrorKind::kCorrupt, ErrorKind::kUnknownOutcome},
      {"no column", "42703", ErrorKind::kCorrupt, ErrorKind::kUnknownOutcome},
      {"data corrupted", "XX001", ErrorKind::kCorrupt, ErrorKind::kUnknownOutcome},
      {"syntax", "42601", ErrorKind::kInternal, ErrorKind::kUnknownOutcome},
      {"internal", "XX000", ErrorKind::kInternal, ErrorKind::kUnknownOutcome},
      {"failed transaction", "25P02", ErrorKind::kInternal, ErrorKind::kUnknownOutcome},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(ErrorFromSqlState(c.sqlstate, PostgresStep::kConnect, "m").kind, c.before_commit);
    EXPECT_EQ(ErrorFromSqlState(c.sqlstate, PostgresStep::kStatement, "m").kind, c.before_commit);
    EXPECT_EQ(ErrorFromSqlState(c.sqlstate, PostgresStep::kCommit, "m").kind, c.at_commit);
  }
}

TEST(ErrorFromSqlState, KeepsCodeAndMessageOnOneLine) {
  const Error error = ErrorFromSqlState("53300", PostgresStep::kConnect, "FATAL:  sorry,\n\ttoo\n");
  EXPECT_THAT(error.message, HasSubstr("sqlstate=53300 postgres_message=\"FATAL: sorry, too\""));
  EXPECT_THAT(ErrorFromSqlState("", PostgresStep::kConnect, "x").message,
              HasSubstr("sqlstate=none"));
}

TEST(PostgresUri, ReadsEveryPartAndDecodesIt) {
  const auto target = ParsePostgresUri(
      "postgresql://us%40er:p%3Aa%2Fs%25s@db.example:6543/ice%20berg?sslmode=verify-full"
      "&sslrootcert=/etc/ssl/ca.pem&keepalives_idle=60");
  ASSERT_THAT(target, IsOk());
  const auto& options = target->options;
  EXPECT_THAT(options, Contains(Pair("user", "us@er")));
  EXPECT_THAT(options, Contains(Pair("password", "p:a/s%s")));
  EXPECT_THAT(options, Contains(Pair("host", "db.example")));
  EXPECT_THAT(options, Contains(Pair("port", "6543")));
  EXPECT_THAT(options, Contains(Pair("dbname", "ice berg")));
  EXPECT_THAT(options, Contains(Pair("sslmode", "verify-full")));
  EXPECT_THAT(options, Contains(Pair("sslrootcert", "/etc/ssl/ca.pem")));
  EXPECT_THAT(options, Contains(Pair("keepalives_idle", "60")).Times(1));
  EXPECT_THAT(options, Contains(Pair("tcp_user_timeout", "20000")));
  EXPECT_EQ(target->display, "db.example:6543/ice berg");
}

TEST(PostgresUri, TakesSeveralHostsAndSockets) {
  EXPECT_EQ(ParsePostgresUri("postgres://a:1,b:2/d")->display, "a,b:1,2/d");
  EXPECT_EQ(ParsePostgresUri("postgres:///d?host=/run/postgresql")->display,
            "/run/postgresql:5432/d");
  EXPECT_EQ(ParsePostgresUri("postgres://u@h")->display, "h:5432/u");
}

TEST(PostgresUri, KeepsToPrimariesAndUtf8WhateverTheUriSays) {
  const auto target =
      ParsePostgresUri("postgres://h/d?target_session_attrs=any&client_encoding=LATIN1");
  ASSERT_THAT(target, IsOk());
  EXPECT_THAT(target->options, Contains(Pair("target_session_attrs", "read-write")));
  EXPECT_THAT(target->options, Not(Contains(Pair("target_session_attrs", "any"))));
  EXPECT_THAT(target->options, Contains(Pair("client_encoding", "UTF8")));
}

TEST(PostgresUri, RefusesOthersWithoutRepeatingAPassword) {
  for (const std::string& uri : std::vector<std::string>{
           "", "mysql://u:hunter2@h/d", "postgres:/u:hunter2@h", "postgres://u:hunter2%zz@h/d",
           "postgres://u:hunter2@h/d?hunter2=1", "postgres://u:hunter2@[::1/d",
           std::string("postgres://u:hunter2@h/d\0x", 26)}) {
    const auto target = ParsePostgresUri(uri);
    EXPECT_THAT(target, IsErrorSaying(ErrorKind::kInvalid, "postgres://user:")) << uri;
    if (target.has_value()) continue;
    EXPECT_THAT(target.error().message, Not(HasSubstr("hunter2"))) << uri;
  }
}

}  // namespace
}  // namespace signaldb

#include "service/value_text.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "service/locations.h"
#include "service/log_levels.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;

TEST(ValueText, ReadsSizes) {
  EXPECT_THAT(ParseBytes("0"), IsOkAnd(0));
  EXPECT_THAT(ParseBytes("134217728"), IsOkAnd(134'217'728));
  EXPECT_THAT(ParseBytes("512B"), IsOkAnd(512));
  EXPECT_THAT(ParseBytes("1KB"), IsOkAnd(1'000));
  EXPECT_THAT(ParseBytes("1KiB"), IsOkAnd(1'024));
  EXPECT_THAT(ParseBytes("64MiB"), IsOkAnd(64LL << 20));
  EXPECT_THAT(ParseBytes("4GiB"), IsOkAnd(4LL << 30));
  EXPECT_THAT(ParseBytes("7TiB"), IsOkAnd(7LL << 40));
  EXPECT_THAT(ParseBytes("9223372036854775807"), IsOkAnd(INT64_MAX));
  for (const char* wrong : {"", "MiB", "-1", "1.5GiB", "64 MiB", "64mib", "64M", "1MiBs",
                            "9223372036854775808", "8388608TiB", "+1"}) {
    EXPECT_THAT(ParseBytes(wrong), IsErrorSaying(ErrorKind::kInvalid, "expected a size")) << wrong;
  }
}

TEST(ValueText, ReadsDurationsWithTheirUnit) {
  EXPECT_THAT(ParseDuration("100ms", Nanos(0)), IsOkAnd(milliseconds(100)));
  EXPECT_THAT(ParseDuration("5s", Nanos(0)), IsOkAnd(seconds(5)));
  EXPECT_THAT(ParseDuration("2m", Nanos(0)), IsOkAnd(seconds(120)));
  EXPECT_THAT(ParseDuration("24h", Nanos(0)), IsOkAnd(hours(24)));
  EXPECT_THAT(ParseDuration("7d", Nanos(0)), IsOkAnd(hours(168)));
  EXPECT_THAT(ParseDuration("1us", Nanos(0)), IsOkAnd(Nanos(1'000)));
  for (const char* wrong : {"", "5", "s", "-5s", "1.5s", "5 s", "5sec", "106752d"}) {
    EXPECT_THAT(ParseDuration(wrong, Nanos(0)), IsError(ErrorKind::kInvalid)) << wrong;
  }
}

TEST(ValueText, ReadsABareDurationOnlyWhereTheKeyNamesTheUnit) {
  EXPECT_THAT(ParseDuration("5000", milliseconds(1)), IsOkAnd(seconds(5)));
  EXPECT_THAT(ParseDuration("300", seconds(1)), IsOkAnd(seconds(300)));
  EXPECT_THAT(ParseDuration("3s", milliseconds(1)), IsOkAnd(seconds(3)));
  EXPECT_THAT(ParseDuration("x", milliseconds(1)),
              IsErrorSaying(ErrorKind::kInvalid, "number of milliseconds"));
}

TEST(ValueText, ReadsTimes) {
  EXPECT_THAT(ParseTimestamp("1970-01-01T00:00:00Z"), IsOkAnd(Nanos(0)));
  EXPECT_THAT(ParseTimestamp("2000-01-01T00:00:00Z"), IsOkAnd(Nanos(946'684'800'000'000'000)));
  EXPECT_THAT(ParseTimestamp("2024-02-29T23:59:59.5Z"), IsOkAnd(Nanos(1'709'251'199'500'000'000)));
  EXPECT_THAT(ParseTimestamp("1969-12-31T23:59:59.999999999Z"), IsOkAnd(Nanos(-1)));
  for (const char* wrong :
       {"", "2000-01-01", "2000-01-01T00:00:00", "2000-01-01 00:00:00Z", "2000-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z", "2000-01-01T24:00:00Z", "2000-01-01T00:00:00+01:00",
        "2000-01-01T00:00:00.Z", "2000-01-01T00:00:00.0000000001Z", "2262-01-01T00:00:00Z",
        "20x0-01-01T00:00:00Z"}) {
    EXPECT_THAT(ParseTimestamp(wrong), IsError(ErrorKind::kInvalid)) << wrong;
  }
}

TEST(ValueText, ReadsNumbersAndBooleans) {
  EXPECT_THAT(ParseInteger("-7"), IsOkAnd(-7));
  EXPECT_THAT(ParseInteger("7x"), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(ParseInteger(""), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(ParseNumber("2.5"), IsOkAnd(2.5));
  EXPECT_THAT(ParseNumber("inf"), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(ParseBoolean("true"), IsOkAnd(true));
  EXPECT_THAT(ParseBoolean("false"), IsOkAnd(false));
  EXPECT_THAT(ParseBoolean("yes"), IsErrorSaying(ErrorKind::kInvalid, "true or false"));
}

TEST(ValueText, ChecksAddresses) {
  for (const char* right : {"127.0.0.1:4317", "0.0.0.0:0", "[::1]:4317", "[::]:65535"}) {
    EXPECT_THAT(CheckAddress(right), IsOk()) << right;
  }
  for (const char* wrong : {"", "4317", ":4317", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                            "127.0.0.1:x", "::1:4317", "localhost:4317", "1.2.3:4", "[]:1"}) {
    EXPECT_THAT(CheckAddress(wrong), IsErrorSaying(ErrorKind::kInvalid, "127.0.0.1:4317")) << wrong;
  }
}

TEST(ValueText, FindsWhatWasMeant) {
  const auto meant = [](std::string_view text) {
    Nearest nearest(text);
    for (const char* known : {"commit.interval", "retry.max_delay"}) nearest.Consider(known);
    return nearest.best();
  };
  EXPECT_EQ(meant("commit.intervall"), "commit.interval");
  EXPECT_EQ(meant("comit.intreval"), "commit.interval");
  EXPECT_EQ(meant("retry.maxdelay"), "retry.max_delay");
  EXPECT_EQ(meant("entirely.different"), "");
}

TEST(Locations, ResolvesStorage) {
  EXPECT_THAT(WarehouseOf("memory://", "/cwd"), IsOkAnd("memory://"));
  EXPECT_THAT(WarehouseOf("file:///var/lib/x", "/cwd"), IsOkAnd("file:///var/lib/x"));
  EXPECT_THAT(WarehouseOf("file:///var//lib/./x/../y/", "/cwd"), IsOkAnd("file:///var/lib/y"));
  EXPECT_THAT(WarehouseOf("file:///.data/storage", "/cwd"), IsOkAnd("file:///cwd/.data/storage"));
  EXPECT_THAT(WarehouseOf("file:///./data/t", "/cwd"), IsOkAnd("file:///cwd/data/t"));
  EXPECT_THAT(WarehouseOf("file:///../t", "/cwd/deep"), IsOkAnd("file:///cwd/t"));
}

TEST(Locations, RefusesStorageItCannotUse) {
  for (const char* wrong :
       {"", "file://", "file:///", "file://host/x", "/var/lib", "memory://x", "ftp://x/y"}) {
    EXPECT_THAT(WarehouseOf(wrong, "/cwd"), IsErrorSaying(ErrorKind::kInvalid, "expected \"file:"))
        << wrong;
  }
  for (const char* foreign : {"gs://b", "abfss://c@a.x/y"}) {
    EXPECT_THAT(WarehouseOf(foreign, "/cwd"),
                IsErrorSaying(ErrorKind::kInvalid, "not supported in this build"))
        << foreign;
  }
  for (const char* escaped : {"file:///a%20b", "file:///a?b", "file:///a#b", "file:///a\nb"}) {
    EXPECT_THAT(WarehouseOf(escaped, "/cwd"), IsErrorSaying(ErrorKind::kInvalid, "without %"))
        << escaped;
  }
}

TEST(Locations, ResolvesSqliteDatabases) {
  EXPECT_THAT(SqlitePathOf("sqlite://rel.db", "/cwd"), IsOkAnd("/cwd/rel.db"));
  EXPECT_THAT(SqlitePathOf("sqlite://sub/rel.db", "/cwd"), IsOkAnd("/cwd/sub/rel.db"));
  EXPECT_THAT(SqlitePathOf("sqlite:///abs.db", "/cwd"), IsOkAnd("/abs.db"));
  EXPECT_THAT(SqlitePathOf("sqlite:////abs.db", "/cwd"), IsOkAnd("/abs.db"));
  EXPECT_THAT(SqlitePathOf("sqlite::memory:", "/cwd"), IsOkAnd(":memory:"));
  for (const char* foreign : {"http://h/x", "https://h/x"}) {
    EXPECT_THAT(SqlitePathOf(foreign, "/cwd"),
                IsErrorSaying(ErrorKind::kInvalid, "not supported in this build"))
        << foreign;
  }
  for (const char* wrong : {"", "sqlite://", "sqlite:", "x.db", "sqlite:///dir/"}) {
    EXPECT_THAT(SqlitePathOf(wrong, "/cwd"), IsErrorSaying(ErrorKind::kInvalid, "sqlite::memory:"))
        << wrong;
  }
}

TEST(LogLevels, AreSetForAllAndByModule) {
  const auto levels = ParseLogLevels("warn,writer=debug, log=error");
  ASSERT_THAT(levels, IsOk());
  EXPECT_EQ(levels->Of("otlp"), Severity::kWarning);
  EXPECT_EQ(levels->Of("writer"), Severity::kDebug);
  EXPECT_EQ(levels->Of("log"), Severity::kError);
}

TEST(LogLevels, AreInfoWhereNothingIsSaid) {
  const auto levels = ParseLogLevels("writer=debug");
  ASSERT_THAT(levels, IsOk());
  EXPECT_EQ(levels->Of("writer"), Severity::kDebug);
  EXPECT_EQ(levels->Of("pipeline"), Severity::kInfo);
}

TEST(LogLevels, RefuseUnknownLevelsAndModules) {
  EXPECT_THAT(ParseLogLevels("loud"), IsErrorSaying(ErrorKind::kInvalid, "expected error, warn"));
  EXPECT_THAT(ParseLogLevels("writer="), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(ParseLogLevels("writr=debug"),
              IsErrorSaying(ErrorKind::kInvalid, "did you mean \"writer\""));
}

TEST(LogLevels, TakeOnlyTheirOwnPartsOfASharedVariable) {
  EXPECT_EQ(OwnLogLevels("writer=debug,iceberg_rust=debug,datafusion=debug"), "writer=debug");
  EXPECT_EQ(OwnLogLevels("info,hyper::proto=trace,[span]=x"), "info");
  EXPECT_EQ(OwnLogLevels("tokio=debug"), "");
}

}  // namespace
}  // namespace signaldb

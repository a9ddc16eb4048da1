// Each setting of the pool as the database sees it, in pg_stat_activity.

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "adapters/postgres/postgres_catalog.h"
#include "testing/matchers.h"
#include "testing/metadata_pointer.h"
#include "testing/postgres_server.h"
#include "testing/recording_listener.h"

namespace signaldb::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class PostgresPool : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto& server = PostgresServer::OfThisProcess();
    if (!server.has_value()) GTEST_SKIP() << server.error().message;
    server_ = server->get();
    database_ = server_->NewDatabase();
  }

  std::unique_ptr<PostgresCatalog> Open(const ConnectionPoolOptions& pool) {
    auto catalog = PostgresCatalog::Open(server_->Uri(database_), {.pool = pool}, clock_, events_);
    EXPECT_THAT(catalog, IsOk());
    return catalog.has_value() ? std::move(*catalog) : nullptr;
  }
  /// Sessions of ours, as the server counts them.
  [[nodiscard]] int Sessions(const std::string& what = "count(*)") const {
    return std::stoi(server_->Ask("SELECT " + what +
                                  " FROM pg_stat_activity WHERE application_name = "
                                  "'signaldb-writer' AND datname = '" +
                                  database_ + "'"));
  }
  void ExpectSessionsWithin(int count, seconds wait) {
    const Nanos give_up = clock_.MonotonicNow() + wait;
    while (Sessions() != count && clock_.MonotonicNow() < give_up) {
      std::this_thread::sleep_for(milliseconds(20));
    }
    EXPECT_EQ(Sessions(), count);
  }

  PostgresServer* server_ = nullptr;
  std::string database_;
  SystemClock clock_;
  RecordingListener events_;
};

TEST_F(PostgresPool, KeepsTheMinimumOpenAndOpensItAgainWhenItIsCut) {
  const auto catalog = Open({.min_connections = 3,
                             .max_connections = 5,
                             .max_lifetime = milliseconds(500),
                             .maintenance_interval = milliseconds(50)});
  EXPECT_EQ(Sessions(), 3);
  std::this_thread::sleep_for(milliseconds(700));
  ExpectSessionsWithin(3, seconds(5));
  EXPECT_GE(events_.counter("signaldb_writer_catalog_pool_closed_total{reason=lifetime}"), 3);
}

TEST_F(PostgresPool, NeverExceedsTheMaximumUnderLoad) {
  const auto catalog =
      Open({.min_connections = 0, .max_connections = 3, .acquire_timeout = seconds(30)});
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  std::vector<std::jthread> threads;
  std::atomic<int> failed = 0;
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 40; ++n) failed += !catalog->NamespaceExists({"acme"}).has_value();
    });
  }
  int most = 0;
  for (int i = 0; i < 20; ++i) most = std::max(most, Sessions());
  threads.clear();
  EXPECT_EQ(failed, 0);
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
}

TEST_F(PostgresPool, ClosesIdleSessions) {
  const auto catalog = Open({.min_connections = 1,
                             .max_connections = 4,
                             .idle_timeout = milliseconds(300),
                             .maintenance_interval = milliseconds(50)});
  {
    const auto a = catalog->pool().Acquire();
    const auto b = catalog->pool().Acquire();
    const auto c = catalog->pool().Acquire();
    EXPECT_EQ(Sessions(), 3);
  }
  ExpectSessionsWithin(1, seconds(5));
}

TEST_F(PostgresPool, FindsCutSessionsBeforeTheyAreUsed) {
  const auto catalog = Open({.min_connections = 2, .max_connections = 2});
  ASSERT_THAT(catalog->CreateNamespace({"acme", "prod"}, {}), IsOk());
  EXPECT_EQ(Sessions("count(pg_terminate_backend(pid))"), 2);
  EXPECT_THAT(catalog->NamespaceExists({"acme"}), IsOkAnd(true));
  EXPECT_GE(events_.counter("signaldb_writer_catalog_pool_closed_total{reason=unhealthy}"), 1);
}

TEST_F(PostgresPool, FailsClearlyWhenTheServerHasNoSessionsLeft) {
  const auto catalog = Open({.min_connections = 0, .max_connections = 100});
  std::vector<ConnectionPool::Lease> leases;
  Error error{};
  while (leases.size() < 100) {
    auto lease = catalog->pool().Acquire();
    if (!lease.has_value()) {
      error = lease.error();
      break;
    }
    leases.push_back(std::move(*lease));
  }
  EXPECT_EQ(error.kind, ErrorKind::kUnavailable);
  EXPECT_NE(error.message.find("too many clients"), std::string::npos) << error.message;
}

TEST_F(PostgresPool, GivesUpInTimeOnAServerThatDoesNotAnswer) {
  // An address for documentation, where nobody answers.
  const Nanos begin = clock_.MonotonicNow();
  const auto catalog =
      PostgresCatalog::Open("postgres://postgres@192.0.2.1:5432/x",
                            {.pool = {.acquire_timeout = milliseconds(300)}}, clock_, events_);
  EXPECT_THAT(catalog, IsError(ErrorKind::kUnavailable));
  EXPECT_LT(clock_.MonotonicNow() - begin, seconds(3));
}

}  // namespace
}  // namespace signaldb::testing

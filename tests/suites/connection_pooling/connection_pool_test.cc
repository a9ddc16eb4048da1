// The pool alone: connections that are only counted, and a clock that stands still.

#include "adapters/postgres/connection_pool.h"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/recording_listener.h"

namespace signaldb::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;

/// The far side: how many connections are open, and what is wrong with them.
struct FarSide {
  std::atomic<int> open = 0;
  std::atomic<int> open_max = 0;
  std::atomic<int> opened = 0;
  std::atomic<bool> refuses = false;
  std::atomic<bool> is_sick = false;
};

class CountedConnection final : public PoolMember {
 public:
  explicit CountedConnection(FarSide& side) : number(++side.opened), side_(side) {
    const int open = ++side_.open;
    int most = side_.open_max;
    while (open > most && !side_.open_max.compare_exchange_weak(most, open)) {
    }
  }
  ~CountedConnection() override { --side_.open; }
  [[nodiscard]] bool IsHealthy() override { return !side_.is_sick; }

  const int number;

 private:
  FarSide& side_;
};

class ConnectionPoolTest : public ::testing::Test {
 protected:
  std::unique_ptr<ConnectionPool> Start(ConnectionPoolOptions options) {
    options.maintenance_interval = Nanos(0);
    auto pool = TryStart(options);
    EXPECT_THAT(pool, IsOk());
    return pool.has_value() ? std::move(*pool) : nullptr;
  }
  Result<std::unique_ptr<ConnectionPool>> TryStart(const ConnectionPoolOptions& options) {
    return ConnectionPool::Start(
        options,
        [this](Nanos) -> Result<std::unique_ptr<PoolMember>> {
          if (side_.refuses) return Fail(ErrorKind::kUnavailable, "refused");
          return std::make_unique<CountedConnection>(side_);
        },
        clock_, events_);
  }
  static int NumberOf(const ConnectionPool::Lease& lease) {
    return static_cast<CountedConnection&>(lease.member()).number;
  }
  [[nodiscard]] double Closed(const std::string& reason) const {
    return events_.counter("signaldb_writer_catalog_pool_closed_total{reason=" + reason + "}");
  }

  FarSide side_;
  FakeClock clock_;
  RecordingListener events_;
};

TEST_F(ConnectionPoolTest, OpensTheMinimumAtTheStart) {
  const auto pool = Start({.min_connections = 3, .max_connections = 5});
  EXPECT_EQ(side_.open, 3);
  EXPECT_EQ(pool->counts().idle, 3U);
}

TEST_F(ConnectionPoolTest, FailsToStartIfItCannotConnect) {
  side_.refuses = true;
  EXPECT_THAT(TryStart({}), IsErrorSaying(ErrorKind::kUnavailable, "refused"));
}

TEST_F(ConnectionPoolTest, RefusesSettingsThatCannotWork) {
  EXPECT_THAT(TryStart({.min_connections = 0, .max_connections = 0}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(TryStart({.min_connections = 3, .max_connections = 2}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(TryStart({.acquire_timeout = Nanos(0)}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(TryStart({.idle_timeout = Nanos(0)}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(TryStart({.max_lifetime = Nanos(0)}), IsError(ErrorKind::kInvalid));
  EXPECT_EQ(side_.opened, 0);
}

TEST_F(ConnectionPoolTest, UsesAConnectionAgain) {
  const auto pool = Start({});
  for (int i = 0; i < 10; ++i) EXPECT_THAT(pool->Acquire(), IsOk());
  EXPECT_EQ(side_.opened, 1);
}

TEST_F(ConnectionPoolTest, OpensMoreUpToTheMaximumAndNeverAbove) {
  const auto pool =
      Start({.min_connections = 0, .max_connections = 3, .acquire_timeout = seconds(60)});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n) {
        auto lease = pool->Acquire();
        EXPECT_THAT(lease, IsOk());
        if (lease.has_value() && n % 7 == 0) lease->MarkBroken();
        std::this_thread::yield();
      }
    });
  }
  threads.clear();
  EXPECT_LE(side_.open_max, 3);
  EXPECT_EQ(pool->counts().in_use, 0U);
}

TEST_F(ConnectionPoolTest, SaysClearlyThatNoneBecameFree) {
  const auto pool =
      Start({.min_connections = 0, .max_connections = 1, .acquire_timeout = milliseconds(50)});
  const auto held = pool->Acquire();
  std::jthread time([&] {
    while (pool->counts().waiting == 0) std::this_thread::yield();
    clock_.Advance(milliseconds(60));
  });
  EXPECT_THAT(pool->Acquire(),
              IsErrorSaying(ErrorKind::kUnavailable,
                            "raise max_connections or connection_timeout_ms in_use=1 "
                            "max_connections=1 connection_timeout_ms=50"));
  EXPECT_EQ(events_.counter("signaldb_writer_catalog_pool_timeouts_total"), 1);
  EXPECT_EQ(events_.counter("signaldb_writer_catalog_pool_waits_total"), 1);
  EXPECT_EQ(pool->counts().waiting, 0U);
}

TEST_F(ConnectionPoolTest, ServesThoseWhoWaitInTheirOrder) {
  const auto pool =
      Start({.min_connections = 0, .max_connections = 1, .acquire_timeout = minutes(10)});
  std::optional<Result<ConnectionPool::Lease>> held;
  held.emplace(pool->Acquire());
  std::mutex mutex;
  std::vector<int> order;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&, i] {
      const auto lease = pool->Acquire();
      const std::scoped_lock lock(mutex);
      order.push_back(i);
    });
    while (pool->counts().waiting != static_cast<std::size_t>(i) + 1) std::this_thread::yield();
  }
  held.reset();
  threads.clear();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(ConnectionPoolTest, ClosesWhatIsIdleTooLongDownToTheMinimum) {
  const auto pool = Start({.min_connections = 1, .max_connections = 4, .idle_timeout = minutes(5)});
  {
    const auto a = pool->Acquire();
    const auto b = pool->Acquire();
    const auto c = pool->Acquire();
    EXPECT_EQ(side_.open, 3);
  }
  clock_.Advance(minutes(5) - Nanos(1));
  pool->Maintain();
  EXPECT_EQ(side_.open, 3);
  clock_.Advance(Nanos(1));
  pool->Maintain();
  EXPECT_EQ(side_.open, 1);
  EXPECT_EQ(Closed("idle"), 2);
}

TEST_F(ConnectionPoolTest, LendsTheNewestSoThatOthersGrowIdle) {
  const auto pool = Start({.min_connections = 1, .max_connections = 4, .idle_timeout = minutes(5)});
  {
    const auto a = pool->Acquire();
    const auto b = pool->Acquire();
  }
  clock_.Advance(minutes(4));
  {
    const auto again = pool->Acquire();
  }
  clock_.Advance(minutes(2));
  pool->Maintain();
  EXPECT_EQ(side_.open, 1);
}

TEST_F(ConnectionPoolTest, ReplacesWhatIsTooOldAlsoOfTheMinimum) {
  const auto pool =
      Start({.min_connections = 2, .max_connections = 4, .max_lifetime = minutes(30)});
  clock_.Advance(minutes(30));
  pool->Maintain();
  EXPECT_EQ(side_.open, 2);
  EXPECT_EQ(side_.opened, 4);
  EXPECT_EQ(Closed("lifetime"), 2);
}

TEST_F(ConnectionPoolTest, LendsNothingThatIsTooOld) {
  const auto pool = Start({.max_lifetime = minutes(30)});
  clock_.Advance(minutes(31));
  const auto lease = pool->Acquire();
  ASSERT_THAT(lease, IsOk());
  EXPECT_EQ(NumberOf(*lease), 2);
  EXPECT_EQ(side_.open, 1);
}

TEST_F(ConnectionPoolTest, TakesNothingBackThatGrewTooOldInUse) {
  const auto pool = Start({.max_lifetime = minutes(30)});
  {
    const auto lease = pool->Acquire();
    clock_.Advance(minutes(31));
  }
  EXPECT_EQ(side_.open, 0);
  EXPECT_EQ(Closed("lifetime"), 1);
}

TEST_F(ConnectionPoolTest, TestsAConnectionBeforeItLendsIt) {
  const auto pool = Start({});
  side_.is_sick = true;
  const auto lease = pool->Acquire();
  ASSERT_THAT(lease, IsOk());
  EXPECT_EQ(NumberOf(*lease), 2);
  EXPECT_EQ(Closed("unhealthy"), 1);
}

TEST_F(ConnectionPoolTest, LendsABrokenConnectionToNobodyElse) {
  const auto pool = Start({});
  pool->Acquire()->MarkBroken();
  EXPECT_EQ(side_.open, 0);
  EXPECT_EQ(Closed("broken"), 1);
  EXPECT_EQ(NumberOf(*pool->Acquire()), 2);
}

TEST_F(ConnectionPoolTest, FillsTheMinimumUpAgainWhenTheServerIsBack) {
  const auto pool = Start({.min_connections = 2, .max_connections = 2});
  side_.refuses = true;
  side_.is_sick = true;
  EXPECT_THAT(pool->Acquire(), IsErrorSaying(ErrorKind::kUnavailable, "refused"));
  EXPECT_THAT(pool->Acquire(), IsErrorSaying(ErrorKind::kUnavailable, "refused"));
  EXPECT_EQ(side_.open, 0);
  pool->Maintain();
  EXPECT_TRUE(events_.Said(Severity::kWarning, "cannot keep the minimum"));
  side_.refuses = false;
  side_.is_sick = false;
  pool->Maintain();
  EXPECT_EQ(side_.open, 2);
}

TEST_F(ConnectionPoolTest, LetsTheNextOneTryWhenOpeningFails) {
  const auto pool = Start({.min_connections = 0, .max_connections = 1});
  side_.refuses = true;
  pool->Acquire().value().MarkBroken();
  for (int i = 0; i < 3; ++i) EXPECT_THAT(pool->Acquire(), IsError(ErrorKind::kUnavailable));
  side_.refuses = false;
  EXPECT_THAT(pool->Acquire(), IsOk());
}

TEST_F(ConnectionPoolTest, ShowsHowFullItIs) {
  const auto pool = Start({.min_connections = 2, .max_connections = 7});
  const std::string connections = "signaldb_writer_catalog_pool_connections";
  {
    const auto lease = pool->Acquire();
    EXPECT_EQ(events_.gauge(connections + "{state=in_use}"), 1);
    EXPECT_EQ(events_.gauge(connections + "{state=idle}"), 1);
  }
  EXPECT_EQ(events_.gauge(connections + "{state=in_use}"), 0);
  EXPECT_EQ(events_.gauge(connections + "_max"), 7);
  EXPECT_EQ(events_.counter("signaldb_writer_catalog_pool_created_total"), 2);
  EXPECT_THAT(events_.observations("signaldb_writer_catalog_pool_acquire_duration_seconds"),
              ::testing::Not(::testing::IsEmpty()));
}

TEST_F(ConnectionPoolTest, ClosesEverythingAtTheEnd) {
  auto pool = Start({.min_connections = 3, .max_connections = 3});
  pool.reset();
  EXPECT_EQ(side_.open, 0);
  EXPECT_EQ(Closed("shutdown"), 3);
}

TEST_F(ConnectionPoolTest, NewSettingsHoldFromThenOn) {
  ConnectionPoolOptions options{.min_connections = 1, .max_connections = 1};
  const auto pool = Start(options);
  options = {.min_connections = 3, .max_connections = 4, .max_lifetime = minutes(1)};
  EXPECT_THAT(pool->SetOptions(options), IsOk());
  EXPECT_EQ(side_.open, 3);
  EXPECT_EQ(events_.gauge("signaldb_writer_catalog_pool_connections_max"), 4);
  clock_.Advance(minutes(1));
  pool->Maintain();
  EXPECT_EQ(Closed("lifetime"), 3);
  EXPECT_EQ(side_.open, 3);
  EXPECT_THAT(pool->SetOptions({.min_connections = 2, .max_connections = 1}),
              IsError(ErrorKind::kInvalid));
  EXPECT_EQ(pool->options().max_connections, 4U);
}

TEST_F(ConnectionPoolTest, AHigherMaximumServesThoseWhoWait) {
  const auto pool =
      Start({.min_connections = 0, .max_connections = 1, .acquire_timeout = minutes(10)});
  const auto held = pool->Acquire();
  std::jthread waiter([&] { EXPECT_THAT(pool->Acquire(), IsOk()); });
  while (pool->counts().waiting == 0) std::this_thread::yield();
  EXPECT_THAT(pool->SetOptions({.min_connections = 0, .max_connections = 2}), IsOk());
  waiter.join();
}

TEST_F(ConnectionPoolTest, ALowerMaximumClosesIdleOnesAndThoseThatComeBack) {
  const auto pool = Start({.min_connections = 4, .max_connections = 4});
  std::optional<Result<ConnectionPool::Lease>> held[3];
  for (auto& lease : held) lease.emplace(pool->Acquire());
  EXPECT_THAT(pool->SetOptions({.min_connections = 0, .max_connections = 2}), IsOk());
  EXPECT_EQ(side_.open, 3);
  held[0].reset();
  EXPECT_EQ(side_.open, 2);
  held[1].reset();
  EXPECT_EQ(side_.open, 2);
  EXPECT_EQ(Closed("resized"), 2);
}

}  // namespace
}  // namespace signaldb::testing

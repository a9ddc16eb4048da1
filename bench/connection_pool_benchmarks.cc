// What connections of a PostgreSQL catalog cost: to open a pool, to borrow one under contention, to
// find none.
//
//   connection_pool_benchmarks [--quick] [--benchmark_filter=concurrent] [--benchmark_out=FILE]
//
// Starts a PostgreSQL server of its own on the loopback device; without one installed it says so
// and ends with status 77. The benchmarks named `pool` borrow members that need no server: they
// measure the pool itself. --quick does everything once, to see that it works.

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "adapters/postgres/connection_pool.h"
#include "adapters/postgres/postgres_connection.h"
#include "adapters/postgres/postgres_uri.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "bench_place.h"
#include "measurement.h"
#include "signaldb/iceberg_table_writer.h"
#include "testing/postgres_server.h"

namespace signaldb {
namespace {

constexpr int kSkipped = 77;  // As ctest and automake have it.
constexpr std::size_t kConnections = 10;

void Register(const std::string& name, std::int64_t iterations,
              std::function<void(benchmark::State&)> body) {
  benchmark::RegisterBenchmark(name.c_str(), std::move(body))
      ->Iterations(iterations)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

double Seconds(Nanos t) { return std::chrono::duration<double>(t).count(); }

/// A pool of connections to a server, or of members that stand for nothing.
class BenchPool {
 public:
  BenchPool(const std::optional<std::string>& uri, const ConnectionPoolOptions& options) {
    ConnectionPool::Opener open = [](Nanos) -> Result<std::unique_ptr<PoolMember>> {
      return std::make_unique<Nothing>();
    };
    if (uri.has_value()) {
      open = [this, target = Check(ParsePostgresUri(*uri))](
                 Nanos timeout) -> Result<std::unique_ptr<PoolMember>> {
        return PostgresConnection::Open(
            target, {.statement = std::chrono::seconds(30), .lock = std::chrono::seconds(5)},
            timeout, clock_);
      };
    }
    pool_ = Check(ConnectionPool::Start(options, std::move(open), clock_, events_));
  }

  ConnectionPool& operator*() { return *pool_; }
  [[nodiscard]] Nanos Now() const { return clock_.MonotonicNow(); }

 private:
  class Nothing final : public PoolMember {
   public:
    bool IsHealthy() override { return true; }
  };

  SystemClock clock_;
  NullEventListener events_;
  std::unique_ptr<ConnectionPool> pool_;  // After what it borrows.
};

ConnectionPoolOptions Sized(std::size_t connections) {
  return {.min_connections = connections,
          .max_connections = connections,
          .acquire_timeout = std::chrono::seconds(30)};
}

// A pool with so many connections, open.
void Creation(benchmark::State& state, const std::string& uri, std::size_t connections) {
  for (auto unused : state) {
    static_cast<void>(unused);
    std::unique_ptr<BenchPool> pool;
    const Cost cost = CostOf([&] { pool = std::make_unique<BenchPool>(uri, Sized(connections)); });
    state.SetIterationTime(cost.wall_s);
  }
}

// A writer of the library with a pool of its own.
void WriterCreation(benchmark::State& state, const std::string& uri) {
  Configuration config;
  config.schema.catalog_uri = uri;
  int number = 0;
  for (auto unused : state) {
    static_cast<void>(unused);
    const auto store = std::make_shared<InMemory>();
    std::unique_ptr<IcebergTableWriter> writer;
    const Cost cost = CostOf([&] {
      writer =
          Check(CreateIcebergWriterWithPool(config, store, "bench", fmt::format("d{}", number++),
                                            "metrics_gauge", {.min_connections = 2}));
    });
    state.SetIterationTime(cost.wall_s);
  }
}

// Threads that borrow, hold for a moment, and give back; how long borrowing takes each time.
void Concurrent(benchmark::State& state, const std::optional<std::string>& uri, std::size_t threads,
                int borrowings) {
  BenchPool pool(uri, Sized(kConnections));
  std::vector<double> waits;
  for (auto unused : state) {
    static_cast<void>(unused);
    std::mutex mutex;
    std::barrier start(static_cast<std::ptrdiff_t>(threads));
    const auto borrow = [&] {
      std::vector<double> mine;
      start.arrive_and_wait();
      for (int n = 0; n < borrowings; ++n) {
        const Nanos begun = pool.Now();
        const ConnectionPool::Lease lease = Check((*pool).Acquire());
        mine.push_back(Seconds(pool.Now() - begun));
        // The work of a lease: one more round trip, as a statement would be.
        if (!lease.member().IsHealthy()) Check(Fail(ErrorKind::kUnavailable, "connection lost"));
      }
      const std::scoped_lock lock(mutex);
      waits.insert(waits.end(), mine.begin(), mine.end());
    };
    const Cost cost = CostOf([&] {
      std::vector<std::jthread> running;
      for (std::size_t i = 0; i < threads; ++i) running.emplace_back(borrow);
    });
    state.SetIterationTime(cost.wall_s);
    state.counters["acquires_per_s"] =
        static_cast<double>(threads) * static_cast<double>(borrowings) / cost.wall_s;
  }
  state.counters["acquire_p50_us"] = Quantile(waits, 0.5) * 1e6;
  state.counters["acquire_p99_us"] = Quantile(waits, 0.99) * 1e6;
  state.counters["acquire_max_us"] = Quantile(waits, 1) * 1e6;
}

// How long it takes to hear that no connection became free, beyond the time that was granted.
void Timeouts(benchmark::State& state, const std::optional<std::string>& uri, Nanos timeout,
              std::size_t waiters) {
  ConnectionPoolOptions options = Sized(1);
  BenchPool pool(uri, options);
  options.acquire_timeout = timeout;  // Only now: opening takes its time.
  Check((*pool).SetOptions(options));
  const ConnectionPool::Lease held = Check((*pool).Acquire());
  std::vector<double> late;
  for (auto unused : state) {
    static_cast<void>(unused);
    std::mutex mutex;
    const auto wait_in_vain = [&] {
      const Nanos begun = pool.Now();
      const bool found = (*pool).Acquire().has_value();
      const Nanos took = pool.Now() - begun;
      if (found) Check(Fail(ErrorKind::kInternal, "a connection was lent twice"));
      const std::scoped_lock lock(mutex);
      late.push_back(Seconds(took - timeout));
    };
    const Cost cost = CostOf([&] {
      std::vector<std::jthread> running;
      for (std::size_t i = 0; i < waiters; ++i) running.emplace_back(wait_in_vain);
    });
    state.SetIterationTime(cost.wall_s);
  }
  state.counters["late_p50_us"] = Quantile(late, 0.5) * 1e6;
  state.counters["late_p99_us"] = Quantile(late, 0.99) * 1e6;
}

void RegisterAll(const std::string& uri, bool quick) {
  const auto times = [quick](std::int64_t n) { return quick ? std::int64_t{1} : n; };
  const int borrowings = quick ? 10 : 500;
  for (const std::size_t connections : {1, 5, 10}) {
    Register(fmt::format("creation/connections:{}", connections), times(20),
             [=](benchmark::State& state) { Creation(state, uri, connections); });
  }
  Register("creation/writer", times(20),
           [=](benchmark::State& state) { WriterCreation(state, uri); });
  for (const std::size_t threads : {1, 4, 10, 20, 40}) {
    Register(fmt::format("concurrent/postgres/threads:{}", threads), times(5),
             [=](benchmark::State& state) { Concurrent(state, uri, threads, borrowings); });
  }
  for (const std::size_t threads : {1, 4, 10, 20, 40}) {
    Register(fmt::format("concurrent/pool/threads:{}", threads), times(5),
             [=](benchmark::State& state) { Concurrent(state, {}, threads, borrowings * 4); });
  }
  for (const int timeout_ms : {10, 100}) {
    for (const std::size_t waiters : {1, 20}) {
      Register(fmt::format("timeouts/{}ms/waiters:{}", timeout_ms, waiters), times(10),
               [=](benchmark::State& state) {
                 Timeouts(state, uri, std::chrono::milliseconds(timeout_ms), waiters);
               });
    }
  }
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  char** const end = std::remove(argv, argv + argc, std::string_view("--quick"));
  const bool quick = end != argv + argc;
  argc = static_cast<int>(end - argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const auto server = signaldb::testing::PostgresServer::Start();
  if (!server.has_value()) {
    fmt::print("connection_pool_benchmarks skipped: {}\n", server.error().message);
    return signaldb::kSkipped;
  }
  signaldb::RegisterAll((*server)->Uri(), quick);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

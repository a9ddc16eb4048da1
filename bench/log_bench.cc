// How many requests a second does the durable log take, and how long does each wait?
//
//   log_bench [FOLDER] [SECONDS]
//
// Each appender sends its next record when the last one is durable. FOLDER should be on the disk in
// question; a fresh folder in it is used and removed. Every figure is of one row of `kRows`.

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "adapters/local/posix_file_system.h"
#include "log/durable_log.h"

namespace signaldb {
namespace {

struct Row {
  int appenders;
  std::size_t body_bytes;
};
constexpr Row kRows[] = {{1, 300'000}, {8, 300'000}, {64, 300'000}, {1, 3'000},
                         {8, 3'000},   {64, 3'000},  {64, 300}};

/// Counts fsyncs.
class FsyncCounter final : public EventListener {
 public:
  [[nodiscard]] bool Wants(std::string_view, Severity) const override { return false; }
  void Log(LogEvent) override {}
  void Count(std::string_view, double, MetricLabels) override {}
  void Gauge(std::string_view, double, MetricLabels) override {}
  void Observe(std::string_view metric, double, MetricLabels) override {
    if (metric == "signaldb_writer_log_fsync_duration_seconds") ++fsyncs;
  }

  std::atomic<std::uint64_t> fsyncs = 0;
};

/// Appends one record after the other until told to stop; the waits, in seconds.
std::vector<double> AppendUntil(DurableLog& log, std::size_t body_bytes,
                                const std::atomic<bool>& stop, Clock& clock) {
  const auto body = std::make_shared<const std::vector<std::byte>>(body_bytes, std::byte{42});
  std::binary_semaphore answered(0);
  std::vector<double> waits;
  while (!stop) {
    const Nanos start = clock.MonotonicNow();
    log.Append({.header = "default/default/logs", .body = *body, .body_owner = body},
               [&](Result<Position> position) {
                 if (!position.has_value()) {
                   fmt::print(stderr, "log_bench: {}\n", position.error().message);
                   std::exit(1);
                 }
                 answered.release();
               });
    answered.acquire();
    waits.push_back(std::chrono::duration<double>(clock.MonotonicNow() - start).count());
  }
  return waits;
}

int RunRow(const Row& row, const std::string& dir, double seconds) {
  PosixFileSystem files;
  SystemClock clock;
  SystemRandom random;
  FsyncCounter events;
  auto log = DurableLog::Open(files, clock, random, events, {.dir = dir});
  if (!log.has_value()) {
    fmt::print(stderr, "log_bench: {}\n", log.error().message);
    return 1;
  }
  std::atomic<bool> stop = false;
  std::mutex mutex;
  std::vector<double> waits;
  const Nanos start = clock.MonotonicNow();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < row.appenders; ++i) {
      threads.emplace_back([&] {
        const std::vector<double> mine = AppendUntil(**log, row.body_bytes, stop, clock);
        const std::scoped_lock lock(mutex);
        waits.insert(waits.end(), mine.begin(), mine.end());
      });
    }
    const std::stop_source never;
    while (clock.MonotonicNow() - start < std::chrono::duration<double>(seconds)) {
      clock.SleepFor(std::chrono::milliseconds(500), never.get_token());
      if (const Status trimmed = (*log)->Trim((*log)->last_durable()); !trimmed.has_value()) {
        fmt::print(stderr, "log_bench: {}\n", trimmed.error().message);
        return 1;
      }
    }
    stop = true;
  }
  const double took = std::chrono::duration<double>(clock.MonotonicNow() - start).count();
  std::ranges::sort(waits);
  const auto quantile = [&](double q) {
    return 1000 * waits[static_cast<std::size_t>(q * static_cast<double>(waits.size() - 1))];
  };
  const double requests = static_cast<double>(waits.size());
  fmt::print("{:>9} {:>10} {:>10.0f} {:>9.1f} {:>9.0f} {:>8.2f} {:>8.2f}\n", row.appenders,
             row.body_bytes, requests / took,
             requests * static_cast<double>(row.body_bytes) / took / 1e6,
             static_cast<double>(events.fsyncs) / took, quantile(0.5), quantile(0.99));
  return 0;
}

int Main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string();
  const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  const std::string dir = std::filesystem::absolute(folder).string() + "/signaldb-log-bench";
  fmt::print("{:>9} {:>10} {:>10} {:>9} {:>9} {:>8} {:>8}\n", "appenders", "body bytes",
             "requests/s", "MB/s", "fsyncs/s", "p50 ms", "p99 ms");
  int result = 0;
  for (const Row& row : kRows) {
    std::filesystem::remove_all(dir);
    result |= RunRow(row, dir, seconds);
  }
  std::filesystem::remove_all(dir);
  return result;
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) { return signaldb::Main(argc, argv); }

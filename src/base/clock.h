#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>

namespace signaldb {

using Nanos = std::chrono::nanoseconds;

/// Both clocks of the machine behind one seam, so that tests own the time.
///
/// Threads: thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  /// Wall-clock time since 1970-01-01 UTC. May jump; only for what people and files see.
  [[nodiscard]] virtual Nanos WallNow() const = 0;

  /// Time that never goes back, for durations and deadlines.
  [[nodiscard]] virtual Nanos MonotonicNow() const = 0;

  /// Sleeps for `wait`, or less if `stop` is requested. Returns false if it was.
  virtual bool SleepFor(Nanos wait, std::stop_token stop) = 0;
};

/// The machine's own clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Nanos WallNow() const override;
  [[nodiscard]] Nanos MonotonicNow() const override;
  bool SleepFor(Nanos wait, std::stop_token stop) override;
};

/// Milliseconds since 1970, as Iceberg metadata has them.
[[nodiscard]] inline std::int64_t ToMillis(Nanos t) { return t.count() / 1'000'000; }

}  // namespace signaldb

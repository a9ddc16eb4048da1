#pragma once

#include <mutex>

#include "base/clock.h"

namespace signaldb::testing {

/// A clock that moves only when told to, or when somebody sleeps.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Nanos wall = std::chrono::seconds(1'790'000'000)) : wall_(wall) {}

  [[nodiscard]] Nanos WallNow() const override {
    const std::scoped_lock lock(mutex_);
    return wall_;
  }
  [[nodiscard]] Nanos MonotonicNow() const override {
    const std::scoped_lock lock(mutex_);
    return monotonic_;
  }
  bool SleepFor(Nanos wait, std::stop_token stop) override {
    if (stop.stop_requested()) return false;
    Advance(wait);
    return true;
  }
  void Advance(Nanos by) {
    const std::scoped_lock lock(mutex_);
    wall_ += by;
    monotonic_ += by;
  }
  void SetWall(Nanos wall) {
    const std::scoped_lock lock(mutex_);
    wall_ = wall;
  }

 private:
  mutable std::mutex mutex_;
  Nanos wall_;
  Nanos monotonic_{0};
};

}  // namespace signaldb::testing

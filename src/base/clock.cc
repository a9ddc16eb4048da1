#include "base/clock.h"

#include <condition_variable>
#include <mutex>

namespace signaldb {

Nanos SystemClock::WallNow() const {
  return std::chrono::duration_cast<Nanos>(std::chrono::system_clock::now().time_since_epoch());
}

Nanos SystemClock::MonotonicNow() const {
  return std::chrono::duration_cast<Nanos>(std::chrono::steady_clock::now().time_since_epoch());
}

bool SystemClock::SleepFor(Nanos wait, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, wait, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace signaldb

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/event_listener.h"
#include "signaldb/config.h"
#include "signaldb/result.h"

namespace signaldb {

/// The bytes of all slices that are being encoded at a time, of however many writers.
///
/// Threads: thread-safe. Outlives its shares.
class EncodingRoom {
 public:
  [[nodiscard]] std::int64_t used() const;
  /// How many wait for room.
  [[nodiscard]] std::size_t waiting() const;

 private:
  friend class EncodingShare;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t used_ = 0;
  std::list<const void*> waiting_;  // Served in the order in which they came.
};

/// One writer's way into the room, under its own limit.
///
/// Lifetime: borrows everything; all outlive it. Outlives its holds.
/// Threads:  thread-safe.
class EncodingShare {
 public:
  /// A slice's bytes, given back when this dies.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept
        : share_(std::exchange(other.share_, nullptr)), bytes_(other.bytes_) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (share_ != nullptr) share_->GiveBack(bytes_);
    }

   private:
    friend class EncodingShare;
    Hold(EncodingShare* share, std::int64_t bytes) : share_(share), bytes_(bytes) {}
    EncodingShare* share_ = nullptr;
    std::int64_t bytes_ = 0;
  };

  EncodingShare(EncodingRoom& room, const MemoryConfig& config, Clock& clock, EventListener& events)
      : room_(room), config_(config), clock_(clock), events_(events) {}

  /// Room for a slice of `bytes`; at once, or after others are done, as configured. Without a limit
  /// nothing is counted.
  /// Errors: kUnavailable (no room, or none in time), kInvalid (more than the limit by itself).
  [[nodiscard]] Result<Hold> Take(std::int64_t bytes);

  /// 0: no limit.
  [[nodiscard]] std::int64_t bytes_max() const { return config_.limit_bytes; }
  /// Whether Take has failed with kUnavailable since the last call: to try the same again at once
  /// is not what was configured.
  [[nodiscard]] bool TookRefusal() { return refused_.exchange(false); }

 private:
  void GiveBack(std::int64_t bytes);
  [[nodiscard]] std::unexpected<Error> Refuse(std::int64_t bytes, std::int64_t used);

  EncodingRoom& room_;
  const MemoryConfig config_;
  Clock& clock_;
  EventListener& events_;
  std::atomic<bool> refused_ = false;
};

}  // namespace signaldb

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace signaldb {

/// A first-in first-out queue that is full at `capacity`: a full queue is the backpressure.
///
/// Threads: thread-safe. Either side may close it; what is inside can still be popped.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  /// Blocks while full. False, with `value` untouched, if closed or `stop` is requested.
  [[nodiscard]] bool Push(T&& value, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, stop, [&] { return closed_ || items_.size() < capacity_; });
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(value));
    not_empty_.notify_one();
    return true;
  }

  /// False, with `value` untouched, if full or closed.
  [[nodiscard]] bool TryPush(T&& value) {
    const std::scoped_lock lock(mutex_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(value));
    not_empty_.notify_one();
    return true;
  }

  /// Blocks while empty. Nothing once closed and drained.
  [[nodiscard]] std::optional<T> Pop() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return closed_ || !items_.empty(); });
    return PopLocked();
  }

  /// Like Pop, but gives up at once if there is nothing.
  [[nodiscard]] std::optional<T> TryPop() {
    const std::scoped_lock lock(mutex_);
    return PopLocked();
  }

  /// Wakes everybody. Idempotent.
  void Close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    not_empty_.notify_all();
    not_full_.notify_all();
  }

  [[nodiscard]] std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return items_.size();
  }

 private:
  std::optional<T> PopLocked() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> value(std::move(items_.front()));
    items_.pop_front();
    not_full_.notify_one();
    return value;
  }

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable_any not_full_;
  std::condition_variable not_empty_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace signaldb

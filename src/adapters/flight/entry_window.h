#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>

namespace signaldb {

/// The entries that senders have named and that are durable, the last `entries_max` of them: so
/// that a sender that did not hear the answer does not double its rows by trying again.
///
/// Threads: thread-safe.
class EntryWindow {
 public:
  explicit EntryWindow(std::size_t entries_max) : entries_max_(entries_max) {}

  /// kNew: begun, the caller has to End it. kRunning: somebody else has begun it and not ended it.
  /// kDurable: nothing is to be done.
  enum class State : std::uint8_t { kNew, kRunning, kDurable };
  [[nodiscard]] State Begin(const std::string& entry) {
    const std::scoped_lock lock(mutex_);
    const auto [at, is_new] = durable_.try_emplace(entry, false);
    if (is_new) return State::kNew;
    return at->second ? State::kDurable : State::kRunning;
  }

  enum class Outcome : std::uint8_t { kDurable, kFailed };
  void End(const std::string& entry, Outcome outcome) {
    const std::scoped_lock lock(mutex_);
    const auto at = durable_.find(entry);
    if (at == durable_.end()) return;
    if (outcome == Outcome::kFailed) {
      durable_.erase(at);
      return;
    }
    at->second = true;
    order_.push_back(entry);
    if (order_.size() <= entries_max_) return;
    durable_.erase(order_.front());
    order_.pop_front();
  }

 private:
  const std::size_t entries_max_;
  std::mutex mutex_;
  std::unordered_map<std::string, bool> durable_;  // False while it is on its way.
  std::deque<std::string> order_;                  // Of the durable ones, the oldest first.
};

}  // namespace signaldb

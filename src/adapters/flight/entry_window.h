#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace signaldb {

/// The entries that senders have named and that are durable, the last `entries_max` of them: so
/// that a sender that did not hear the answer does not double its rows by trying again. Lives in
/// memory; RememberPut fills it again from what the durable log still holds.
///
/// Threads: thread-safe.
class EntryWindow {
 public:
  static constexpr std::size_t kEntriesMax = 16'384;

  explicit EntryWindow(std::size_t entries_max = kEntriesMax) : entries_max_(entries_max) {}

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
    Keep(entry);
  }

  /// The entry is durable already.
  void Remember(const std::string& entry) {
    const std::scoped_lock lock(mutex_);
    if (durable_.try_emplace(entry, true).second) Keep(entry);
  }

 private:
  void Keep(const std::string& entry) {
    order_.push_back(entry);
    if (order_.size() <= entries_max_) return;
    durable_.erase(order_.front());
    order_.pop_front();
  }

  const std::size_t entries_max_;
  std::mutex mutex_;
  std::unordered_map<std::string, bool> durable_;  // False while it is on its way.
  std::deque<std::string> order_;                  // Of the durable ones, the oldest first.
};

/// The name in the window of what a sender calls `id`.
[[nodiscard]] std::string EntryOf(std::string_view tenant, std::string_view dataset,
                                  std::string_view id);

/// Puts the entry of a put that was found in the durable log into the window, if it names one.
/// `body` is that of its request (telemetry/arrow_request.h).
void RememberPut(EntryWindow& window, std::string_view tenant, std::string_view dataset,
                 std::span<const std::byte> body);

}  // namespace signaldb

#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace signaldb {

/// One byte budget over everything in flight. Taking more than is left fails at once; whoever asked
/// then pushes back on its source. Nothing is ever dropped to make room.
///
/// Threads: thread-safe. Outlives every Hold taken from it.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::int64_t bytes_max) : bytes_max_(bytes_max) {}

  /// Bytes taken from a budget, given back when this dies.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Hold& operator=(Hold&& other) noexcept {
      if (this != &other) {
        Release();
        budget_ = std::exchange(other.budget_, nullptr);
        bytes_ = std::exchange(other.bytes_, 0);
      }
      return *this;
    }
    ~Hold() { Release(); }

    [[nodiscard]] std::int64_t bytes() const { return bytes_; }
    /// False if nothing was taken (the budget was exhausted), also after a move.
    explicit operator bool() const { return budget_ != nullptr; }
    void Release() {
      if (budget_ != nullptr) budget_->used_.fetch_sub(bytes_, std::memory_order_relaxed);
      budget_ = nullptr;
      bytes_ = 0;
    }
    /// Changes the amount without asking: what was received has turned out larger or smaller than
    /// estimated, and refusing it now would help nobody.
    void Resize(std::int64_t bytes) {
      if (budget_ == nullptr) return;
      budget_->used_.fetch_add(bytes - bytes_, std::memory_order_relaxed);
      bytes_ = bytes;
    }

    /// Gives `bytes` of this hold away as one of its own; resize first if it holds less.
    [[nodiscard]] Hold Split(std::int64_t bytes) {
      if (budget_ == nullptr) return {};
      bytes_ -= bytes;
      return Hold(budget_, bytes);
    }

   private:
    friend class MemoryBudget;
    Hold(MemoryBudget* budget, std::int64_t bytes) : budget_(budget), bytes_(bytes) {}
    MemoryBudget* budget_ = nullptr;
    std::int64_t bytes_ = 0;
  };

  /// Takes `bytes`, or returns an empty Hold if they would not fit.
  [[nodiscard]] Hold TryTake(std::int64_t bytes) {
    std::int64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (used + bytes > bytes_max_) return {};
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return Hold(this, bytes);
  }

  [[nodiscard]] std::int64_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t bytes_max() const { return bytes_max_; }

 private:
  const std::int64_t bytes_max_;
  std::atomic<std::int64_t> used_{0};
};

}  // namespace signaldb

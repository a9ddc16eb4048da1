#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "base/memory_budget.h"

namespace signaldb {

/// Why a buffer took no more.
enum class BufferRefusal : std::uint8_t {
  kTooLarge,         ///< More than its own limit.
  kBudgetExhausted,  ///< The budget, or the machine, had no room for the next part.
};

/// Bytes that arrive in parts, up to a limit and paid for from a budget.
///
/// What it holds of the budget is what it has allocated, never what somebody announced: a claim of
/// 64 MiB costs nothing until the bytes come.
///
/// Threads: thread-compatible.
class BudgetedBuffer {
 public:
  /// The finished bytes and what keeps them.
  struct Contents {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;  ///< Null if nothing was ever allocated.
    MemoryBudget::Hold hold;
  };

  static constexpr std::uint64_t kFirstBytes = 64 << 10;  ///< Allocated at least, if not reserved.

  BudgetedBuffer() = default;
  /// `budget` may be null; else it outlives this object and its contents.
  BudgetedBuffer(MemoryBudget* budget, std::uint64_t bytes_max)
      : budget_(budget), bytes_max_(bytes_max) {}

  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// What it holds; until it is changed.
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {data_.get(), static_cast<std::size_t>(size_)};
  }
  /// Room that is allocated and not yet used.
  [[nodiscard]] std::span<std::byte> unused() {
    return {data_.get() + size_, static_cast<std::size_t>(capacity_ - size_)};
  }
  /// `bytes` of unused() have been filled.
  void Advance(std::uint64_t bytes) { size_ += bytes; }

  /// Room for exactly `capacity` bytes in all, if there is less now.
  [[nodiscard]] std::optional<BufferRefusal> Reserve(std::uint64_t capacity) {
    if (capacity > bytes_max_) return BufferRefusal::kTooLarge;
    return capacity > capacity_ ? Reallocate(capacity) : std::nullopt;
  }

  /// Room for at least one byte more: doubles, up to the limit.
  [[nodiscard]] std::optional<BufferRefusal> Grow() { return GrowFor(size_ + 1); }

  [[nodiscard]] std::optional<BufferRefusal> Append(std::span<const std::byte> part) {
    if (const auto refusal = GrowFor(size_ + part.size())) return refusal;
    if (!part.empty()) std::memcpy(data_.get() + size_, part.data(), part.size());
    size_ += part.size();
    return std::nullopt;
  }

  [[nodiscard]] Contents Finish() && {
    if (size_ > 0 && capacity_ > size_) {
      // Where a block cannot be made smaller, the larger one serves as well.
      static_cast<void>(Reallocate(size_));
    }
    Contents contents;
    contents.bytes = {data_.get(), static_cast<std::size_t>(size_)};
    contents.owner = std::shared_ptr<const void>(std::move(data_));
    contents.hold = std::move(hold_);
    return contents;
  }

 private:
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };

  [[nodiscard]] std::optional<BufferRefusal> GrowFor(std::uint64_t needed) {
    if (needed > bytes_max_) return BufferRefusal::kTooLarge;
    if (needed <= capacity_) return std::nullopt;
    return Reallocate(std::min(std::max({needed, 2 * capacity_, kFirstBytes}), bytes_max_));
  }

  [[nodiscard]] std::optional<BufferRefusal> Reallocate(std::uint64_t capacity) {
    MemoryBudget::Hold more;
    if (budget_ != nullptr && capacity > capacity_) {
      more = budget_->TryTake(static_cast<std::int64_t>(capacity - capacity_));
      if (!more) return BufferRefusal::kBudgetExhausted;
    }
    // realloc, because for large blocks the kernel moves pages, not bytes.
    void* block = std::realloc(data_.get(), capacity);
    if (block == nullptr) return BufferRefusal::kBudgetExhausted;
    static_cast<void>(data_.release());
    data_.reset(static_cast<std::byte*>(block));
    capacity_ = capacity;
    if (hold_) {
      more.Release();
      hold_.Resize(static_cast<std::int64_t>(capacity));
    } else {
      hold_ = std::move(more);
    }
    return std::nullopt;
  }

  MemoryBudget* budget_ = nullptr;
  std::uint64_t bytes_max_ = 0;
  MemoryBudget::Hold hold_;
  std::unique_ptr<std::byte, Free> data_;
  std::uint64_t size_ = 0;
  std::uint64_t capacity_ = 0;
};

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <type_traits>

namespace arrow {
class Buffer;
class ResizableBuffer;
}  // namespace arrow

namespace signaldb {

/// The untyped half of PodBuffer: memory of Arrow's pool that grows by doubling.
class GrowingMemory {
 public:
  /// Bytes past the end that may always be overwritten, so that short texts are copied in two
  /// unconditional stores.
  static constexpr std::size_t kSlack = 32;

  GrowingMemory();
  ~GrowingMemory();
  GrowingMemory(GrowingMemory&&) noexcept;
  GrowingMemory& operator=(GrowingMemory&&) noexcept;

 protected:
  /// Makes room for `bytes_min` bytes, keeping what is there. Returns the (new) address.
  std::byte* Reserve(std::size_t bytes_min);
  [[nodiscard]] std::shared_ptr<arrow::Buffer> ReleaseBytes(std::size_t used);
  [[nodiscard]] std::size_t capacity_bytes() const { return capacity_; }

 private:
  std::unique_ptr<arrow::ResizableBuffer> buffer_;
  std::size_t capacity_ = 0;  // Without the slack.
};

/// A growing array of plain values that becomes an Arrow buffer without a copy.
///
/// Exists because Arrow's builders check and branch for every value; this one compares two numbers.
///
/// Threads: thread-compatible. Ends the process if memory runs out, as `new` would.
template <typename T>
class PodBuffer : private GrowingMemory {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  void Push(T value) {
    if (size_ == capacity_) [[unlikely]]
      Grow(1);
    data_[size_++] = value;
  }

  /// Room for `count` more values; they are not initialised.
  [[nodiscard]] T* Extend(std::size_t count) {
    EnsureRoom(count);
    T* first = data_ + size_;
    size_ += count;
    return first;
  }

  void EnsureRoom(std::size_t count) {
    if (count > capacity_ - size_) [[unlikely]]
      Grow(count);
  }

  void Append(const T* values, std::size_t count) {
    if (count == 0) return;
    std::memcpy(Extend(count), values, count * sizeof(T));
  }

  void Fill(T value, std::size_t count) {
    T* out = Extend(count);
    for (std::size_t i = 0; i < count; ++i) out[i] = value;
  }

  /// Forgets everything from `size` on, if there is anything.
  void Truncate(std::size_t size) {
    if (size < size_) size_ = size;
  }

  /// Takes over `count` values that were written to the room after the last one.
  void Commit(std::size_t count) { size_ += count; }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] const T* data() const { return data_; }
  [[nodiscard]] T& operator[](std::size_t i) { return data_[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const { return data_[i]; }

  /// Hands the memory over; the buffer is empty afterwards.
  [[nodiscard]] std::shared_ptr<arrow::Buffer> Release() {
    auto buffer = ReleaseBytes(size_ * sizeof(T));
    data_ = nullptr;
    size_ = capacity_ = 0;
    return buffer;
  }

 private:
  void Grow(std::size_t count) {
    data_ = reinterpret_cast<T*>(Reserve((size_ + count) * sizeof(T)));
    capacity_ = capacity_bytes() / sizeof(T);
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

using TextBuffer = PodBuffer<char>;

inline void AppendText(TextBuffer& out, std::string_view text) {
  out.Append(text.data(), text.size());
}

[[nodiscard]] inline std::string_view ViewOf(const TextBuffer& text, std::size_t from = 0) {
  return {text.data() + from, text.size() - from};
}

}  // namespace signaldb

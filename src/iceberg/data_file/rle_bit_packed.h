#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace signaldb {

/// Bytes that only grow, and are not cleared first: a page under construction is overwritten
/// anyway.
///
/// Threads: thread-compatible.
class PageBuffer {
 public:
  /// Room for `count` more bytes at the end; the caller writes there and then calls Advance.
  [[nodiscard]] std::uint8_t* Reserve(std::size_t count) {
    if (size_ + count > capacity_) Grow(count);
    return bytes_.get() + size_;
  }
  void Advance(std::size_t count) { size_ += count; }
  void Append(const void* bytes, std::size_t count) {
    if (count == 0) return;
    std::memcpy(Reserve(count), bytes, count);
    size_ += count;
  }
  void Clear() { size_ = 0; }
  [[nodiscard]] const std::uint8_t* data() const { return bytes_.get(); }
  [[nodiscard]] std::uint8_t* data() { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  void Grow(std::size_t count);

  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// The bits that `value` needs; 0 for 0.
[[nodiscard]] int BitWidthOf(std::uint32_t value);

/// Appends `values` in Parquet's run-length/bit-packed hybrid. Each value fits in `bit_width` (1 to
/// 32) bits. Runs of at least 8 become run-length runs, everything else is packed.
///
/// Why not the library's: it takes one value at a time and int16 levels; levels and dictionary
/// indices are two thirds of all values of a log table.
void AppendHybrid(std::span<const std::uint8_t> values, int bit_width, PageBuffer& out);
void AppendHybrid(std::span<const std::uint32_t> values, int bit_width, PageBuffer& out);
/// `count` times the same value.
void AppendHybridRun(std::uint32_t value, std::size_t count, int bit_width, PageBuffer& out);

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "telemetry/pod_buffer.h"

namespace arrow {
class ArrayData;
}

namespace signaldb {

/// `a == b` for short texts, without the call of memcmp.
[[nodiscard]] inline bool EqualTexts(const char* a, const char* b, std::size_t size) {
  const auto differ = [&]<typename T>(T, std::size_t at) {
    T x{};
    T y{};
    std::memcpy(&x, a + at, sizeof x);
    std::memcpy(&y, b + at, sizeof y);
    return x != y;
  };
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 <= size; at += 8) {
      if (differ(std::uint64_t{}, at)) return false;
    }
    return !differ(std::uint64_t{}, size - 8);
  }
  if (size >= 4) return !differ(std::uint32_t{}, 0) && !differ(std::uint32_t{}, size - 4);
  for (std::size_t at = 0; at < size; ++at) {
    if (a[at] != b[at]) return false;
  }
  return true;
}

/// The distinct texts of a column, numbered in the order of their first occurrence: an Arrow
/// dictionary in the making.
///
/// Threads: thread-compatible.
class StringTable {
 public:
  StringTable();

  /// The number of `text`, which is new if it was not there.
  [[nodiscard]] std::int32_t IndexOf(std::string_view text);

  [[nodiscard]] std::string_view operator[](std::int32_t index) const {
    const auto i = static_cast<std::size_t>(index);
    const auto from = static_cast<std::size_t>(offsets_[i]);
    return {bytes_.data() + from, static_cast<std::size_t>(offsets_[i + 1]) - from};
  }
  [[nodiscard]] bool Is(std::int32_t index, std::string_view text) const {
    const auto i = static_cast<std::size_t>(index);
    const auto from = static_cast<std::size_t>(offsets_[i]);
    return static_cast<std::size_t>(offsets_[i + 1]) - from == text.size() &&
           EqualTexts(bytes_.data() + from, text.data(), text.size());
  }
  [[nodiscard]] std::int32_t size() const { return size_; }

  /// The texts as a utf8 array; the table is empty afterwards.
  [[nodiscard]] std::shared_ptr<arrow::ArrayData> Release();

 private:
  struct Slot {
    std::uint32_t hash;
    std::int32_t index_plus_one;  // 0: free.
  };

  void Rehash(std::size_t slots);

  PodBuffer<Slot> slots_;  // A power of two, at most half of them taken; linear probing.
  PodBuffer<std::int32_t> offsets_;
  TextBuffer bytes_;
  std::int32_t size_ = 0;
};

}  // namespace signaldb

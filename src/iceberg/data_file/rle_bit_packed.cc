#include "iceberg/data_file/rle_bit_packed.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace signaldb {

namespace {

constexpr std::size_t kGroup = 8;  // Bit-packed runs come in groups of 8 values.

void AppendVarint(std::uint64_t value, PageBuffer& out) {
  std::uint8_t* p = out.Reserve(10);
  std::size_t n = 0;
  while (value >= 0x80) {
    p[n++] = static_cast<std::uint8_t>(value | 0x80);
    value >>= 7;
  }
  p[n++] = static_cast<std::uint8_t>(value);
  out.Advance(n);
}

// Packs whole groups. `out` has room for 8 bytes more than they need.
template <int kWidth, typename T>
void PackGroups(const T* in, std::size_t groups, std::uint8_t* out) {
  for (std::size_t g = 0; g < groups; ++g, in += kGroup, out += kWidth) {
    if constexpr (kWidth <= 8) {
      std::uint64_t word = 0;
      for (int i = 0; i < 8; ++i) word |= static_cast<std::uint64_t>(in[i]) << (i * kWidth);
      std::memcpy(out, &word, 8);
    } else {
      std::uint64_t word = 0;
      int bits = 0;
      std::uint8_t* p = out;
      for (int i = 0; i < 8; ++i) {
        word |= static_cast<std::uint64_t>(in[i]) << bits;
        bits += kWidth;
        if (bits >= 32) {
          std::memcpy(p, &word, 4);
          p += 4;
          word >>= 32;
          bits -= 32;
        }
      }
      std::memcpy(p, &word, 4);
    }
  }
}

template <typename T>
using Packer = void (*)(const T*, std::size_t, std::uint8_t*);

template <typename T, int... kWidths>
constexpr std::array<Packer<T>, sizeof...(kWidths)> MakePackers(
    std::integer_sequence<int, kWidths...>) {
  return {&PackGroups<kWidths + 1, T>...};
}

template <typename T>
constexpr auto kPackers =
    MakePackers<T>(std::make_integer_sequence<int, 8 * static_cast<int>(sizeof(T))>());

template <typename T>
void AppendPacked(const T* values, std::size_t count, int bit_width, PageBuffer& out) {
  if (count == 0) return;
  const std::size_t groups = (count + kGroup - 1) / kGroup;
  AppendVarint((groups << 1) | 1, out);
  const std::size_t whole = count / kGroup;
  const auto width = static_cast<std::size_t>(bit_width);
  std::uint8_t* p = out.Reserve(groups * width + 8);
  const Packer<T> pack = kPackers<T>[width - 1];
  pack(values, whole, p);
  if (whole < groups) {
    std::array<T, kGroup> last{};
    std::copy(values + whole * kGroup, values + count, last.begin());
    pack(last.data(), 1, p + whole * width);
  }
  out.Advance(groups * width);
}

bool GroupIsEqual(const std::uint8_t* p) {
  std::uint64_t word = 0;
  std::memcpy(&word, p, 8);
  return word == 0x0101010101010101ULL * p[0];
}

bool GroupIsEqual(const std::uint32_t* p) {
  std::uint32_t different = 0;
  for (std::size_t i = 1; i < kGroup; ++i) different |= p[i] ^ p[0];
  return different == 0;
}

template <typename T>
std::size_t EndOfRun(const T* values, std::size_t from, std::size_t count) {
  const T value = values[from];
  std::size_t i = from + kGroup;
  while (i + kGroup <= count && values[i] == value && GroupIsEqual(values + i)) i += kGroup;
  while (i < count && values[i] == value) ++i;
  return i;
}

template <typename T>
void AppendAll(std::span<const T> values, int bit_width, PageBuffer& out) {
  const T* v = values.data();
  const std::size_t count = values.size();
  // A short run inside narrow literals costs more in headers than it saves.
  const std::size_t run_min = bit_width <= 2 ? 4 * kGroup : kGroup;
  std::size_t literals = 0;
  std::size_t i = 0;
  while (i + kGroup <= count) {
    if (!GroupIsEqual(v + i)) {
      i += kGroup;
      continue;
    }
    const std::size_t end = EndOfRun(v, i, count);
    if (end - i < run_min) {
      i += (end - i) / kGroup * kGroup;
      continue;
    }
    AppendPacked(v + literals, i - literals, bit_width, out);
    AppendHybridRun(v[i], end - i, bit_width, out);
    literals = i = end;
  }
  AppendPacked(v + literals, count - literals, bit_width, out);
}

}  // namespace

void PageBuffer::Grow(std::size_t count) {
  const std::size_t capacity = std::max(size_ + count, 2 * capacity_);
  auto bytes = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
  if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
  bytes_ = std::move(bytes);
  capacity_ = capacity;
}

int BitWidthOf(std::uint32_t value) { return static_cast<int>(std::bit_width(value)); }

void AppendHybrid(std::span<const std::uint8_t> values, int bit_width, PageBuffer& out) {
  AppendAll(values, bit_width, out);
}

void AppendHybrid(std::span<const std::uint32_t> values, int bit_width, PageBuffer& out) {
  AppendAll(values, bit_width, out);
}

void AppendHybridRun(std::uint32_t value, std::size_t count, int bit_width, PageBuffer& out) {
  if (count == 0) return;
  AppendVarint(static_cast<std::uint64_t>(count) << 1, out);
  out.Append(&value, static_cast<std::size_t>((bit_width + 7) / 8));
}

}  // namespace signaldb

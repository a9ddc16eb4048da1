#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "telemetry/pod_buffer.h"
#include "telemetry/string_table.h"
#include "telemetry/utf8.h"

namespace arrow {
class ArrayData;
class DataType;
}  // namespace arrow

namespace signaldb {

// Columns in the making: plain growing buffers, one row at a time, given to Arrow as they are.
// A column does not know how many rows its table has; whoever fills it keeps all columns equally
// long. All are thread-compatible.

using ArrowType = std::shared_ptr<arrow::DataType>;
using ArrowData = std::shared_ptr<arrow::ArrayData>;

/// Which rows have a value. Costs nothing until the first null.
class Validity {
 public:
  /// The row after `rows` others has a value.
  void PushValid() {
    if (x_any_null) x_valid.Push(1);
  }
  void PushNull(std::size_t rows) {
    if (!x_any_null) [[unlikely]]
      Begin(rows);
    x_valid.Push(0);
  }
  void FillNull(std::size_t rows, std::size_t count);
  void FillValid(std::size_t count) {
    if (x_any_null) x_valid.Fill(1, count);
  }
  void Truncate(std::size_t rows) {
    if (x_any_null) x_valid.Truncate(rows);
  }
  /// Appends what `count` rows from `begin` on say, `times` times.
  void Repeat(std::size_t begin, std::size_t count, std::size_t times);
  [[nodiscard]] bool IsValid(std::size_t row) const { return !x_any_null || x_valid[row] != 0; }

  /// The bitmap (or nothing if all rows have values) and the number of nulls.
  [[nodiscard]] std::shared_ptr<arrow::Buffer> Release(std::int64_t& nulls);

 private:
  void Begin(std::size_t rows);

  PodBuffer<std::uint8_t> x_valid;
  bool x_any_null = false;
};

/// Numbers, dates and instants.
template <typename T>
class FixedColumn {
 public:
  void Push(T value) {
    x_valid.PushValid();
    x_values.Push(value);
  }
  void PushNull() {
    x_valid.PushNull(x_values.size());
    x_values.Push(T{});
  }
  void Fill(T value, std::size_t count) {
    x_valid.FillValid(count);
    x_values.Fill(value, count);
  }
  void Truncate(std::size_t rows) {
    x_valid.Truncate(rows);
    x_values.Truncate(rows);
  }
  [[nodiscard]] std::size_t size() const { return x_values.size(); }
  [[nodiscard]] const PodBuffer<T>& values() const { return x_values; }

  [[nodiscard]] ArrowData Release(const ArrowType& type);

 private:
  PodBuffer<T> x_values;
  Validity x_valid;
};

using BoolColumn = FixedColumn<bool>;

/// Texts that hardly ever repeat: ids, bodies, values, JSON.
class TextColumn {
 public:
  TextColumn() { x_offsets.Push(0); }

  void Push(std::string_view text) {
    AppendText(x_bytes, text);
    Close();
  }
  void PushOrNull(std::string_view text) {
    if (text.empty()) return PushNull();
    Push(text);
  }
  void PushNull() {
    x_valid.PushNull(size());
    PushOffset();
  }
  void FillNull(std::size_t count);

  /// Appends `text` as the next row and says whether it is ASCII throughout; if it is not, the
  /// caller checks it. `text` must be followed by 16 readable bytes.
  [[nodiscard]] bool PushShort(std::string_view text) {
    x_bytes.EnsureRoom(text.size() + 1);  // Memory even for an empty first text.
    char* to = x_bytes.data() + x_bytes.size();
    const char* from = text.data();
    std::uint64_t seen = 0;
    std::size_t left = text.size();
    for (; left >= 16; left -= 16, from += 16, to += 16) {
      std::memcpy(to, from, 16);
      seen |= Load64(from) | Load64(from + 8);
    }
    std::memcpy(to, from, 16);  // Past the text; the buffer has slack for that.
    const std::uint64_t low = Load64(from);
    const std::uint64_t high = Load64(from + 8);
    if (left >= 8) {
      seen |= low | (high & ((std::uint64_t{1} << (8 * (left - 8))) - 1));
    } else {
      seen |= low & ((std::uint64_t{1} << (8 * left)) - 1);
    }
    x_bytes.Commit(text.size());
    Close();
    return (seen & kHighBits) == 0;
  }

  /// The bytes after the last row: append to them, then Close() the row they make.
  [[nodiscard]] TextBuffer& open() { return x_bytes; }
  void Close() {
    x_valid.PushValid();
    PushOffset();
  }
  /// Closes the row as a null if nothing was appended.
  void CloseOrNull() {
    if (open_size() == 0) return PushNull();
    Close();
  }
  [[nodiscard]] std::size_t open_size() const {
    return x_bytes.size() - static_cast<std::size_t>(x_offsets[size()]);
  }
  /// Forgets the bytes after the last row.
  void Reopen() { x_bytes.Truncate(static_cast<std::size_t>(x_offsets[size()])); }

  void Truncate(std::size_t rows);
  [[nodiscard]] std::size_t size() const { return x_offsets.size() - 1; }
  [[nodiscard]] std::size_t bytes() const { return x_bytes.size(); }
  [[nodiscard]] bool IsValid(std::size_t row) const { return x_valid.IsValid(row); }
  [[nodiscard]] std::string_view operator[](std::size_t row) const {
    const auto from = static_cast<std::size_t>(x_offsets[row]);
    return {x_bytes.data() + from, static_cast<std::size_t>(x_offsets[row + 1]) - from};
  }

  [[nodiscard]] ArrowData Release(const ArrowType& type);

 private:
  void PushOffset() { x_offsets.Push(static_cast<std::int32_t>(x_bytes.size())); }

  PodBuffer<std::int32_t> x_offsets;
  TextBuffer x_bytes;
  Validity x_valid;
};

/// Texts that repeat, as numbers of a StringTable.
class DictionaryColumn {
 public:
  /// Compares with the last text before it looks anything up: records come in runs.
  void Push(std::string_view text) { PushIndex(Find(text)); }
  void PushOrNull(std::string_view text) {
    if (text.empty()) return PushNull();
    Push(text);
  }
  void PushNull() {
    x_valid.PushNull(x_indices.size());
    x_indices.Push(0);
  }
  void PushIndex(std::int32_t index) {
    x_valid.PushValid();
    x_indices.Push(index);
  }
  void Fill(std::string_view text, std::size_t count);
  void FillOrNull(std::string_view text, std::size_t count);
  void Truncate(std::size_t rows) {
    x_valid.Truncate(rows);
    x_indices.Truncate(rows);
  }
  [[nodiscard]] std::size_t size() const { return x_indices.size(); }
  /// True if `text` equals the text pushed last, which was valid UTF-8 then.
  [[nodiscard]] bool IsLast(std::string_view text) const {
    return x_table.size() > 0 && x_table.Is(x_last, text);
  }

  [[nodiscard]] ArrowData Release(const ArrowType& type);

 private:
  std::int32_t Find(std::string_view text) {
    if (!IsLast(text)) x_last = x_table.IndexOf(text);
    return x_last;
  }

  StringTable x_table;
  PodBuffer<std::int32_t> x_indices;
  Validity x_valid;
  std::int32_t x_last = 0;
};

}  // namespace signaldb

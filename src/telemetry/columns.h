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
    if (any_null_) valid_.Push(1);
  }
  void PushNull(std::size_t rows) {
    if (!any_null_) [[unlikely]]
      Begin(rows);
    valid_.Push(0);
  }
  void FillNull(std::size_t rows, std::size_t count);
  void FillValid(std::size_t count) {
    if (any_null_) valid_.Fill(1, count);
  }
  void Truncate(std::size_t rows) {
    if (any_null_) valid_.Truncate(rows);
  }
  /// Appends what `count` rows from `begin` on say, `times` times.
  void Repeat(std::size_t begin, std::size_t count, std::size_t times);
  [[nodiscard]] bool IsValid(std::size_t row) const { return !any_null_ || valid_[row] != 0; }

  /// The bitmap (or nothing if all rows have values) and the number of nulls.
  [[nodiscard]] std::shared_ptr<arrow::Buffer> Release(std::int64_t& nulls);

 private:
  void Begin(std::size_t rows);

  PodBuffer<std::uint8_t> valid_;
  bool any_null_ = false;
};

/// Numbers, dates and instants.
template <typename T>
class FixedColumn {
 public:
  void Push(T value) {
    valid_.PushValid();
    values_.Push(value);
  }
  void PushNull() {
    valid_.PushNull(values_.size());
    values_.Push(T{});
  }
  void Fill(T value, std::size_t count) {
    valid_.FillValid(count);
    values_.Fill(value, count);
  }
  void Truncate(std::size_t rows) {
    valid_.Truncate(rows);
    values_.Truncate(rows);
  }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  [[nodiscard]] const PodBuffer<T>& values() const { return values_; }

  [[nodiscard]] ArrowData Release(const ArrowType& type);

 private:
  PodBuffer<T> values_;
  Validity valid_;
};

using BoolColumn = FixedColumn<bool>;

/// Texts that hardly ever repeat: ids, bodies, values, JSON.
class TextColumn {
 public:
  TextColumn() { offsets_.Push(0); }

  void Push(std::string_view text) {
    AppendText(bytes_, text);
    Close();
  }
  void PushOrNull(std::string_view text) {
    if (text.empty()) return PushNull();
    Push(text);
  }
  void PushNull() {
    valid_.PushNull(size());
    PushOffset();
  }
  void FillNull(std::size_t count);

  /// Appends `text` as the next row and says whether it is ASCII throughout; if it is not, the
  /// caller checks it. `text` must be followed by 16 readable bytes.
  [[nodiscard]] bool PushShort(std::string_view text) {
    bytes_.EnsureRoom(text.size() + 1);  // Memory even for an empty first text.
    char* to = bytes_.data() + bytes_.size();
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
    bytes_.Commit(text.size());
    Close();
    return (seen & kHighBits) == 0;
  }

  /// The bytes after the last row: append to them, then Close() the row they make.
  [[nodiscard]] TextBuffer& open() { return bytes_; }
  void Close() {
    valid_.PushValid();
    PushOffset();
  }
  /// Closes the row as a null if nothing was appended.
  void CloseOrNull() {
    if (open_size() == 0) return PushNull();
    Close();
  }
  [[nodiscard]] std::size_t open_size() const {
    return bytes_.size() - static_cast<std::size_t>(offsets_[size()]);
  }
  /// Forgets the bytes after the last row.
  void Reopen() { bytes_.Truncate(static_cast<std::size_t>(offsets_[size()])); }

  void Truncate(std::size_t rows);
  [[nodiscard]] std::size_t size() const { return offsets_.size() - 1; }
  [[nodiscard]] std::size_t bytes() const { return bytes_.size(); }
  [[nodiscard]] bool IsValid(std::size_t row) const { return valid_.IsValid(row); }
  [[nodiscard]] std::string_view operator[](std::size_t row) const {
    const auto from = static_cast<std::size_t>(offsets_[row]);
    return {bytes_.data() + from, static_cast<std::size_t>(offsets_[row + 1]) - from};
  }

  [[nodiscard]] ArrowData Release(const ArrowType& type);

 private:
  void PushOffset() { offsets_.Push(static_cast<std::int32_t>(bytes_.size())); }

  PodBuffer<std::int32_t> offsets_;
  TextBuffer bytes_;
  Validity valid_;
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
    valid_.PushNull(indices_.size());
    indices_.Push(0);
  }
  void PushIndex(std::int32_t index) {
    valid_.PushValid();
    indices_.Push(index);
  }
  void Fill(std::string_view text, std::size_t count);
  void FillOrNull(std::string_view text, std::size_t count);
  void Truncate(std::size_t rows) {
    valid_.Truncate(rows);
    indices_.Truncate(rows);
  }
  [[nodiscard]] std::size_t size() const { return indices_.size(); }
  /// True if `text` equals the text pushed last, which was valid UTF-8 then.
  [[nodiscard]] bool IsLast(std::string_view text) const {
    return table_.size() > 0 && table_.Is(last_, text);
  }

  [[nodiscard]] ArrowData Release(const ArrowType& type);

 private:
  std::int32_t Find(std::string_view text) {
    if (!IsLast(text)) last_ = table_.IndexOf(text);
    return last_;
  }

  StringTable table_;
  PodBuffer<std::int32_t> indices_;
  Validity valid_;
  std::int32_t last_ = 0;
};

}  // namespace signaldb

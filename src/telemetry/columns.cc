#include "telemetry/columns.h"

#include <cstring>

#include <arrow/array/data.h>
#include <arrow/type.h>

namespace signaldb {
namespace {

/// One bit a byte, least significant bit first.
std::shared_ptr<arrow::Buffer> PackBits(const std::uint8_t* bytes, std::size_t count) {
  PodBuffer<std::uint8_t> bits;
  bits.Fill(0, (count + 7) / 8);
  for (std::size_t i = 0; i < count; ++i) {
    bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | ((bytes[i] != 0 ? 1U : 0U) << (i % 8)));
  }
  return bits.Release();
}

}  // namespace

void Validity::Begin(std::size_t rows) {
  x_any_null = true;
  x_valid.Fill(1, rows);
}

void Validity::FillNull(std::size_t rows, std::size_t count) {
  if (count == 0) return;
  if (!x_any_null) Begin(rows);
  x_valid.Fill(0, count);
}

void Validity::Repeat(std::size_t begin, std::size_t count, std::size_t times) {
  if (!x_any_null) return;
  std::uint8_t* to = x_valid.Extend(count * times);
  for (std::size_t i = 0; i < times; ++i)
    std::memcpy(to + i * count, x_valid.data() + begin, count);
}

std::shared_ptr<arrow::Buffer> Validity::Release(std::int64_t& nulls) {
  nulls = 0;
  if (!x_any_null) return nullptr;
  for (std::size_t i = 0; i < x_valid.size(); ++i) nulls += x_valid[i] == 0 ? 1 : 0;
  return nulls == 0 ? nullptr : PackBits(x_valid.data(), x_valid.size());
}

template <typename T>
ArrowData FixedColumn<T>::Release(const ArrowType& type) {
  std::int64_t nulls = 0;
  const auto rows = static_cast<std::int64_t>(size());
  auto valid = x_valid.Release(nulls);
  std::shared_ptr<arrow::Buffer> values;
  if constexpr (std::is_same_v<T, bool>) {
    values = PackBits(reinterpret_cast<const std::uint8_t*>(x_values.data()), x_values.size());
  } else {
    values = x_values.Release();
  }
  return arrow::ArrayData::Make(type, rows, {std::move(valid), std::move(values)}, nulls);
}

template class FixedColumn<bool>;
template class FixedColumn<std::int32_t>;
template class FixedColumn<std::int64_t>;
template class FixedColumn<double>;

void TextColumn::FillNull(std::size_t count) {
  x_valid.FillNull(size(), count);
  x_offsets.Fill(static_cast<std::int32_t>(x_bytes.size()), count);
}

void TextColumn::Truncate(std::size_t rows) {
  x_valid.Truncate(rows);
  x_offsets.Truncate(rows + 1);
  Reopen();
}

ArrowData TextColumn::Release(const ArrowType& type) {
  std::int64_t nulls = 0;
  const auto rows = static_cast<std::int64_t>(size());
  auto valid = x_valid.Release(nulls);
  return arrow::ArrayData::Make(type, rows,
                                {std::move(valid), x_offsets.Release(), x_bytes.Release()}, nulls);
}

void DictionaryColumn::Fill(std::string_view text, std::size_t count) {
  if (count == 0) return;
  x_valid.FillValid(count);
  x_indices.Fill(Find(text), count);
}

void DictionaryColumn::FillOrNull(std::string_view text, std::size_t count) {
  if (!text.empty()) return Fill(text, count);
  x_valid.FillNull(x_indices.size(), count);
  x_indices.Fill(0, count);
}

ArrowData DictionaryColumn::Release(const ArrowType& type) {
  std::int64_t nulls = 0;
  const auto rows = static_cast<std::int64_t>(size());
  auto valid = x_valid.Release(nulls);
  auto data = arrow::ArrayData::Make(type, rows, {std::move(valid), x_indices.Release()}, nulls);
  data->dictionary = x_table.Release();
  return data;
}

}  // namespace signaldb

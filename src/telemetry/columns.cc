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
  any_null_ = true;
  valid_.Fill(1, rows);
}

void Validity::FillNull(std::size_t rows, std::size_t count) {
  if (count == 0) return;
  if (!any_null_) Begin(rows);
  valid_.Fill(0, count);
}

void Validity::Repeat(std::size_t begin, std::size_t count, std::size_t times) {
  if (!any_null_) return;
  std::uint8_t* to = valid_.Extend(count * times);
  for (std::size_t i = 0; i < times; ++i) std::memcpy(to + i * count, valid_.data() + begin, count);
}

std::shared_ptr<arrow::Buffer> Validity::Release(std::int64_t& nulls) {
  nulls = 0;
  if (!any_null_) return nullptr;
  for (std::size_t i = 0; i < valid_.size(); ++i) nulls += valid_[i] == 0 ? 1 : 0;
  return nulls == 0 ? nullptr : PackBits(valid_.data(), valid_.size());
}

template <typename T>
ArrowData FixedColumn<T>::Release(const ArrowType& type) {
  std::int64_t nulls = 0;
  const auto rows = static_cast<std::int64_t>(size());
  auto valid = valid_.Release(nulls);
  std::shared_ptr<arrow::Buffer> values;
  if constexpr (std::is_same_v<T, bool>) {
    values = PackBits(reinterpret_cast<const std::uint8_t*>(values_.data()), values_.size());
  } else {
    values = values_.Release();
  }
  return arrow::ArrayData::Make(type, rows, {std::move(valid), std::move(values)}, nulls);
}

template class FixedColumn<bool>;
template class FixedColumn<std::int32_t>;
template class FixedColumn<std::int64_t>;
template class FixedColumn<double>;

void TextColumn::FillNull(std::size_t count) {
  valid_.FillNull(size(), count);
  offsets_.Fill(static_cast<std::int32_t>(bytes_.size()), count);
}

void TextColumn::Truncate(std::size_t rows) {
  valid_.Truncate(rows);
  offsets_.Truncate(rows + 1);
  Reopen();
}

ArrowData TextColumn::Release(const ArrowType& type) {
  std::int64_t nulls = 0;
  const auto rows = static_cast<std::int64_t>(size());
  auto valid = valid_.Release(nulls);
  return arrow::ArrayData::Make(type, rows,
                                {std::move(valid), offsets_.Release(), bytes_.Release()}, nulls);
}

void DictionaryColumn::Fill(std::string_view text, std::size_t count) {
  if (count == 0) return;
  valid_.FillValid(count);
  indices_.Fill(Find(text), count);
}

void DictionaryColumn::FillOrNull(std::string_view text, std::size_t count) {
  if (!text.empty()) return Fill(text, count);
  valid_.FillNull(indices_.size(), count);
  indices_.Fill(0, count);
}

ArrowData DictionaryColumn::Release(const ArrowType& type) {
  std::int64_t nulls = 0;
  const auto rows = static_cast<std::int64_t>(size());
  auto valid = valid_.Release(nulls);
  auto data = arrow::ArrayData::Make(type, rows, {std::move(valid), indices_.Release()}, nulls);
  data->dictionary = table_.Release();
  return data;
}

}  // namespace signaldb

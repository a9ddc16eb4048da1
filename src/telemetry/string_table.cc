#include "telemetry/string_table.h"

#define XXH_INLINE_ALL
#include <arrow/array/data.h>
#include <arrow/type.h>
#include <xxhash.h>

namespace signaldb {
namespace {

constexpr std::size_t kFirstSlots = 64;

std::uint32_t HashOf(std::string_view text, const void* table) {
  // The address as a seed: where it lies differs from run to run, so that no sender can prepare
  // texts that collide. Numbers go by first occurrence, hence the rows do not depend on it.
  const auto seed = reinterpret_cast<std::uintptr_t>(table);
  return static_cast<std::uint32_t>(XXH3_64bits_withSeed(text.data(), text.size(), seed));
}

}  // namespace

StringTable::StringTable() { offsets_.Push(0); }

std::int32_t StringTable::IndexOf(std::string_view text) {
  if (2 * (static_cast<std::size_t>(size_) + 1) > slots_.size()) {
    Rehash(slots_.size() == 0 ? kFirstSlots : 2 * slots_.size());
  }
  // The slots' address, for it stays as long as the hashes are in use.
  const std::uint32_t hash = HashOf(text, slots_.data());
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  for (; slots_[at].index_plus_one != 0; at = (at + 1) & mask) {
    if (slots_[at].hash != hash) continue;
    const std::int32_t index = slots_[at].index_plus_one - 1;
    if (Is(index, text)) return index;
  }
  AppendText(bytes_, text);
  offsets_.Push(static_cast<std::int32_t>(bytes_.size()));
  slots_[at] = {hash, ++size_};
  return size_ - 1;
}

void StringTable::Rehash(std::size_t slots) {
  PodBuffer<Slot> bigger;
  bigger.Fill({0, 0}, slots);
  for (std::int32_t index = 0; index < size_; ++index) {
    const std::uint32_t hash = HashOf((*this)[index], bigger.data());
    std::size_t at = hash & (slots - 1);
    while (bigger[at].index_plus_one != 0) at = (at + 1) & (slots - 1);
    bigger[at] = {hash, index + 1};
  }
  slots_ = std::move(bigger);
}

std::shared_ptr<arrow::ArrayData> StringTable::Release() {
  auto data = arrow::ArrayData::Make(arrow::utf8(), size_,
                                     {nullptr, offsets_.Release(), bytes_.Release()}, 0);
  slots_ = {};
  size_ = 0;
  offsets_.Push(0);
  return data;
}

}  // namespace signaldb

#include "iceberg/data_file/dictionary_codes.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "iceberg/data_file/rle_bit_packed.h"

namespace signaldb {

namespace {

constexpr std::uint32_t kUnseen = ~std::uint32_t{0};
constexpr std::uint64_t kTableSpanMax = 1 << 16;
constexpr std::int64_t kSampleSize = 512;
constexpr std::int64_t kPageHeaderBytes = 40;

std::int64_t CountOf(const LeafColumn& column) {
  std::int64_t count = 0;
  for (const LeafPage& page : column.pages) count += page.count;
  return count;
}

std::int64_t EntryBytes(const LeafValues& values, std::int64_t entry) {
  if (values.physical == Physical::kBytes) {
    return 4 + values.offsets[entry + 1] - values.offsets[entry];
  }
  return values.width;
}

// What `code_of(position)` gives for every value, page by page.
template <typename CodeOf>
void AppendCodes(const LeafColumn& column, std::uint32_t* out, CodeOf code_of) {
  for (const LeafPage& page : column.pages) {
    if (page.positions == nullptr) {
      for (std::int64_t i = page.first; i < page.first + page.count; ++i) *out++ = code_of(i);
    } else {
      for (const std::int64_t i : *page.positions) *out++ = code_of(i);
    }
  }
}

bool IsWorthWhile(const DictionaryCodes& codes, std::int64_t plain_bytes,
                  std::int64_t dictionary_bytes_max) {
  if (codes.entry_bytes > dictionary_bytes_max) return false;
  const auto count = static_cast<std::int64_t>(codes.codes.size());
  const std::int64_t index_bytes = count * IndexWidth(codes.entries.size()) / 8;
  return codes.entry_bytes + index_bytes + kPageHeaderBytes < plain_bytes;
}

// Codes by direct look-up: the values lie within a narrow range.
template <typename T>
DictionaryCodes NumberByTable(const LeafColumn& column, const LeafValues& values,
                              std::int64_t lower, std::uint64_t span) {
  DictionaryCodes result;
  result.codes.resize(static_cast<std::size_t>(CountOf(column)));
  std::vector<std::uint32_t> table(span + 1, kUnseen);
  const T* v = values.As<T>();
  AppendCodes(column, result.codes.data(), [&](std::int64_t i) {
    std::uint32_t& code =
        table[static_cast<std::uint64_t>(v[i]) - static_cast<std::uint64_t>(lower)];
    if (code == kUnseen) {
      code = static_cast<std::uint32_t>(result.entries.size());
      result.entries.push_back(static_cast<std::int32_t>(i));
    }
    return code;
  });
  result.entry_bytes = static_cast<std::int64_t>(result.entries.size() * sizeof(T));
  return result;
}

bool SampleRepeats(const LeafColumn& column, const LeafValues& values, std::int64_t count) {
  const std::int64_t step = std::max<std::int64_t>(1, count / kSampleSize);
  std::unordered_set<std::string_view> seen;
  std::int64_t taken = 0;
  std::int64_t next = 0;
  std::int64_t base = 0;
  for (const LeafPage& page : column.pages) {
    for (; next < base + page.count; next += step, ++taken) {
      seen.insert(values.Bytes(page.PositionOf(next - base)));
    }
    base += page.count;
  }
  return std::cmp_less(seen.size(), taken / 2);
}

// Gives up, with nothing, when the dictionary grows too large to pay.
std::optional<DictionaryCodes> NumberByHash(const LeafColumn& column, const LeafValues& values,
                                            std::int64_t count, std::int64_t bytes_max) {
  DictionaryCodes result;
  result.codes.resize(static_cast<std::size_t>(count));
  std::size_t slots = 1024;
  while (slots < 2 * static_cast<std::size_t>(count)) slots *= 2;
  std::vector<std::uint32_t> table(slots, kUnseen);
  const std::hash<std::string_view> hash;
  bool gave_up = false;
  AppendCodes(column, result.codes.data(), [&](std::int64_t i) -> std::uint32_t {
    if (gave_up) return 0;
    const std::string_view value = values.Bytes(i);
    std::size_t at = hash(value) & (slots - 1);
    while (table[at] != kUnseen && values.Bytes(result.entries[table[at]]) != value) {
      at = (at + 1) & (slots - 1);
    }
    if (table[at] == kUnseen) {
      table[at] = static_cast<std::uint32_t>(result.entries.size());
      result.entries.push_back(static_cast<std::int32_t>(i));
      result.entry_bytes += EntryBytes(values, i);
      gave_up = result.entry_bytes > bytes_max;
    }
    return table[at];
  });
  if (gave_up) return std::nullopt;
  return result;
}

std::int64_t AsInteger(const Literal& literal) {
  if (const auto* small = std::get_if<std::int32_t>(&literal.value)) return *small;
  return std::get<std::int64_t>(literal.value);
}

std::optional<DictionaryCodes> NumberIntegers(const LeafColumn& column, const LeafValues& values,
                                              const ValueRange& range, std::int64_t count) {
  // Decimal bounds are texts of bytes; their columns stay plain.
  if (!range.lower || !range.upper) return std::nullopt;
  if (std::holds_alternative<std::string>(range.lower->value)) return std::nullopt;
  const std::int64_t lower = AsInteger(*range.lower);
  const std::uint64_t span =
      static_cast<std::uint64_t>(AsInteger(*range.upper)) - static_cast<std::uint64_t>(lower);
  if (span >= kTableSpanMax || span > static_cast<std::uint64_t>(count) * 4 + 1024) {
    return std::nullopt;
  }
  return values.physical == Physical::kInt32
             ? NumberByTable<std::int32_t>(column, values, lower, span)
             : NumberByTable<std::int64_t>(column, values, lower, span);
}

}  // namespace

int IndexWidth(std::size_t count) {
  return std::max(1, BitWidthOf(static_cast<std::uint32_t>(count > 0 ? count - 1 : 0)));
}

DictionaryCodes NumberEntries(const LeafColumn& column, const LeafValues& values) {
  DictionaryCodes result;
  result.codes.resize(static_cast<std::size_t>(CountOf(column)));
  std::vector<std::uint32_t> code_of(static_cast<std::size_t>(values.dictionary_size), kUnseen);
  const std::int32_t* indices = values.indices;
  AppendCodes(column, result.codes.data(), [&](std::int64_t i) {
    std::uint32_t& code = code_of[static_cast<std::size_t>(indices[i])];
    if (code == kUnseen) [[unlikely]] {
      code = static_cast<std::uint32_t>(result.entries.size());
      result.entries.push_back(indices[i]);
      result.entry_bytes += EntryBytes(values, indices[i]);
    }
    return code;
  });
  return result;
}

std::optional<DictionaryCodes> FindDictionary(const LeafColumn& column, const LeafValues& values,
                                              const ValueRange& range, DictionaryUse use,
                                              std::int64_t dictionary_bytes_max) {
  const std::int64_t count = CountOf(column);
  if (use == DictionaryUse::kNever || count == 0 || count >= kUnseen) return std::nullopt;
  std::optional<DictionaryCodes> found;
  std::int64_t plain_bytes = count * values.width;
  if (values.indices != nullptr) {
    found = NumberEntries(column, values);
    plain_bytes = found->entry_bytes * count / static_cast<std::int64_t>(found->entries.size());
  } else if (values.physical == Physical::kInt32 || values.physical == Physical::kInt64) {
    found = NumberIntegers(column, values, range, count);
  } else if (values.physical != Physical::kBool) {
    const bool sampled = values.physical == Physical::kBytes || values.physical == Physical::kFixed;
    if (use == DictionaryUse::kWanted || (sampled && SampleRepeats(column, values, count))) {
      found = NumberByHash(column, values, count, dictionary_bytes_max);
    }
    if (found.has_value() && values.physical == Physical::kBytes) {
      plain_bytes = found->entry_bytes * count / static_cast<std::int64_t>(found->entries.size());
    }
  }
  if (!found.has_value() || !IsWorthWhile(*found, plain_bytes, dictionary_bytes_max)) {
    return std::nullopt;
  }
  return found;
}

}  // namespace signaldb

#include "iceberg/data_file/column_metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include <arrow/util/bit_util.h>

#include "iceberg/data_file/parquet_layout.h"
#include "iceberg/schema/decimal_bytes.h"

namespace signaldb {

namespace {

template <typename T>
struct MinMax {
  T lower = std::numeric_limits<T>::max();
  T upper = std::numeric_limits<T>::lowest();
};

// Calls `visit(i)` with the position of each value; the contiguous loop is the one that vectorises.
template <typename Visit>
void ForEachPosition(const LeafPage& page, Visit visit) {
  if (page.positions == nullptr) {
    for (std::int64_t i = page.first; i < page.first + page.count; ++i) visit(i);
  } else {
    for (const std::int64_t i : *page.positions) visit(i);
  }
}

template <typename T>
MinMax<T> IntegerRange(const LeafValues& values, const LeafPage& page) {
  const T* v = values.As<T>();
  MinMax<T> range;
  ForEachPosition(page, [&](std::int64_t i) {
    range.lower = std::min(range.lower, v[i]);
    range.upper = std::max(range.upper, v[i]);
  });
  return range;
}

Literal IntegerLiteral(const Type& type, std::int64_t value) {
  if (type.id() == TypeId::kDecimal) return Literal{DecimalToBytes(value)};
  if (PhysicalOf(type) == Physical::kInt32) return Literal{static_cast<std::int32_t>(value)};
  return Literal{value};
}

template <typename T>
void SetIntegers(const Type& type, const LeafValues& values, const LeafPage& page,
                 ValueRange& range) {
  const MinMax<T> found = IntegerRange<T>(values, page);
  range.lower = IntegerLiteral(type, found.lower);
  range.upper = IntegerLiteral(type, found.upper);
}

template <typename T>
void SetFloats(const LeafValues& values, const LeafPage& page, ValueRange& range) {
  const T* v = values.As<T>();
  T lower = std::numeric_limits<T>::infinity();
  T upper = -std::numeric_limits<T>::infinity();
  ForEachPosition(page, [&](std::int64_t i) {
    range.nans += std::isnan(v[i]);
    lower = v[i] < lower ? v[i] : lower;
    upper = v[i] > upper ? v[i] : upper;
  });
  if (range.nans == page.count) return;
  range.lower = Literal{lower == T{0} ? -T{0} : lower};
  range.upper = Literal{upper == T{0} ? T{0} : upper};
}

void SetBooleans(const LeafValues& values, const LeafPage& page, ValueRange& range) {
  bool any_true = false;
  bool any_false = false;
  ForEachPosition(page, [&](std::int64_t i) {
    const bool value = arrow::bit_util::GetBit(values.data, values.bit_offset + i);
    any_true |= value;
    any_false |= !value;
  });
  range.lower = Literal{!any_false};
  range.upper = Literal{any_true};
}

// The first eight bytes as a number that orders as the bytes do.
std::uint64_t Prefix(std::string_view bytes) {
  std::uint64_t word = 0;
  if (bytes.size() >= 8)
    std::memcpy(&word, bytes.data(), 8);
  else if (!bytes.empty())
    std::memcpy(&word, bytes.data(), bytes.size());
  return std::byteswap(word);
}

class BytesRange {
 public:
  void Add(std::string_view value) {
    const std::uint64_t prefix = Prefix(value);
    if (!any_) {
      any_ = true;
      lower_ = upper_ = value;
      lower_prefix_ = upper_prefix_ = prefix;
      return;
    }
    if (prefix <= lower_prefix_ && value < lower_) {
      lower_ = value;
      lower_prefix_ = prefix;
    } else if (prefix >= upper_prefix_ && value > upper_) {
      upper_ = value;
      upper_prefix_ = prefix;
    }
  }
  [[nodiscard]] std::string_view lower() const { return lower_; }
  [[nodiscard]] std::string_view upper() const { return upper_; }

 private:
  bool any_ = false;
  std::string_view lower_;
  std::string_view upper_;
  std::uint64_t lower_prefix_ = 0;
  std::uint64_t upper_prefix_ = 0;
};

void SetBytes(const LeafValues& values, const LeafPage& page, const std::vector<std::int32_t>* used,
              ValueRange& range) {
  BytesRange found;
  if (used != nullptr) {
    for (const std::int32_t entry : *used) found.Add(values.Bytes(entry));
  } else {
    ForEachPosition(page, [&](std::int64_t i) { found.Add(values.Bytes(values.EntryOf(i))); });
  }
  range.lower = Literal{std::string(found.lower())};
  range.upper = Literal{std::string(found.upper())};
}

void SetWideDecimals(const LeafValues& values, const LeafPage& page, ValueRange& range) {
  std::optional<Int128> lower;
  std::optional<Int128> upper;
  ForEachPosition(page, [&](std::int64_t i) {
    const Int128 value = *DecimalFromBytes(values.Bytes(i));
    lower = std::min(lower.value_or(value), value);
    upper = std::max(upper.value_or(value), value);
  });
  if (!lower || !upper) return;  // A page without values.
  range.lower = Literal{DecimalToBytes(*lower)};
  range.upper = Literal{DecimalToBytes(*upper)};
}

// Byte offset after `count` code points, or npos if the text is not longer than that.
std::size_t EndOfCodePoints(std::string_view text, std::int32_t count) {
  std::size_t at = 0;
  while (at < text.size() && count > 0) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    --count;
  }
  return at < text.size() ? at : std::string_view::npos;
}

std::size_t LastCodePoint(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

std::uint32_t DecodeCodePoint(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  std::uint32_t point = lead;
  if (bytes.size() == 2) point = lead & 0x1FU;
  if (bytes.size() == 3) point = lead & 0x0FU;
  if (bytes.size() == 4) point = lead & 0x07U;
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    point = (point << 6) | (static_cast<unsigned char>(bytes[i]) & 0x3FU);
  }
  return point;
}

void AppendCodePoint(std::uint32_t point, std::string& out) {
  const auto tail = [&](int shift) {
    out += static_cast<char>(0x80U | ((point >> shift) & 0x3FU));
  };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0U | (point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0U | (point >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::optional<std::string> IncrementText(std::string text) {
  constexpr std::uint32_t kPointMax = 0x10FFFF;
  while (!text.empty()) {
    const std::size_t at = LastCodePoint(text);
    std::uint32_t point = DecodeCodePoint(std::string_view(text).substr(at));
    text.resize(at);
    if (point >= kPointMax) continue;
    ++point;
    if (point == 0xD800) point = 0xE000;  // Surrogates are not characters.
    AppendCodePoint(point, text);
    return text;
  }
  return std::nullopt;
}

std::optional<std::string> IncrementBytes(std::string bytes) {
  while (!bytes.empty() && static_cast<unsigned char>(bytes.back()) == 0xFF) bytes.pop_back();
  if (bytes.empty()) return std::nullopt;
  bytes.back() = static_cast<char>(static_cast<unsigned char>(bytes.back()) + 1);
  return bytes;
}

bool IsTruncatable(const Type& type) {
  return type.id() == TypeId::kString || type.id() == TypeId::kBinary;
}

template <typename T>
std::string LittleEndian(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

std::string DecimalParquetBytes(const Type& type, const std::string& minimal) {
  const std::optional<Int128> decimal = DecimalFromBytes(minimal);
  SIGNALDB_ASSERT(decimal.has_value());
  const Int128 value = *decimal;
  if (type.precision() <= 9) return LittleEndian(static_cast<std::int32_t>(value));
  if (type.precision() <= 18) return LittleEndian(static_cast<std::int64_t>(value));
  const auto width = static_cast<std::size_t>(DecimalWidth(type.precision()));
  return std::string(width - minimal.size(), value < 0 ? '\xFF' : '\0') + minimal;
}

}  // namespace

void ValueRange::Merge(const Type& type, const ValueRange& other) {
  values += other.values;
  nulls += other.nulls;
  nans += other.nans;
  if (other.lower && (!lower || Compare(type, *other.lower, *lower) < 0)) lower = other.lower;
  if (other.upper && (!upper || Compare(type, *other.upper, *upper) > 0)) upper = other.upper;
}

ValueRange RangeOf(const Type& type, const LeafValues& values, const LeafPage& page,
                   const std::vector<std::int32_t>* used) {
  ValueRange range{.values = page.slots, .nulls = page.slots - page.count};
  if (page.count == 0) return range;
  switch (values.physical) {
    case Physical::kBool:
      SetBooleans(values, page, range);
      break;
    case Physical::kInt32:
      SetIntegers<std::int32_t>(type, values, page, range);
      break;
    case Physical::kInt64:
      SetIntegers<std::int64_t>(type, values, page, range);
      break;
    case Physical::kFloat:
      SetFloats<float>(values, page, range);
      break;
    case Physical::kDouble:
      SetFloats<double>(values, page, range);
      break;
    case Physical::kBytes:
      SetBytes(values, page, used, range);
      break;
    case Physical::kFixed:
      if (type.id() == TypeId::kDecimal)
        SetWideDecimals(values, page, range);
      else
        SetBytes(values, page, used, range);
      break;
  }
  return range;
}

std::string ParquetBytes(const Type& type, const Literal& literal) {
  if (type.id() == TypeId::kDecimal) {
    return DecimalParquetBytes(type, std::get<std::string>(literal.value));
  }
  // Everything else is stored as Iceberg stores its single values.
  return ToSingleValueBytes(type, literal);
}

std::string TruncateLower(const Type& type, const std::string& value, std::int32_t length) {
  if (type.id() == TypeId::kBinary) return value.substr(0, static_cast<std::size_t>(length));
  const std::size_t end = EndOfCodePoints(value, length);
  return end == std::string::npos ? value : value.substr(0, end);
}

std::optional<std::string> TruncateUpper(const Type& type, const std::string& value,
                                         std::int32_t length) {
  if (type.id() == TypeId::kBinary) {
    if (value.size() <= static_cast<std::size_t>(length)) return value;
    return IncrementBytes(value.substr(0, static_cast<std::size_t>(length)));
  }
  const std::size_t end = EndOfCodePoints(value, length);
  if (end == std::string::npos) return value;
  return IncrementText(value.substr(0, end));
}

void AddColumnMetrics(const Field& field, const MetricsMode& mode, const ValueRange& range,
                      DataFile& file) {
  if (mode.kind == MetricsMode::Kind::kNone) return;
  const TypeId id = field.type.id();
  file.value_counts[field.id] = range.values;
  file.null_value_counts[field.id] = range.nulls;
  if (id == TypeId::kFloat || id == TypeId::kDouble) file.nan_value_counts[field.id] = range.nans;
  if (mode.kind == MetricsMode::Kind::kCounts || !range.lower || !range.upper) return;
  if (mode.kind == MetricsMode::Kind::kTruncate && IsTruncatable(field.type)) {
    const auto& lower = std::get<std::string>(range.lower->value);
    file.lower_bounds[field.id] = TruncateLower(field.type, lower, mode.length);
    const auto& upper = std::get<std::string>(range.upper->value);
    if (auto cut = TruncateUpper(field.type, upper, mode.length); cut.has_value()) {
      file.upper_bounds[field.id] = std::move(*cut);
    }
    return;
  }
  file.lower_bounds[field.id] = ToSingleValueBytes(field.type, *range.lower);
  file.upper_bounds[field.id] = ToSingleValueBytes(field.type, *range.upper);
}

}  // namespace signaldb

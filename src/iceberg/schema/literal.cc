#include "iceberg/schema/literal.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "iceberg/schema/civil_time.h"
#include "iceberg/schema/decimal_bytes.h"

namespace signaldb {
namespace {

static_assert(std::endian::native == std::endian::little,
              "single values are little-endian and copied as they are");

constexpr std::size_t kUuidBytes = 16;

// Which alternative of Literal::value a type uses; the monostate for types without single values.
std::size_t AlternativeOf(TypeId id) {
  switch (id) {
    case TypeId::kBoolean:
      return 1;
    case TypeId::kInt:
    case TypeId::kDate:
      return 2;
    case TypeId::kLong:
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
    case TypeId::kTimestampNs:
    case TypeId::kTimestampTzNs:
      return 3;
    case TypeId::kFloat:
      return 4;
    case TypeId::kDouble:
      return 5;
    case TypeId::kDecimal:
    case TypeId::kString:
    case TypeId::kUuid:
    case TypeId::kFixed:
    case TypeId::kBinary:
    case TypeId::kGeometry:
    case TypeId::kGeography:
    case TypeId::kVariant:
      return 6;
    default:
      return 0;
  }
}

template <typename T>
const T& Get(const Literal& literal) {
  const T* value = std::get_if<T>(&literal.value);
  SIGNALDB_ASSERT(value != nullptr);
  return *value;
}

template <typename T>
std::string LittleEndian(const Literal& literal) {
  const T value = Get<T>(literal);
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

template <typename T>
T FromLittleEndian(std::string_view bytes) {
  SIGNALDB_ASSERT(bytes.size() == sizeof(T));
  T value;
  std::memcpy(&value, bytes.data(), bytes.size());
  return value;
}

std::unexpected<Error> WrongLength(const Type& type, std::string_view bytes) {
  return Fail(ErrorKind::kCorrupt,
              fmt::format("single value has the wrong length for its type type={} length={}",
                          type.ToText(), bytes.size()));
}

Result<Literal> FixedWidthFromBytes(const Type& type, std::string_view bytes) {
  switch (AlternativeOf(type.id())) {
    case 1:
      if (bytes.size() != 1) break;
      return Literal{bytes[0] != 0};
    case 2:
      if (bytes.size() != 4) break;
      return Literal{FromLittleEndian<std::int32_t>(bytes)};
    case 3:
      if (bytes.size() == 8) return Literal{FromLittleEndian<std::int64_t>(bytes)};
      // The column was int when the bound was written.
      if (bytes.size() == 4 && type.id() == TypeId::kLong) {
        return Literal{std::int64_t{FromLittleEndian<std::int32_t>(bytes)}};
      }
      break;
    case 4:
      if (bytes.size() != 4) break;
      return Literal{FromLittleEndian<float>(bytes)};
    case 5:
      if (bytes.size() == 8) return Literal{FromLittleEndian<double>(bytes)};
      // The column was float when the bound was written.
      if (bytes.size() == 4) return Literal{double{FromLittleEndian<float>(bytes)}};
      break;
    default:
      break;
  }
  return WrongLength(type, bytes);
}

template <typename T>
std::strong_ordering CompareFloating(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) {
    return std::isnan(a) <=> std::isnan(b);
  }
  return std::strong_order(a, b);
}

Int128 DecimalOf(const Literal& literal) {
  const auto number = DecimalFromBytes(Get<std::string>(literal));
  SIGNALDB_ASSERT(number.has_value());
  return *number;
}

std::strong_ordering CompareDecimals(Int128 a, Int128 b) {
  if (a == b) return std::strong_ordering::equal;
  return a < b ? std::strong_ordering::less : std::strong_ordering::greater;
}

std::string TimestampText(std::int64_t value, std::int64_t per_day, int fraction_digits,
                          std::string_view zone) {
  return fmt::format("{}T{}{}", DayText(FloorDiv(value, per_day)),
                     TimeOfDayText(FloorMod(value, per_day), fraction_digits), zone);
}

std::string UuidText(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(bytes[i]));
  }
  return text;
}

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t taken = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j) {
      group = (group << 8U) | (j < taken ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= taken ? kAlphabet[(group >> (18U - 6U * j)) & 63U] : '=';
    }
  }
  return text;
}

}  // namespace

bool IsLiteralOf(const Type& type, const Literal& literal) {
  if (literal.is_null() || literal.value.index() != AlternativeOf(type.id())) return false;
  const std::string* bytes = std::get_if<std::string>(&literal.value);
  if (bytes == nullptr) return true;
  switch (type.id()) {
    case TypeId::kUuid:
      return bytes->size() == kUuidBytes;
    case TypeId::kFixed:
      return bytes->size() == static_cast<std::size_t>(type.length());
    case TypeId::kDecimal:
      return !bytes->empty() && bytes->size() <= kDecimalBytesMax;
    default:
      return true;
  }
}

std::string ToSingleValueBytes(const Type& type, const Literal& literal) {
  SIGNALDB_ASSERT(IsLiteralOf(type, literal));
  switch (AlternativeOf(type.id())) {
    case 1:
      return std::string(1, Get<bool>(literal) ? '\1' : '\0');
    case 2:
      return LittleEndian<std::int32_t>(literal);
    case 3:
      return LittleEndian<std::int64_t>(literal);
    case 4:
      return LittleEndian<float>(literal);
    case 5:
      return LittleEndian<double>(literal);
    default:
      break;
  }
  if (type.id() == TypeId::kDecimal) return DecimalToBytes(DecimalOf(literal));
  return Get<std::string>(literal);
}

Result<Literal> FromSingleValueBytes(const Type& type, std::string_view bytes) {
  switch (type.id()) {
    case TypeId::kString:
    case TypeId::kBinary:
    case TypeId::kGeometry:
    case TypeId::kGeography:
    case TypeId::kVariant:
      return Literal{std::string(bytes)};
    case TypeId::kUuid:
      if (bytes.size() != kUuidBytes) return WrongLength(type, bytes);
      return Literal{std::string(bytes)};
    case TypeId::kFixed:
      if (bytes.size() != static_cast<std::size_t>(type.length())) return WrongLength(type, bytes);
      return Literal{std::string(bytes)};
    case TypeId::kDecimal: {
      // Some writers pad; equal numbers must be equal literals.
      const auto number = DecimalFromBytes(bytes);
      if (!number) return WrongLength(type, bytes);
      return Literal{DecimalToBytes(*number)};
    }
    default:
      return FixedWidthFromBytes(type, bytes);
  }
}

std::strong_ordering Compare(const Type& type, const Literal& a, const Literal& b) {
  SIGNALDB_ASSERT(IsLiteralOf(type, a) && IsLiteralOf(type, b));
  switch (AlternativeOf(type.id())) {
    case 1:
      return Get<bool>(a) <=> Get<bool>(b);
    case 2:
      return Get<std::int32_t>(a) <=> Get<std::int32_t>(b);
    case 3:
      return Get<std::int64_t>(a) <=> Get<std::int64_t>(b);
    case 4:
      return CompareFloating(Get<float>(a), Get<float>(b));
    case 5:
      return CompareFloating(Get<double>(a), Get<double>(b));
    default:
      break;
  }
  if (type.id() == TypeId::kDecimal) return CompareDecimals(DecimalOf(a), DecimalOf(b));
  // std::string compares by unsigned bytes, which is also the order of code points.
  return Get<std::string>(a) <=> Get<std::string>(b);
}

std::string ToText(const Type& type, const Literal& literal) {
  if (literal.is_null()) return "null";
  SIGNALDB_ASSERT(IsLiteralOf(type, literal));
  switch (type.id()) {
    case TypeId::kBoolean:
      return Get<bool>(literal) ? "true" : "false";
    case TypeId::kInt:
      return fmt::to_string(Get<std::int32_t>(literal));
    case TypeId::kLong:
      return fmt::to_string(Get<std::int64_t>(literal));
    case TypeId::kFloat:
      return fmt::format("{}", Get<float>(literal));
    case TypeId::kDouble:
      return fmt::format("{}", Get<double>(literal));
    case TypeId::kDecimal:
      return DecimalToText(DecimalOf(literal), type.scale());
    case TypeId::kDate:
      return DayText(Get<std::int32_t>(literal));
    case TypeId::kTime:
      return TimeOfDayText(Get<std::int64_t>(literal), 6);
    case TypeId::kTimestamp:
      return TimestampText(Get<std::int64_t>(literal), kMicrosPerDay, 6, "");
    case TypeId::kTimestampTz:
      return TimestampText(Get<std::int64_t>(literal), kMicrosPerDay, 6, "+00:00");
    case TypeId::kTimestampNs:
      return TimestampText(Get<std::int64_t>(literal), kMicrosPerDay * kNanosPerMicro, 9, "");
    case TypeId::kTimestampTzNs:
      return TimestampText(Get<std::int64_t>(literal), kMicrosPerDay * kNanosPerMicro, 9, "+00:00");
    case TypeId::kString:
      return Get<std::string>(literal);
    case TypeId::kUuid:
      return UuidText(Get<std::string>(literal));
    default:
      return Base64(Get<std::string>(literal));
  }
}

}  // namespace signaldb

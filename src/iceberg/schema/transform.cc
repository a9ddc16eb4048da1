#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "iceberg/schema/civil_time.h"
#include "iceberg/schema/decimal_bytes.h"
#include "iceberg/schema/murmur3.h"
#include "iceberg/schema/partition_spec.h"

namespace signaldb {
namespace {

constexpr std::int64_t kEpochYear = 1970;

constexpr std::array kPlainTransforms = {
    std::pair{std::string_view("identity"), TransformKind::kIdentity},
    std::pair{std::string_view("year"), TransformKind::kYear},
    std::pair{std::string_view("month"), TransformKind::kMonth},
    std::pair{std::string_view("day"), TransformKind::kDay},
    std::pair{std::string_view("hour"), TransformKind::kHour},
    std::pair{std::string_view("void"), TransformKind::kVoid},
};

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// "[16]" -> 16; nothing for zero, for signs and for more than fits.
std::optional<std::int32_t> Parameter(std::string_view text) {
  if (!text.starts_with('[') || !text.ends_with(']')) return std::nullopt;
  const std::string_view digits = text.substr(1, text.size() - 2);
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || number < 1) {
    return std::nullopt;
  }
  return number;
}

bool IsTimestamp(TypeId id) {
  return id == TypeId::kTimestamp || id == TypeId::kTimestampTz || id == TypeId::kTimestampNs ||
         id == TypeId::kTimestampTzNs;
}

bool IsNanos(TypeId id) { return id == TypeId::kTimestampNs || id == TypeId::kTimestampTzNs; }

bool CanBucket(TypeId id) {
  switch (id) {
    case TypeId::kInt:
    case TypeId::kLong:
    case TypeId::kDecimal:
    case TypeId::kDate:
    case TypeId::kTime:
    case TypeId::kString:
    case TypeId::kUuid:
    case TypeId::kFixed:
    case TypeId::kBinary:
      return true;
    default:
      return IsTimestamp(id);
  }
}

bool CanTruncate(TypeId id) {
  return id == TypeId::kInt || id == TypeId::kLong || id == TypeId::kDecimal ||
         id == TypeId::kString || id == TypeId::kBinary;
}

bool CanIdentity(const Type& type) {
  return type.is_primitive() && type.id() != TypeId::kVariant && type.id() != TypeId::kGeometry &&
         type.id() != TypeId::kGeography;
}

bool Takes(TransformKind kind, const Type& source) {
  switch (kind) {
    case TransformKind::kIdentity:
      return CanIdentity(source);
    case TransformKind::kBucket:
      return CanBucket(source.id());
    case TransformKind::kTruncate:
      return CanTruncate(source.id());
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kDay:
      return source.id() == TypeId::kDate || IsTimestamp(source.id());
    case TransformKind::kHour:
      return IsTimestamp(source.id());
    case TransformKind::kVoid:
    case TransformKind::kUnknown:
      return true;
  }
  std::unreachable();
}

std::string LongBytes(std::int64_t number) {
  std::string bytes(sizeof(number), '\0');
  std::memcpy(bytes.data(), &number, sizeof(number));
  return bytes;
}

// As Java's Double.doubleToLongBits after -0.0 became 0.0: one NaN, one zero.
std::int64_t CanonicalBits(double number) {
  if (std::isnan(number)) number = std::numeric_limits<double>::quiet_NaN();
  return std::bit_cast<std::int64_t>(number == 0.0 ? 0.0 : number);
}

// The bytes that the bucket transform hashes: all numbers as 8 bytes, so that a column that grew
// from int to long keeps its buckets, and nanoseconds as microseconds.
std::string HashedBytes(const Type& source, const Literal& value) {
  return std::visit(
      [&source]<typename T>(const T& held) -> std::string {
        if constexpr (std::is_same_v<T, std::string>) {
          if (source.id() == TypeId::kDecimal) {
            return DecimalToBytes(DecimalFromBytes(held).value_or(0));
          }
          return held;
        } else if constexpr (std::is_floating_point_v<T>) {
          return LongBytes(CanonicalBits(held));
        } else if constexpr (std::is_integral_v<T>) {
          const std::int64_t number = held;
          return LongBytes(IsNanos(source.id()) ? FloorDiv(number, kNanosPerMicro) : number);
        } else {
          return {};
        }
      },
      value.value);
}

// Wraps at the lowest number as Java does: engines must agree on the value.
template <typename T>
T TruncateInteger(T value, std::int32_t width) {
  using Unsigned = std::make_unsigned_t<T>;
  const auto rest = static_cast<T>(FloorMod(value, width));
  return static_cast<T>(static_cast<Unsigned>(value) - static_cast<Unsigned>(rest));
}

std::string TruncateDecimal(const std::string& bytes, std::int32_t width) {
  const Int128 value = DecimalFromBytes(bytes).value_or(0);
  const Int128 rest = ((value % width) + width) % width;
  return DecimalToBytes(value - rest);
}

// The first `width` code points: cuts before the byte that starts the next one.
std::string TruncateText(const std::string& text, std::int32_t width) {
  std::int32_t seen = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool starts = (static_cast<unsigned char>(text[at]) & 0xc0U) != 0x80U;
    if (starts && seen++ == width) return text.substr(0, at);
  }
  return text;
}

Literal Truncate(const Type& source, const Literal& value, std::int32_t width) {
  switch (source.id()) {
    case TypeId::kInt:
      return {TruncateInteger(std::get<std::int32_t>(value.value), width)};
    case TypeId::kLong:
      return {TruncateInteger(std::get<std::int64_t>(value.value), width)};
    case TypeId::kDecimal:
      return {TruncateDecimal(std::get<std::string>(value.value), width)};
    case TypeId::kString:
      return {TruncateText(std::get<std::string>(value.value), width)};
    default:
      return {std::get<std::string>(value.value).substr(0, static_cast<std::size_t>(width))};
  }
}

std::int64_t MicrosOf(const Type& source, const Literal& value) {
  const auto number = std::get<std::int64_t>(value.value);
  return IsNanos(source.id()) ? FloorDiv(number, kNanosPerMicro) : number;
}

std::int64_t DaysOf(const Type& source, const Literal& value) {
  if (source.id() == TypeId::kDate) return std::get<std::int32_t>(value.value);
  return FloorDiv(MicrosOf(source, value), kMicrosPerDay);
}

Result<Literal> TimePart(TransformKind kind, const Type& source, const Literal& value) {
  std::int64_t part = 0;
  if (kind == TransformKind::kHour) {
    part = FloorDiv(MicrosOf(source, value), kMicrosPerHour);
  } else {
    part = DaysOf(source, value);
    if (kind != TransformKind::kDay) {
      const CivilDay civil = CivilFromDays(part);
      const std::int64_t years = civil.year - kEpochYear;
      part = kind == TransformKind::kYear ? years : years * 12 + civil.month - 1;
    }
  }
  if (!std::in_range<std::int32_t>(part)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("time is too far from 1970 for its partition value={}", part));
  }
  return Literal{static_cast<std::int32_t>(part)};
}

std::string YearText(std::int64_t year) {
  return fmt::format("{}{:04}", year < 0 ? "-" : "", year < 0 ? -year : year);
}

}  // namespace

Transform Transform::FromText(std::string_view text) {
  const std::string lower = LowerCase(text);
  for (const auto& [name, kind] : kPlainTransforms) {
    if (lower == name) return {kind, 0, {}};
  }
  for (const auto& [name, kind] : {std::pair{"bucket", TransformKind::kBucket},
                                   std::pair{"truncate", TransformKind::kTruncate}}) {
    if (!lower.starts_with(name)) continue;
    const auto parameter = Parameter(std::string_view(lower).substr(std::string_view(name).size()));
    if (parameter) return {kind, *parameter, {}};
  }
  return {TransformKind::kUnknown, 0, std::string(text)};
}

std::string Transform::ToText() const {
  if (kind == TransformKind::kBucket) return fmt::format("bucket[{}]", parameter);
  if (kind == TransformKind::kTruncate) return fmt::format("truncate[{}]", parameter);
  for (const auto& [name, plain] : kPlainTransforms) {
    if (plain == kind) return std::string(name);
  }
  return unknown_text;
}

Result<Type> Transform::ResultType(const Type& source) const {
  if (!Takes(kind, source)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("transform does not take the type of its column transform={} type={}",
                            ToText(), source.ToText()));
  }
  switch (kind) {
    case TransformKind::kBucket:
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kHour:
      return Type(TypeId::kInt);
    case TransformKind::kDay:
      return Type(TypeId::kDate);
    case TransformKind::kUnknown:
      return Type(TypeId::kUnknown);
    default:
      return source;
  }
}

Result<Literal> Transform::Apply(const Type& source, const Literal& value) const {
  if (kind == TransformKind::kUnknown) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("cannot write partitions of an unknown transform transform={}", unknown_text));
  }
  SIGNALDB_TRY(ResultType(source));
  if (value.is_null() || kind == TransformKind::kVoid) return Literal{};
  if (!IsLiteralOf(source, value)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("value is not of the type of its column transform={} type={}", ToText(),
                            source.ToText()));
  }
  switch (kind) {
    case TransformKind::kIdentity:
      return value;
    case TransformKind::kBucket:
      return Literal{(BucketHash(source, value) & std::numeric_limits<std::int32_t>::max()) %
                     parameter};
    case TransformKind::kTruncate:
      return Truncate(source, value, parameter);
    default:
      return TimePart(kind, source, value);
  }
}

std::string Transform::ToHumanText(const Type& result, const Literal& value) const {
  const auto* number = std::get_if<std::int32_t>(&value.value);
  if (number != nullptr) {
    const std::int64_t part = *number;
    switch (kind) {
      case TransformKind::kYear:
        return YearText(kEpochYear + part);
      case TransformKind::kMonth:
        return fmt::format("{}-{:02}", YearText(kEpochYear + FloorDiv(part, 12)),
                           FloorMod(part, 12) + 1);
      case TransformKind::kDay:
        return DayText(part);
      case TransformKind::kHour:
        return fmt::format("{}-{:02}", DayText(FloorDiv(part, 24)), FloorMod(part, 24));
      default:
        break;
    }
  }
  return signaldb::ToText(result, value);
}

std::int32_t BucketHash(const Type& source, const Literal& value) {
  return static_cast<std::int32_t>(Murmur3(HashedBytes(source, value)));
}

}  // namespace signaldb

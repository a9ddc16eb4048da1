#include "iceberg/manifest/partition_value.h"

#include <cmath>
#include <utility>

#include "iceberg/manifest/manifest_schema.h"

namespace signaldb {
namespace {

bool FitsLength(const Type& type, const std::string& bytes) {
  switch (type.id()) {
    case TypeId::kUuid:
      return bytes.size() == 16;
    case TypeId::kFixed:
      return bytes.size() == static_cast<std::size_t>(type.length());
    case TypeId::kDecimal:
      return !bytes.empty() && bytes.size() <= DecimalBytes(type.precision());
    default:
      return true;
  }
}

/// Takes off the sign bytes that say nothing.
std::string_view MinimalTwosComplement(std::string_view bytes) {
  const auto is_negative = [](char c) { return (static_cast<std::uint8_t>(c) & 0x80) != 0; };
  while (bytes.size() > 1 && (bytes[0] == '\0' || bytes[0] == '\xFF') &&
         is_negative(bytes[0]) == is_negative(bytes[1])) {
    bytes.remove_prefix(1);
  }
  return bytes;
}

void WriteDecimal(std::size_t size, const std::string& minimal, AvroEncoder& encoder) {
  const bool negative = (static_cast<std::uint8_t>(minimal[0]) & 0x80) != 0;
  encoder.WriteFixed(std::string(size - minimal.size(), negative ? '\xFF' : '\0'));
  encoder.WriteFixed(minimal);
}

Literal ReadByKind(const AvroSchema& avro, AvroDecoder& decoder) {
  switch (avro.kind) {
    case AvroKind::kBoolean:
      return {decoder.ReadBoolean()};
    case AvroKind::kInt:
      return {decoder.ReadInt()};
    case AvroKind::kLong:
      return {decoder.ReadLong()};
    case AvroKind::kFloat:
      return {decoder.ReadFloat()};
    case AvroKind::kDouble:
      return {decoder.ReadDouble()};
    case AvroKind::kString:
    case AvroKind::kBytes:
      return {std::string(decoder.ReadBytes())};
    case AvroKind::kFixed: {
      const std::string_view bytes = decoder.ReadFixed(avro.fixed_size);
      if (bytes.empty()) return {std::string()};
      return {std::string(avro.logical_type == "decimal" ? MinimalTwosComplement(bytes) : bytes)};
    }
    case AvroKind::kNull:
      return {};
    default:
      decoder.Fault("a partition value is not a primitive");
      return {};
  }
}

}  // namespace

std::optional<Literal> FitPartitionValue(const Type& type, const Literal& value) {
  if (value.is_null()) return value;
  const auto as_is = [&](bool fits) { return fits ? std::optional<Literal>(value) : std::nullopt; };
  switch (type.id()) {
    case TypeId::kBoolean:
      return as_is(std::holds_alternative<bool>(value.value));
    case TypeId::kInt:
    case TypeId::kDate:
      return as_is(std::holds_alternative<std::int32_t>(value.value));
    case TypeId::kLong:
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
    case TypeId::kTimestampNs:
    case TypeId::kTimestampTzNs:
      if (const auto* narrow = std::get_if<std::int32_t>(&value.value)) {
        return Literal{std::int64_t{*narrow}};
      }
      return as_is(std::holds_alternative<std::int64_t>(value.value));
    case TypeId::kFloat:
      return as_is(std::holds_alternative<float>(value.value));
    case TypeId::kDouble:
      if (const auto* narrow = std::get_if<float>(&value.value)) return Literal{double{*narrow}};
      return as_is(std::holds_alternative<double>(value.value));
    case TypeId::kString:
    case TypeId::kBinary:
    case TypeId::kUuid:
    case TypeId::kFixed:
    case TypeId::kDecimal: {
      const auto* bytes = std::get_if<std::string>(&value.value);
      return as_is(bytes != nullptr && FitsLength(type, *bytes));
    }
    default:
      return std::nullopt;
  }
}

void WritePartitionValue(const Type& type, const Literal& value, AvroEncoder& encoder) {
  // The schema of an unknown type is plain null, which takes no bytes.
  if (type.id() == TypeId::kUnknown) return;
  encoder.WriteLong(value.is_null() ? 0 : 1);
  if (const auto* flag = std::get_if<bool>(&value.value)) {
    encoder.WriteBoolean(*flag);
  } else if (const auto* number = std::get_if<std::int32_t>(&value.value)) {
    encoder.WriteInt(*number);
  } else if (const auto* big = std::get_if<std::int64_t>(&value.value)) {
    encoder.WriteLong(*big);
  } else if (const auto* single = std::get_if<float>(&value.value)) {
    encoder.WriteFloat(*single);
  } else if (const auto* real = std::get_if<double>(&value.value)) {
    encoder.WriteDouble(*real);
  } else if (const auto* bytes = std::get_if<std::string>(&value.value)) {
    switch (type.id()) {
      case TypeId::kDecimal:
        return WriteDecimal(DecimalBytes(type.precision()), *bytes, encoder);
      case TypeId::kUuid:
      case TypeId::kFixed:
        return encoder.WriteFixed(*bytes);
      default:
        return encoder.WriteBytes(*bytes);
    }
  }
}

Literal ReadPartitionValue(const Type& type, const AvroSchema& avro, AvroDecoder& decoder) {
  const AvroSchema& branch = ReadAvroBranch(avro, decoder);
  Literal value = ReadByKind(branch, decoder);
  if (value.is_null() || type.id() == TypeId::kUnknown) return value;
  const bool wide_for_int = (type.id() == TypeId::kInt || type.id() == TypeId::kDate) &&
                            std::holds_alternative<std::int64_t>(value.value);
  if (wide_for_int) {
    const std::int64_t wide = std::get<std::int64_t>(value.value);
    if (std::in_range<std::int32_t>(wide)) value.value = static_cast<std::int32_t>(wide);
  }
  if (auto* bytes = std::get_if<std::string>(&value.value);
      bytes != nullptr && type.id() == TypeId::kDecimal && !bytes->empty()) {
    *bytes = std::string(MinimalTwosComplement(*bytes));
  }
  std::optional<Literal> fitted = FitPartitionValue(type, value);
  if (!fitted.has_value()) {
    decoder.Fault("a partition value does not fit the type of its column");
    return {};
  }
  return *std::move(fitted);
}

bool IsNaN(const Literal& value) {
  if (const auto* single = std::get_if<float>(&value.value)) return std::isnan(*single);
  if (const auto* real = std::get_if<double>(&value.value)) return std::isnan(*real);
  return false;
}

}  // namespace signaldb

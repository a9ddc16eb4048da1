#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "iceberg/avro/avro_encoding.h"
#include "signaldb/result.h"

namespace signaldb {

inline constexpr std::size_t kAvroSchemaDepthMax = 32;
/// Counts a named type wherever it is used: what bounds the work of one object.
inline constexpr std::size_t kAvroSchemaNodesMax = 10'000;

enum class AvroKind : std::uint8_t {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kFixed,
  kEnum,
  kArray,
  kMap,
  kUnion,
  kRecord,
};

struct AvroSchema;
/// Shared because a named type may stand in several places. Types that contain themselves are
/// refused, so there are no cycles.
using AvroSchemaPtr = std::shared_ptr<const AvroSchema>;

struct AvroField {
  std::string name;
  std::optional<std::int32_t> field_id;
  AvroSchemaPtr type;
};

/// The schema that a file was written with, as far as reading needs it.
struct AvroSchema {
  AvroKind kind = AvroKind::kNull;
  std::string logical_type;
  std::uint64_t fixed_size = 0;
  std::vector<AvroField> fields;        ///< Record.
  std::vector<AvroSchemaPtr> children;  ///< Union: branches. Array: items. Map: values.
  std::uint64_t nodes = 1;              ///< Of this and everything inside.
  std::uint64_t bytes_min = 0;          ///< No value takes fewer.
};

/// Errors: kCorrupt (not an Avro schema, or beyond the limits above; an array whose items take no
/// bytes, since its count could not be bounded).
[[nodiscard]] Result<AvroSchemaPtr> ParseAvroSchema(std::string_view json);

/// A field that a reader knows: by id, and by any of its names where the file has no ids.
struct KnownAvroField {
  std::int32_t id = 0;
  std::string_view name;
  std::string_view old_name;  ///< Of older writers; empty if there was none.
  bool required = false;
};

/// How to read one field of a record: hand it to the reader as `id`, or skip it.
struct AvroStep {
  static constexpr std::int32_t kSkip = -1;
  std::int32_t id = kSkip;
  const AvroSchema* type = nullptr;
};

/// The fields of `record` in the order of the bytes. Field id decides; the name does where a field
/// has no id. Errors: kCorrupt (not a record, a required field is missing, a field comes twice).
[[nodiscard]] Result<std::vector<AvroStep>> PlanAvroRecord(const AvroSchema& record,
                                                           std::span<const KnownAvroField> known);

/// The type of one field of a record, unwrapped from a union with null; nullptr if there is none.
[[nodiscard]] const AvroSchema* StepType(std::span<const AvroStep> steps, std::int32_t id);
/// What stands beside null in a union of two; `type` itself if it is no such union.
[[nodiscard]] const AvroSchema* WithoutNull(const AvroSchema* type);

/// Follows a union to the branch that the bytes choose. The result may be of kind kNull.
[[nodiscard]] const AvroSchema& ReadAvroBranch(const AvroSchema& type, AvroDecoder& decoder);
/// Int and long; nothing for null. Other types are a fault of the decoder, as below.
[[nodiscard]] std::optional<std::int64_t> ReadAvroLong(const AvroSchema& type,
                                                       AvroDecoder& decoder);
[[nodiscard]] std::optional<std::int32_t> ReadAvroInt(const AvroSchema& type, AvroDecoder& decoder);
[[nodiscard]] std::optional<bool> ReadAvroBoolean(const AvroSchema& type, AvroDecoder& decoder);
/// String, bytes and fixed.
[[nodiscard]] std::optional<std::string_view> ReadAvroBytes(const AvroSchema& type,
                                                            AvroDecoder& decoder);
/// As ReadAvroBytes, copied.
[[nodiscard]] std::optional<std::string> ReadAvroText(const AvroSchema& type, AvroDecoder& decoder);
/// The value of a field that must have one; null is a fault of the decoder.
template <typename Value>
[[nodiscard]] Value RequireAvro(std::optional<Value> value, AvroDecoder& decoder) {
  if (value.has_value()) return *std::move(value);
  decoder.Fault("a required field is null");
  return Value{};
}
void SkipAvro(const AvroSchema& type, AvroDecoder& decoder);

}  // namespace signaldb

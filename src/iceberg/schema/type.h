#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "signaldb/result.h"

namespace signaldb {

/// Every type name of the Iceberg specification, v1 to v3.
enum class TypeId : std::uint8_t {
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kDecimal,
  kDate,
  kTime,
  kTimestamp,
  kTimestampTz,
  kTimestampNs,
  kTimestampTzNs,
  kString,
  kUuid,
  kFixed,
  kBinary,
  kUnknown,
  kVariant,
  kGeometry,
  kGeography,
  kStruct,
  kList,
  kMap,
};

struct Field;

/// An Iceberg type. A value: cheap to copy, immutable, compared by content.
///
/// Threads: thread-safe (immutable).
class Type {
 public:
  /// A primitive without parameters.
  explicit Type(TypeId id);
  [[nodiscard]] static Type Decimal(std::int32_t precision, std::int32_t scale);
  [[nodiscard]] static Type Fixed(std::int32_t length);
  [[nodiscard]] static Type Struct(std::vector<Field> fields);
  /// The element's name is "element".
  [[nodiscard]] static Type List(std::int32_t element_id, Type element, bool element_required);
  /// Key and value are fields named "key" (required) and "value".
  [[nodiscard]] static Type Map(std::int32_t key_id, Type key, std::int32_t value_id, Type value,
                                bool value_required);
  /// A primitive from its text in schema JSON: "long", "decimal(9, 2)", "fixed[16]",
  /// "geometry(srid:4326)". Errors: kInvalid (no such type).
  [[nodiscard]] static Result<Type> FromText(std::string_view text);

  [[nodiscard]] TypeId id() const { return id_; }
  [[nodiscard]] bool is_primitive() const { return id_ < TypeId::kStruct; }
  [[nodiscard]] std::int32_t precision() const { return first_; }  ///< Decimal.
  [[nodiscard]] std::int32_t scale() const { return second_; }     ///< Decimal.
  [[nodiscard]] std::int32_t length() const { return first_; }     ///< Fixed, in bytes.
  /// Struct: its fields. List: the element. Map: key, value. Others: none.
  [[nodiscard]] const std::vector<Field>& fields() const;
  /// As in schema JSON for primitives, as "struct<...>" and so on for people otherwise.
  [[nodiscard]] std::string ToText() const;

  friend bool operator==(const Type& a, const Type& b);

 private:
  TypeId id_;
  std::int32_t first_ = 0;
  std::int32_t second_ = 0;
  std::string parameters_;  // Geometry and geography: what stands in the brackets.
  std::shared_ptr<const std::vector<Field>> fields_;
};

/// A named, numbered place in a struct, list or map.
struct Field {
  std::int32_t id = 0;
  std::string name;
  bool required = false;
  Type type{TypeId::kUnknown};
  std::optional<std::string> doc{};
  std::optional<std::string> initial_default{};  ///< JSON text of the single value, v3.
  std::optional<std::string> write_default{};    ///< JSON text of the single value, v3.

  friend bool operator==(const Field&, const Field&) = default;
};

}  // namespace signaldb

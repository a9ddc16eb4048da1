#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "iceberg/schema/type.h"
#include "signaldb/result.h"

namespace signaldb {

/// A single value of a primitive type, or null: partition values, bounds, predicates.
///
/// What stands inside by type: boolean -> bool; int, date -> int32; long, time, timestamps ->
/// int64; float -> float; double -> double; string -> std::string (UTF-8); uuid, fixed, binary ->
/// std::string (raw bytes); decimal -> std::string (minimal big-endian two's complement of the
/// unscaled value).
struct Literal {
  std::variant<std::monostate, bool, std::int32_t, std::int64_t, float, double, std::string> value;

  [[nodiscard]] bool is_null() const { return value.index() == 0; }
  friend bool operator==(const Literal&, const Literal&) = default;
};

/// True if `literal` is not null and holds what a value of `type` holds, lengths of uuid, fixed and
/// decimal included. The functions below end the process on a literal of another type, so check
/// what came from outside.
[[nodiscard]] bool IsLiteralOf(const Type& type, const Literal& literal);
/// Single-value binary form (specification, appendix D). `literal` is not null.
[[nodiscard]] std::string ToSingleValueBytes(const Type& type, const Literal& literal);
/// Errors: kCorrupt (wrong length for the type; an int where the column is now long is accepted,
/// and float for double).
[[nodiscard]] Result<Literal> FromSingleValueBytes(const Type& type, std::string_view bytes);
/// Orders two non-null literals of `type` as Iceberg does: strings and bytes unsigned, decimals as
/// numbers, -0.0 < +0.0, NaN last.
[[nodiscard]] std::strong_ordering Compare(const Type& type, const Literal& a, const Literal& b);
/// As people and partition folders see it: "14.20", "2017-11-16T22:31:08.000001+00:00"; binary and
/// fixed as base64; "null". ("2026-08-22-13" is the transform's business, this is the plain value.)
[[nodiscard]] std::string ToText(const Type& type, const Literal& literal);

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "signaldb/result.h"

namespace signaldb {

/// A number of a JSON text: exact where it is a whole number of 64 bits, signed only if it is
/// negative; else the nearest double.
using JsonNumber = std::variant<std::uint64_t, std::int64_t, double>;

/// The value of `text`, a number by the grammar of JSON (RFC 8259). What is nearer to zero than any
/// double is zero. Does not depend on the locale.
///
/// Exists because RapidJSON's own exact conversion of doubles is undefined for some zeros with an
/// exponent.
///
/// Errors: kCorrupt (larger than any double, or not such a text).
[[nodiscard]] Result<JsonNumber> ParseJsonNumber(std::string_view text);

}  // namespace signaldb

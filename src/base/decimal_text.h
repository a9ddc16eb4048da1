#pragma once

#include <string_view>
#include <system_error>

namespace signaldb {

/// Reads all of `text`, a decimal number in the form of std::from_chars, into `value`: the nearest
/// double, and zero with the number's sign where that is nearer than any other. Does not depend on
/// the locale, as std::strtod does.
///
/// Returns result_out_of_range for what is larger than any double, invalid_argument for what is no
/// number; `value` is not changed then.
[[nodiscard]] std::errc ReadDouble(std::string_view text, double& value);

}  // namespace signaldb

#include "base/decimal_text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace signaldb {
namespace {

/// Whether a number that is out of a double's range is so near to zero, not so far from it.
bool IsNearZero(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const std::size_t e = std::min(text.find_first_of("eE"), text.size());
  const std::string_view digits = text.substr(0, e);
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const std::size_t leading = std::min(digits.find_first_of("123456789"), digits.size());
  std::string_view exponent_text = text.substr(std::min(e + 1, text.size()));
  if (exponent_text.starts_with('+')) exponent_text.remove_prefix(1);
  std::int64_t exponent = 0;
  const char* const end = exponent_text.data() + exponent_text.size();
  if (std::from_chars(exponent_text.data(), end, exponent).ec == std::errc::result_out_of_range) {
    return exponent_text.starts_with('-');
  }
  // No text is so long that its digits could outweigh an exponent that overflows here.
  constexpr std::int64_t kFar = std::int64_t{1} << 60;
  return static_cast<std::int64_t>(point) - static_cast<std::int64_t>(leading) +
             std::clamp(exponent, -kFar, kFar) <
         0;
}

}  // namespace

std::errc ReadDouble(std::string_view text, double& value) {
  const char* const end = text.data() + text.size();
  double read = 0;
  const auto [stopped, error] = std::from_chars(text.data(), end, read);
  if (stopped != end) return std::errc::invalid_argument;
  if (error == std::errc::result_out_of_range && IsNearZero(text)) {
    value = text.starts_with('-') ? -0.0 : 0.0;
    return {};
  }
  if (error == std::errc()) value = read;
  return error;
}

}  // namespace signaldb

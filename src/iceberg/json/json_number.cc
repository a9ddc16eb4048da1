#include "iceberg/json/json_number.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

namespace signaldb {
namespace {

constexpr int kDigitsShown = 40;

/// Reads all of `text` into `value`.
template <typename Number>
std::errc Read(std::string_view text, Number& value) {
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stopped != text.data() + text.size() ? std::errc::invalid_argument
                                                                      : error;
}

/// Whether a number that is out of a double's range is so near to zero, not so far from it.
bool IsNearZero(std::string_view text) {
  const std::size_t e = std::min(text.find_first_of("eE"), text.size());
  const std::string_view digits = text.substr(0, e);
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const std::size_t leading = std::min(digits.find_first_of("123456789"), digits.size());
  std::string_view exponent_text = text.substr(std::min(e + 1, text.size()));
  if (exponent_text.starts_with('+')) exponent_text.remove_prefix(1);
  std::int64_t exponent = 0;
  if (Read(exponent_text, exponent) == std::errc::result_out_of_range) {
    return exponent_text.starts_with('-');
  }
  // No text is so long that its digits could outweigh an exponent that overflows here.
  constexpr std::int64_t kFar = std::int64_t{1} << 60;
  return static_cast<std::int64_t>(point) - static_cast<std::int64_t>(leading) +
             std::clamp(exponent, -kFar, kFar) <
         0;
}

}  // namespace

Result<JsonNumber> ParseJsonNumber(std::string_view text) {
  if (text.starts_with('-')) {
    std::int64_t whole = 0;
    if (Read(text, whole) == std::errc()) return whole;
  } else {
    std::uint64_t whole = 0;
    if (Read(text, whole) == std::errc()) return whole;
  }
  double value = 0;
  const std::errc error = Read(text, value);
  if (error == std::errc()) return value;
  if (error == std::errc::result_out_of_range && IsNearZero(text)) {
    return text.starts_with('-') ? -0.0 : 0.0;
  }
  return Fail(
      ErrorKind::kCorrupt,
      fmt::format("json number is {} number={:.{}}",
                  error == std::errc::result_out_of_range ? "larger than any double" : "not one",
                  text, kDigitsShown));
}

}  // namespace signaldb

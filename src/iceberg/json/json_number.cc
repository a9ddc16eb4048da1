#include "iceberg/json/json_number.h"

#include <charconv>
#include <system_error>

#include <fmt/format.h>

#include "base/decimal_text.h"

namespace signaldb {
namespace {

constexpr int kDigitsShown = 40;

/// Reads all of `text` into `value`. False if it is no whole number, or too large.
template <typename Number>
bool ReadWhole(std::string_view text, Number& value) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stopped == end;
}

}  // namespace

Result<JsonNumber> ParseJsonNumber(std::string_view text) {
  if (text.starts_with('-')) {
    std::int64_t whole = 0;
    if (ReadWhole(text, whole)) return whole;
  } else {
    std::uint64_t whole = 0;
    if (ReadWhole(text, whole)) return whole;
  }
  double value = 0;
  const std::errc error = ReadDouble(text, value);
  if (error == std::errc()) return value;
  return Fail(
      ErrorKind::kCorrupt,
      fmt::format("json number is {} number={:.{}}",
                  error == std::errc::result_out_of_range ? "larger than any double" : "not one",
                  text, kDigitsShown));
}

}  // namespace signaldb

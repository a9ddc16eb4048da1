#include "telemetry/scalar_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/decimal_text.h"

namespace signaldb {
namespace {

/// Characters of a number; more cannot come from any sender and would only cost time.
constexpr std::size_t kNumberCharsMax = 1'024;

/// The value of every character as a hex digit; -1 for those that are none.
constexpr std::array<std::int8_t, 256> kHexDigits = [] {
  std::array<std::int8_t, 256> digits{};
  digits.fill(-1);
  for (std::int8_t i = 0; i < 16; ++i) {
    digits[static_cast<unsigned char>("0123456789abcdef"[i])] = i;
    digits[static_cast<unsigned char>("0123456789ABCDEF"[i])] = i;
  }
  return digits;
}();

int HexDigit(char c) { return kHexDigits[static_cast<unsigned char>(c)]; }

int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

}  // namespace

std::optional<double> ParseDouble(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity" || text == "+Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity" || text == "-Inf") return -std::numeric_limits<double>::infinity();
  // ReadDouble knows "inf" and "nan" too, which no JSON rule allows.
  if (text.empty() || text.size() > kNumberCharsMax ||
      text.find_first_not_of("0123456789+-.eE") != std::string_view::npos) {
    return std::nullopt;
  }
  double value = 0;
  if (ReadDouble(text, value) != std::errc()) return std::nullopt;
  return value;
}

template <typename T>
std::optional<T> ParseInteger(std::string_view text) {
  T value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && stopped == end) return value;
  if (text.find_first_of(".eE") == std::string_view::npos) return std::nullopt;
  const auto real = ParseDouble(text);
  if (!real || std::trunc(*real) != *real) return std::nullopt;
  const double end_of_range = std::ldexp(1.0, std::numeric_limits<T>::digits);
  if (*real < static_cast<double>(std::numeric_limits<T>::min()) || *real >= end_of_range) {
    return std::nullopt;
  }
  return static_cast<T>(*real);
}

template std::optional<std::int32_t> ParseInteger<std::int32_t>(std::string_view);
template std::optional<std::uint32_t> ParseInteger<std::uint32_t>(std::string_view);
template std::optional<std::int64_t> ParseInteger<std::int64_t>(std::string_view);
template std::optional<std::uint64_t> ParseInteger<std::uint64_t>(std::string_view);

bool ParseHex(std::string_view text, std::span<char> bytes) {
  if (text.size() != 2 * bytes.size()) return false;
  int wrong = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = HexDigit(text[2 * i]);
    const int low = HexDigit(text[2 * i + 1]);
    wrong |= high | low;  // Negative if one of them is.
    bytes[i] = static_cast<char>(high * 16 + low);
  }
  return wrong >= 0;
}

std::optional<std::string> ParseHex(std::string_view text) {
  std::string bytes(text.size() / 2, '\0');
  if (!ParseHex(text, std::span(bytes))) return std::nullopt;
  return bytes;
}

std::optional<std::string> ParseBase64(std::string_view text) {
  const std::size_t padded = text.size();
  while (!text.empty() && text.back() == '=' && padded - text.size() < 2) text.remove_suffix(1);
  if (text.size() % 4 == 1 || (padded != text.size() && padded % 4 != 0)) return std::nullopt;
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int digit = Base64Digit(c);
    if (digit < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<char>(bits >> held));
    }
  }
  return bytes;
}

}  // namespace signaldb

#include "iceberg/schema/decimal_bytes.h"

#include <algorithm>

namespace signaldb {
namespace {

__extension__ using UInt128 = unsigned __int128;

}  // namespace

std::optional<Int128> DecimalFromBytes(std::string_view big_endian) {
  if (big_endian.empty() || big_endian.size() > kDecimalBytesMax) return std::nullopt;
  const bool negative = (static_cast<unsigned char>(big_endian.front()) & 0x80U) != 0;
  UInt128 bits = negative ? ~UInt128{0} : UInt128{0};
  for (const char byte : big_endian) bits = (bits << 8U) | static_cast<unsigned char>(byte);
  return static_cast<Int128>(bits);
}

std::string DecimalToBytes(Int128 unscaled) {
  std::string bytes;
  // Shifting a negative number right keeps its sign, so the loop ends at all sign bits.
  for (;;) {
    const auto low = static_cast<unsigned char>(unscaled & 0xff);
    bytes.push_back(static_cast<char>(low));
    unscaled >>= 8;
    const bool sign_bit = (low & 0x80U) != 0;
    if ((unscaled == 0 && !sign_bit) || (unscaled == -1 && sign_bit)) break;
  }
  std::ranges::reverse(bytes);
  return bytes;
}

std::string DecimalToText(Int128 unscaled, std::int32_t scale) {
  const bool negative = unscaled < 0;
  UInt128 rest = negative ? ~static_cast<UInt128>(unscaled) + 1 : static_cast<UInt128>(unscaled);
  std::string text;
  for (std::int32_t digits = 0; rest != 0 || digits <= scale; ++digits) {
    if (digits == scale && scale > 0) text.push_back('.');
    text.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  }
  if (negative) text.push_back('-');
  std::ranges::reverse(text);
  return text;
}

}  // namespace signaldb

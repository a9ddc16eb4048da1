#include "telemetry/utf8.h"

namespace signaldb {
namespace {

bool IsContinuation(unsigned char c) { return (c & 0xc0) == 0x80; }

/// Length of the well-formed sequence at `p`, of which `left` bytes exist; 0 if there is none.
std::size_t SequenceLength(const unsigned char* p, std::size_t left) {
  const unsigned char lead = p[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return left >= 2 && IsContinuation(p[1]) ? 2 : 0;
  if (lead < 0xf0) {
    if (left < 3 || !IsContinuation(p[1]) || !IsContinuation(p[2])) return 0;
    if (lead == 0xe0 && p[1] < 0xa0) return 0;  // Overlong.
    if (lead == 0xed && p[1] > 0x9f) return 0;  // Surrogate.
    return 3;
  }
  if (lead > 0xf4 || left < 4) return 0;
  if (!IsContinuation(p[1]) || !IsContinuation(p[2]) || !IsContinuation(p[3])) return 0;
  if (lead == 0xf0 && p[1] < 0x90) return 0;  // Overlong.
  if (lead == 0xf4 && p[1] > 0x8f) return 0;  // Above U+10FFFF.
  return 4;
}

}  // namespace

bool IsValidUtf8(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p != end) {
    if (end - p >= 8 && (Load64(p) & kHighBits) == 0) {
      p += 8;
      continue;
    }
    const auto length = SequenceLength(reinterpret_cast<const unsigned char*>(p),
                                       static_cast<std::size_t>(end - p));
    if (length == 0) return false;
    p += length;
  }
  return true;
}

}  // namespace signaldb

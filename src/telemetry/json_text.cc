#include "telemetry/json_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

namespace signaldb {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

constexpr auto kHexPairs = [] {
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i)
    pairs[i] = {kHexDigits[i >> 4], kHexDigits[i & 15]};
  return pairs;
}();

/// What follows the backslash for a byte that needs one; 'u' for those without a short form, 0 for
/// bytes that stand for themselves.
constexpr auto kEscapes = [] {
  std::array<char, 256> escapes{};
  for (std::size_t i = 0; i < 0x20; ++i) escapes[i] = 'u';
  escapes['\b'] = 'b';
  escapes['\f'] = 'f';
  escapes['\n'] = 'n';
  escapes['\r'] = 'r';
  escapes['\t'] = 't';
  escapes['"'] = '"';
  escapes['\\'] = '\\';
  return escapes;
}();

constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::size_t kNumberBytesMax = 32;

template <typename T>
void AppendNumber(TextBuffer& out, T value) {
  out.EnsureRoom(kNumberBytesMax);
  char* const first = out.data() + out.size();
  const auto end = std::to_chars(first, first + kNumberBytesMax, value).ptr;
  out.Commit(static_cast<std::size_t>(end - first));
}

void AppendBase64(TextBuffer& out, std::string_view bytes) {
  char* to = out.Extend((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const auto byte = [&](std::size_t k) -> std::uint32_t {
      return k < left ? static_cast<unsigned char>(bytes[i + k]) : 0;
    };
    const std::uint32_t group = (byte(0) << 16) | (byte(1) << 8) | byte(2);
    *to++ = kBase64Digits[group >> 18];
    *to++ = kBase64Digits[(group >> 12) & 63];
    *to++ = left > 1 ? kBase64Digits[(group >> 6) & 63] : '=';
    *to++ = left > 2 ? kBase64Digits[group & 63] : '=';
  }
}

}  // namespace

void AppendUnsigned(TextBuffer& out, std::uint64_t value) { AppendNumber(out, value); }
void AppendSigned(TextBuffer& out, std::int64_t value) { AppendNumber(out, value); }

void AppendDouble(TextBuffer& out, double value) {
  if (std::isnan(value)) return AppendText(out, "NaN");
  if (std::isinf(value)) return AppendText(out, value > 0 ? "+Inf" : "-Inf");
  const std::size_t from = out.size();
  AppendNumber(out, value);
  if (ViewOf(out, from).find_first_of(".e") == std::string_view::npos) AppendText(out, ".0");
}

void AppendJsonDouble(TextBuffer& out, double value) {
  if (std::isfinite(value)) return AppendDouble(out, value);
  out.Push('"');
  AppendDouble(out, value);
  out.Push('"');
}

void AppendJsonString(TextBuffer& out, std::string_view text) {
  out.Push('"');
  std::size_t plain_from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const char escape = kEscapes[byte];
    if (escape == 0) [[likely]]
      continue;
    AppendText(out, text.substr(plain_from, i - plain_from));
    plain_from = i + 1;
    out.Push('\\');
    out.Push(escape);
    if (escape == 'u') {
      AppendText(out, "00");
      out.Append(kHexPairs[byte].data(), 2);
    }
  }
  AppendText(out, text.substr(plain_from));
  out.Push('"');
}

void WriteHex(char* out, std::string_view bytes) {
  for (const char byte : bytes) {
    std::memcpy(out, kHexPairs[static_cast<unsigned char>(byte)].data(), 2);
    out += 2;
  }
}

void AppendHex(TextBuffer& out, std::string_view bytes) {
  WriteHex(out.Extend(2 * bytes.size()), bytes);
}

void AppendBytesObject(TextBuffer& out, std::string_view bytes) {
  AppendText(out, R"({"$otlp_type":"bytes","base64":")");
  AppendBase64(out, bytes);
  AppendText(out, R"("})");
}

}  // namespace signaldb

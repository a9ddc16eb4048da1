#include "telemetry/flat_json.h"

#include <bit>
#include <cstring>

#include "telemetry/utf8.h"

namespace signaldb {
namespace {

constexpr char kLengthDelimited = 2;
constexpr char kStringOfAnyValue = (1 << 3) | kLengthDelimited;
constexpr char kBoolOfAnyValue = (2 << 3);
constexpr char kIntOfAnyValue = (3 << 3);
constexpr char kKeyOfPair = (1 << 3) | kLengthDelimited;
constexpr char kValueOfPair = (2 << 3) | kLengthDelimited;
/// What no sum of digits can overflow.
constexpr int kDigitsMax = 18;
/// The shortest member, `"":-1,`, becomes 19 bytes; every other one grows by less.
constexpr std::size_t kGrowthMax = 4;
constexpr std::size_t kSlack = 32;

constexpr std::uint64_t EachByte(unsigned char byte) { return byte * 0x0101010101010101ULL; }

/// High bits of bytes that are zero. The lowest of them is right; those above it may not be.
constexpr std::uint64_t ZeroBytes(std::uint64_t word) {
  return (word - EachByte(1)) & ~word & kHighBits;
}

/// The first byte of [at, end) that ends a string or is none of a plain one: a quote, a backslash
/// or a control character.
const char* FindSpecial(const char* at, const char* end) {
  for (; end - at >= 8; at += 8) {
    const std::uint64_t word = Load64(at);
    const std::uint64_t special = ZeroBytes(word ^ EachByte('"')) |
                                  ZeroBytes(word ^ EachByte('\\')) |
                                  ((word - EachByte(0x20)) & ~word & kHighBits);
    if (special != 0) return at + std::countr_zero(special) / 8;
  }
  while (at != end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 0x20) ++at;
  return at;
}

std::size_t VarintSize(std::uint64_t number) {
  return (static_cast<std::size_t>(std::bit_width(number | 1)) + 6) / 7;
}

char* PutVarint(char* to, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) *to++ = static_cast<char>(number | 0x80);
  *to++ = static_cast<char>(number);
  return to;
}

char* PutText(char* to, char tag, std::string_view text) {
  *to++ = tag;
  to = PutVarint(to, text.size());
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

/// Size of a length-delimited field with a tag of one byte.
std::size_t FieldSize(std::size_t size) { return 1 + VarintSize(size) + size; }

/// Reads a plain text and writes what it says. Every function returns false where the text is not
/// plain; what is written by then is of no use.
class FlatReader {
 public:
  FlatReader(std::string_view text, char* to)
      : at_(text.data()), end_(text.data() + text.size()), to_(to) {}

  [[nodiscard]] bool Attributes(std::uint32_t tag);
  [[nodiscard]] bool TextValue(std::uint32_t tag);
  [[nodiscard]] const char* to() const { return to_; }

 private:
  void SkipSpace() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  bool Take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word))
      return false;
    at_ += word.size();
    return true;
  }
  bool String(std::string_view& text) {
    if (!Take('"')) return false;
    const char* const closing = FindSpecial(at_, end_);
    if (closing == end_ || *closing != '"') return false;
    text = {at_, static_cast<std::size_t>(closing - at_)};
    at_ = closing + 1;
    return true;
  }
  bool Integer(std::int64_t& number);
  bool Value(char pair_tag, std::string_view key);

  /// Everything before the bytes of the AnyValue, which are `size`.
  void PutPair(char pair_tag, std::string_view key, std::size_t size) {
    *to_++ = pair_tag;
    to_ = PutVarint(to_, FieldSize(key.size()) + FieldSize(size));
    to_ = PutText(to_, kKeyOfPair, key);
    *to_++ = kValueOfPair;
    to_ = PutVarint(to_, size);
  }

  const char* at_;
  const char* const end_;
  char* to_;
};

bool FlatReader::Integer(std::int64_t& number) {
  const bool negative = Take('-');
  const char* const begin = at_;
  std::int64_t value = 0;
  for (; at_ != end_ && *at_ >= '0' && *at_ <= '9'; ++at_) {
    if (at_ - begin == kDigitsMax) return false;
    value = value * 10 + (*at_ - '0');
  }
  if (at_ == begin || (*begin == '0' && at_ - begin > 1)) return false;
  if (at_ != end_ && (*at_ == '.' || *at_ == 'e' || *at_ == 'E')) return false;
  number = negative ? -value : value;
  return true;
}

bool FlatReader::Value(char pair_tag, std::string_view key) {
  if (at_ == end_) return false;
  switch (*at_) {
    case '"': {
      std::string_view text;
      if (!String(text)) return false;
      PutPair(pair_tag, key, FieldSize(text.size()));
      to_ = PutText(to_, kStringOfAnyValue, text);
      return true;
    }
    case 't':
    case 'f': {
      const bool is_true = *at_ == 't';
      if (!TakeWord(is_true ? "true" : "false")) return false;
      PutPair(pair_tag, key, 2);
      *to_++ = kBoolOfAnyValue;
      *to_++ = static_cast<char>(is_true);
      return true;
    }
    case 'n':
      if (!TakeWord("null")) return false;
      PutPair(pair_tag, key, 0);
      return true;
    default:
      break;
  }
  std::int64_t number = 0;
  if (!Integer(number)) return false;
  const auto bits = static_cast<std::uint64_t>(number);
  PutPair(pair_tag, key, 1 + VarintSize(bits));
  *to_++ = kIntOfAnyValue;
  to_ = PutVarint(to_, bits);
  return true;
}

bool FlatReader::Attributes(std::uint32_t tag) {
  const char pair_tag = static_cast<char>((tag << 3) | kLengthDelimited);
  SkipSpace();
  if (!Take('{')) return false;
  SkipSpace();
  if (!Take('}')) {
    while (true) {
      std::string_view key;
      if (!String(key)) return false;
      SkipSpace();
      if (!Take(':')) return false;
      SkipSpace();
      if (!Value(pair_tag, key)) return false;
      SkipSpace();
      if (Take('}')) break;
      if (!Take(',')) return false;
      SkipSpace();
    }
  }
  SkipSpace();
  return at_ == end_;
}

bool FlatReader::TextValue(std::uint32_t tag) {
  std::string_view text;
  SkipSpace();
  if (!String(text)) return false;
  SkipSpace();
  if (at_ != end_) return false;
  *to_++ = static_cast<char>((tag << 3) | kLengthDelimited);
  to_ = PutVarint(to_, FieldSize(text.size()));
  to_ = PutText(to_, kStringOfAnyValue, text);
  return true;
}

/// Lets `read` write behind `bytes`; takes back what it wrote if it returns false.
template <typename Read>
bool AppendFlat(std::string_view json, std::string& bytes, Read read) {
  if (json.size() > kFlatJsonBytesMax) return false;
  const std::size_t before = bytes.size();
  bool plain = false;
  bytes.resize_and_overwrite(before + json.size() * kGrowthMax + kSlack,
                             [&](char* data, std::size_t) {
                               FlatReader reader(json, data + before);
                               plain = read(reader);
                               return plain ? static_cast<std::size_t>(reader.to() - data) : before;
                             });
  return plain;
}

}  // namespace

bool AppendFlatAttributes(std::string_view json, std::uint32_t tag, std::string& bytes) {
  return AppendFlat(json, bytes, [&](FlatReader& reader) { return reader.Attributes(tag); });
}

bool AppendFlatText(std::string_view json, std::uint32_t tag, std::string& bytes) {
  return AppendFlat(json, bytes, [&](FlatReader& reader) { return reader.TextValue(tag); });
}

}  // namespace signaldb

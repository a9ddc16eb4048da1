#include "telemetry/wire_reader.h"

#include <array>
#include <bit>

namespace signaldb {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint32_t kStartGroup = 3;
constexpr std::uint32_t kEndGroup = 4;
/// Nesting of unknown groups. Nobody sends groups; the limit is that of Google's parser.
constexpr std::size_t kGroupDepthMax = 100;
constexpr int kTagBytesMax = 5;
constexpr int kVarintBytesMax = 10;

}  // namespace

std::uint32_t WireReader::LongTag() {
  std::uint32_t tag = 0;
  for (int i = 0; i < kTagBytesMax && at_ != end_; ++i) {
    const std::uint32_t byte = *at_++;
    tag |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return tag;
  }
  Fail();
  return 0;
}

std::uint64_t WireReader::LongVarint() {
  std::uint64_t value = 0;
  for (int i = 0; i < kVarintBytesMax && at_ != end_; ++i) {
    const std::uint64_t byte = *at_++;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return value;
  }
  Fail();
  return 0;
}

std::size_t WireReader::LongLength() {
  std::uint64_t length = 0;
  for (int i = 0; i < kTagBytesMax && at_ != end_; ++i) {
    const std::uint64_t byte = *at_++;
    length |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return length;  // A length beyond the message is refused by the caller.
  }
  Fail();
  return 0;
}

void WireReader::Skip() {
  switch (tag_ & 7) {
    case static_cast<std::uint32_t>(WireType::kVarint):
      static_cast<void>(Varint());
      return;
    case static_cast<std::uint32_t>(WireType::kFixed64):
      static_cast<void>(Fixed64());
      return;
    case static_cast<std::uint32_t>(WireType::kLength):
      static_cast<void>(Bytes());
      return;
    case static_cast<std::uint32_t>(WireType::kFixed32):
      static_cast<void>(Fixed32());
      return;
    case kStartGroup:
      SkipGroup();
      return;
    default:
      Fail();  // An end of a group that never began, or a wire type that does not exist.
  }
}

void WireReader::SkipGroup() {
  std::array<std::uint32_t, kGroupDepthMax> open{};
  std::size_t depth = 0;
  open[depth++] = tag_ >> 3;
  while (depth > 0) {
    if (!Next()) {
      Fail();  // The message ended inside the group.
      return;
    }
    const std::uint32_t wire_type = tag_ & 7;
    if (wire_type == kStartGroup) {
      if (depth == kGroupDepthMax) return Fail();
      open[depth++] = tag_ >> 3;
    } else if (wire_type == kEndGroup) {
      if (open[--depth] != tag_ >> 3) return Fail();
    } else {
      Skip();
    }
  }
}

}  // namespace signaldb

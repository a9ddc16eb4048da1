#include "iceberg/schema/murmur3.h"

#include <bit>
#include <cstring>

namespace signaldb {
namespace {

std::uint32_t MixBlock(std::uint32_t block) {
  return std::rotl(block * 0xcc9e2d51U, 15) * 0x1b873593U;
}

}  // namespace

std::uint32_t Murmur3(std::string_view bytes) {
  std::uint32_t hash = 0;
  std::size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    std::uint32_t block;
    std::memcpy(&block, bytes.data() + at, 4);
    hash = std::rotl(hash ^ MixBlock(block), 13) * 5 + 0xe6546b64U;
  }
  std::uint32_t tail = 0;
  if (at < bytes.size()) std::memcpy(&tail, bytes.data() + at, bytes.size() - at);
  hash ^= MixBlock(tail);

  hash ^= static_cast<std::uint32_t>(bytes.size());
  hash = (hash ^ (hash >> 16U)) * 0x85ebca6bU;
  hash = (hash ^ (hash >> 13U)) * 0xc2b2ae35U;
  return hash ^ (hash >> 16U);
}

}  // namespace signaldb

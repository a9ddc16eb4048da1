#include "iceberg/data_file/rle_bit_packed.h"

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace signaldb {

namespace {

using ::testing::ElementsAreArray;
using ::testing::SizeIs;

// The format's definition, bit by bit. Stops after `count` values: the last group is padded.
std::vector<std::uint32_t> Decode(const PageBuffer& bytes, int bit_width, std::size_t count) {
  std::vector<std::uint32_t> values;
  std::size_t at = 0;
  while (values.size() < count && at < bytes.size()) {
    std::uint64_t header = 0;
    int shift = 0;
    do {
      header |= static_cast<std::uint64_t>(bytes.data()[at] & 0x7F) << shift;
      shift += 7;
    } while ((bytes.data()[at++] & 0x80) != 0);
    const std::uint64_t length = (header >> 1) * ((header & 1) != 0 ? 8 : 1);
    if ((header & 1) == 0) {
      std::uint32_t value = 0;
      for (int b = 0; b < (bit_width + 7) / 8; ++b) {
        value |= static_cast<std::uint32_t>(bytes.data()[at++]) << (8 * b);
      }
      values.insert(values.end(), length, value);
      continue;
    }
    for (std::uint64_t i = 0; i < length; ++i) {
      std::uint32_t value = 0;
      for (int b = 0; b < bit_width; ++b) {
        const std::uint64_t bit =
            i * static_cast<std::uint64_t>(bit_width) + static_cast<unsigned>(b);
        value |= static_cast<std::uint32_t>((bytes.data()[at + bit / 8] >> (bit % 8)) & 1) << b;
      }
      values.push_back(value);
    }
    at += length * static_cast<std::uint64_t>(bit_width) / 8;
  }
  EXPECT_EQ(at, bytes.size());
  if (values.size() > count) values.resize(count);
  return values;
}

template <typename T>
void ExpectRoundTrip(const std::vector<T>& values, int bit_width) {
  PageBuffer bytes;
  AppendHybrid(std::span<const T>(values), bit_width, bytes);
  const std::vector<std::uint32_t> expected(values.begin(), values.end());
  EXPECT_THAT(Decode(bytes, bit_width, values.size()), ElementsAreArray(expected));
}

TEST(AppendHybrid, KeepsEveryValueOfEveryWidth) {
  std::mt19937 random(20261122);
  for (int width = 1; width <= 32; ++width) {
    const std::uint64_t limit = std::uint64_t{1} << width;
    for (int round = 0; round < 20; ++round) {
      SCOPED_TRACE(fmt::format("width={} round={}", width, round));
      std::vector<std::uint32_t> values;
      while (values.size() < 500) {
        const std::size_t run = random() % 3 == 0 ? random() % 60 : 1;
        values.insert(values.end(), run, static_cast<std::uint32_t>(random() % limit));
      }
      values.resize(random() % 500);
      ExpectRoundTrip(values, width);
      if (width <= 8)
        ExpectRoundTrip(std::vector<std::uint8_t>(values.begin(), values.end()), width);
    }
  }
}

TEST(AppendHybrid, WritesRunsAsRuns) {
  PageBuffer bytes;
  AppendHybrid(std::span<const std::uint32_t>(std::vector<std::uint32_t>(100'000, 5)), 3, bytes);
  EXPECT_EQ(bytes.size(), 4U);  // A header of three bytes and the value.
  bytes.Clear();
  AppendHybridRun(1, 100'000, 1, bytes);
  EXPECT_THAT(Decode(bytes, 1, 100'000), SizeIs(100'000));
  bytes.Clear();
  AppendHybridRun(1, 0, 1, bytes);
  EXPECT_EQ(bytes.size(), 0U);
}

TEST(AppendHybrid, PacksAlternatingValues) {
  std::vector<std::uint8_t> values;
  for (int i = 0; i < 8'000; ++i) values.push_back(i % 6 == 0 ? 0 : 1);
  PageBuffer bytes;
  AppendHybrid(std::span<const std::uint8_t>(values), 1, bytes);
  EXPECT_EQ(bytes.size(), 1'002U);  // One bit each, one header of two bytes.
  ExpectRoundTrip(values, 1);
}

TEST(BitWidthOf, IsTheBitsOfTheValue) {
  const std::vector<std::pair<std::uint32_t, int>> cases = {
      {0, 0}, {1, 1}, {2, 2}, {3, 2}, {4, 3}, {255, 8}, {256, 9}, {0xFFFFFFFF, 32}};
  for (const auto& [value, width] : cases) EXPECT_EQ(BitWidthOf(value), width) << value;
}

}  // namespace

}  // namespace signaldb

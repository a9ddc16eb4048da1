#include "telemetry/decompress.h"

#include <cstdint>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/compression.h"

namespace signaldb {
namespace {

using testing::Gzip;
using testing::Zstd;

std::string Compress(ContentCoding coding, const std::string& text) {
  return coding == ContentCoding::kGzip ? Gzip(text) : Zstd(text);
}

/// The text, or the failure.
std::expected<std::string, DecompressFailure> Plain(ContentCoding coding, const std::string& input,
                                                    std::uint64_t bytes_max,
                                                    std::uint64_t ratio_max = 0,
                                                    std::int64_t budget_bytes = 1 << 30) {
  MemoryBudget budget(budget_bytes);
  std::expected<std::string, DecompressFailure> plain;
  {
    const auto contents = Decompress(coding, std::as_bytes(std::span(input)),
                                     {.bytes_max = bytes_max, .ratio_max = ratio_max}, budget);
    if (!contents) {
      plain = std::unexpected(contents.error());
    } else {
      plain = std::string(reinterpret_cast<const char*>(contents->bytes.data()),
                          contents->bytes.size());
      EXPECT_EQ(budget.used() > 0, contents->hold.bytes() > 0);
      EXPECT_EQ(budget.used(), contents->hold.bytes());
    }
  }
  EXPECT_EQ(budget.used(), 0);
  return plain;
}

std::string Noise(std::size_t size) {
  std::string text(size, '\0');
  std::uint64_t state = 1;
  for (char& c : text) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    c = static_cast<char>(state >> 56);
  }
  return text;
}

class DecompressBoth : public ::testing::TestWithParam<ContentCoding> {};
INSTANTIATE_TEST_SUITE_P(Codings, DecompressBoth,
                         ::testing::Values(ContentCoding::kGzip, ContentCoding::kZstd));

TEST_P(DecompressBoth, GivesBackEverySize) {
  for (const std::size_t size : {0UL, 1UL, 17UL, 65'535UL, 65'536UL, 65'537UL, 3'000'000UL}) {
    SCOPED_TRACE(size);
    for (const std::string& text : {std::string(size, 'a'), Noise(size)}) {
      const auto plain = Plain(GetParam(), Compress(GetParam(), text), 4 << 20);
      ASSERT_TRUE(plain.has_value());
      EXPECT_TRUE(*plain == text);
    }
  }
}

TEST_P(DecompressBoth, StopsExactlyAtTheLimit) {
  for (const std::uint64_t limit : {1UL, 1000UL, 65'536UL, 1'000'000UL}) {
    for (const std::string& text : {std::string(limit + 1, 'a'), Noise(limit + 1)}) {
      SCOPED_TRACE(limit);
      const auto below = Compress(GetParam(), text.substr(2));
      const auto at = Compress(GetParam(), text.substr(1));
      const auto above = Compress(GetParam(), text);
      EXPECT_TRUE(Plain(GetParam(), below, limit).has_value());
      EXPECT_TRUE(Plain(GetParam(), at, limit).has_value());
      EXPECT_EQ(Plain(GetParam(), above, limit), std::unexpected(DecompressFailure::kTooLarge));
    }
  }
}

TEST_P(DecompressBoth, TakesNoMoreOfTheBudgetForABombThanTheLimit) {
  std::string bomb = Compress(GetParam(), std::string(100 << 20, '\0'));
  MemoryBudget budget(3 << 20);
  const auto contents =
      Decompress(GetParam(), std::as_bytes(std::span(bomb)), {.bytes_max = 2 << 20}, budget);
  ASSERT_FALSE(contents.has_value());
  EXPECT_EQ(contents.error(), DecompressFailure::kTooLarge);
  EXPECT_EQ(budget.used(), 0);
  EXPECT_EQ(Plain(GetParam(), bomb, 64 << 20, 0, 1 << 20),
            std::unexpected(DecompressFailure::kBudgetExhausted));
}

TEST_P(DecompressBoth, RefusesASuspiciousRatioOnlyBeyondTheFirstMebibyte) {
  const std::string small = Compress(GetParam(), std::string(1 << 20, '\0'));
  const std::string large = Compress(GetParam(), std::string(4 << 20, '\0'));
  EXPECT_TRUE(Plain(GetParam(), small, 64 << 20, 200).has_value());
  EXPECT_EQ(Plain(GetParam(), large, 64 << 20, 200), std::unexpected(DecompressFailure::kTooLarge));
  EXPECT_TRUE(Plain(GetParam(), large, 64 << 20, 0).has_value());
}

TEST_P(DecompressBoth, ReadsEveryMemberToTheEnd) {
  const std::string joined = Compress(GetParam(), "first ") + Compress(GetParam(), "") +
                             Compress(GetParam(), std::string(200'000, 'x')) +
                             Compress(GetParam(), " last");
  EXPECT_EQ(Plain(GetParam(), joined, 1 << 20), "first " + std::string(200'000, 'x') + " last");
}

TEST_P(DecompressBoth, RefusesEveryTruncation) {
  const std::string whole = Compress(GetParam(), "resource logs " + Noise(50));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    EXPECT_EQ(Plain(GetParam(), whole.substr(0, size), 1 << 20),
              std::unexpected(DecompressFailure::kMalformed));
  }
}

TEST_P(DecompressBoth, RefusesWhatFollowsTheLastMember) {
  const std::string whole = Compress(GetParam(), "resource logs");
  EXPECT_EQ(Plain(GetParam(), whole + "x", 1 << 20),
            std::unexpected(DecompressFailure::kMalformed));
  EXPECT_EQ(Plain(GetParam(), "plain text is neither", 1 << 20),
            std::unexpected(DecompressFailure::kMalformed));
}

TEST_P(DecompressBoth, NeitherCrashesNorGrowsOnDamage) {
  const std::string whole = Compress(GetParam(), "resource logs " + Noise(50));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const auto plain = Plain(GetParam(), damaged, 1000);
      EXPECT_LE(plain.value_or("").size(), 1000U);
    }
  }
}

TEST(DecompressGzip, DoesNotBelieveTheAnnouncedSize) {
  std::string lies = Gzip("short");
  for (std::size_t i = 1; i <= 4; ++i) lies[lies.size() - i] = '\xff';
  EXPECT_EQ(Plain(ContentCoding::kGzip, lies, 1 << 30, 0, 4096),
            std::unexpected(DecompressFailure::kMalformed));
}

TEST(DecompressZstd, AllowsAWindowOfEightMebibytes) {
  const std::string text = Noise(10'000);
  EXPECT_EQ(Plain(ContentCoding::kZstd, Zstd(text, 23), 1 << 20), text);
  EXPECT_EQ(Plain(ContentCoding::kZstd, Zstd(text, 24), 1 << 20),
            std::unexpected(DecompressFailure::kMalformed));
}

}  // namespace
}  // namespace signaldb

#include "pipeline/letter_allowance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_clock.h"

namespace signaldb::testing {
namespace {

using ::testing::Optional;

const DatasetId kOne{.tenant = "acme", .dataset = "prod"};
const DatasetId kOther{.tenant = "acme", .dataset = "test"};

TEST(LetterAllowance, KeepsTheStartOfLongMessages) {
  FakeClock clock;
  LetterAllowance allowance({.message_bytes_max = 100}, clock);
  EXPECT_THAT(allowance.Take(kOne, 100), Optional(100U));
  EXPECT_THAT(allowance.Take(kOne, 101), Optional(100U));
}

TEST(LetterAllowance, KeepsNothingOnceTheHourIsUsedUp) {
  FakeClock clock;
  LetterAllowance allowance({.bytes_max_per_hour = 2 * (kLetterBytes + 10)}, clock);
  EXPECT_THAT(allowance.Take(kOne, 10), Optional(10U));
  EXPECT_EQ(allowance.Take(kOne, 11), std::nullopt) << "one byte too many";
  EXPECT_THAT(allowance.Take(kOne, 10), Optional(10U));
  EXPECT_EQ(allowance.Take(kOne, 0), std::nullopt);
  EXPECT_THAT(allowance.Take(kOther, 10), Optional(10U)) << "each dataset has its own";
  clock.Advance(std::chrono::minutes(59));
  EXPECT_EQ(allowance.Take(kOne, 11), std::nullopt);
  clock.Advance(std::chrono::minutes(1));
  EXPECT_THAT(allowance.Take(kOne, 11), Optional(11U));
}

TEST(LetterAllowance, LogsAFewLinesAMinuteAndSaysHowManyItLeftOut) {
  FakeClock clock;
  LetterAllowance allowance({}, clock);
  for (int i = 0; i < kLetterLinesPerMinute; ++i)
    EXPECT_THAT(allowance.TakeLine(kOne), Optional(0));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(allowance.TakeLine(kOne), std::nullopt);
  EXPECT_THAT(allowance.TakeLine(kOther), Optional(0));
  clock.Advance(std::chrono::minutes(1));
  EXPECT_THAT(allowance.TakeLine(kOne), Optional(5));
  EXPECT_THAT(allowance.TakeLine(kOne), Optional(0));
}

}  // namespace
}  // namespace signaldb::testing

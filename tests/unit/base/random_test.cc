#include "base/random.h"

#include <gtest/gtest.h>

#include "testing/fake_clock.h"

namespace signaldb {
namespace {

TEST(Uuid, CarriesItsVersionAndVariant) {
  SeededRandom random(7);
  testing::FakeClock clock(std::chrono::milliseconds(0x0123456789ab));
  const std::string v4 = ToString(UuidV4(random));
  EXPECT_EQ(v4.size(), 36u);
  EXPECT_EQ(v4[14], '4');
  EXPECT_NE(std::string("89ab").find(v4[19]), std::string::npos);
  const std::string v7 = ToString(UuidV7(clock, random));
  EXPECT_EQ(v7.substr(0, 15), "01234567-89ab-7");
  EXPECT_NE(ToString(UuidV7(clock, random)), v7);
}

TEST(SeededRandom, RepeatsFromItsSeed) {
  SeededRandom a(42);
  SeededRandom b(42);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.Next(), b.Next());
}

}  // namespace
}  // namespace signaldb

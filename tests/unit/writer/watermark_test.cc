#include "writer/watermark.h"

#include <set>

#include <gtest/gtest.h>

#include "base/random.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsError;
using testing::IsOkAnd;

TEST(Coverage, OfNothingCoversNothing) {
  EXPECT_FALSE(Coverage{}.Covers(1));
  EXPECT_FALSE(Coverage{}.Intersects({1, 100}));
}

TEST(Coverage, SwallowsRangesThatTouchItsLowMark) {
  Coverage coverage;
  coverage.Add({5, 7});
  coverage.Add({9, 9});
  EXPECT_EQ(coverage.low, 0u);
  coverage.RaiseLow(4);
  EXPECT_EQ(coverage, (Coverage{.low = 7, .above = {{9, 9}}}));
  coverage.Add({8, 8});
  EXPECT_EQ(coverage, (Coverage{.low = 9, .above = {}}));
}

TEST(Coverage, AgreesWithASetOfPositionsOnRandomRanges) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    Coverage coverage;
    std::set<SourcePosition> covered;
    for (int i = 0; i < 20; ++i) {
      const SourcePosition first = 1 + random.Below(60);
      const SourcePosition last = first + random.Below(5);
      coverage.Add({first, last});
      for (SourcePosition p = first; p <= last; ++p) covered.insert(p);
      for (SourcePosition p = 1; p < 70; ++p)
        ASSERT_EQ(coverage.Covers(p), covered.contains(p)) << p;
    }
  }
}

TEST(Watermark, ComesBackFromATableProperty) {
  const Coverage coverage{.low = 123, .above = {{125, 130}, {140, 140}}};
  const SourceKey source = "log/0193-abc";
  std::map<std::string, std::string, std::less<>> properties;
  EXPECT_THAT(CoverageOf(source, properties), IsOkAnd(Coverage{}));
  properties[WatermarkProperty(source)] = EncodeWatermark(source, coverage);
  EXPECT_THAT(CoverageOf(source, properties), IsOkAnd(coverage));
}

TEST(Watermark, NeverCountsAsZeroWhenItCannotBeRead) {
  const SourceKey source = "log/a";
  for (const char* value : {"", "low=", "low=x ranges= source=log/a", "low=1 ranges=5 source=log/a",
                            "low=1 ranges=7-5 source=log/a", "low=1 ranges= source=log/b",
                            "low=1 ranges=", "low=99999999999999999999 ranges= source=log/a"}) {
    SCOPED_TRACE(value);
    EXPECT_THAT(CoverageOf(source, {{WatermarkProperty(source), value}}),
                IsError(ErrorKind::kCorrupt));
  }
}

}  // namespace
}  // namespace signaldb

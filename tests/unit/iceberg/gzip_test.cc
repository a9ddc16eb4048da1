#include "iceberg/metadata/gzip.h"

#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsError;
using testing::IsOk;
using testing::IsOkAnd;

TEST(Gzip, GivesBackWhatWasPackedUpToTheLimit) {
  for (const std::size_t size : {0U, 1U, 65'535U, 65'536U, 65'537U, 1'000'000U}) {
    const std::string plain(size, 'x');
    const auto packed = Gzip(plain);
    ASSERT_THAT(packed, IsOk());
    EXPECT_TRUE(IsGzip(*packed));
    EXPECT_THAT(Gunzip(*packed, size), IsOkAnd(plain)) << size;
    if (size == 0) continue;
    EXPECT_THAT(Gunzip(*packed, size - 1), IsError(ErrorKind::kInvalid)) << size;
  }
}

TEST(Gzip, RefusesWhatIsNotGzip) {
  for (const char* text : {"", "x", "\x1f\x8b", "\x1f\x8bxxxxxxxxxxxxxxxx"}) {
    EXPECT_THAT(Gunzip(text, 100), IsError(ErrorKind::kCorrupt));
  }
}

}  // namespace
}  // namespace signaldb

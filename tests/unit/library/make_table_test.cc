#include "library/make_table.h"

#include <string>
#include <vector>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using testing::IsOk;
using ::testing::IsSupersetOf;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

constexpr const char* kExpire = "signaldb.expire-on-commit.enabled";
constexpr const char* kMaxSnapshots = "signaldb.expire-on-commit.max-snapshots";
constexpr const char* kDeleteMetadata = "write.metadata.delete-after-commit.enabled";
constexpr const char* kMetadataFiles = "write.metadata.previous-versions-max";

Properties PropertiesWith(const std::map<std::string, std::string>& callers) {
  TableOptions options;
  options.schema = arrow::schema({arrow::field("id", arrow::int64())});
  options.properties = callers;
  const auto table = MakeTable(options, "memory://t");
  EXPECT_THAT(table, IsOk());
  return table.value().properties;
}

TEST(MakeTable, BoundsTheHistory) {
  EXPECT_THAT(PropertiesWith({}),
              IsSupersetOf({Pair(kExpire, "true"), Pair(kMaxSnapshots, "100"),
                            Pair(kDeleteMetadata, "true"), Pair(kMetadataFiles, "20")}));
}

TEST(MakeTable, LetsTheCallersPropertiesWin) {
  const std::map<std::string, std::string> callers = {{kMaxSnapshots, "7"},
                                                      {kDeleteMetadata, "false"},
                                                      {kMetadataFiles, "5"},
                                                      {"history.expire.max-snapshot-age-ms", "1"}};
  EXPECT_THAT(PropertiesWith(callers),
              AllOf(IsSupersetOf(callers), Contains(Pair(kExpire, "true"))));
}

TEST(MakeTable, KeepsAllSnapshotsIfTheCallerSaysSo) {
  const Properties kept = PropertiesWith({{kExpire, "false"}});
  EXPECT_THAT(kept, AllOf(Contains(Pair(kExpire, "false")), Not(Contains(Key(kMaxSnapshots))),
                          Contains(Pair(kMetadataFiles, "20"))));
}

TEST(MakeTable, DeletesNothingWhereFilesMustStay) {
  const Properties kept = PropertiesWith({{"gc.enabled", "false"}});
  for (const char* const key : {kExpire, kMaxSnapshots, kDeleteMetadata, kMetadataFiles}) {
    EXPECT_THAT(kept, Not(Contains(Key(key))));
  }
  EXPECT_THAT(PropertiesWith({{"gc.enabled", "true"}}), Contains(Pair(kMaxSnapshots, "100")));
}

}  // namespace
}  // namespace signaldb

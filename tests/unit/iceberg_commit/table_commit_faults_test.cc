// Every file operation of a commit of two tables fails once, before or after its effect, while the
// catalog is well or loses a reply: rows are in both tables or in none, once, and what a table
// refers to is there.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/table_world.h"

namespace signaldb {
namespace {

using signaldb::testing::CommitFault;
using signaldb::testing::FaultMoment;
using signaldb::testing::IsOk;
using signaldb::testing::TableWorld;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Setting {
  int attempts_max;
  CommitFault catalog;
  bool merging = false;
};

class TableCommitterUnderFaults : public ::testing::TestWithParam<Setting> {};

TEST_P(TableCommitterUnderFaults, LeavesBothTablesWholeWhateverFileOperationFails) {
  for (const FaultMoment moment : {FaultMoment::kBefore, FaultMoment::kAfter}) {
    bool fired = true;
    std::uint64_t at = 1;
    for (; fired; ++at) {
      SCOPED_TRACE("operation " + std::to_string(at) +
                   (moment == FaultMoment::kBefore ? " before" : " after"));
      ASSERT_LT(at, 200U);
      TableCommitterOptions options = TableWorld::DefaultOptions();
      options.retry.max_attempts = GetParam().attempts_max;
      TableWorld world(std::make_unique<MemoryCatalog>(), options);
      const Properties merging = {{"commit.manifest.min-count-to-merge", "2"}};
      world.CreateTable("a", GetParam().merging ? merging : Properties{});
      world.CreateTable("b");
      ASSERT_THAT(world.Commit({TableWorld::Append("a", {"old"})}), IsOk());
      world.cache.Clear();
      world.io.Arm(at, moment);
      world.catalog.Script({GetParam().catalog});
      const Result<CommitReport> report =
          world.Commit({TableWorld::Append("a", {"x"}), TableWorld::Append("b", {"y"})}, "two");
      fired = world.io.fired();
      world.io.Disarm();

      const bool is_in = !world.FilesIn("b").empty();
      if (is_in) {
        EXPECT_THAT(world.FilesIn("a"), ElementsAre("old", "x"));
        EXPECT_THAT(world.FilesIn("b"), ElementsAre("y"));
      } else {
        EXPECT_THAT(world.FilesIn("a"), ElementsAre("old"));
      }
      if (report.has_value()) {
        EXPECT_TRUE(is_in);
      } else if (report.error().kind != ErrorKind::kUnknownOutcome) {
        EXPECT_FALSE(is_in) << report.error().message;
      }
      if (!report.has_value() && GetParam().catalog == CommitFault::kNone) {
        EXPECT_EQ(report.error().kind, ErrorKind::kUnavailable)
            << "a file that may be there leaves no doubt about the tables";
      }
      if (!fired) {
        EXPECT_TRUE(report.has_value() || GetParam().attempts_max == 1);
      }
      if (GetParam().attempts_max > 1) {
        EXPECT_THAT(report, IsOk()) << "one fault is no reason to fail";
      }
      // A failed clean-up may leave garbage; nothing else may.
      const bool certain = report.has_value() || report.error().kind != ErrorKind::kUnknownOutcome;
      if (certain && world.Unreachable("a").size() + world.Unreachable("b").size() > 1) {
        ADD_FAILURE() << world.Unreachable("a").size() << " + " << world.Unreachable("b").size()
                      << " files of garbage, first "
                      << (world.Unreachable("a").empty() ? world.Unreachable("b")[0]
                                                         : world.Unreachable("a")[0]);
      }
    }
    EXPECT_GT(at, 15U) << "a commit has more steps than that: did the faults reach it?";
  }
}

std::string NameOf(const ::testing::TestParamInfo<Setting>& instance) {
  static constexpr const char* kNames[] = {"Well",      "Conflict",    "Outage", "LostRequest",
                                           "LostReply", "LateRequest", "Invalid"};
  return std::string(kNames[static_cast<int>(instance.param.catalog)]) + "In" +
         std::to_string(instance.param.attempts_max) + (instance.param.merging ? "Merging" : "");
}

INSTANTIATE_TEST_SUITE_P(
    , TableCommitterUnderFaults,
    ::testing::Values(Setting{1, CommitFault::kNone}, Setting{4, CommitFault::kNone},
                      Setting{1, CommitFault::kLostReply}, Setting{4, CommitFault::kLostReply},
                      Setting{4, CommitFault::kConflict}, Setting{4, CommitFault::kLateRequest},
                      Setting{1, CommitFault::kNone, true},
                      Setting{4, CommitFault::kConflict, true},
                      Setting{4, CommitFault::kLateRequest, true}),
    NameOf);

}  // namespace
}  // namespace signaldb

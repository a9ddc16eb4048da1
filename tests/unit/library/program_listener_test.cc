#include "library/program_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace signaldb {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kWaits = "signaldb_writer_catalog_pool_waits_total";
constexpr std::string_view kWaiting = "signaldb_writer_catalog_pool_waiting";

class SharedListenerTest : public ::testing::Test {
 protected:
  std::shared_ptr<ProgramListener> Program(const std::string& name,
                                           std::shared_ptr<MetricTotals> totals) {
    return std::make_shared<ProgramListener>(
        [this, name](const std::string& line) { lines_.push_back(name + ": " + line); },
        std::move(totals));
  }

  std::shared_ptr<SharedListener> shared_ = std::make_shared<SharedListener>();
  std::shared_ptr<MetricTotals> totals_ = std::make_shared<MetricTotals>();
  std::vector<std::string> lines_;
};

TEST_F(SharedListenerTest, TellsAListenerOfManyWritersOnce) {
  const SharedListener::Seat a(shared_, Program("a", totals_));
  const SharedListener::Seat b(shared_, Program("b", totals_));
  const auto other = std::make_shared<MetricTotals>();
  const SharedListener::Seat c(shared_, Program("c", other));
  const SharedListener::Seat none(shared_, Program("none", nullptr));
  shared_->Count(kWaits, 1, {});
  EXPECT_EQ(totals_->Value(kWaits), 1);
  EXPECT_EQ(other->Value(kWaits), 1);
}

TEST_F(SharedListenerTest, LogsToOneOnly) {
  auto a = SharedListener::Seat(shared_, Program("a", nullptr));
  const SharedListener::Seat b(shared_, Program("b", nullptr));
  shared_->Log({.module = "catalog", .message = "x"});
  a = SharedListener::Seat();
  shared_->Log({.module = "catalog", .message = "y"});
  EXPECT_THAT(lines_, ElementsAre("a: level=info module=catalog message=\"x\"",
                                  "b: level=info module=catalog message=\"y\""));
}

TEST_F(SharedListenerTest, TellsNewcomersTheGaugesAsTheyStand) {
  shared_->Gauge(kWaiting, 3, {{"state", "x"}});
  shared_->Gauge(kWaiting, 4, {{"state", "x"}});
  const SharedListener::Seat a(shared_, Program("a", totals_));
  EXPECT_EQ(totals_->Value(kWaiting, {{"state", "x"}}), 4);
}

TEST_F(SharedListenerTest, CallsNobodyWhoHasLeft) {
  {
    const SharedListener::Seat a(shared_, Program("a", totals_));
    EXPECT_TRUE(shared_->Wants("catalog", Severity::kDebug));
  }
  EXPECT_FALSE(shared_->Wants("catalog", Severity::kError));
  shared_->Count(kWaits, 1, {});
  shared_->Observe(kWaits, 1, {});
  EXPECT_EQ(totals_->Value(kWaits), 0);
  EXPECT_EQ(totals_.use_count(), 1);
}

}  // namespace
}  // namespace signaldb

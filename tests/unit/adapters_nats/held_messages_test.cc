#include "adapters/nats/held_messages.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace signaldb {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(HeldMessages, AcknowledgesWhatIsDone) {
  HeldMessages held;
  EXPECT_EQ(held.Add(1, "a", seconds(0)), HeldMessages::Arrival::kNew);
  EXPECT_EQ(held.Add(2, "b", seconds(0)), HeldMessages::Arrival::kNew);
  EXPECT_EQ(held.Add(3, "c", seconds(0)), HeldMessages::Arrival::kNew);
  held.Done(std::vector<SourcePosition>{3, 1, 99});
  EXPECT_EQ(held.held(), 1U);
  EXPECT_EQ(held.acks(), 2U);
  EXPECT_THAT(held.TakeAcks(1), ElementsAre("c"));
  EXPECT_THAT(held.TakeAcks(10), ElementsAre("a"));
  EXPECT_THAT(held.TakeAcks(10), IsEmpty());
}

TEST(HeldMessages, KeepsOnlyTheNewestReplyOfARedelivery) {
  HeldMessages held;
  held.Add(1, "first", seconds(0));
  EXPECT_EQ(held.Add(1, "second", seconds(1)), HeldMessages::Arrival::kHeldAlready);
  EXPECT_EQ(held.held(), 1U);
  held.Done(std::vector<SourcePosition>{1});
  EXPECT_THAT(held.TakeAcks(10), ElementsAre("second"));
}

TEST(HeldMessages, TakesAgainWhatIsDeliveredAfterItWasDone) {
  HeldMessages held;
  held.Add(1, "first", seconds(0));
  held.Done(std::vector<SourcePosition>{1});
  EXPECT_EQ(held.Add(1, "second", seconds(1)), HeldMessages::Arrival::kNew);
}

TEST(HeldMessages, PutsBackInFrontWhatWasNotSent) {
  HeldMessages held;
  for (SourcePosition i = 1; i <= 3; ++i) held.Add(i, std::to_string(i), seconds(0));
  held.Done(std::vector<SourcePosition>{1, 2, 3});
  std::vector<std::string> taken = held.TakeAcks(2);
  held.ReturnAcks(taken);
  EXPECT_THAT(held.TakeAcks(10), ElementsAre("1", "2", "3"));
}

TEST(HeldMessages, SaysOfEachOnceInAWhileThatWorkGoesOn) {
  HeldMessages held;
  held.Add(1, "a", seconds(0));
  held.Add(2, "b", seconds(6));
  EXPECT_THAT(held.TakeAging(seconds(9), seconds(10)), IsEmpty());
  EXPECT_THAT(held.TakeAging(seconds(10), seconds(10)), ElementsAre("a"));
  EXPECT_THAT(held.TakeAging(seconds(16), seconds(10)), ElementsAre("b"));
  EXPECT_THAT(held.TakeAging(seconds(20), seconds(10)), ElementsAre("a"));
}

TEST(HeldMessages, GivesUpWhatIsHeldButNotWhatIsDone) {
  HeldMessages held;
  for (SourcePosition i = 1; i <= 3; ++i) held.Add(i, std::to_string(i), seconds(0));
  held.Done(std::vector<SourcePosition>{1});
  EXPECT_EQ(held.Drop(2), "2");
  EXPECT_EQ(held.Drop(2), std::nullopt);
  EXPECT_THAT(held.DropAll(), ElementsAre("3"));
  EXPECT_EQ(held.held(), 0U);
  EXPECT_EQ(held.acks(), 1U);
}

TEST(HeldMessages, WakesWhoeverAcknowledges) {
  HeldMessages held;
  held.Add(1, "a", seconds(0));
  std::jthread committer([&] { held.Done(std::vector<SourcePosition>{1}); });
  held.WaitForAcks(std::chrono::hours(1), {});
  EXPECT_EQ(held.acks(), 1U);
}

}  // namespace
}  // namespace signaldb

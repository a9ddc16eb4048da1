#include "base/bounded_queue.h"

#include <thread>

#include <gtest/gtest.h>

namespace signaldb {
namespace {

TEST(BoundedQueue, RefusesAtItsCapacityAndKeepsOrder) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_TRUE(queue.TryPush(2));
  EXPECT_FALSE(queue.TryPush(3));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_TRUE(queue.TryPush(3));
  EXPECT_EQ(queue.Pop(), 2);
  EXPECT_EQ(queue.Pop(), 3);
}

TEST(BoundedQueue, GivesWhatIsInsideAfterClosing) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.TryPush(1));
  queue.Close();
  EXPECT_FALSE(queue.TryPush(2));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(BoundedQueue, WakesABlockedPushWhenStopIsRequested) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.TryPush(1));
  std::jthread pusher([&](std::stop_token stop) { EXPECT_FALSE(queue.Push(2, stop)); });
  pusher.request_stop();
  pusher.join();
  EXPECT_EQ(queue.size(), 1u);
}

}  // namespace
}  // namespace signaldb

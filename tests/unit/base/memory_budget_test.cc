#include "base/memory_budget.h"

#include <gtest/gtest.h>

namespace signaldb {
namespace {

TEST(MemoryBudget, GivesOutNoMoreThanItHas) {
  MemoryBudget budget(100);
  MemoryBudget::Hold first = budget.TryTake(60);
  EXPECT_TRUE(first);
  EXPECT_FALSE(budget.TryTake(41));
  EXPECT_TRUE(budget.TryTake(40));
  EXPECT_EQ(budget.used(), 60);
}

TEST(MemoryBudget, GetsBackWhatAHoldTookExactlyOnce) {
  MemoryBudget budget(100);
  {
    MemoryBudget::Hold hold = budget.TryTake(60);
    MemoryBudget::Hold moved = std::move(hold);
    moved.Resize(80);
    EXPECT_EQ(budget.used(), 80);
  }
  EXPECT_EQ(budget.used(), 0);
}

}  // namespace
}  // namespace signaldb

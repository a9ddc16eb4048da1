#include "base/budgeted_buffer.h"

#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace signaldb {
namespace {

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(BudgetedBuffer, KeepsPartsInOrderAndHoldsWhatItKeeps) {
  MemoryBudget budget(1 << 20);
  BudgetedBuffer buffer(&budget, 1 << 20);
  EXPECT_EQ(buffer.Append(Bytes("abc")), std::nullopt);
  EXPECT_EQ(buffer.Append(Bytes("")), std::nullopt);
  EXPECT_EQ(buffer.Append(Bytes("de")), std::nullopt);
  EXPECT_EQ(budget.used(), static_cast<std::int64_t>(BudgetedBuffer::kFirstBytes));
  {
    const auto contents = std::move(buffer).Finish();
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(contents.bytes.data()), 5), "abcde");
    EXPECT_EQ(contents.bytes.size(), 5U);
    EXPECT_EQ(budget.used(), 5);
  }
  EXPECT_EQ(budget.used(), 0);
}

TEST(BudgetedBuffer, EndsExactlyAtItsLimit) {
  MemoryBudget budget(1 << 20);
  struct Case {
    std::size_t size;
    std::optional<BufferRefusal> refusal;
  };
  static constexpr Case kCases[] = {{99'999, std::nullopt},
                                    {100'000, std::nullopt},
                                    {100'001, BufferRefusal::kTooLarge},
                                    {100'000'000, BufferRefusal::kTooLarge}};
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.size);
    BudgetedBuffer reserved(&budget, 100'000);
    EXPECT_EQ(reserved.Reserve(c.size), c.refusal);
    BudgetedBuffer in_parts(&budget, 100'000);
    std::optional<BufferRefusal> refusal;
    const std::string part(1, 'x');
    const std::string start(70'000, 'x');
    EXPECT_EQ(in_parts.Append(Bytes(start)), std::nullopt);
    for (std::size_t i = start.size(); i < c.size && !refusal; ++i) {
      refusal = in_parts.Append(Bytes(part));
    }
    EXPECT_EQ(refusal, c.refusal);
    EXPECT_LE(budget.used(), 200'000);
  }
}

TEST(BudgetedBuffer, IsRefusedWhatTheBudgetHasNot) {
  MemoryBudget budget(100'000);
  const auto other = budget.TryTake(30'000);
  BudgetedBuffer buffer(&budget, 1 << 20);
  EXPECT_EQ(buffer.Append(Bytes(std::string(60'000, 'x'))), std::nullopt);
  EXPECT_EQ(buffer.Append(Bytes(std::string(60'000, 'x'))), BufferRefusal::kBudgetExhausted);
  EXPECT_EQ(buffer.size(), 60'000U) << "what was there stays";
  buffer = BudgetedBuffer();
  EXPECT_EQ(budget.used(), 30'000);
}

TEST(BudgetedBuffer, NeedsNoBudget) {
  BudgetedBuffer buffer(nullptr, 10);
  EXPECT_EQ(buffer.Append(Bytes("abc")), std::nullopt);
  const auto contents = std::move(buffer).Finish();
  EXPECT_EQ(contents.bytes.size(), 3U);
  EXPECT_FALSE(contents.hold);
}

}  // namespace
}  // namespace signaldb

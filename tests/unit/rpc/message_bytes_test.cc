#include "rpc/message_bytes.h"

#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <gtest/gtest.h>

namespace signaldb {
namespace {

grpc::ByteBuffer MessageOf(const std::vector<std::string>& parts) {
  std::vector<grpc::Slice> slices;
  for (const std::string& part : parts) slices.emplace_back(part);
  return {slices.data(), slices.size()};
}

std::string TextOf(const BudgetedBuffer::Contents& contents) {
  return {reinterpret_cast<const char*>(contents.bytes.data()), contents.bytes.size()};
}

TEST(TakeMessageBytes, GivesTheMessageInOnePieceAndPaysForIt) {
  const std::string large(5'000, 'x');
  for (const auto& parts : std::vector<std::vector<std::string>>{
           {"short"}, {large}, {"a", "bc"}, {large, "y", large}}) {
    std::string whole;
    for (const std::string& part : parts) whole += part;
    MemoryBudget budget(1 << 20);
    {
      grpc::ByteBuffer message = MessageOf(parts);
      const auto taken = TakeMessageBytes(message, whole.size(), budget);
      ASSERT_TRUE(taken.has_value()) << whole.size();
      EXPECT_EQ(TextOf(*taken), whole);
      EXPECT_FALSE(message.Valid() && message.Length() > 0) << "it is taken";
      EXPECT_EQ(budget.used(), static_cast<std::int64_t>(whole.size()));
    }
    EXPECT_EQ(budget.used(), 0);
  }
}

TEST(TakeMessageBytes, CopiesNothingOfASinglePiece) {
  MemoryBudget budget(1 << 20);
  const grpc::Slice slice(std::string(5'000, 'x'));
  grpc::ByteBuffer message(&slice, 1);
  const auto taken = TakeMessageBytes(message, 1 << 20, budget);
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(static_cast<const void*>(taken->bytes.data()), slice.begin());
}

TEST(TakeMessageBytes, TakesAMessageWithoutBytes) {
  MemoryBudget budget(1 << 20);
  grpc::ByteBuffer never_read;
  grpc::ByteBuffer empty = MessageOf({""});
  for (grpc::ByteBuffer* message : {&never_read, &empty}) {
    const auto taken = TakeMessageBytes(*message, 1 << 20, budget);
    ASSERT_TRUE(taken.has_value());
    EXPECT_TRUE(taken->bytes.empty());
  }
}

TEST(TakeMessageBytes, RefusesWhatIsTooLargeOrCannotBePaid) {
  MemoryBudget budget(100);
  for (const auto& parts : std::vector<std::vector<std::string>>{{std::string(101, 'x')},
                                                                 {std::string(100, 'x'), "y"}}) {
    grpc::ByteBuffer large = MessageOf(parts);
    EXPECT_EQ(TakeMessageBytes(large, 100, budget).error(), MessageFailure::kTooLarge);
    grpc::ByteBuffer dear = MessageOf(parts);
    EXPECT_EQ(TakeMessageBytes(dear, 101, budget).error(), MessageFailure::kBudgetExhausted);
    EXPECT_EQ(budget.used(), 0);
  }
  grpc::ByteBuffer fits = MessageOf({std::string(50, 'x'), std::string(50, 'y')});
  EXPECT_TRUE(TakeMessageBytes(fits, 100, budget).has_value()) << "exactly";
}

}  // namespace
}  // namespace signaldb

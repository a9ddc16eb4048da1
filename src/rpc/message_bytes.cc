#include "rpc/message_bytes.h"

#include <memory>
#include <utility>
#include <vector>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

namespace signaldb {
namespace {

std::span<const std::byte> BytesOf(const grpc::Slice& slice) {
  return {reinterpret_cast<const std::byte*>(slice.begin()), slice.size()};
}

MessageFailure FailureOf(BufferRefusal refusal) {
  return refusal == BufferRefusal::kTooLarge ? MessageFailure::kTooLarge
                                             : MessageFailure::kBudgetExhausted;
}

}  // namespace

std::expected<BudgetedBuffer::Contents, MessageFailure> TakeMessageBytes(grpc::ByteBuffer& message,
                                                                         std::uint64_t bytes_max,
                                                                         MemoryBudget& budget) {
  std::vector<grpc::Slice> slices;
  if (message.Valid() && !message.Dump(&slices).ok())
    return std::unexpected(MessageFailure::kUnreadable);
  message.Clear();
  std::size_t size = 0;
  for (const grpc::Slice& slice : slices) size += slice.size();
  if (size > bytes_max) return std::unexpected(MessageFailure::kTooLarge);
  if (slices.size() == 1) {
    BudgetedBuffer::Contents contents;
    contents.hold = budget.TryTake(static_cast<std::int64_t>(size));
    if (!contents.hold) return std::unexpected(MessageFailure::kBudgetExhausted);
    // On the heap first: a short slice keeps its bytes inside itself.
    auto owner = std::make_shared<const grpc::Slice>(std::move(slices[0]));
    contents.bytes = BytesOf(*owner);
    contents.owner = std::move(owner);
    return contents;
  }
  BudgetedBuffer buffer(&budget, bytes_max);
  if (const auto refusal = buffer.Reserve(size)) return std::unexpected(FailureOf(*refusal));
  for (grpc::Slice& slice : slices) {
    if (const auto refusal = buffer.Append(BytesOf(slice)))
      return std::unexpected(FailureOf(*refusal));
    slice = grpc::Slice();
  }
  return std::move(buffer).Finish();
}

}  // namespace signaldb

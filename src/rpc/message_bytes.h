#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "base/budgeted_buffer.h"
#include "base/memory_budget.h"

namespace grpc {
class ByteBuffer;
}

namespace signaldb {

/// Why the bytes of a message cannot be had.
enum class MessageFailure : std::uint8_t { kUnreadable, kTooLarge, kBudgetExhausted };

/// The message in one piece, paid for from `budget`: without a copy if gRPC has it so. `message` is
/// empty afterwards. One of no bytes has no owner.
[[nodiscard]] std::expected<BudgetedBuffer::Contents, MessageFailure> TakeMessageBytes(
    grpc::ByteBuffer& message, std::uint64_t bytes_max, MemoryBudget& budget);

}  // namespace signaldb

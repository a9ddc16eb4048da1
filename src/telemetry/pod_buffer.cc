#include "telemetry/pod_buffer.h"

#include <algorithm>
#include <utility>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "signaldb/result.h"

namespace signaldb {
namespace {

constexpr std::size_t kFirstBytes = 256;

}  // namespace

GrowingMemory::GrowingMemory() = default;
GrowingMemory::~GrowingMemory() = default;
GrowingMemory::GrowingMemory(GrowingMemory&&) noexcept = default;
GrowingMemory& GrowingMemory::operator=(GrowingMemory&&) noexcept = default;

std::byte* GrowingMemory::Reserve(std::size_t bytes_min) {
  const std::size_t capacity = std::max({bytes_min, 2 * x_capacity, kFirstBytes});
  const auto size = static_cast<std::int64_t>(capacity + kSlack);
  if (!x_buffer) {
    auto made = arrow::AllocateResizableBuffer(size);
    SIGNALDB_ASSERT(made.ok());
    x_buffer = std::move(*made);
  } else {
    SIGNALDB_ASSERT(x_buffer->Resize(size, false).ok());
  }
  x_capacity = capacity;
  return reinterpret_cast<std::byte*>(x_buffer->mutable_data());
}

std::shared_ptr<arrow::Buffer> GrowingMemory::ReleaseBytes(std::size_t used) {
  if (!x_buffer) static_cast<void>(Reserve(0));
  SIGNALDB_ASSERT(x_buffer->Resize(static_cast<std::int64_t>(used), false).ok());
  x_capacity = 0;
  return std::shared_ptr<arrow::Buffer>(std::move(x_buffer));
}

}  // namespace signaldb

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
  const std::size_t capacity = std::max({bytes_min, 2 * capacity_, kFirstBytes});
  const auto size = static_cast<std::int64_t>(capacity + kSlack);
  if (!buffer_) {
    auto made = arrow::AllocateResizableBuffer(size);
    SIGNALDB_ASSERT(made.ok());
    buffer_ = std::move(*made);
  } else {
    SIGNALDB_ASSERT(buffer_->Resize(size, false).ok());
  }
  capacity_ = capacity;
  return reinterpret_cast<std::byte*>(buffer_->mutable_data());
}

std::shared_ptr<arrow::Buffer> GrowingMemory::ReleaseBytes(std::size_t used) {
  if (!buffer_) static_cast<void>(Reserve(0));
  SIGNALDB_ASSERT(buffer_->Resize(static_cast<std::int64_t>(used), false).ok());
  capacity_ = 0;
  return std::shared_ptr<arrow::Buffer>(std::move(buffer_));
}

}  // namespace signaldb

#include "writer/encoding_room.h"

#include <fmt/format.h>

namespace signaldb {

namespace {

constexpr std::string_view kWaits = "signaldb_writer_encoding_waits_total";
constexpr std::string_view kBytes = "signaldb_writer_encoding_bytes";

}  // namespace

std::int64_t EncodingRoom::used() const {
  const std::scoped_lock lock(mutex_);
  return used_;
}

std::size_t EncodingRoom::waiting() const {
  const std::scoped_lock lock(mutex_);
  return waiting_.size();
}

void EncodingShare::GiveBack(std::int64_t bytes) {
  const std::scoped_lock lock(room_.mutex_);
  room_.used_ -= bytes;
  events_.Gauge(kBytes, static_cast<double>(room_.used_));
  room_.changed_.notify_all();
}

std::unexpected<Error> EncodingShare::Refuse(std::int64_t bytes, std::int64_t used) {
  refused_ = true;
  events_.Count(kWaits, 1, {{"outcome", "refused"}});
  return Fail(ErrorKind::kUnavailable,
              fmt::format("no room under the memory limit to encode a slice; write again later, "
                          "raise memory.limit_bytes or lower max_memory_per_batch_bytes "
                          "slice_bytes={} in_encoding_bytes={} limit_bytes={}",
                          bytes, used, config_.limit_bytes));
}

Result<EncodingShare::Hold> EncodingShare::Take(std::int64_t bytes) {
  const std::int64_t limit = config_.limit_bytes;
  if (limit == 0) return Hold();
  if (bytes > limit) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a slice is larger than the memory limit and will never fit; raise "
                            "memory.limit_bytes, enable_auto_split or write smaller rows "
                            "slice_bytes={} limit_bytes={}",
                            bytes, limit));
  }
  std::unique_lock lock(room_.mutex_);
  if (config_.when_exhausted == MemoryConfig::WhenExhausted::kFail) {
    if (room_.used_ + bytes > limit) return Refuse(bytes, room_.used_);
  } else {
    const Nanos give_up = clock_.MonotonicNow() + config_.wait_timeout;
    const char self = 0;
    room_.waiting_.push_back(&self);
    const auto fits = [&] {
      return room_.waiting_.front() == &self && room_.used_ + bytes <= limit;
    };
    const bool had_to_wait = !fits();
    while (!fits()) {
      const Nanos left = give_up - clock_.MonotonicNow();
      if (left <= Nanos(0)) break;
      room_.changed_.wait_for(lock, left);
    }
    const bool granted = fits();
    room_.waiting_.remove(&self);
    room_.changed_.notify_all();  // Whoever is first now.
    if (!granted) return Refuse(bytes, room_.used_);
    if (had_to_wait) events_.Count(kWaits, 1, {{"outcome", "waited"}});
  }
  room_.used_ += bytes;
  events_.Gauge(kBytes, static_cast<double>(room_.used_));
  return Hold(this, bytes);
}

}  // namespace signaldb

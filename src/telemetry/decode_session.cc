#include "telemetry/decode_session.h"

#include <limits>

namespace signaldb {
namespace {

constexpr std::int64_t kNanosPerMicro = 1'000;

std::int64_t FloorMicros(std::int64_t nanos) {
  const std::int64_t micros = nanos / kNanosPerMicro;
  return nanos % kNanosPerMicro < 0 ? micros - 1 : micros;
}

std::int64_t SaturatingAdd(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? std::numeric_limits<std::int64_t>::max()
               : std::numeric_limits<std::int64_t>::min();
}

}  // namespace

EventClock::EventClock(const DecodeOptions& options)
    : min_(std::max<std::int64_t>(options.timestamp_min.count(), 0)),
      max_(SaturatingAdd(options.received_at.count(), options.timestamp_future_max.count())),
      received_micros_(FloorMicros(options.received_at.count())) {}

std::int64_t EventClock::Replacement(std::uint64_t nanos, DecodeTally& tally) const {
  const std::uint64_t time = std::min<std::uint64_t>(nanos, INT64_MAX);
  if (time == 0) {
    tally.Note(Oddity::kClampedZero);
  } else if (static_cast<std::int64_t>(time) < min_) {
    tally.Note(Oddity::kClampedPast);
  } else if (static_cast<std::int64_t>(time) > max_) {
    tally.Note(Oddity::kClampedFuture);
  } else {
    return static_cast<std::int64_t>(time) /
           kNanosPerMicro;  // Above 2^63-1 in a window that ends there.
  }
  return received_micros_;
}

}  // namespace signaldb

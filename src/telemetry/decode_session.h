#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/any_value.h"
#include "telemetry/attribute_columns.h"
#include "telemetry/decode.h"
#include "telemetry/decode_tally.h"

namespace signaldb {

/// Event times by the rules for absurd ones.
///
/// Threads: confined to one decoder.
class EventClock {
 public:
  explicit EventClock(const DecodeOptions& options);

  /// Microseconds of an event that was sent as `nanos`; outside the accepted window, and for 0, the
  /// time of receipt.
  [[nodiscard]] std::int64_t Micros(std::uint64_t nanos, DecodeTally& tally) const {
    const auto time = static_cast<std::int64_t>(nanos);
    if (time >= min_ && time <= max_ && time != 0) [[likely]]
      return time / 1000;
    return Replacement(nanos, tally);
  }

 private:
  [[nodiscard]] std::int64_t Replacement(std::uint64_t nanos, DecodeTally& tally) const;

  std::int64_t min_;
  std::int64_t max_;
  std::int64_t received_micros_;
};

/// `nanos` as a long column holds it: saturated, and noted if it was.
[[nodiscard]] inline std::int64_t StoredNanos(std::uint64_t nanos, DecodeTally& tally) {
  if (nanos <= INT64_MAX) [[likely]]
    return static_cast<std::int64_t>(nanos);
  tally.Note(Oddity::kTimeOverflow);
  return INT64_MAX;
}

/// Decoding one request: its options, its counts and its scratch memory.
///
/// Threads: confined to one decoder.
class DecodeSession {
 public:
  DecodeSession(std::string_view body, const DecodeOptions& opts)
      : options(opts), renderer(tally, opts), clock(opts), readable(body) {}

  DecodeSession(const DecodeSession&) = delete;
  DecodeSession& operator=(const DecodeSession&) = delete;

  /// Begins a record. False if the request has too many.
  [[nodiscard]] bool BeginRecord() {
    tally.BeginRecord();
    renderer.ForgetJoined();
    if (tally.records() <= options.records_max) [[likely]]
      return true;
    return GiveUp("has too many records, send smaller batches");
  }

  /// Charges texts that were rendered into one column. False if the column gets too long.
  [[nodiscard]] bool CheckText(std::size_t column_bytes) {
    if (column_bytes <= kColumnBytesMax) [[likely]]
      return true;
    return GiveUp("becomes too large when decoded, send smaller batches");
  }

  /// Charges map entries that rows repeat. False if there are too many.
  [[nodiscard]] bool CheckRepeated(std::size_t entries, std::size_t rows) {
    repeated_ += entries * rows;
    if (repeated_ <= kRepeatedEntriesMax) [[likely]]
      return true;
    return GiveUp("repeats too many shared attributes, send smaller batches");
  }

  /// Checks a text that will stand in a column. Rejects the record if it is not UTF-8.
  void CheckUtf8(std::string_view text) { renderer.CheckUtf8(text); }

  /// Why the request as a whole is refused, once a decoder has returned false.
  [[nodiscard]] std::string_view failure() const { return failure_; }

  const DecodeOptions& options;
  DecodeTally tally;
  AnyValueRenderer renderer;
  EventClock clock;
  ReadableBytes readable;

 private:
  /// Far below what a 32-bit offset reaches, far above what a 64 MiB body of any use renders to.
  static constexpr std::size_t kColumnBytesMax = std::size_t{1} << 30;
  /// 256 MiB of dictionary numbers; a body of 64 MiB at 300 bytes a record needs a tenth.
  static constexpr std::size_t kRepeatedEntriesMax = std::size_t{1} << 25;

  bool GiveUp(std::string_view why) {
    failure_ = why;
    return false;
  }

  std::string_view failure_ = "is not a well-formed protobuf message";
  std::size_t repeated_ = 0;
};

}  // namespace signaldb

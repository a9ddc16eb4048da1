#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/decode.h"

namespace signaldb {

/// Why a record gives no row.
enum class Rejection : std::uint8_t {
  kNone,
  kInvalidUtf8,
  kTooDeep,
  kTooManyAttributes,
  kInvalidIdLength,
  kCountOutOfRange,
};
inline constexpr std::size_t kRejections = 6;

/// What is noted about a record that does give a row, or about what records share.
enum class Oddity : std::uint8_t {
  kClampedZero,
  kClampedPast,
  kClampedFuture,
  kTimeOverflow,
  kDuplicateAttributeKey,
  kStringIndex,
  kZeroId,
  kInvalidId,
  kEmptyMetric,
  kHistogramShape,
};
inline constexpr std::size_t kOddities = 10;

/// Counts of one request: records seen and rejected, oddities of those accepted.
///
/// Notes made while a record is decoded count only if the record is accepted.
///
/// Threads: confined to one decoder.
class DecodeTally {
 public:
  /// What to return to if records that were accepted one by one are dropped together.
  using Oddities = std::array<std::int64_t, kOddities>;

  void BeginRecord() {
    ++x_records;
    if (x_record_noted || x_rejection != Rejection::kNone) [[unlikely]]
      Clear();
  }
  /// Rejects the current record; the first reason stands.
  void Reject(Rejection reason) {
    if (x_rejection == Rejection::kNone) x_rejection = reason;
  }
  [[nodiscard]] Rejection rejection() const { return x_rejection; }

  void Note(Oddity oddity) {
    ++x_of_record[static_cast<std::size_t>(oddity)];
    x_record_noted = true;
  }

  /// Ends the current record, or what records share. True if it is accepted.
  [[nodiscard]] bool EndRecord() {
    if (x_rejection == Rejection::kNone && !x_record_noted) [[likely]]
      return true;
    return EndUnusualRecord();
  }

  /// Begins something that records share (a resource, a scope, a metric), which is not counted.
  void BeginShared() { Clear(); }
  /// Ends it, keeping its notes. Returns why its records have to go, or kNone.
  [[nodiscard]] Rejection EndShared();

  /// Counts `records` more as rejected, and forgets the oddities noted since `before`.
  void Drop(std::int64_t records, Rejection reason, const Oddities& before);

  [[nodiscard]] const Oddities& oddities() const { return x_oddities; }
  [[nodiscard]] std::int64_t records() const { return x_records; }
  [[nodiscard]] std::int64_t rejected() const { return x_rejected; }
  [[nodiscard]] std::vector<DecodedRequest::Note> Notes() const;
  /// The first reason in words and how many records it met; empty if nothing was rejected.
  [[nodiscard]] std::string RejectionMessage(Signal signal) const;

 private:
  bool EndUnusualRecord();
  void Clear();
  void CountRejected(std::int64_t records, Rejection reason);

  std::int64_t x_records = 0;
  std::int64_t x_rejected = 0;
  Rejection x_rejection = Rejection::kNone;        // Of the current record.
  Rejection x_first_rejection = Rejection::kNone;  // Of the request.
  bool x_record_noted = false;
  Oddities x_of_record{};
  Oddities x_oddities{};
  std::array<std::int64_t, kRejections> x_rejections{};
};

}  // namespace signaldb

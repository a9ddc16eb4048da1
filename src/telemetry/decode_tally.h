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
  struct Mark {
    std::array<std::int64_t, kOddities> oddities{};
    std::int64_t records = 0;
  };

  void BeginRecord() {
    ++records_;
    if (record_noted_ || rejection_ != Rejection::kNone) [[unlikely]]
      Clear();
  }
  /// Rejects the current record; the first reason stands.
  void Reject(Rejection reason) {
    if (rejection_ == Rejection::kNone) rejection_ = reason;
  }
  [[nodiscard]] Rejection rejection() const { return rejection_; }

  void Note(Oddity oddity) {
    ++of_record_[static_cast<std::size_t>(oddity)];
    record_noted_ = true;
  }

  /// Ends the current record, or what records share. True if it is accepted.
  [[nodiscard]] bool EndRecord() {
    if (rejection_ == Rejection::kNone && !record_noted_) [[likely]]
      return true;
    return EndUnusualRecord();
  }

  /// Begins something that records share (a resource, a scope, a metric), which is not counted.
  void BeginShared() { Clear(); }
  /// Ends it, keeping its notes. Returns why its records have to go, or kNone.
  [[nodiscard]] Rejection EndShared();

  /// Counts `records` more as rejected, all that began since `before` and were not yet, and forgets
  /// the oddities noted since.
  void Drop(std::int64_t records, Rejection reason, const Mark& before);

  [[nodiscard]] Mark mark() const { return {oddities_, records_}; }
  [[nodiscard]] std::int64_t records() const { return records_; }
  [[nodiscard]] std::int64_t rejected() const { return rejected_; }
  /// Which records were rejected, counted from 0 in the order in which they began; ascending.
  [[nodiscard]] const std::vector<std::uint32_t>& rejected_records() const {
    return rejected_records_;
  }
  [[nodiscard]] std::vector<DecodedRequest::Note> Notes() const;
  /// The first reason in words and how many records it met; empty if nothing was rejected.
  [[nodiscard]] std::string RejectionMessage(Signal signal) const;

 private:
  bool EndUnusualRecord();
  void Clear();
  void CountRejected(std::int64_t records, Rejection reason);

  std::int64_t records_ = 0;
  std::int64_t rejected_ = 0;
  Rejection rejection_ = Rejection::kNone;        // Of the current record.
  Rejection first_rejection_ = Rejection::kNone;  // Of the request.
  bool record_noted_ = false;
  std::array<std::int64_t, kOddities> of_record_{};
  std::array<std::int64_t, kOddities> oddities_{};
  std::array<std::int64_t, kRejections> rejections_{};
  std::vector<std::uint32_t> rejected_records_;
};

}  // namespace signaldb

#include "telemetry/decode_tally.h"

#include <fmt/format.h>

namespace signaldb {
namespace {

struct RejectionText {
  std::string_view label;
  std::string_view explanation;
};

constexpr std::array<RejectionText, kRejections> kRejectionTexts = {{
    {"", ""},
    {"invalid_utf8", "a string field is not UTF-8"},
    {"too_deep", "attribute values are nested too deeply"},
    {"too_many_attributes", "too many attributes on one record, resource or scope"},
    {"invalid_id_length", "a trace id is not 16 bytes or a span id not 8 bytes long"},
    {"count_out_of_range", "a count is above 9223372036854775807"},
}};

struct OddityText {
  DecodedRequest::Note::Kind kind;
  std::string_view label;
};

constexpr auto kClamped = DecodedRequest::Note::Kind::kClampedTimestamp;
constexpr auto kOddity = DecodedRequest::Note::Kind::kOddity;

constexpr std::array<OddityText, kOddities> kOddityTexts = {{
    {kClamped, "zero"},
    {kClamped, "past"},
    {kClamped, "future"},
    {kOddity, "time_overflow"},
    {kOddity, "duplicate_attribute_key"},
    {kOddity, "string_index"},
    {kOddity, "zero_id"},
    {kOddity, "invalid_id"},
    {kOddity, "empty_metric"},
    {kOddity, "histogram_shape"},
}};

constexpr std::array<std::string_view, 3> kRecordNames = {"spans", "log records", "data points"};

}  // namespace

void DecodeTally::Clear() {
  rejection_ = Rejection::kNone;
  if (record_noted_) of_record_ = {};
  record_noted_ = false;
}

bool DecodeTally::EndUnusualRecord() {
  const Rejection reason = rejection_;
  if (reason == Rejection::kNone) {
    for (std::size_t i = 0; i < kOddities; ++i) oddities_[i] += of_record_[i];
  } else {
    CountRejected(1, reason);
    rejected_records_.push_back(static_cast<std::uint32_t>(records_ - 1));
  }
  Clear();
  return reason == Rejection::kNone;
}

Rejection DecodeTally::EndShared() {
  const Rejection reason = rejection_;
  for (std::size_t i = 0; i < kOddities; ++i) oddities_[i] += of_record_[i];
  Clear();
  return reason;
}

void DecodeTally::Drop(std::int64_t records, Rejection reason, const Mark& before) {
  oddities_ = before.oddities;
  while (!rejected_records_.empty() && rejected_records_.back() >= before.records)
    rejected_records_.pop_back();
  for (std::int64_t record = before.records; record < records_; ++record)
    rejected_records_.push_back(static_cast<std::uint32_t>(record));
  if (records > 0) CountRejected(records, reason);
}

void DecodeTally::CountRejected(std::int64_t records, Rejection reason) {
  if (rejected_ == 0) first_rejection_ = reason;
  rejected_ += records;
  rejections_[static_cast<std::size_t>(reason)] += records;
}

std::vector<DecodedRequest::Note> DecodeTally::Notes() const {
  std::vector<DecodedRequest::Note> notes;
  for (std::size_t i = 1; i < kRejections; ++i) {
    if (rejections_[i] == 0) continue;
    notes.push_back(
        {DecodedRequest::Note::Kind::kRejected, kRejectionTexts[i].label, rejections_[i]});
  }
  for (std::size_t i = 0; i < kOddities; ++i) {
    if (oddities_[i] == 0) continue;
    notes.push_back({kOddityTexts[i].kind, kOddityTexts[i].label, oddities_[i]});
  }
  return notes;
}

std::string DecodeTally::RejectionMessage(Signal signal) const {
  if (rejected_ == 0) return {};
  const auto& text = kRejectionTexts[static_cast<std::size_t>(first_rejection_)];
  return fmt::format("{} {} rejected, the first because {} reason={}", rejected_,
                     kRecordNames[static_cast<std::size_t>(signal)], text.explanation, text.label);
}

}  // namespace signaldb

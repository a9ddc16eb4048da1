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
  x_rejection = Rejection::kNone;
  if (x_record_noted) x_of_record = {};
  x_record_noted = false;
}

bool DecodeTally::EndUnusualRecord() {
  const Rejection reason = x_rejection;
  if (reason == Rejection::kNone) {
    for (std::size_t i = 0; i < kOddities; ++i) x_oddities[i] += x_of_record[i];
  } else {
    CountRejected(1, reason);
  }
  Clear();
  return reason == Rejection::kNone;
}

Rejection DecodeTally::EndShared() {
  const Rejection reason = x_rejection;
  for (std::size_t i = 0; i < kOddities; ++i) x_oddities[i] += x_of_record[i];
  Clear();
  return reason;
}

void DecodeTally::Drop(std::int64_t records, Rejection reason, const Oddities& before) {
  x_oddities = before;
  if (records > 0) CountRejected(records, reason);
}

void DecodeTally::CountRejected(std::int64_t records, Rejection reason) {
  if (x_rejected == 0) x_first_rejection = reason;
  x_rejected += records;
  x_rejections[static_cast<std::size_t>(reason)] += records;
}

std::vector<DecodedRequest::Note> DecodeTally::Notes() const {
  std::vector<DecodedRequest::Note> notes;
  for (std::size_t i = 1; i < kRejections; ++i) {
    if (x_rejections[i] == 0) continue;
    notes.push_back(
        {DecodedRequest::Note::Kind::kRejected, kRejectionTexts[i].label, x_rejections[i]});
  }
  for (std::size_t i = 0; i < kOddities; ++i) {
    if (x_oddities[i] == 0) continue;
    notes.push_back({kOddityTexts[i].kind, kOddityTexts[i].label, x_oddities[i]});
  }
  return notes;
}

std::string DecodeTally::RejectionMessage(Signal signal) const {
  if (x_rejected == 0) return {};
  const auto& text = kRejectionTexts[static_cast<std::size_t>(x_first_rejection)];
  return fmt::format("{} {} rejected, the first because {} reason={}", x_rejected,
                     kRecordNames[static_cast<std::size_t>(signal)], text.explanation, text.label);
}

}  // namespace signaldb

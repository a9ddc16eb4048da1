#include "telemetry/logs_decoder.h"

#include "telemetry/span_ids.h"
#include "telemetry/wire_reader.h"

namespace signaldb {

using enum WireType;

/// A LogRecord's fields; its attributes are in the table already.
struct LogsDecoder::Record {
  std::uint64_t time = 0;
  std::uint64_t observed_time = 0;
  std::int32_t severity_number = 0;
  std::uint32_t dropped_attributes = 0;
  std::uint32_t flags = 0;
  std::string_view severity_text;
  std::string_view event_name;
  std::string_view trace_id;
  std::string_view span_id;
  MessageBytes body;
};

bool LogsDecoder::Decode(std::string_view bytes) {
  if (!session_.BeginRecord()) return false;
  auto& tally = session_.tally;
  rows_.log_attributes_.BeginRow();
  Record record;
  if (!Read(bytes, record) || !AppendBody(record)) return false;
  const bool trace_id = IsUsableId(record.trace_id, kTraceIdBytes, tally);
  const bool span_id = IsUsableId(record.span_id, kSpanIdBytes, tally);
  if (!trace_id) record.trace_id = {};
  if (!span_id) record.span_id = {};
  if (!rows_.severity_text_.IsLast(record.severity_text)) {
    session_.CheckUtf8(record.severity_text);
  }
  session_.CheckUtf8(record.event_name);
  if (tally.rejection() != Rejection::kNone) [[unlikely]] {
    rows_.log_attributes_.DropRow();
    rows_.body_.Truncate(rows_.size());
    return !tally.EndRecord();
  }
  Append(record);
  static_cast<void>(tally.EndRecord());
  return session_.CheckText(rows_.body_.bytes()) &&
         session_.CheckText(rows_.log_attributes_.text_bytes());
}

bool LogsDecoder::Read(std::string_view bytes, Record& record) {
  WireReader reader(bytes);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kFixed64):
        record.time = reader.Fixed64();
        break;
      case Tag(2, kVarint):
        record.severity_number = static_cast<std::int32_t>(reader.Varint());
        break;
      case Tag(3, kLength):
        record.severity_text = reader.Bytes();
        break;
      case Tag(5, kLength):
        record.body.Add(reader.Bytes(), session_.renderer.joined());
        break;
      case Tag(6, kLength):
        if (!rows_.log_attributes_.Add(reader.Bytes(), session_.renderer, session_.tally,
                                       session_.readable, session_.options.attributes_max)) {
          return false;
        }
        break;
      case Tag(7, kVarint):
        record.dropped_attributes = static_cast<std::uint32_t>(reader.Varint());
        break;
      case Tag(8, kFixed32):
        record.flags = reader.Fixed32();
        break;
      case Tag(9, kLength):
        record.trace_id = reader.Bytes();
        break;
      case Tag(10, kLength):
        record.span_id = reader.Bytes();
        break;
      case Tag(11, kFixed64):
        record.observed_time = reader.Fixed64();
        break;
      case Tag(12, kLength):
        record.event_name = reader.Bytes();
        break;
      default:
        reader.Skip();
    }
  }
  return reader.ok();
}

bool LogsDecoder::AppendBody(const Record& record) {
  return PushAnyValue(record.body.view(), rows_.body_, session_.renderer, session_.readable);
}

void LogsDecoder::Append(const Record& record) {
  auto& tally = session_.tally;
  auto& rows = rows_;
  const std::int64_t time = StoredNanos(record.time, tally);
  const std::int64_t observed = StoredNanos(record.observed_time, tally);
  rows.PushTimestamp(session_.clock.Micros(time != 0 ? record.time : record.observed_time, tally));
  PushMicrosOrNull(rows.observed_timestamp_, observed);
  if (record.trace_id.empty()) {
    rows.trace_id_.PushNull();
  } else {
    PushHex(rows.trace_id_, record.trace_id);
  }
  if (record.span_id.empty()) {
    rows.span_id_.PushNull();
  } else {
    PushHex(rows.span_id_, record.span_id);
  }
  rows.trace_flags_.Push(static_cast<std::int32_t>(record.flags));
  rows.severity_text_.PushOrNull(record.severity_text);
  rows.severity_number_.Push(record.severity_number);
  rows.log_attributes_.EndRow(tally);
  rows.time_unix_nano_.Push(time);
  rows.observed_time_unix_nano_.Push(observed);
  rows.event_name_.PushOrNull(record.event_name);
  rows.dropped_attributes_count_.Push(record.dropped_attributes);
}

void LogRows::TruncateOwn(std::size_t rows) {
  observed_timestamp_.Truncate(rows);
  trace_id_.Truncate(rows);
  span_id_.Truncate(rows);
  trace_flags_.Truncate(rows);
  severity_text_.Truncate(rows);
  severity_number_.Truncate(rows);
  body_.Truncate(rows);
  log_attributes_.Truncate(rows);
  time_unix_nano_.Truncate(rows);
  observed_time_unix_nano_.Truncate(rows);
  event_name_.Truncate(rows);
  dropped_attributes_count_.Truncate(rows);
}

void LogRows::FinishOwn(BatchAssembler& batch) {
  batch.Add("observed_timestamp", observed_timestamp_);
  batch.Add("trace_id", trace_id_);
  batch.Add("span_id", span_id_);
  batch.Add("trace_flags", trace_flags_);
  batch.Add("severity_text", severity_text_);
  batch.Add("severity_number", severity_number_);
  batch.Add("body", body_);
  batch.Add("log_attributes", log_attributes_);
  batch.Add("time_unix_nano", time_unix_nano_);
  batch.Add("observed_time_unix_nano", observed_time_unix_nano_);
  batch.Add("event_name", event_name_);
  batch.Add("dropped_attributes_count", dropped_attributes_count_);
}

}  // namespace signaldb

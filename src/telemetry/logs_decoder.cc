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
  if (!x_session.BeginRecord()) return false;
  auto& tally = x_session.tally;
  x_rows.x_log_attributes.BeginRow();
  Record record;
  if (!Read(bytes, record) || !AppendBody(record)) return false;
  const bool trace_id = IsUsableId(record.trace_id, kTraceIdBytes, tally);
  const bool span_id = IsUsableId(record.span_id, kSpanIdBytes, tally);
  if (!trace_id) record.trace_id = {};
  if (!span_id) record.span_id = {};
  if (!x_rows.x_severity_text.IsLast(record.severity_text)) {
    x_session.CheckUtf8(record.severity_text);
  }
  x_session.CheckUtf8(record.event_name);
  if (tally.rejection() != Rejection::kNone) [[unlikely]] {
    x_rows.x_log_attributes.DropRow();
    x_rows.x_body.Truncate(x_rows.size());
    return !tally.EndRecord();
  }
  Append(record);
  static_cast<void>(tally.EndRecord());
  return x_session.CheckText(x_rows.x_body.bytes()) &&
         x_session.CheckText(x_rows.x_log_attributes.text_bytes());
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
        record.body.Add(reader.Bytes(), x_session.renderer.joined());
        break;
      case Tag(6, kLength):
        if (!x_rows.x_log_attributes.Add(reader.Bytes(), x_session.renderer, x_session.tally,
                                         x_session.readable, x_session.options.attributes_max)) {
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
  return PushAnyValue(record.body.view(), x_rows.x_body, x_session.renderer, x_session.readable);
}

void LogsDecoder::Append(const Record& record) {
  auto& tally = x_session.tally;
  auto& rows = x_rows;
  const std::int64_t time = StoredNanos(record.time, tally);
  const std::int64_t observed = StoredNanos(record.observed_time, tally);
  rows.PushTimestamp(x_session.clock.Micros(time != 0 ? record.time : record.observed_time, tally));
  PushMicrosOrNull(rows.x_observed_timestamp, observed);
  if (record.trace_id.empty()) {
    rows.x_trace_id.PushNull();
  } else {
    PushHex(rows.x_trace_id, record.trace_id);
  }
  if (record.span_id.empty()) {
    rows.x_span_id.PushNull();
  } else {
    PushHex(rows.x_span_id, record.span_id);
  }
  rows.x_trace_flags.Push(static_cast<std::int32_t>(record.flags));
  rows.x_severity_text.PushOrNull(record.severity_text);
  rows.x_severity_number.Push(record.severity_number);
  rows.x_log_attributes.EndRow(tally);
  rows.x_time_unix_nano.Push(time);
  rows.x_observed_time_unix_nano.Push(observed);
  rows.x_event_name.PushOrNull(record.event_name);
  rows.x_dropped_attributes_count.Push(record.dropped_attributes);
}

void LogRows::TruncateOwn(std::size_t rows) {
  x_observed_timestamp.Truncate(rows);
  x_trace_id.Truncate(rows);
  x_span_id.Truncate(rows);
  x_trace_flags.Truncate(rows);
  x_severity_text.Truncate(rows);
  x_severity_number.Truncate(rows);
  x_body.Truncate(rows);
  x_log_attributes.Truncate(rows);
  x_time_unix_nano.Truncate(rows);
  x_observed_time_unix_nano.Truncate(rows);
  x_event_name.Truncate(rows);
  x_dropped_attributes_count.Truncate(rows);
}

void LogRows::FinishOwn(BatchAssembler& batch) {
  batch.Add("observed_timestamp", x_observed_timestamp);
  batch.Add("trace_id", x_trace_id);
  batch.Add("span_id", x_span_id);
  batch.Add("trace_flags", x_trace_flags);
  batch.Add("severity_text", x_severity_text);
  batch.Add("severity_number", x_severity_number);
  batch.Add("body", x_body);
  batch.Add("log_attributes", x_log_attributes);
  batch.Add("time_unix_nano", x_time_unix_nano);
  batch.Add("observed_time_unix_nano", x_observed_time_unix_nano);
  batch.Add("event_name", x_event_name);
  batch.Add("dropped_attributes_count", x_dropped_attributes_count);
}

}  // namespace signaldb

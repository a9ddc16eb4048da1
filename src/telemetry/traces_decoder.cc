#include "telemetry/traces_decoder.h"

#include <algorithm>

#include "telemetry/json_text.h"
#include "telemetry/span_ids.h"
#include "telemetry/wire_reader.h"

namespace signaldb {
namespace {

using enum WireType;

constexpr std::array<std::string_view, 6> kKindNames = {"Internal", "Internal", "Server",
                                                        "Client",   "Producer", "Consumer"};
constexpr std::array<std::string_view, 3> kStatusNames = {"Unspecified", "Ok", "Error"};

/// The name of an enum number; unknown ones are called what 0 is called.
template <std::size_t N>
std::string_view NameOf(const std::array<std::string_view, N>& names, std::int32_t number) {
  return number >= 0 && static_cast<std::size_t>(number) < N
             ? names[static_cast<std::size_t>(number)]
             : names[0];
}

void BeginElement(TextColumn& array) { array.open().Push(array.open_size() == 0 ? '[' : ','); }

void EndArray(TextColumn& array) {
  if (array.open_size() == 0) array.open().Push('[');
  array.open().Push(']');
  array.Close();
}

}  // namespace

/// A Span's fields; its attributes, events and links are in the table already.
struct TracesDecoder::Record {
  std::string_view trace_id;
  std::string_view span_id;
  std::string_view parent_span_id;
  std::string_view trace_state;
  std::string_view name;
  std::string_view status_message;
  MessageBytes status;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::int32_t kind = 0;
  std::int32_t status_code = 0;
  std::uint32_t flags = 0;
  std::uint32_t dropped_attributes = 0;
  std::uint32_t dropped_events = 0;
  std::uint32_t dropped_links = 0;
};

bool TracesDecoder::Decode(std::string_view bytes) {
  if (!x_session.BeginRecord()) return false;
  auto& tally = x_session.tally;
  x_rows.x_span_attributes.BeginRow();
  Record record;
  if (!Read(bytes, record) || !ReadStatus(record)) return false;
  Check(record);
  if (tally.rejection() != Rejection::kNone) [[unlikely]] {
    x_rows.x_span_attributes.DropRow();
    x_rows.x_events.Reopen();
    x_rows.x_links.Reopen();
    return !tally.EndRecord();
  }
  Append(record);
  static_cast<void>(tally.EndRecord());
  return x_session.CheckText(x_rows.x_span_attributes.text_bytes());
}

bool TracesDecoder::Read(std::string_view bytes, Record& record) {
  const auto u32 = [](std::uint64_t varint) { return static_cast<std::uint32_t>(varint); };
  WireReader reader(bytes);
  while (reader.Next()) {
    bool well_formed = true;
    switch (reader.tag()) {
      case Tag(1, kLength):
        record.trace_id = reader.Bytes();
        break;
      case Tag(2, kLength):
        record.span_id = reader.Bytes();
        break;
      case Tag(3, kLength):
        record.trace_state = reader.Bytes();
        break;
      case Tag(4, kLength):
        record.parent_span_id = reader.Bytes();
        break;
      case Tag(5, kLength):
        record.name = reader.Bytes();
        break;
      case Tag(6, kVarint):
        record.kind = static_cast<std::int32_t>(reader.Varint());
        break;
      case Tag(7, kFixed64):
        record.start = reader.Fixed64();
        break;
      case Tag(8, kFixed64):
        record.end = reader.Fixed64();
        break;
      case Tag(9, kLength):
        well_formed =
            x_rows.x_span_attributes.Add(reader.Bytes(), x_session.renderer, x_session.tally,
                                         x_session.readable, x_session.options.attributes_max);
        break;
      case Tag(10, kVarint):
        record.dropped_attributes = u32(reader.Varint());
        break;
      case Tag(11, kLength):
        well_formed = AppendEvent(reader.Bytes());
        break;
      case Tag(12, kVarint):
        record.dropped_events = u32(reader.Varint());
        break;
      case Tag(13, kLength):
        well_formed = AppendLink(reader.Bytes());
        break;
      case Tag(14, kVarint):
        record.dropped_links = u32(reader.Varint());
        break;
      case Tag(15, kLength):
        record.status.Add(reader.Bytes(), x_session.renderer.joined());
        break;
      case Tag(16, kFixed32):
        record.flags = reader.Fixed32();
        break;
      default:
        reader.Skip();
    }
    if (!well_formed) return false;
  }
  return reader.ok();
}

bool TracesDecoder::ReadStatus(Record& record) {
  WireReader reader(record.status.view());
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(2, kLength):
        record.status_message = reader.Bytes();
        break;
      case Tag(3, kVarint):
        record.status_code = static_cast<std::int32_t>(reader.Varint());
        break;
      default:
        reader.Skip();
    }
  }
  return reader.ok();
}

void TracesDecoder::Check(const Record& record) {
  const auto bad = [](std::string_view id, std::size_t size) {
    return !id.empty() && id.size() != size;
  };
  if (bad(record.trace_id, kTraceIdBytes) || bad(record.span_id, kSpanIdBytes) ||
      bad(record.parent_span_id, kSpanIdBytes)) {
    x_session.tally.Reject(Rejection::kInvalidIdLength);
  }
  if (!x_rows.x_span_name.IsLast(record.name)) x_session.CheckUtf8(record.name);
  x_session.CheckUtf8(record.trace_state);
  x_session.CheckUtf8(record.status_message);
}

bool TracesDecoder::AppendEvent(std::string_view bytes) {
  std::uint64_t time = 0;
  std::uint32_t dropped = 0;
  std::string_view name;
  x_session.renderer.BeginList();
  WireReader reader(bytes);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kFixed64):
        time = reader.Fixed64();
        break;
      case Tag(2, kLength):
        name = reader.Bytes();
        break;
      case Tag(3, kLength):
        if (!x_session.renderer.AddToList(reader.Bytes())) return false;
        break;
      case Tag(4, kVarint):
        dropped = static_cast<std::uint32_t>(reader.Varint());
        break;
      default:
        reader.Skip();
    }
  }
  x_session.CheckUtf8(name);
  BeginElement(x_rows.x_events);
  auto& out = x_rows.x_events.open();
  AppendText(out, R"({"name":)");
  AppendJsonString(out, name);
  AppendText(out, R"(,"timestamp_unix_nano":)");
  AppendUnsigned(out, time);
  if (!AppendAttributesJson(out)) return false;
  if (dropped != 0) {
    AppendText(out, R"(,"dropped_attributes_count":)");
    AppendUnsigned(out, dropped);
  }
  out.Push('}');
  return reader.ok() && x_session.CheckText(out.size());
}

bool TracesDecoder::AppendLink(std::string_view bytes) {
  std::uint32_t flags = 0;
  std::uint32_t dropped = 0;
  std::string_view trace_id;
  std::string_view span_id;
  std::string_view trace_state;
  x_session.renderer.BeginList();
  WireReader reader(bytes);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        trace_id = reader.Bytes();
        break;
      case Tag(2, kLength):
        span_id = reader.Bytes();
        break;
      case Tag(3, kLength):
        trace_state = reader.Bytes();
        break;
      case Tag(4, kLength):
        if (!x_session.renderer.AddToList(reader.Bytes())) return false;
        break;
      case Tag(5, kVarint):
        dropped = static_cast<std::uint32_t>(reader.Varint());
        break;
      case Tag(6, kFixed32):
        flags = reader.Fixed32();
        break;
      default:
        reader.Skip();
    }
  }
  x_session.CheckUtf8(trace_state);
  BeginElement(x_rows.x_links);
  auto& out = x_rows.x_links.open();
  AppendText(out, R"({"trace_id":")");
  AppendHex(out, trace_id);
  AppendText(out, R"(","span_id":")");
  AppendHex(out, span_id);
  out.Push('"');
  if (!AppendAttributesJson(out)) return false;
  if (!trace_state.empty()) {
    AppendText(out, R"(,"trace_state":)");
    AppendJsonString(out, trace_state);
  }
  if (flags != 0) {
    AppendText(out, R"(,"flags":)");
    AppendUnsigned(out, flags);
  }
  if (dropped != 0) {
    AppendText(out, R"(,"dropped_attributes_count":)");
    AppendUnsigned(out, dropped);
  }
  out.Push('}');
  return reader.ok() && x_session.CheckText(out.size());
}

bool TracesDecoder::AppendAttributesJson(TextBuffer& out) {
  AppendText(out, R"(,"attributes_json":)");
  if (x_session.renderer.list_empty()) {
    AppendText(out, "null");
    return true;
  }
  // A string that contains JSON: what existing queries expect.
  x_attributes_json.Truncate(0);
  if (!x_session.renderer.AppendListAsObject(x_attributes_json)) return false;
  AppendJsonString(out, ViewOf(x_attributes_json));
  return true;
}

void TracesDecoder::AppendIds(const Record& record) {
  constexpr std::array<char, kTraceIdBytes> kZeros{};
  auto& tally = x_session.tally;
  const auto push_required = [&](TextColumn& column, std::string_view id, std::size_t size) {
    if (IsAllZero(id)) {
      tally.Note(Oddity::kZeroId);
      id = {kZeros.data(), size};
    }
    PushHex(column, id);
  };
  push_required(x_rows.x_trace_id, record.trace_id, kTraceIdBytes);
  push_required(x_rows.x_span_id, record.span_id, kSpanIdBytes);
  const bool is_root = IsAllZero(record.parent_span_id);
  if (is_root) {
    x_rows.x_parent_span_id.PushNull();
  } else {
    PushHex(x_rows.x_parent_span_id, record.parent_span_id);
  }
  x_rows.x_is_root.Push(is_root);
}

void TracesDecoder::Append(const Record& record) {
  auto& tally = x_session.tally;
  auto& rows = x_rows;
  AppendIds(record);
  rows.PushTimestamp(x_session.clock.Micros(record.start, tally));
  rows.x_span_name.Push(record.name);
  rows.x_start_time_unix_nano.Push(StoredNanos(record.start, tally));
  rows.x_end_time_unix_nano.Push(StoredNanos(record.end, tally));
  const std::uint64_t duration = record.end > record.start ? record.end - record.start : 0;
  rows.x_duration_nanos.Push(
      static_cast<std::int64_t>(std::min<std::uint64_t>(duration, INT64_MAX)));
  rows.x_span_kind.Push(NameOf(kKindNames, record.kind));
  rows.x_status_code.Push(NameOf(kStatusNames, record.status_code));
  rows.x_status_message.PushOrNull(record.status_message);
  rows.x_span_attributes.EndRow(tally);
  EndArray(rows.x_events);
  EndArray(rows.x_links);
  rows.x_trace_state.PushOrNull(record.trace_state);
  rows.x_span_kind_number.Push(record.kind);
  rows.x_status_code_number.Push(record.status_code);
  rows.x_dropped_attributes_count.Push(record.dropped_attributes);
  rows.x_dropped_events_count.Push(record.dropped_events);
  rows.x_dropped_links_count.Push(record.dropped_links);
  rows.x_flags.Push(static_cast<std::int32_t>(record.flags));
}

void SpanRows::TruncateOwn(std::size_t rows) {
  x_trace_id.Truncate(rows);
  x_span_id.Truncate(rows);
  x_parent_span_id.Truncate(rows);
  x_span_name.Truncate(rows);
  x_start_time_unix_nano.Truncate(rows);
  x_end_time_unix_nano.Truncate(rows);
  x_duration_nanos.Truncate(rows);
  x_span_kind.Truncate(rows);
  x_status_code.Truncate(rows);
  x_status_message.Truncate(rows);
  x_is_root.Truncate(rows);
  x_span_attributes.Truncate(rows);
  x_events.Truncate(rows);
  x_links.Truncate(rows);
  x_trace_state.Truncate(rows);
  x_span_kind_number.Truncate(rows);
  x_status_code_number.Truncate(rows);
  x_dropped_attributes_count.Truncate(rows);
  x_dropped_events_count.Truncate(rows);
  x_dropped_links_count.Truncate(rows);
  x_flags.Truncate(rows);
}

void SpanRows::FinishOwn(BatchAssembler& batch) {
  batch.Add("trace_id", x_trace_id);
  batch.Add("span_id", x_span_id);
  batch.Add("parent_span_id", x_parent_span_id);
  batch.Add("span_name", x_span_name);
  batch.Add("start_time_unix_nano", x_start_time_unix_nano);
  batch.Add("end_time_unix_nano", x_end_time_unix_nano);
  batch.Add("duration_nanos", x_duration_nanos);
  batch.Add("span_kind", x_span_kind);
  batch.Add("status_code", x_status_code);
  batch.Add("status_message", x_status_message);
  batch.Add("is_root", x_is_root);
  batch.Add("span_attributes", x_span_attributes);
  batch.Add("events", x_events);
  batch.Add("links", x_links);
  batch.Add("trace_state", x_trace_state);
  batch.Add("span_kind_number", x_span_kind_number);
  batch.Add("status_code_number", x_status_code_number);
  batch.Add("dropped_attributes_count", x_dropped_attributes_count);
  batch.Add("dropped_events_count", x_dropped_events_count);
  batch.Add("dropped_links_count", x_dropped_links_count);
  batch.Add("flags", x_flags);
}

}  // namespace signaldb

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
  if (!session_.BeginRecord()) return false;
  auto& tally = session_.tally;
  rows_.span_attributes_.BeginRow();
  Record record;
  if (!Read(bytes, record) || !ReadStatus(record)) return false;
  Check(record);
  if (tally.rejection() != Rejection::kNone) [[unlikely]] {
    rows_.span_attributes_.DropRow();
    rows_.events_.Reopen();
    rows_.links_.Reopen();
    return !tally.EndRecord();
  }
  Append(record);
  static_cast<void>(tally.EndRecord());
  return session_.CheckText(rows_.span_attributes_.text_bytes());
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
            rows_.span_attributes_.Add(reader.Bytes(), session_.renderer, session_.tally,
                                       session_.readable, session_.options.attributes_max);
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
        record.status.Add(reader.Bytes(), session_.renderer.joined());
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
    session_.tally.Reject(Rejection::kInvalidIdLength);
  }
  if (!rows_.span_name_.IsLast(record.name)) session_.CheckUtf8(record.name);
  session_.CheckUtf8(record.trace_state);
  session_.CheckUtf8(record.status_message);
}

bool TracesDecoder::AppendEvent(std::string_view bytes) {
  std::uint64_t time = 0;
  std::uint32_t dropped = 0;
  std::string_view name;
  session_.renderer.BeginList();
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
        if (!session_.renderer.AddToList(reader.Bytes())) return false;
        break;
      case Tag(4, kVarint):
        dropped = static_cast<std::uint32_t>(reader.Varint());
        break;
      default:
        reader.Skip();
    }
  }
  session_.CheckUtf8(name);
  BeginElement(rows_.events_);
  auto& out = rows_.events_.open();
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
  return reader.ok() && session_.CheckText(out.size());
}

bool TracesDecoder::AppendLink(std::string_view bytes) {
  std::uint32_t flags = 0;
  std::uint32_t dropped = 0;
  std::string_view trace_id;
  std::string_view span_id;
  std::string_view trace_state;
  session_.renderer.BeginList();
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
        if (!session_.renderer.AddToList(reader.Bytes())) return false;
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
  session_.CheckUtf8(trace_state);
  BeginElement(rows_.links_);
  auto& out = rows_.links_.open();
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
  return reader.ok() && session_.CheckText(out.size());
}

bool TracesDecoder::AppendAttributesJson(TextBuffer& out) {
  AppendText(out, R"(,"attributes_json":)");
  if (session_.renderer.list_empty()) {
    AppendText(out, "null");
    return true;
  }
  // A string that contains JSON: what existing queries expect.
  attributes_json_.Truncate(0);
  if (!session_.renderer.AppendListAsObject(attributes_json_)) return false;
  AppendJsonString(out, ViewOf(attributes_json_));
  return true;
}

void TracesDecoder::AppendIds(const Record& record) {
  constexpr std::array<char, kTraceIdBytes> kZeros{};
  auto& tally = session_.tally;
  const auto push_required = [&](TextColumn& column, std::string_view id, std::size_t size) {
    if (IsAllZero(id)) {
      tally.Note(Oddity::kZeroId);
      id = {kZeros.data(), size};
    }
    PushHex(column, id);
  };
  push_required(rows_.trace_id_, record.trace_id, kTraceIdBytes);
  push_required(rows_.span_id_, record.span_id, kSpanIdBytes);
  const bool is_root = IsAllZero(record.parent_span_id);
  if (is_root) {
    rows_.parent_span_id_.PushNull();
  } else {
    PushHex(rows_.parent_span_id_, record.parent_span_id);
  }
  rows_.is_root_.Push(is_root);
}

void TracesDecoder::Append(const Record& record) {
  auto& tally = session_.tally;
  auto& rows = rows_;
  AppendIds(record);
  rows.PushTimestamp(session_.clock.Micros(record.start, tally));
  rows.span_name_.Push(record.name);
  rows.start_time_unix_nano_.Push(StoredNanos(record.start, tally));
  rows.end_time_unix_nano_.Push(StoredNanos(record.end, tally));
  const std::uint64_t duration = record.end > record.start ? record.end - record.start : 0;
  rows.duration_nanos_.Push(
      static_cast<std::int64_t>(std::min<std::uint64_t>(duration, INT64_MAX)));
  rows.span_kind_.Push(NameOf(kKindNames, record.kind));
  rows.status_code_.Push(NameOf(kStatusNames, record.status_code));
  rows.status_message_.PushOrNull(record.status_message);
  rows.span_attributes_.EndRow(tally);
  EndArray(rows.events_);
  EndArray(rows.links_);
  rows.trace_state_.PushOrNull(record.trace_state);
  rows.span_kind_number_.Push(record.kind);
  rows.status_code_number_.Push(record.status_code);
  rows.dropped_attributes_count_.Push(record.dropped_attributes);
  rows.dropped_events_count_.Push(record.dropped_events);
  rows.dropped_links_count_.Push(record.dropped_links);
  rows.flags_.Push(static_cast<std::int32_t>(record.flags));
}

void SpanRows::TruncateOwn(std::size_t rows) {
  trace_id_.Truncate(rows);
  span_id_.Truncate(rows);
  parent_span_id_.Truncate(rows);
  span_name_.Truncate(rows);
  start_time_unix_nano_.Truncate(rows);
  end_time_unix_nano_.Truncate(rows);
  duration_nanos_.Truncate(rows);
  span_kind_.Truncate(rows);
  status_code_.Truncate(rows);
  status_message_.Truncate(rows);
  is_root_.Truncate(rows);
  span_attributes_.Truncate(rows);
  events_.Truncate(rows);
  links_.Truncate(rows);
  trace_state_.Truncate(rows);
  span_kind_number_.Truncate(rows);
  status_code_number_.Truncate(rows);
  dropped_attributes_count_.Truncate(rows);
  dropped_events_count_.Truncate(rows);
  dropped_links_count_.Truncate(rows);
  flags_.Truncate(rows);
}

void SpanRows::FinishOwn(BatchAssembler& batch) {
  batch.Add("trace_id", trace_id_);
  batch.Add("span_id", span_id_);
  batch.Add("parent_span_id", parent_span_id_);
  batch.Add("span_name", span_name_);
  batch.Add("start_time_unix_nano", start_time_unix_nano_);
  batch.Add("end_time_unix_nano", end_time_unix_nano_);
  batch.Add("duration_nanos", duration_nanos_);
  batch.Add("span_kind", span_kind_);
  batch.Add("status_code", status_code_);
  batch.Add("status_message", status_message_);
  batch.Add("is_root", is_root_);
  batch.Add("span_attributes", span_attributes_);
  batch.Add("events", events_);
  batch.Add("links", links_);
  batch.Add("trace_state", trace_state_);
  batch.Add("span_kind_number", span_kind_number_);
  batch.Add("status_code_number", status_code_number_);
  batch.Add("dropped_attributes_count", dropped_attributes_count_);
  batch.Add("dropped_events_count", dropped_events_count_);
  batch.Add("dropped_links_count", dropped_links_count_);
  batch.Add("flags", flags_);
}

}  // namespace signaldb

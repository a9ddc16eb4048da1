#pragma once

#include <array>
#include <string_view>

#include "telemetry/otlp_envelope.h"

namespace signaldb {

/// Rows of the table `traces`.
class SpanRows final : public Rows {
 public:
  SpanRows() : Rows(TableKind::kTraces) {}

 private:
  friend class TracesDecoder;

  void TruncateOwn(std::size_t rows) override;
  void FinishOwn(BatchAssembler& batch) override;

  TextColumn x_trace_id;
  TextColumn x_span_id;
  TextColumn x_parent_span_id;
  DictionaryColumn x_span_name;
  FixedColumn<std::int64_t> x_start_time_unix_nano;
  FixedColumn<std::int64_t> x_end_time_unix_nano;
  FixedColumn<std::int64_t> x_duration_nanos;
  DictionaryColumn x_span_kind;
  DictionaryColumn x_status_code;
  TextColumn x_status_message;
  BoolColumn x_is_root;
  RecordAttributes x_span_attributes;
  TextColumn x_events;
  TextColumn x_links;
  TextColumn x_trace_state;
  FixedColumn<std::int32_t> x_span_kind_number;
  FixedColumn<std::int32_t> x_status_code_number;
  FixedColumn<std::int64_t> x_dropped_attributes_count;
  FixedColumn<std::int64_t> x_dropped_events_count;
  FixedColumn<std::int64_t> x_dropped_links_count;
  FixedColumn<std::int32_t> x_flags;
};

/// Decodes Spans.
class TracesDecoder final : public RecordDecoder {
 public:
  explicit TracesDecoder(DecodeSession& session) : x_session(session) {}

  [[nodiscard]] bool Decode(std::string_view record) override;
  [[nodiscard]] std::span<Rows* const> tables() override { return x_tables; }

 private:
  struct Record;

  [[nodiscard]] bool Read(std::string_view bytes, Record& record);
  [[nodiscard]] bool ReadStatus(Record& record);
  void Check(const Record& record);
  [[nodiscard]] bool AppendEvent(std::string_view bytes);
  [[nodiscard]] bool AppendLink(std::string_view bytes);
  [[nodiscard]] bool AppendAttributesJson(TextBuffer& out);
  void Append(const Record& record);
  void AppendIds(const Record& record);

  DecodeSession& x_session;
  SpanRows x_rows;
  std::array<Rows*, 1> x_tables = {&x_rows};
  TextBuffer x_attributes_json;
};

}  // namespace signaldb

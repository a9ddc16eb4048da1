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

  TextColumn trace_id_;
  TextColumn span_id_;
  TextColumn parent_span_id_;
  DictionaryColumn span_name_;
  FixedColumn<std::int64_t> start_time_unix_nano_;
  FixedColumn<std::int64_t> end_time_unix_nano_;
  FixedColumn<std::int64_t> duration_nanos_;
  DictionaryColumn span_kind_;
  DictionaryColumn status_code_;
  TextColumn status_message_;
  BoolColumn is_root_;
  RecordAttributes span_attributes_;
  TextColumn events_;
  TextColumn links_;
  TextColumn trace_state_;
  FixedColumn<std::int32_t> span_kind_number_;
  FixedColumn<std::int32_t> status_code_number_;
  FixedColumn<std::int64_t> dropped_attributes_count_;
  FixedColumn<std::int64_t> dropped_events_count_;
  FixedColumn<std::int64_t> dropped_links_count_;
  FixedColumn<std::int32_t> flags_;
};

/// Decodes Spans.
class TracesDecoder final : public RecordDecoder {
 public:
  explicit TracesDecoder(DecodeSession& session) : session_(session) {}

  [[nodiscard]] bool Decode(std::string_view record) override;
  [[nodiscard]] std::span<Rows* const> tables() override { return tables_; }

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

  DecodeSession& session_;
  SpanRows rows_;
  std::array<Rows*, 1> tables_ = {&rows_};
  TextBuffer attributes_json_;
};

}  // namespace signaldb

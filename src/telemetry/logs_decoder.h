#pragma once

#include <array>
#include <string_view>

#include "telemetry/otlp_envelope.h"

namespace signaldb {

/// Rows of the table `logs`.
class LogRows final : public Rows {
 public:
  LogRows() : Rows(TableKind::kLogs) {}

 private:
  friend class LogsDecoder;

  void TruncateOwn(std::size_t rows) override;
  void FinishOwn(BatchAssembler& batch) override;

  FixedColumn<std::int64_t> x_observed_timestamp;
  TextColumn x_trace_id;
  TextColumn x_span_id;
  FixedColumn<std::int32_t> x_trace_flags;
  DictionaryColumn x_severity_text;
  FixedColumn<std::int32_t> x_severity_number;
  TextColumn x_body;
  RecordAttributes x_log_attributes;
  FixedColumn<std::int64_t> x_time_unix_nano;
  FixedColumn<std::int64_t> x_observed_time_unix_nano;
  DictionaryColumn x_event_name;
  FixedColumn<std::int64_t> x_dropped_attributes_count;
};

/// Decodes LogRecords.
class LogsDecoder final : public RecordDecoder {
 public:
  explicit LogsDecoder(DecodeSession& session) : x_session(session) {}

  [[nodiscard]] bool Decode(std::string_view record) override;
  [[nodiscard]] std::span<Rows* const> tables() override { return x_tables; }

 private:
  struct Record;

  [[nodiscard]] bool Read(std::string_view bytes, Record& record);
  [[nodiscard]] bool AppendBody(const Record& record);
  void Append(const Record& record);

  DecodeSession& x_session;
  LogRows x_rows;
  std::array<Rows*, 1> x_tables = {&x_rows};
};

}  // namespace signaldb

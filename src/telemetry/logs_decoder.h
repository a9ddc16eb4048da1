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

  FixedColumn<std::int64_t> observed_timestamp_;
  TextColumn trace_id_;
  TextColumn span_id_;
  FixedColumn<std::int32_t> trace_flags_;
  DictionaryColumn severity_text_;
  FixedColumn<std::int32_t> severity_number_;
  TextColumn body_;
  RecordAttributes log_attributes_;
  FixedColumn<std::int64_t> time_unix_nano_;
  FixedColumn<std::int64_t> observed_time_unix_nano_;
  DictionaryColumn event_name_;
  FixedColumn<std::int64_t> dropped_attributes_count_;
};

/// Decodes LogRecords.
class LogsDecoder final : public RecordDecoder {
 public:
  explicit LogsDecoder(DecodeSession& session) : session_(session) {}

  [[nodiscard]] bool Decode(std::string_view record) override;
  [[nodiscard]] std::span<Rows* const> tables() override { return tables_; }

 private:
  struct Record;

  [[nodiscard]] bool Read(std::string_view bytes, Record& record);
  [[nodiscard]] bool AppendBody(const Record& record);
  void Append(const Record& record);

  DecodeSession& session_;
  LogRows rows_;
  std::array<Rows*, 1> tables_ = {&rows_};
};

}  // namespace signaldb

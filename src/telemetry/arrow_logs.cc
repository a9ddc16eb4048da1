// Wire schema v1 of log records, as OTLP LogRecords.
#include <array>

#include <arrow/api.h>

#include "telemetry/arrow_records.h"
#include "telemetry/flat_json.h"
#include "telemetry/json_any_value.h"

namespace signaldb {
namespace {

using protozero::pbf_writer;
using enum CellType;
using enum CellPresence;

enum Column : std::size_t {
  kTime,
  kObservedTime,
  kSeverityNumber,
  kSeverityText,
  kBody,
  kTraceId,
  kSpanId,
  kFlags,
  kAttributes,
  kResource,
  kScope,
  kDroppedAttributes,
  kServiceName,
  kEventName,
};

constexpr auto kColumns = std::to_array<CellSpec>({
    {"time_unix_nano", kUnsigned, kRequired},
    {"observed_time_unix_nano", kUnsigned, kRequired},
    {"severity_number", kSigned, kOptional},
    {"severity_text", kText, kOptional},
    {"body", kText, kOptional},
    {"trace_id", kBytes, kOptional},
    {"span_id", kBytes, kOptional},
    {"flags", kUnsigned, kOptional},
    {"attributes_json", kText, kOptional},
    {"resource_json", kText, kOptional},
    {"scope_json", kText, kOptional},
    {"dropped_attributes_count", kUnsigned, kOptional},
    {"service_name", kText, kOptional},
    {"event_name", kText, kOptional},
});

constexpr std::array<std::string_view, 3> kNullable = {"severity_number", "trace_flags",
                                                       "dropped_attributes_count"};
constexpr std::array<Column, kNullable.size()> kNullableCells = {kSeverityNumber, kFlags,
                                                                 kDroppedAttributes};
constexpr std::array<std::string_view, 2> kAbsent = {"resource_dropped_attributes_count",
                                                     "scope_dropped_attributes_count"};

class ArrowLogs final : public ArrowRecords {
 public:
  [[nodiscard]] Status Bind(const arrow::RecordBatch& batch, std::int64_t first_row) override {
    SIGNALDB_ASSIGN(cells_, BindCells(batch, kColumns, unknown_columns_));
    json_.Bind(first_row);
    return {};
  }

  [[nodiscard]] ResourceCells Resource(std::int64_t row) const override {
    return {.json = Text(kResource, row), .schema_url = {}};
  }

  [[nodiscard]] ScopeCells Scope(std::int64_t row) const override {
    ScopeCells scope;
    scope.json = Text(kScope, row);
    return scope;
  }

  [[nodiscard]] CellRemarks Remarks(std::int64_t row) const override {
    CellRemarks remarks{.service_name = Text(kServiceName, row)};
    for (std::size_t i = 0; i < kNullable.size(); ++i) {
      if (cells_[kNullableCells[i]].IsNull(row))
        remarks.nulls = static_cast<std::uint8_t>(remarks.nulls | (1U << i));
    }
    return remarks;
  }

  [[nodiscard]] Status Write(std::int64_t row, std::string& record) override;

  [[nodiscard]] std::span<const std::string_view> nullable_columns() const override {
    return kNullable;
  }
  [[nodiscard]] std::span<const std::string_view> absent_columns() const override {
    return kAbsent;
  }

 private:
  [[nodiscard]] std::string_view Text(Column column, std::int64_t row) const {
    return cells_[column].TextOrEmpty(row);
  }
  [[nodiscard]] Status AddBody(std::int64_t row, pbf_writer& out, std::string& bytes) const;

  JsonCells json_;
  std::vector<ArrowCells> cells_;
};

Status ArrowLogs::Write(std::int64_t row, std::string& record) {
  pbf_writer out(record);
  const auto add_text = [&](std::uint32_t tag, std::string_view text) {
    if (!text.empty()) out.add_string(tag, text.data(), text.size());
  };
  const std::int64_t severity = cells_[kSeverityNumber].Signed(row);
  if (severity != static_cast<std::int32_t>(severity)) {
    return std::unexpected(json_.Wrong("number is out of range", "severity_number", row));
  }
  const std::uint64_t flags = cells_[kFlags].Unsigned(row);
  const std::uint64_t dropped = cells_[kDroppedAttributes].Unsigned(row);
  if (flags > UINT32_MAX) {
    return std::unexpected(json_.Wrong("number is out of range", "flags", row));
  }
  if (dropped > UINT32_MAX) {
    return std::unexpected(json_.Wrong("count is out of range", "dropped_attributes_count", row));
  }
  out.add_fixed64(1, cells_[kTime].Unsigned(row));
  out.add_int32(2, static_cast<std::int32_t>(severity));
  add_text(3, Text(kSeverityText, row));
  SIGNALDB_TRY(AddBody(row, out, record));
  SIGNALDB_TRY(json_.Attributes(Text(kAttributes, row), "attributes_json", row, 6, out, record));
  out.add_uint32(7, static_cast<std::uint32_t>(dropped));
  out.add_fixed32(8, static_cast<std::uint32_t>(flags));
  add_text(9, Text(kTraceId, row));
  add_text(10, Text(kSpanId, row));
  out.add_fixed64(11, cells_[kObservedTime].Unsigned(row));
  add_text(12, Text(kEventName, row));
  return {};
}

Status ArrowLogs::AddBody(std::int64_t row, pbf_writer& out, std::string& bytes) const {
  const auto text = cells_[kBody].Text(row);
  if (!text || AppendFlatText(*text, 5, bytes)) return {};
  const auto tree = JsonTree::Parse(*text);
  if (!tree) return std::unexpected(json_.Wrong(tree.error(), "body", row));
  if (!JsonAnyValueWriter(tree->nodes(), bytes).Value(0, 5, out)) {
    return std::unexpected(json_.Wrong("cell holds a number out of range", "body", row));
  }
  return {};
}

}  // namespace

std::unique_ptr<ArrowRecords> MakeArrowLogs() { return std::make_unique<ArrowLogs>(); }

}  // namespace signaldb

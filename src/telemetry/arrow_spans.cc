// Wire schema v1 of spans, as OTLP Spans.
#include <algorithm>
#include <array>
#include <limits>

#include <arrow/api.h>

#include "telemetry/arrow_records.h"
#include "telemetry/scalar_text.h"
#include "telemetry/span_ids.h"

namespace signaldb {
namespace {

using protozero::pbf_writer;
using enum CellType;
using enum CellPresence;

enum Column : std::size_t {
  kTraceId,
  kSpanId,
  kParentSpanId,
  kName,
  kServiceName,
  kStart,
  kEnd,
  kDuration,
  kSpanKind,
  kStatusCode,
  kStatusMessage,
  kIsRoot,
  kAttributes,
  kResource,
  kEvents,
  kLinks,
  kTraceState,
  kResourceSchemaUrl,
  kScopeName,
  kScopeVersion,
  kScopeSchemaUrl,
  kScopeAttributes,
  kSpanKindNumber,
  kStatusCodeNumber,
  kDroppedAttributes,
  kDroppedEvents,
  kDroppedLinks,
};

constexpr auto kColumns = std::to_array<CellSpec>({
    {"trace_id", kText, kRequired},
    {"span_id", kText, kRequired},
    {"parent_span_id", kText, kOptional},
    {"name", kText, kRequired},
    {"service_name", kText, kRequired},
    {"start_time_unix_nano", kUnsigned, kRequired},
    {"end_time_unix_nano", kUnsigned, kRequired},
    {"duration_nano", kUnsigned, kRequired},
    {"span_kind", kText, kRequired},
    {"status_code", kText, kRequired},
    {"status_message", kText, kOptional},
    {"is_root", kBool, kRequired},
    {"attributes_json", kText, kOptional},
    {"resource_json", kText, kOptional},
    {"events", kStructs, kOptional},
    {"links", kStructs, kOptional},
    {"trace_state", kText, kOptional},
    {"resource_schema_url", kText, kOptional},
    {"scope_name", kText, kOptional},
    {"scope_version", kText, kOptional},
    {"scope_schema_url", kText, kOptional},
    {"scope_attributes", kText, kOptional},
    {"span_kind_number", kSigned, kOptional},
    {"status_code_number", kSigned, kOptional},
    {"dropped_attributes_count", kSigned, kOptional},
    {"dropped_events_count", kSigned, kOptional},
    {"dropped_links_count", kSigned, kOptional},
});

constexpr auto kEventFields = std::to_array<CellSpec>({
    {"name", kText, kRequired},
    {"timestamp_unix_nano", kUnsigned, kRequired},
    {"attributes_json", kText, kOptional},
});

constexpr auto kLinkFields = std::to_array<CellSpec>({
    {"trace_id", kText, kRequired},
    {"span_id", kText, kRequired},
    {"attributes_json", kText, kOptional},
});

// From the wire column kSpanKindNumber on, one for one.
constexpr std::array<std::string_view, 5> kNullable = {
    "span_kind_number", "status_code_number", "dropped_attributes_count", "dropped_events_count",
    "dropped_links_count"};
constexpr std::array<std::string_view, 3> kAbsent = {"flags", "resource_dropped_attributes_count",
                                                     "scope_dropped_attributes_count"};

std::int32_t KindNumber(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames = {"",       "Internal", "Server",
                                                      "Client", "Producer", "Consumer"};
  for (std::size_t i = 1; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<std::int32_t>(i);
  }
  return 0;
}

std::int32_t StatusNumber(std::string_view name) {
  if (name == "Ok") return 1;
  return name == "Error" ? 2 : 0;
}

/// Writes an id that stands as hex. One that is no hex, or too long, gets a length that is never
/// right, so that the decoder rejects the span for it.
void AddId(pbf_writer& out, std::uint32_t tag, std::string_view hex) {
  if (hex.empty()) return;
  std::array<char, kTraceIdBytes> id{};
  const std::span<char> bytes = std::span(id).first(std::min(id.size(), hex.size() / 2));
  if (ParseHex(hex, bytes)) {
    out.add_bytes(tag, bytes.data(), bytes.size());
  } else {
    out.add_bytes(tag, "?", 1);
  }
}

void AddText(pbf_writer& out, std::uint32_t tag, std::string_view text) {
  if (!text.empty()) out.add_string(tag, text.data(), text.size());
}

class ArrowSpans final : public ArrowRecords {
 public:
  [[nodiscard]] Status Bind(const arrow::RecordBatch& batch, std::int64_t first_row) override {
    SIGNALDB_ASSIGN(cells_, BindCells(batch, kColumns, unknown_columns_));
    json_.Bind(first_row);
    events_ = links_ = {};
    return {};
  }

  [[nodiscard]] ResourceCells Resource(std::int64_t row) const override {
    return {.json = Text(kResource, row), .schema_url = Text(kResourceSchemaUrl, row)};
  }

  [[nodiscard]] ScopeCells Scope(std::int64_t row) const override {
    return {.json = {},
            .name = Text(kScopeName, row),
            .version = Text(kScopeVersion, row),
            .schema_url = Text(kScopeSchemaUrl, row),
            .attributes_json = Text(kScopeAttributes, row)};
  }

  [[nodiscard]] CellRemarks Remarks(std::int64_t row) const override {
    CellRemarks remarks{.service_name = Text(kServiceName, row)};
    for (std::size_t i = 0; i < kNullable.size(); ++i) {
      if (cells_[kSpanKindNumber + i].IsNull(row))
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
  /// The fields of the structs that a list column's rows share.
  struct Fields {
    const arrow::StructArray* structs = nullptr;
    std::vector<ArrowCells> cells;
  };

  [[nodiscard]] std::string_view Text(Column column, std::int64_t row) const {
    return cells_[column].TextOrEmpty(row);
  }
  [[nodiscard]] Status AddCount(Column column, std::int64_t row, std::uint32_t tag,
                                pbf_writer& out) const;
  [[nodiscard]] Status AddNumber(Column column, std::int64_t row, std::int32_t otherwise,
                                 std::uint32_t tag, pbf_writer& out) const;
  [[nodiscard]] Status AddEvents(std::int64_t row, pbf_writer& out, std::string& bytes);
  [[nodiscard]] Status AddLinks(std::int64_t row, pbf_writer& out, std::string& bytes);
  [[nodiscard]] static Status BindFields(const ArrowCells::Range& range,
                                         std::span<const CellSpec> specs, std::string_view column,
                                         Fields& fields);

  JsonCells json_;
  std::vector<ArrowCells> cells_;
  Fields events_;
  Fields links_;
};

Status ArrowSpans::Write(std::int64_t row, std::string& record) {
  pbf_writer out(record);
  AddId(out, 1, Text(kTraceId, row));
  AddId(out, 2, Text(kSpanId, row));
  AddText(out, 3, Text(kTraceState, row));
  AddId(out, 4, Text(kParentSpanId, row));
  AddText(out, 5, Text(kName, row));
  SIGNALDB_TRY(AddNumber(kSpanKindNumber, row, KindNumber(Text(kSpanKind, row)), 6, out));
  out.add_fixed64(7, cells_[kStart].Unsigned(row));
  out.add_fixed64(8, cells_[kEnd].Unsigned(row));
  SIGNALDB_TRY(json_.Attributes(Text(kAttributes, row), "attributes_json", row, 9, out, record));
  SIGNALDB_TRY(AddCount(kDroppedAttributes, row, 10, out));
  SIGNALDB_TRY(AddEvents(row, out, record));
  SIGNALDB_TRY(AddCount(kDroppedEvents, row, 12, out));
  SIGNALDB_TRY(AddLinks(row, out, record));
  SIGNALDB_TRY(AddCount(kDroppedLinks, row, 14, out));
  pbf_writer status(out, 15);
  AddText(status, 2, Text(kStatusMessage, row));
  return AddNumber(kStatusCodeNumber, row, StatusNumber(Text(kStatusCode, row)), 3, status);
}

Status ArrowSpans::AddCount(Column column, std::int64_t row, std::uint32_t tag,
                            pbf_writer& out) const {
  const std::int64_t count = cells_[column].Signed(row);
  if (count == 0) return {};
  if (count < 0 || count > std::numeric_limits<std::uint32_t>::max()) {
    return std::unexpected(json_.Wrong("count is out of range", kColumns[column].name, row));
  }
  out.add_uint32(tag, static_cast<std::uint32_t>(count));
  return {};
}

Status ArrowSpans::AddNumber(Column column, std::int64_t row, std::int32_t otherwise,
                             std::uint32_t tag, pbf_writer& out) const {
  std::int64_t number = otherwise;
  if (!cells_[column].IsNull(row)) number = cells_[column].Signed(row);
  if (number < std::numeric_limits<std::int32_t>::min() ||
      number > std::numeric_limits<std::int32_t>::max()) {
    return std::unexpected(json_.Wrong("number is out of range", kColumns[column].name, row));
  }
  if (number != 0) out.add_int32(tag, static_cast<std::int32_t>(number));
  return {};
}

Status ArrowSpans::BindFields(const ArrowCells::Range& range, std::span<const CellSpec> specs,
                              std::string_view column, Fields& fields) {
  if (range.structs == nullptr || fields.structs == range.structs) return {};
  SIGNALDB_ASSIGN(fields.cells, BindCells(*range.structs, specs, column));
  fields.structs = range.structs;
  return {};
}

Status ArrowSpans::AddEvents(std::int64_t row, pbf_writer& out, std::string& bytes) {
  const auto range = cells_[kEvents].Structs(row);
  SIGNALDB_TRY(BindFields(range, kEventFields, "events", events_));
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    if (range.structs->IsNull(i)) continue;  // No event.
    pbf_writer event(out, 11);
    event.add_fixed64(1, events_.cells[1].Unsigned(i));
    AddText(event, 2, events_.cells[0].TextOrEmpty(i));
    SIGNALDB_TRY(json_.Attributes(events_.cells[2].TextOrEmpty(i), "events.attributes_json", row, 3,
                                  event, bytes));
  }
  return {};
}

Status ArrowSpans::AddLinks(std::int64_t row, pbf_writer& out, std::string& bytes) {
  const auto range = cells_[kLinks].Structs(row);
  SIGNALDB_TRY(BindFields(range, kLinkFields, "links", links_));
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    if (range.structs->IsNull(i)) continue;  // No link.
    const std::size_t before = bytes.size();
    {
      pbf_writer link(out, 13);
      for (const std::uint32_t tag : {1U, 2U}) {
        const auto id = ParseHex(links_.cells[tag - 1].TextOrEmpty(i));
        // Ids of links may have any length, so that a wrong one would not be noticed later.
        if (!id) return std::unexpected(json_.Wrong("id of a link is not hex", "links", row));
        if (!id->empty()) link.add_bytes(tag, *id);
      }
      SIGNALDB_TRY(json_.Attributes(links_.cells[2].TextOrEmpty(i), "links.attributes_json", row, 4,
                                    link, bytes));
    }
    if (bytes.size() == before) out.add_message(13, "", 0);
  }
  return {};
}

}  // namespace

std::unique_ptr<ArrowRecords> MakeArrowSpans() { return std::make_unique<ArrowSpans>(); }

}  // namespace signaldb

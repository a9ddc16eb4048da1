#include "pipeline/decoded_rows.h"

#include <set>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "telemetry/table_definition.h"

namespace signaldb {

namespace {

// What the columns hold of the heap: buffers grow by doubling, so their capacity is what counts.
std::int64_t CapacityOf(const arrow::ArrayData& data) {
  std::int64_t bytes = 0;
  for (const auto& buffer : data.buffers) {
    if (buffer != nullptr) bytes += buffer->capacity();
  }
  for (const auto& child : data.child_data) bytes += CapacityOf(*child);
  if (data.dictionary != nullptr) bytes += CapacityOf(*data.dictionary);
  return bytes;
}

}  // namespace

std::int64_t BytesOf(const DecodedRequest& decoded) {
  std::int64_t bytes = 0;
  const auto add = [&](const arrow::RecordBatch& rows) {
    for (const auto& column : rows.column_data()) bytes += CapacityOf(*column);
  };
  for (const DecodedTable& table : decoded.tables) add(*table.rows);
  for (const ForeignRows& table : decoded.foreign) add(*table.rows);
  return bytes;
}

DecodedMessage MessageOf(DecodedRequest decoded, Nanos received_at, MemoryBudget::Hold hold) {
  DecodedMessage message{.received_at = received_at, .tables = {}, .hold = std::move(hold)};
  for (DecodedTable& table : decoded.tables) {
    message.tables.push_back({std::string(DefinitionOf(table.table).name), std::move(table.rows)});
  }
  for (ForeignRows& table : decoded.foreign)
    message.tables.push_back({std::move(table.table), std::move(table.rows)});
  return message;
}

Status CheckHours(const DecodedRequest& decoded) {
  std::set<std::int64_t> hours;
  for (const DecodedTable& table : decoded.tables) AddHours(*table.rows, hours);
  if (hours.size() <= kHoursMax) return {};
  return Fail(ErrorKind::kInvalid,
              fmt::format("the records lie in too many different hours; send each stretch of time "
                          "by itself hours={} limit={}",
                          hours.size(), kHoursMax));
}

void CountRecords(EventListener& events, Signal signal, const DecodedRequest& decoded) {
  const std::string_view name = ToString(signal);
  events.Count("signaldb_writer_records_total", static_cast<double>(decoded.accepted),
               {{"signal", name}, {"outcome", "accepted"}});
  if (decoded.rejected > 0) {
    events.Count("signaldb_writer_records_total", static_cast<double>(decoded.rejected),
                 {{"signal", name}, {"outcome", "rejected"}});
  }
  for (const DecodedRequest::Note& note : decoded.notes) {
    const auto count = static_cast<double>(note.count);
    switch (note.kind) {
      case DecodedRequest::Note::Kind::kRejected:
        events.Count("signaldb_writer_rejected_records_total", count,
                     {{"signal", name}, {"reason", note.reason}});
        break;
      case DecodedRequest::Note::Kind::kClampedTimestamp:
        events.Count("signaldb_writer_clamped_timestamps_total", count,
                     {{"signal", name}, {"reason", note.reason}});
        break;
      case DecodedRequest::Note::Kind::kOddity:
        events.Count("signaldb_writer_decode_notes_total", count,
                     {{"signal", name}, {"kind", note.reason}});
        break;
    }
  }
}

}  // namespace signaldb

#include "pipeline/cut.h"

#include <algorithm>
#include <utility>

#include <arrow/api.h>

namespace signaldb {

namespace {

constexpr std::int64_t kMicrosPerHour = 3'600'000'000;

}  // namespace

// Messages are short in time: most have one hour, found by their first and last micros only if
// these agree.
void AddHours(const arrow::RecordBatch& rows, std::set<std::int64_t>& hours) {
  const std::shared_ptr<arrow::Array> column = rows.GetColumnByName("timestamp");
  if (column == nullptr || column->type_id() != arrow::Type::TIMESTAMP) return;
  const auto& times = static_cast<const arrow::TimestampArray&>(*column);
  std::int64_t begin = 1;
  std::int64_t end = 0;
  for (std::int64_t i = 0; i < times.length(); ++i) {
    const std::int64_t micros = times.Value(i);
    if (micros >= begin && micros < end) continue;
    const std::int64_t hour = micros / kMicrosPerHour - (micros % kMicrosPerHour < 0 ? 1 : 0);
    hours.insert(hour);
    begin = hour * kMicrosPerHour;
    end = begin + kMicrosPerHour;
  }
}

std::string_view ToString(CutReason reason) {
  switch (reason) {
    case CutReason::kAge:
      return "age";
    case CutReason::kBytes:
      return "bytes";
    case CutReason::kRows:
      return "rows";
    case CutReason::kMemory:
      return "memory";
    case CutReason::kPartitions:
      return "partitions";
    case CutReason::kFlush:
      return "flush";
    case CutReason::kShutdown:
      return "shutdown";
  }
  std::unreachable();
}

void Cut::Add(const MessageOrigin& origin, DecodedMessage message, Nanos monotonic_now) {
  if (empty()) {
    oldest_received_at = message.received_at;
    begun_at = monotonic_now;
  }
  oldest_received_at = std::min(oldest_received_at, message.received_at);
  for (TableRows& table : message.tables) {
    rows += table.rows->num_rows();
    AddHours(*table.rows, hours);
    tables[table.table].push_back(
        {origin.lane, origin.position, std::move(table.rows), origin.delivery});
  }
  bytes += message.hold.bytes();
  messages.push_back({origin, std::move(message.hold)});
}

void Cut::Drop(const SourceLane& lane) {
  std::erase_if(messages, [&](const Message& m) { return m.origin.lane.get() == &lane; });
  for (auto& [name, table] : tables)
    std::erase_if(table, [&](const PositionedRows& m) { return m.lane.get() == &lane; });
  std::erase_if(tables, [](const auto& table) { return table.second.empty(); });
  rows = 0;
  for (const auto& [name, table] : tables) {
    for (const PositionedRows& message : table) rows += message.rows->num_rows();
  }
  bytes = 0;
  for (const Message& message : messages) bytes += message.hold.bytes();
}

}  // namespace signaldb

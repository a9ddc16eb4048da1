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
  SIGNALDB_ASSERT(column != nullptr && column->type_id() == arrow::Type::TIMESTAMP);
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

void Cut::Add(DecodedMessage message, Nanos monotonic_now) {
  SIGNALDB_ASSERT(message.position > last);
  if (empty()) {
    first = message.position;
    oldest_received_at = message.received_at;
    begun_at = monotonic_now;
  }
  last = message.position;
  oldest_received_at = std::min(oldest_received_at, message.received_at);
  for (std::size_t kind = 0; kind < kTableKinds; ++kind) {
    std::shared_ptr<arrow::RecordBatch>& batch = message.rows[kind];
    if (batch == nullptr) continue;
    rows += batch->num_rows();
    AddHours(*batch, hours);
    tables[kind].push_back({message.position, std::move(batch)});
  }
  bytes += message.hold.bytes();
  holds.push_back(std::move(message.hold));
}

}  // namespace signaldb

#include "fuzz/otlp_rows.h"

#include <arrow/record_batch.h>
#include <arrow/status.h>

#include "testing/otlp_samples.h"

namespace signaldb::testing {
namespace {

DecodeOptions FuzzOptions() {
  return {.received_at = Nanos(1'764'000'000'000'000'000), .depth_max = 8, .attributes_max = 16};
}

void CheckRows(const DecodedRequest& request, std::size_t body_bytes) {
  std::int64_t rows = 0;
  for (const DecodedTable& table : request.tables) {
    const arrow::Status valid = table.rows->ValidateFull();
    SIGNALDB_ASSERT(valid.ok());
    SIGNALDB_ASSERT(table.rows->num_rows() > 0);
    rows += table.rows->num_rows();
  }
  SIGNALDB_ASSERT(rows == request.accepted);
  SIGNALDB_ASSERT(request.rejected >= 0);
  // The shortest record takes two bytes in either encoding.
  SIGNALDB_ASSERT(static_cast<std::size_t>(rows + request.rejected) <= body_bytes / 2);
  SIGNALDB_ASSERT(request.rejection_message.empty() == (request.rejected == 0));
}

void CheckSame(const DecodedRequest& a, const DecodedRequest& b) {
  SIGNALDB_ASSERT(a.accepted == b.accepted && a.rejected == b.rejected);
  SIGNALDB_ASSERT(a.tables.size() == b.tables.size());
  for (std::size_t i = 0; i < a.tables.size(); ++i) {
    SIGNALDB_ASSERT(a.tables[i].table == b.tables[i].table);
    SIGNALDB_ASSERT(a.tables[i].rows->num_rows() == b.tables[i].rows->num_rows());
  }
}

}  // namespace

bool CheckDecoding(Signal signal, MessageEncoding encoding, std::string_view body) {
  const auto request = DecodeMessage(signal, encoding, AsBytes(body), FuzzOptions());
  const auto again = DecodeMessage(signal, encoding, AsBytes(body), FuzzOptions());
  SIGNALDB_ASSERT(request.has_value() == again.has_value());
  if (!request.has_value()) {
    SIGNALDB_ASSERT(request.error().kind == ErrorKind::kInvalid);
    return false;
  }
  CheckRows(*request, body.size());
  CheckSame(*request, *again);
  return true;
}

Signal SignalOf(unsigned number) {
  constexpr Signal kSignals[] = {Signal::kTraces, Signal::kLogs, Signal::kMetrics};
  return kSignals[number % 3];
}

}  // namespace signaldb::testing

// Small texts that come back from disk: headers of log entries, and watermarks among the properties
// of a table. What is read is written the same.

#include "fuzz/fuzz_input.h"
#include "fuzz/fuzz_target.h"
#include "pipeline/log_entry.h"
#include "writer/watermark.h"

namespace signaldb::testing {
namespace {

void CheckLogEntry(std::string_view bytes) {
  const auto header = DecodeLogEntryHeader(bytes);
  if (!header.has_value()) {
    SIGNALDB_ASSERT(header.error().kind == ErrorKind::kCorrupt);
    return;
  }
  SIGNALDB_ASSERT(EncodeLogEntryHeader(*header) == bytes);
}

void CheckWatermark(std::string_view value) {
  const SourceKey source = "log/0193";
  const auto coverage = CoverageOf(source, {{WatermarkProperty(source), std::string(value)}});
  if (!coverage.has_value()) {
    SIGNALDB_ASSERT(coverage.error().kind == ErrorKind::kCorrupt);
    return;
  }
  SourcePosition last = coverage->low;
  for (const PositionRange& range : coverage->above) {
    SIGNALDB_ASSERT(range.first > last + 1 && range.last >= range.first);
    SIGNALDB_ASSERT(coverage->Covers(range.first) && coverage->Covers(range.last));
    SIGNALDB_ASSERT(!coverage->Covers(range.first - 1));
    last = range.last;
  }
  const std::string written = EncodeWatermark(source, *coverage);
  SIGNALDB_ASSERT(CoverageOf(source, {{WatermarkProperty(source), written}}) == coverage);
}

}  // namespace

void RunInput(std::string_view input) {
  FuzzInput in(input);
  if (in.TakeByte() % 2 == 0) return CheckLogEntry(in.rest());
  CheckWatermark(in.rest());
}

std::vector<std::string> SeedInputs() {
  Coverage coverage{.low = 7};
  coverage.Add({10, 12});
  coverage.Add({20, 20});
  return {'\0' + EncodeLogEntryHeader({.tenant = "acme",
                                       .dataset = "default",
                                       .signal = Signal::kMetrics,
                                       .received_at = Nanos(1),
                                       .request_id = "r-1"}),
          '\1' + EncodeWatermark("log/0193", coverage), '\1' + EncodeWatermark("log/0193", {})};
}

}  // namespace signaldb::testing

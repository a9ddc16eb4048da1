#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "signaldb/result.h"
#include "telemetry/ingest.h"
#include "telemetry/signal.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// Limits on what one request may hold, and the window of event times. Each is a configuration key.
struct DecodeOptions {
  Nanos received_at{0};
  Nanos timestamp_min{946'684'800'000'000'000};         ///< 2000-01-01T00:00:00Z.
  Nanos timestamp_future_max = std::chrono::hours(24);  ///< After `received_at`.
  std::int64_t records_max = 1'000'000;  ///< Per request; above it the request is kInvalid.
  int depth_max = 32;                    ///< Of nested AnyValues; a deeper record is rejected.
  std::int64_t attributes_max = 1'024;   ///< Per record; a record with more is rejected.
};

/// Rows of one table, in the order sent.
struct DecodedTable {
  TableKind table;
  /// Columns as DefinitionOf(table).decoded_schema has them.
  std::shared_ptr<arrow::RecordBatch> rows;
};

/// Rows of a table that is not ours, as they were sent.
struct ForeignRows {
  std::string table;  ///< Its name in the dataset's namespace.
  std::shared_ptr<arrow::RecordBatch> rows;
};

/// A request as rows. `tables` has at most one element a kind, `foreign` one a name, and none
/// without rows.
struct DecodedRequest {
  std::vector<DecodedTable> tables;
  std::vector<ForeignRows> foreign;
  std::int64_t accepted = 0;  ///< Of `tables`.
  std::int64_t rejected = 0;
  std::string rejection_message;  ///< First reason, for the client.
  /// Those rejected, counted from 0 in the order in which they stand in the request; ascending.
  std::vector<std::uint32_t> rejected_records;
  /// Why records were rejected, times clamped, oddities noted: metric, label value, how often.
  struct Note {
    enum class Kind : std::uint8_t { kRejected, kClampedTimestamp, kOddity } kind;
    std::string_view reason;  ///< Static text.
    std::int64_t count;
  };
  std::vector<Note> notes;
};

/// Decodes one request, in whatever encoding it came, into Arrow rows.
///
/// Total: every well-formed record gives a row or a counted rejection. The same bytes and options
/// always give the same rows, so that a replay of the log writes what the first pass would have.
///
/// Errors: kInvalid (not a well-formed message, or above `records_max`).
[[nodiscard]] Result<DecodedRequest> DecodeMessage(Signal signal, MessageEncoding encoding,
                                                   std::span<const std::byte> body,
                                                   const DecodeOptions& options);

}  // namespace signaldb

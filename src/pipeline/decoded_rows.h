#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/event_listener.h"
#include "pipeline/cut.h"
#include "telemetry/decode.h"
#include "telemetry/signal.h"

namespace signaldb {

/// Hours that the records of one message may lie in: each becomes a file. A year, so that an
/// archive can be brought in, but not one file for every record.
inline constexpr std::size_t kHoursMax = std::size_t{366} * 24;

/// Errors: kInvalid (more than kHoursMax).
[[nodiscard]] Status CheckHours(const DecodedRequest& decoded);

/// What the rows hold of the heap, for the budget.
[[nodiscard]] std::int64_t BytesOf(const DecodedRequest& decoded);

/// The rows by the names of their tables. `hold` covers them.
[[nodiscard]] DecodedMessage MessageOf(DecodedRequest decoded, Nanos received_at,
                                       MemoryBudget::Hold hold);

/// Counts records accepted and rejected, clamped times, oddities.
void CountRecords(EventListener& events, Signal signal, const DecodedRequest& decoded);

}  // namespace signaldb

#pragma once

#include <functional>
#include <string_view>

#include "signaldb/result.h"

namespace arrow {
class Status;
}

namespace signaldb {

/// What Arrow's failure means for our caller. `doing` says what was tried, e.g. "reading
/// a.parquet". Invalid and type errors are kInvalid, I/O and memory kUnavailable, cancellation
/// kCancelled, a missing file kNotFound, everything else kInternal.
[[nodiscard]] Error ErrorFromArrow(const arrow::Status& status, std::string_view doing);

/// Runs `body`, which may throw what the parquet library throws, and translates: a damaged file is
/// kCorrupt, a status inside an exception as above, memory kUnavailable, everything else kInternal.
[[nodiscard]] Status CatchingParquet(std::string_view doing, const std::function<Status()>& body);

}  // namespace signaldb

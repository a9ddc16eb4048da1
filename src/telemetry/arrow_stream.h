#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "signaldb/result.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// Reads an Arrow IPC stream from outside: every batch passes arrow's full validation before `each`
/// sees it, and what a batch decompresses to is bounded. The batch borrows from `stream` and from
/// the reader: it must not outlive the call of `each`.
///
/// Errors: kInvalid (not such a stream, above `rows_max`, or above 256 MiB decompressed), and those
/// of `each`.
[[nodiscard]] Status ReadArrowStream(
    std::span<const std::byte> stream, std::int64_t rows_max,
    const std::function<Status(const std::shared_ptr<arrow::RecordBatch>& batch)>& each);

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// What the rows are like.
enum class RowKind : std::uint8_t {
  kRequests,  ///< Nine columns, a text and a unique id among them, for a plain table.
  kGauges,    ///< The required columns of the table metrics_gauge, a row a millisecond.
};
[[nodiscard]] std::string_view ToString(RowKind kind);

/// The same rows for the same arguments; all gauges of less than an hour lie in one partition.
[[nodiscard]] std::shared_ptr<arrow::RecordBatch> MakeRows(RowKind kind, std::int64_t rows,
                                                           std::uint64_t seed = 1);

}  // namespace signaldb

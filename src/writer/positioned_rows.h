#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

#include "writer/source_lane.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// Who the rows belong to; the namespace of the tables.
struct DatasetId {
  std::string tenant;
  std::string dataset;

  friend auto operator<=>(const DatasetId&, const DatasetId&) = default;
};

/// Whether a message may have been handed out before: then a table may have its rows already.
enum class Delivery : std::uint8_t {
  kFirst,  ///< Its position was made for it by this process: no table can cover it yet.
  kAgain,  ///< Or who knows: replayed, redelivered, or shared with other processes.
};

/// The rows that one message has for one table.
struct PositionedRows {
  std::shared_ptr<const SourceLane> lane;
  SourcePosition position = 0;
  std::shared_ptr<arrow::RecordBatch> rows;  ///< Shared: Arrow's own ownership of columns.
  Delivery delivery = Delivery::kAgain;
};

}  // namespace signaldb

#pragma once

#include <compare>
#include <memory>
#include <string>

#include "writer/watermark.h"

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

/// The rows that one message has for one table.
struct PositionedRows {
  SourcePosition position = 0;
  std::shared_ptr<arrow::RecordBatch> rows;  ///< Shared: Arrow's own ownership of columns.
};

}  // namespace signaldb

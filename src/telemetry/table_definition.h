#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/signal.h"

namespace arrow {
class Schema;
}

namespace signaldb {

/// Everything a catalog needs to create one of our tables, without knowing Iceberg.
struct TableDefinition {
  TableKind kind;
  std::string_view name;  ///< "traces", "logs", "metrics_gauge", ...
  /// The table's columns. Every field, nested ones too, carries its Iceberg id as field metadata
  /// `PARQUET:field_id`. Plain types: utf8, int32/64, float64, bool, date32, timestamp[us, UTC],
  /// map<utf8, utf8>.
  std::shared_ptr<arrow::Schema> schema;
  /// The same columns as the decoder makes them: strings that repeat are dictionary<int32, utf8>,
  /// at any depth, so that the Parquet encoder need not find the repetitions again.
  std::shared_ptr<arrow::Schema> decoded_schema;
  std::string_view partition_column;  ///< "timestamp", transform hour, field name "timestamp_hour".
  std::vector<std::string_view> sort_columns;                   ///< Ascending, nulls first.
  std::vector<std::pair<std::string, std::string>> properties;  ///< Table properties at creation.
};

/// Lives for the whole program. Threads: thread-safe.
[[nodiscard]] const TableDefinition& DefinitionOf(TableKind kind);

/// The definition of our table of that name; null if it is none of ours.
[[nodiscard]] const TableDefinition* FindDefinition(std::string_view name);

}  // namespace signaldb

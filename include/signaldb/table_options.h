#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace arrow {
class Schema;
}

namespace signaldb {

/// What a new table is made of, should there be none of its name.
struct TableOptions {
  /// A column's part in the partition of a row.
  struct PartitionField {
    std::string column;
    /// As Iceberg writes it: "identity", "bucket[16]", "truncate[8]", "year", "month", "day",
    /// "hour", "void".
    std::string transform = "identity";
    std::string name;  ///< Of the partition field; empty: "<column>_<transform>", or the column.
  };
  struct SortField {
    std::string column;
    bool ascending = true;
    bool nulls_first = true;
  };

  /// The columns. Field ids are taken from `PARQUET:field_id` if all fields have one, else given
  /// out from 1. Fields that are not nullable are required.
  std::shared_ptr<arrow::Schema> schema;
  std::vector<PartitionField> partition_by;
  std::vector<SortField> sort_by;
  /// As Iceberg's table properties: "write.target-file-size-bytes", "write.parquet.*", ...
  /// Without "write.parquet.compression-codec" the table says zstd, level 1. Without
  /// "signaldb.expire-on-commit.enabled" and "gc.enabled" it keeps its newest 100 snapshots, none
  /// but the newest for more than five days; without "write.metadata.previous-versions-max" and
  /// "write.metadata.delete-after-commit.enabled" it keeps 20 older metadata files.
  std::map<std::string, std::string> properties;
  /// Empty: "<warehouse>/<tenant>/<dataset>/<table>".
  std::string location;
};

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <parquet/schema.h>

#include "iceberg/schema/schema.h"
#include "signaldb/result.h"

namespace signaldb {

/// One column of a Parquet file: where a primitive field of the schema is stored.
struct ParquetLeaf {
  int ordinal = 0;
  const Field* field = nullptr;  ///< Lives in the layout's schema.
  std::string name;              ///< Dotted, as table properties name it.
  bool repeated = false;         ///< Inside a list or map: no metrics, no bounds.
  std::int16_t definition_max = 0;
  std::int16_t repetition_max = 0;
};

/// Bytes that hold any unscaled value of this precision (1 to 38) in two's complement.
[[nodiscard]] std::int32_t DecimalWidth(std::int32_t precision);

/// How a schema is laid out in our Parquet files: field ids on every column, group, element, key
/// and value; compliant nested names; decimals as integers where they fit; times not adjusted to
/// UTC. Columns of type unknown are left out.
///
/// Threads: thread-safe (immutable).
struct ParquetLayout {
  Schema schema;
  parquet::SchemaDescriptor descriptor;
  std::vector<ParquetLeaf> leaves;  ///< By ordinal: depth first, in schema order.

  /// Errors: kInvalid (a type that cannot be written: variant, geometry, geography; names the
  /// column).
  [[nodiscard]] static Result<std::shared_ptr<const ParquetLayout>> Make(const Schema& schema);
};

}  // namespace signaldb

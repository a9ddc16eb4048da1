#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "iceberg/catalog.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"
#include "telemetry/signal.h"
#include "writer/positioned_rows.h"

namespace signaldb {

/// Where a dataset's table stands in the catalog: namespace [tenant, dataset].
[[nodiscard]] TableIdentifier TableInDataset(const DatasetId& dataset, std::string_view table);

/// What decides about new telemetry tables beside their definition.
struct TelemetryTableOptions {
  std::string warehouse;  ///< Location under which tenants' folders lie, without a trailing slash.
  Properties properties;  ///< Added to those of the definition, and stronger.
};

/// The new table for one kind of rows of a dataset, partitioned by the hour of `timestamp` and
/// sorted as its definition says, at `<warehouse>/<tenant>/<dataset>/<table>`. Errors: kInternal (a
/// definition that contradicts itself).
[[nodiscard]] Result<NewTable> MakeTelemetryTable(const DatasetId& dataset, TableKind kind,
                                                  const TelemetryTableOptions& options,
                                                  std::string table_uuid, std::int64_t now_ms);

}  // namespace signaldb

#pragma once

#include <map>
#include <string>
#include <string_view>

#include "iceberg/catalog.h"
#include "iceberg/file_io.h"
#include "signaldb/result.h"

namespace signaldb::testing {

/// How often each value of a string column stands in the table's current snapshot; read from
/// catalog, metadata, manifests and Parquet files as any reader would, each file checked for its
/// recorded length and row count. Nothing if there is no such table. Errors: whatever a reader
/// would stumble over.
[[nodiscard]] Result<std::map<std::string, int>> CountColumn(Catalog& catalog, FileIo& io,
                                                             const TableIdentifier& table,
                                                             std::string_view column);

}  // namespace signaldb::testing

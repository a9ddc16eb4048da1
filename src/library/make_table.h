#pragma once

#include <string>

#include "base/random.h"
#include "iceberg/file_io.h"
#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"
#include "signaldb/table_options.h"

namespace signaldb {

/// The definition of a new table at `location`. Where the properties of `options` say nothing else,
/// it has a bounded history (docs/library.md).
/// Errors: kInvalid (no schema, a type Iceberg has not, a column that does not exist; names it).
[[nodiscard]] Result<NewTable> MakeTable(const TableOptions& options, const std::string& location);

/// `location`, or one beside it if another table's metadata is there: a table that was renamed
/// keeps its folder, and two in one could never be purged. Errors: kInvalid, kUnavailable.
[[nodiscard]] Result<std::string> FreeLocation(FileIo& io, Random& random,
                                               const std::string& location);

}  // namespace signaldb

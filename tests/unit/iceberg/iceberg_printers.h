#pragma once

#include <ostream>

#include "iceberg/metadata/table_metadata.h"

namespace signaldb {

/// Else GoogleTest prints the bytes of the object.
inline void PrintTo(const TableMetadata& metadata, std::ostream* os) {
  *os << "metadata of " << metadata.location;
}

}  // namespace signaldb

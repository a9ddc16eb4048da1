#pragma once

#include <cstdint>

#include "iceberg/schema/schema.h"
#include "signaldb/result.h"

namespace signaldb {

/// What every schema that we write must keep: ids positive, unique and below the reserved ones,
/// names that are UTF-8, not empty and unique in their struct, identifier fields that are required
/// primitives, types and defaults that `format_version` has. Errors: kInvalid (names the column).
[[nodiscard]] Status CheckSchema(const Schema& schema, std::int32_t format_version);

}  // namespace signaldb

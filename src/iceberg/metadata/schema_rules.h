#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "iceberg/schema/schema.h"
#include "signaldb/result.h"

namespace signaldb {

/// What every schema that we write must keep: ids positive, unique and below the reserved ones,
/// names that are UTF-8, not empty and unique in their struct, identifier fields that are required
/// primitives, types and defaults that `format_version` has. Errors: kInvalid (names the column).
[[nodiscard]] Status CheckSchema(const Schema& schema, std::int32_t format_version);

/// The dotted name of a column of `written` whose values a reader of `now` would not find under
/// that name: it was dropped, renamed or replaced by another of its name, takes another type that
/// is not wider, or became required. Nothing if rows that were laid out by `written` fit `now`.
[[nodiscard]] std::optional<std::string> FirstMovedColumn(const Schema& written, const Schema& now);

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "iceberg/schema/partition_spec.h"
#include "iceberg/schema/type.h"

namespace signaldb {

/// What Avro can name: "a.b" gives "a_x2Eb", "1x" gives "_1x", as Java does; other than Java's, the
/// result is plain ASCII also for letters beyond it, since Avro allows no others.
[[nodiscard]] std::string AvroNameOf(std::string_view name);

/// Bytes that a decimal of this precision takes as an Avro fixed.
[[nodiscard]] std::size_t DecimalBytes(std::int32_t precision);

/// The Avro schema of a manifest's entries, byte for byte as Java writes it. `types` are the result
/// types of the fields of `spec`. `format_version` is 1 or 2.
[[nodiscard]] std::string ManifestEntrySchema(std::int32_t format_version,
                                              const PartitionSpec& spec,
                                              const std::vector<Type>& types);

/// The Avro schema of a manifest list. `format_version` is 1 or 2.
[[nodiscard]] std::string_view ManifestListSchema(std::int32_t format_version);

}  // namespace signaldb

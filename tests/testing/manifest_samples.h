#pragma once

#include <cstdint>
#include <random>

#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"

namespace signaldb::testing {

/// A table without snapshots, partitioned by every kind of value that manifests can hold. Spec 0 is
/// that one, spec 1 is unpartitioned, spec 2 is by hour and bucket.
[[nodiscard]] TableMetadata SampleTable();

/// A v2 data file entry of `spec_id` with every field set or not by chance; the partition values
/// fit the spec. `columns` is the number of columns with metrics.
[[nodiscard]] ManifestEntry RandomEntry(std::mt19937_64& random, const TableMetadata& table,
                                        std::int32_t spec_id, int columns);

/// A v2 row of a manifest list, every field set or not by chance.
[[nodiscard]] ManifestFile RandomManifestFile(std::mt19937_64& random);

}  // namespace signaldb::testing

#pragma once

#include <memory>

#include "iceberg/commit/metadata_cache.h"
#include "iceberg/commit/table_commit.h"
#include "library/program_listener.h"
#include "library/store_parts.h"
#include "signaldb/iceberg_catalog.h"

namespace signaldb {

/// What an IcebergCatalog works with. In the order of construction; destroyed from the bottom.
///
/// Threads: thread-safe.
struct IcebergCatalog::Parts {
  std::shared_ptr<ObjectStore> store;
  std::shared_ptr<ProgramListener> events;
  OpenedCatalog catalog;
  std::unique_ptr<MetadataCache> cache;
  std::unique_ptr<TableCommitter> committer;
};

/// As IcebergCatalog::PurgeTable.
[[nodiscard]] Result<PurgeReport> PurgeTable(IcebergCatalog::Parts& parts,
                                             const TableIdentifier& table);

}  // namespace signaldb

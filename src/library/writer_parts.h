#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "iceberg/commit/metadata_cache.h"
#include "iceberg/commit/table_commit.h"
#include "library/store_parts.h"
#include "signaldb/iceberg_table_writer.h"
#include "writer/encoding_room.h"
#include "writer/files_in_flight.h"
#include "writer/transaction.h"

namespace signaldb {

/// What an IcebergTableWriter works with. In the order of construction; destroyed from the bottom.
///
/// Threads: as the writer.
struct IcebergTableWriter::Parts {
  std::shared_ptr<ObjectStore> store;       ///< Shared with whoever made it, as the API says.
  std::shared_ptr<ProgramListener> events;  ///< Shared with the pool it looks into.
  Configuration config;                     ///< `catalog_pool` without a pool only.
  OpenedCatalog catalog;
  TableIdentifier table;
  std::string table_name;
  std::unique_ptr<FilesInFlight> in_flight;  ///< Null if nothing outlives the process.
  std::unique_ptr<EncodingShare> encoding;
  std::unique_ptr<MetadataCache> cache;
  std::unique_ptr<TableCommitter> committer;
  std::unique_ptr<Transaction> transaction;  ///< The active one.
  std::uint64_t table_changes_seen = 0;      ///< Of the store, when the table was looked at.

  /// Cache and committer, for the catalog and configuration as they are.
  void Connect();
  [[nodiscard]] std::unique_ptr<Transaction> NewTransaction();
  [[nodiscard]] FileOptions file_options() const;
  /// The active one that did not time out; null: there is none.
  [[nodiscard]] Transaction* Active();
  /// Writes into `transaction`, insisting on what may be retried. Errors: as Transaction::Write.
  [[nodiscard]] Status WriteInto(Transaction& transaction,
                                 const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);
};

}  // namespace signaldb

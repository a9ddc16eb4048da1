#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/random.h"
#include "iceberg/catalog.h"
#include "iceberg/file_io.h"
#include "signaldb/config.h"
#include "signaldb/object_store.h"
#include "signaldb/result.h"

namespace signaldb {

/// What stands behind an ObjectStore: the files, and the catalogs over them that are open.
///
/// Threads: thread-safe; `catalogs` under `mutex`, the rest does not change after it is made.
struct ObjectStore::Parts {
  std::unique_ptr<FileSystem> files;
  std::unique_ptr<Clock> clock;
  std::unique_ptr<Random> random;
  std::unique_ptr<FileIo> io;  // After what it borrows.
  std::string warehouse;       // Without a final slash.
  std::string folder;          // Of the machine; empty: files do not outlive the process.

  std::mutex mutex;
  /// By CatalogKey. Those in memory stay as long as the store.
  std::map<std::string, std::weak_ptr<Catalog>> catalogs;
  std::map<std::string, std::shared_ptr<Catalog>> memory_catalogs;
};

/// Whether a catalog's tables outlive the process.
enum class CatalogLife : std::uint8_t { kProcess, kDurable };

struct OpenedCatalog {
  std::shared_ptr<Catalog> catalog;
  std::string key;  ///< Equal for writers that share tables. Names no secret.
  CatalogLife life = CatalogLife::kProcess;
};

/// The catalog that `config` names, opened once a store and pool configuration.
/// Errors: kInvalid (an unknown type or URI), kUnavailable, kCorrupt.
[[nodiscard]] Result<OpenedCatalog> OpenCatalog(ObjectStore::Parts& store,
                                                const Configuration::Schema& schema,
                                                const CatalogPoolConfig& pool);

}  // namespace signaldb

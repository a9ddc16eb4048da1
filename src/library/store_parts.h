#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/random.h"
#include "iceberg/catalog.h"
#include "iceberg/file_io.h"
#include "library/program_listener.h"
#include "signaldb/config.h"
#include "signaldb/object_store.h"
#include "signaldb/result.h"
#include "writer/encoding_room.h"

namespace signaldb {

class PostgresCatalog;

/// A PostgreSQL catalog whose pool several writers use, and who is told of what happens in it.
struct SharedPostgres {
  SharedPostgres();
  ~SharedPostgres();

  std::shared_ptr<SharedListener> events = std::make_shared<SharedListener>();
  std::unique_ptr<PostgresCatalog> catalog;
};

/// What stands behind an ObjectStore: the files, and the catalogs over them that are open.
///
/// Threads: thread-safe; the maps under `mutex`, the rest does not change after it is made.
struct ObjectStore::Parts {
  std::unique_ptr<FileSystem> files;
  std::unique_ptr<Clock> clock;
  std::unique_ptr<Random> random;
  std::unique_ptr<FileIo> io;  // After what it borrows.
  std::string warehouse;       // Without a final slash.
  std::string folder;          // Of the machine, for journals; empty: none are kept.
  std::string key;             // Sets this store's journals apart, where others share the folder.
  EncodingRoom encoding_room;

  /// Counts what catalogs of this store did to tables, so that its writers look at theirs anew.
  std::atomic<std::uint64_t> table_changes = 0;

  std::mutex mutex;
  /// By the key of the catalog. Those in memory stay as long as the store.
  std::map<std::string, std::weak_ptr<Catalog>> catalogs;
  std::map<std::string, std::weak_ptr<SharedPostgres>> postgres;  // By URI and catalog name.
  std::map<std::string, std::shared_ptr<Catalog>> memory_catalogs;
};

/// Whether a catalog's tables outlive the process.
enum class CatalogLife : std::uint8_t { kProcess, kDurable };

/// A catalog as one writer holds it.
struct OpenedCatalog {
  SharedListener::Seat seat;                 ///< Outlasts the catalog, whose end is told too.
  std::shared_ptr<SharedPostgres> postgres;  ///< Null: there is no pool.
  std::shared_ptr<Catalog> catalog;
  std::string key;  ///< Equal for writers that share tables. Names no secret.
  CatalogLife life = CatalogLife::kProcess;
};

/// What to do with a pool that others use already.
enum class PoolChange : std::uint8_t { kJoin, kSet };

/// The catalog that `config` names, opened once a store.
/// Errors: kInvalid (an unknown type or URI, which is not repeated), kUnavailable, kCorrupt.
[[nodiscard]] Result<OpenedCatalog> OpenCatalog(ObjectStore::Parts& store,
                                                const Configuration& config, PoolChange change,
                                                const std::shared_ptr<ProgramListener>& events);

/// Sets the pool for all that share it. Errors: kInvalid.
[[nodiscard]] Status SetPool(SharedPostgres& postgres, const CatalogPoolConfig& config);
/// The pool as it is in force.
[[nodiscard]] CatalogPoolConfig PoolConfigOf(const SharedPostgres& postgres);

}  // namespace signaldb

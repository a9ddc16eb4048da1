#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "adapters/local/local_file_io.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "base/memory_budget.h"
#include "base/random.h"
#include "iceberg/catalog.h"
#include "iceberg/commit/metadata_cache.h"
#include "iceberg/commit/table_commit.h"
#include "log/durable_log.h"
#include "pipeline/commit_scheduler.h"
#include "pipeline/ingest_pipeline.h"
#include "signaldb/result.h"
#include "telemetry/ingest.h"

namespace signaldb::testing {

/// One life of the writer over given files and a given catalog, without sockets: log, cuts,
/// commits. Commits run when told, on the calling thread, so that the order of file operations
/// repeats from run to run.
class EmbeddedWriter {
 public:
  struct World {
    FileSystem& files;
    Catalog& catalog;
    Clock& clock;
    Random& random;
    EventListener& events;
  };
  static constexpr const char* kLogDir = "/data/log";
  static constexpr const char* kTablesDir = "/data/tables";

  /// Opens the log and replays it. Errors: those of DurableLog::Open and IngestPipeline::Recover.
  [[nodiscard]] static Result<std::unique_ptr<EmbeddedWriter>> Start(const World& world);
  ~EmbeddedWriter();

  /// Hands over a request and waits for its answer.
  [[nodiscard]] IngestAnswer Send(std::string tenant, Signal signal, const std::string& body);
  /// Attempts every due cut once. True if something was due.
  bool CommitDue();
  /// Everything durable is in the tables too.
  [[nodiscard]] bool settled() const { return scheduler_->Idle(); }

 private:
  explicit EmbeddedWriter(const World& world);

  World world_;
  LocalFileIo io_;
  MetadataCache cache_;
  TableCommitter committer_;
  MemoryBudget budget_{1LL << 30};
  std::unique_ptr<DurableLog> log_;
  std::unique_ptr<CommitScheduler> scheduler_;
  std::unique_ptr<IngestPipeline> pipeline_;
};

}  // namespace signaldb::testing

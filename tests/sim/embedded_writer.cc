#include "sim/embedded_writer.h"

#include <semaphore>
#include <utility>

#include "pipeline/poison_shelf.h"
#include "pipeline/table_cuts.h"

namespace signaldb::testing {

EmbeddedWriter::EmbeddedWriter(const World& world)
    : world_(world),
      io_(world.files, world.random, kTablesDir),
      cache_(world.clock, world.events),
      committer_({world.catalog, io_, world.clock, world.random, world.events, cache_},
                 {.write_threads = 1}) {}

EmbeddedWriter::~EmbeddedWriter() {
  if (log_ != nullptr) log_->Close();
}

Result<std::unique_ptr<EmbeddedWriter>> EmbeddedWriter::Start(const World& world) {
  std::unique_ptr<EmbeddedWriter> writer(new EmbeddedWriter(world));
  SIGNALDB_TRY(world.files.MakeDirs(kLogDir));
  SIGNALDB_TRY(world.files.MakeDirs(kTablesDir));
  SIGNALDB_ASSIGN(writer->log_,
                  DurableLog::Open(world.files, world.clock, world.random, world.events,
                                   {.dir = kLogDir, .segment_bytes = 2'000}));
  writer->scheduler_ = std::make_unique<CommitScheduler>(
      CutOptions{.interval = std::chrono::seconds(1)}, world.clock, world.random, world.events,
      writer->budget_,
      CommitIntoTables({writer->committer_, writer->io_, world.clock, world.random, world.events},
                       {.target_concurrent_batches = 1},
                       {.warehouse = std::string("file://") + kTablesDir}));
  const auto lane = writer->scheduler_->OpenLane(
      "log/" + ToString(writer->log_->uuid()), LaneOrder::kInOrder,
      [log = writer->log_.get()](const LaneProgress& progress) -> Status {
        SIGNALDB_TRY(log->Trim(progress.through));
        return log->ReleaseBetween(progress.held, progress.last_delivered);
      });
  writer->pipeline_ =
      std::make_unique<IngestPipeline>(DecodeOptions{}, *writer->log_, lane, *writer->scheduler_,
                                       world.clock, world.events, writer->budget_);
  PoisonShelf poison(world.files, world.events, std::string(kLogDir) + "/poison");
  SIGNALDB_TRY(writer->pipeline_->Recover(CoverageInTables(writer->committer_, lane), poison, {}));
  return writer;
}

IngestAnswer EmbeddedWriter::Send(std::string tenant, Signal signal, const std::string& body) {
  IngestAnswer answer;
  std::binary_semaphore answered(0);
  auto owner = std::make_shared<std::string>(body);
  IngestRequest request{.tenant = std::move(tenant),
                        .dataset = "prod",
                        .signal = signal,
                        .owner = owner,
                        .body = std::as_bytes(std::span(*owner)),
                        .received_at = world_.clock.WallNow(),
                        .request_id = "request",
                        .hold = budget_.TryTake(static_cast<std::int64_t>(body.size()))};
  pipeline_->Accept(std::move(request), [&](IngestAnswer a) {
    answer = std::move(a);
    answered.release();
  });
  answered.acquire();
  return answer;
}

bool EmbeddedWriter::CommitDue() {
  world_.clock.SleepFor(std::chrono::seconds(20), {});
  bool any = false;
  while (scheduler_->CommitOneDue({})) any = true;
  return any;
}

}  // namespace signaldb::testing

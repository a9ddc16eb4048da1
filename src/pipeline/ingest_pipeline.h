#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/memory_budget.h"
#include "log/durable_log.h"
#include "pipeline/commit_scheduler.h"
#include "pipeline/poison_shelf.h"
#include "telemetry/decode.h"
#include "telemetry/ingest.h"
#include "writer/positioned_rows.h"

namespace signaldb {

/// Takes requests from the receivers to the cuts, through the durable log.
///
///   Accept:  decode -> append to the log -> (durable) add the rows to the cuts, answer
///   Recover: every record after the trimmed position -> decode -> drop rows that tables cover ->
///   add to the cuts
///
/// The log is written from the received bytes and read only in recovery; a request is answered by
/// the fsync that covers it, never by a table commit.
///
/// Lifetime: borrows everything; all outlive this object.
/// Threads:  Accept is thread-safe, runs the decoder on the caller's thread. Recover comes first,
/// on one thread.
class IngestPipeline final : public Ingest {
 public:
  /// Which positions of the log a table already covers; asked once per table. Errors: as reading a
  /// table.
  using CoverageLookup =
      std::function<Result<Coverage>(const DatasetId&, const std::string& table)>;

  /// `lane` stands for the log in the scheduler.
  IngestPipeline(DecodeOptions decode, DurableLog& log, std::shared_ptr<const SourceLane> lane,
                 CommitScheduler& scheduler, Clock& clock, EventListener& events,
                 MemoryBudget& budget);

  void Accept(IngestRequest request, Done done) override;

  /// Brings back what is in the log and not yet in the tables. Blocks while memory is short and
  /// cuts are being committed. Called again after an error it goes on where it stopped. Errors:
  /// kUnavailable (catalog or disk away: call again), kCancelled.
  [[nodiscard]] Status Recover(const CoverageLookup& coverage, PoisonShelf& poison,
                               std::stop_token stop);

 private:
  void Add(const MessageOrigin& origin, const DatasetId& dataset, DecodedMessage message);
  [[nodiscard]] MemoryBudget::Hold HoldForReplay(std::int64_t bytes, std::stop_token stop);
  [[nodiscard]] Status SetAside(PoisonShelf& poison, Position position, std::string_view header,
                                std::span<const std::byte> body, const Error& why);
  [[nodiscard]] Result<Coverage> CoverageForReplay(const CoverageLookup& coverage,
                                                   const DatasetId& dataset,
                                                   const std::string& table);

  const DecodeOptions decode_;
  DurableLog& log_;
  const std::shared_ptr<const SourceLane> lane_;
  CommitScheduler& scheduler_;
  Clock& clock_;
  EventListener& events_;
  MemoryBudget& budget_;
  Position recovered_ = 0;
};

}  // namespace signaldb

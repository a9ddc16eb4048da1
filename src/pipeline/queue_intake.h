#pragma once

#include <memory>

#include "base/event_listener.h"
#include "base/memory_budget.h"
#include "pipeline/commit_scheduler.h"
#include "telemetry/decode.h"
#include "telemetry/source.h"

namespace signaldb {

/// Takes messages of queues to the cuts. The queue keeps a message until the tables have it, so it
/// goes through no log:
///
///   Deliver: decode -> rows to the cuts, what can never be rows to the dead letters, beside them
///   cut committed -> the lane's on_progress -> the source acknowledges
///
/// Lifetime: borrows everything; all outlive this object, and this object its lanes.
/// Threads:  thread-safe.
class QueueIntake final : public SourceIntake {
 public:
  /// `decode` limits what a record may hold; its `received_at` is not used.
  QueueIntake(DecodeOptions decode, CommitScheduler& scheduler, EventListener& events,
              MemoryBudget& budget);

  [[nodiscard]] std::unique_ptr<MessageLane> OpenLane(LaneOptions options) override;

 private:
  const DecodeOptions decode_;
  CommitScheduler& scheduler_;
  EventListener& events_;
  MemoryBudget& budget_;
};

}  // namespace signaldb

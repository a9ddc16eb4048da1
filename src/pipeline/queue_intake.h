#pragma once

#include <memory>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/memory_budget.h"
#include "pipeline/commit_scheduler.h"
#include "pipeline/letter_allowance.h"
#include "telemetry/decode.h"
#include "telemetry/source.h"
#include "writer/positioned_rows.h"

namespace signaldb {

struct QueueIntakeOptions {
  DecodeOptions decode;  ///< What a record may hold; its `received_at` is not used.
  DeadLetterLimits dead_letters;
  /// Gets the letters of messages for datasets that cannot be made.
  DatasetId default_dataset{.tenant = "default", .dataset = "default"};
};

/// Takes messages of queues to the cuts. The queue keeps a message until the tables have it, so it
/// goes through no log:
///
///   Deliver: decode -> rows to the cuts, what can never be rows to the dead letters, beside them
///   cut committed -> the lane's on_progress -> the source acknowledges
///
/// A message that cannot be decoded becomes a letter as a whole; of one with rejected records only
/// these do. Messages that would be letters beyond the limits wait in their lane and become one
/// letter together, as soon as the one before it is in the table: so a flood brings each commit one
/// row, and still nothing is acknowledged before the row that speaks for it is committed.
///
/// Lifetime: borrows everything; all outlive this object, and this object its lanes.
/// Threads:  thread-safe.
class QueueIntake final : public SourceIntake {
 public:
  QueueIntake(QueueIntakeOptions options, CommitScheduler& scheduler, Clock& clock,
              EventListener& events, MemoryBudget& budget);

  [[nodiscard]] Result<std::unique_ptr<MessageLane>> OpenLane(LaneOptions options) override;

 private:
  const QueueIntakeOptions options_;
  CommitScheduler& scheduler_;
  EventListener& events_;
  MemoryBudget& budget_;
  LetterAllowance allowance_;
};

}  // namespace signaldb

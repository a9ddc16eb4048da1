#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/memory_budget.h"
#include "base/random.h"
#include "base/retry.h"
#include "pipeline/cut.h"
#include "signaldb/result.h"
#include "telemetry/source.h"

namespace signaldb {

/// When a dataset's rows are cut, and how many commits run side by side.
struct CutOptions {
  Nanos interval =
      std::chrono::seconds(5);  ///< Age of the oldest message: how long rows stay invisible.
  std::int64_t rows_max = 0;    ///< 0 = no limit.
  std::int64_t bytes_max = 64LL << 20;  ///< Memory of one cut; larger cuts make larger files.
  std::size_t partitions_max = 256;     ///< Hours touched; a single message may touch more.
  std::int64_t memory_pressure_bytes =
      96LL << 20;  ///< Of the budget in use: the largest dataset is cut at once.
  std::int64_t stalled_bytes_max =
      64LL << 20;  ///< What datasets whose commits fail may hold before they are refused.
  /// Datasets one process takes rows of: names come from clients. What is being received when it is
  /// reached may go beyond it.
  std::size_t datasets_max = 1'000;
  int workers = 2;  ///< Commits of different datasets at the same time.
  RetryConfig pace{.max_attempts =
                       1'000'000'000};  ///< Wait between the attempts of a failing commit.
};

/// Whose rows a flush makes visible; empty: everybody's.
struct FlushScope {
  std::optional<std::string> tenant;
  std::optional<std::string> dataset;

  [[nodiscard]] bool Holds(const DatasetId& id) const {
    return (!tenant || *tenant == id.tenant) && (!dataset || *dataset == id.dataset);
  }
};

/// Gathers decoded messages of all lanes by dataset, cuts them when due, and drives each cut until
/// it is in the tables.
///
///   worker: until closed: wait until a dataset is due -> take its cut -> attempt
///             committed -> tell the lanes
///             failed    -> due later
///
/// One dataset commits one cut at a time while the next one fills; a failing dataset waits its pace
/// without holding a worker, so it does not stop the others. A dataset whose cuts lose races
/// against other writers is cut less often, up to kStretchMax times its interval, until they win
/// again.
///
/// Owns:          the rows between durable and committed, and the order of cuts.
/// Does not own:  the sources (OnProgress tells them), the tables (`begin`).
/// Threads:       thread-safe.
class CommitScheduler {
 public:
  /// A cut that loses so many races doubles the interval of its dataset: fewer than this are won by
  /// trying again at once.
  static constexpr int kLostRacesMin = 2;
  /// The widest interval of a dataset, in configured ones. A cut without a lost race takes one off.
  static constexpr int kStretchMax = 4;

  /// Called, one at a time over all lanes, after messages of the lane got into the tables. After an
  /// error it is called again within seconds.
  using OnProgress = std::function<Status(const LaneProgress&)>;

  CommitScheduler(CutOptions options, Clock& clock, Random& random, EventListener& events,
                  MemoryBudget& budget, BeginCutCommit begin);
  /// Rows not committed are dropped here: their source still has them.
  ~CommitScheduler();

  /// Starts the workers. Without it, CommitOneDue drives everything (tests, recovery).
  void Start();

  /// A lane to add messages to; null while its key is open already: two readers of one source would
  /// each take the other's positions for its own.
  [[nodiscard]] std::shared_ptr<SourceLane> OpenLane(SourceKey key, LaneOrder order,
                                                     OnProgress on_progress);

  /// Drops the lane's rows that are not being committed already. Once it returns, `on_progress` is
  /// not running and will not be called. Idempotent.
  void CloseLane(const SourceLane& lane);

  /// Whether a new message of `dataset` may be taken in now.
  /// Errors: kUnavailable (its commits fail and its share of memory is used up), kInvalid (too many
  /// datasets).
  [[nodiscard]] Status Admit(const DatasetId& dataset);

  /// Takes a durable message, a part for each dataset. Without rows it counts as committed in its
  /// turn. In order, positions ascend; in any order, one that is still held is ignored.
  void Add(const MessageOrigin& origin, std::vector<std::pair<DatasetId, DecodedMessage>> parts);

  /// Makes everything in scope that was added so far visible, and tells the lanes. Blocks until it
  /// is, or `deadline` (monotonic).
  /// Errors: kUnavailable (a dataset could not be committed in time; names it), kCancelled (closed
  /// meanwhile).
  [[nodiscard]] Status Flush(Nanos deadline, const FlushScope& scope = {});

  /// Commits one due cut on the calling thread, and tells the lanes. False if none is due.
  bool CommitOneDue(std::stop_token stop);

  /// Flushes with reason "shutdown" until `deadline`, then stops the workers. Idempotent.
  /// Errors: as Flush; what is left stays in its source.
  [[nodiscard]] Status Close(Nanos deadline);

  /// Datasets whose last attempt failed, with its error, for /readyz.
  [[nodiscard]] std::vector<std::string> Stalled() const;

  /// Whether everything that was added is in the tables.
  [[nodiscard]] bool Idle() const;

 private:
  // Numbers what is added, over all lanes.
  using Ticket = std::uint64_t;
  struct Dataset {
    Cut filling;
    Ticket filling_first = 0;
    Ticket flush_through = 0;
    std::unique_ptr<CutCommit> commit;  // The cut in flight, also between failed attempts.
    Ticket commit_first = 0;
    std::vector<MessageOrigin> commit_messages;
    std::int64_t commit_bytes = 0;
    std::int64_t commit_rows = 0;
    Nanos commit_oldest{0};
    bool attempting = false;
    int failures = 0;
    Nanos next_attempt_at{0};
    std::string last_error;
  };
  struct Lane {
    std::shared_ptr<SourceLane> lane;
    OnProgress on_progress;
    // Messages with rows that are not in the tables, and in how many datasets.
    std::map<SourcePosition, int> held;
    SourcePosition last_delivered = 0;
    std::vector<SourcePosition> done;  // Not reported yet; kAnyOrder only.
    bool has_news = false;
  };
  struct Due {
    Nanos at;
    CutReason reason;
  };

  [[nodiscard]] std::optional<Due> DueOf(const DatasetId& id, const Dataset& dataset,
                                         Nanos now) const;
  [[nodiscard]] std::map<DatasetId, Dataset>::iterator PickDue(Nanos now, CutReason& reason,
                                                               Nanos& next_due);
  void BeginCut(const DatasetId& id, Dataset& dataset, CutReason reason);
  void AttemptDataset(std::unique_lock<std::mutex>& lock, const DatasetId& id,
                      std::stop_token stop);
  void NoteRaces(const DatasetId& id, int lost_races);
  void NoteFailure(const DatasetId& id, Dataset& dataset, const Error& error);
  void NoteCommitted(const std::vector<MessageOrigin>& messages);
  void NoteDone(Lane& lane, SourcePosition position);
  [[nodiscard]] static LaneProgress ProgressOf(Lane& lane);
  void TellLanes(std::unique_lock<std::mutex>& lock);
  void PublishGauges();
  void Changed();
  void Work(std::stop_token stop);
  [[nodiscard]] bool Waits(const Dataset& dataset, Ticket through) const;
  [[nodiscard]] Status WaitFlushed(std::unique_lock<std::mutex>& lock, const FlushScope& scope,
                                   CutReason reason, Nanos deadline);

  const CutOptions options_;
  Clock& clock_;
  Random& random_;
  EventListener& events_;
  MemoryBudget& budget_;
  const BeginCutCommit begin_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<DatasetId, Dataset> datasets_;  // Those with rows.
  // Those that ever brought rows, and how many times the interval theirs is.
  std::map<DatasetId, int> stretches_;
  std::map<const SourceLane*, Lane> lanes_;
  Ticket last_ticket_ = 0;
  CutReason flush_reason_ = CutReason::kFlush;
  bool closed_ = false;  // Takes nothing in.
  bool ended_ = false;   // Commits nothing any more.
  std::uint64_t changes_ =
      0;  // What a sleeping worker compares: it may have missed the notification.

  std::mutex tell_mutex_;  // Orders calls of on_progress without holding mutex_.
  std::vector<std::jthread> workers_;
};

}  // namespace signaldb

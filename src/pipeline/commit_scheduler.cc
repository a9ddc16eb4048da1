#include "pipeline/commit_scheduler.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace signaldb {

namespace {

constexpr std::string_view kModule = "pipeline";
constexpr Nanos kNever = Nanos::max();
constexpr Nanos kIdleWait = std::chrono::seconds(1);
// Memory pressure makes cuts only if at least this part of the memory in use is in rows to cut.
constexpr std::int64_t kCuttableDivisor = 4;

double Seconds(Nanos t) { return std::chrono::duration<double>(t).count(); }

// The wait after the n-th failure in a row, jittered like every other retry.
Nanos PaceAfter(int failures, const RetryConfig& pace, Random& random) {
  double wait = static_cast<double>(Nanos(pace.initial_delay).count());
  const auto most = static_cast<double>(Nanos(pace.max_delay).count());
  for (int i = 1; i < failures && wait < most; ++i) wait *= pace.backoff_multiplier;
  const auto half = static_cast<std::uint64_t>(std::min(wait, most) / 2);
  return Nanos(static_cast<std::int64_t>(half + random.Below(half + 1)));
}

}  // namespace

CommitScheduler::CommitScheduler(CutOptions options, Clock& clock, Random& random,
                                 EventListener& events, MemoryBudget& budget, BeginCutCommit begin)
    : options_(options),
      clock_(clock),
      random_(random),
      events_(events),
      budget_(budget),
      begin_(std::move(begin)) {}

CommitScheduler::~CommitScheduler() {
  for (std::jthread& worker : workers_) worker.request_stop();
}

void CommitScheduler::Start() {
  for (int i = 0; i < options_.workers; ++i) {
    workers_.emplace_back([this](std::stop_token stop) { Work(stop); });
  }
}

std::shared_ptr<SourceLane> CommitScheduler::OpenLane(SourceKey key, LaneOrder order,
                                                      OnProgress on_progress) {
  auto lane = std::make_shared<SourceLane>(std::move(key), order);
  const std::scoped_lock lock(mutex_);
  const bool is_open = std::ranges::any_of(
      lanes_, [&](const auto& open) { return open.first->key() == lane->key(); });
  if (is_open) return nullptr;
  lanes_[lane.get()] = {.lane = lane, .on_progress = std::move(on_progress)};
  return lane;
}

void CommitScheduler::CloseLane(const SourceLane& lane) {
  // Waits for an on_progress that is running.
  const std::scoped_lock tell_lock(tell_mutex_);
  const std::scoped_lock lock(mutex_);
  lanes_.erase(&lane);
  for (auto it = datasets_.begin(); it != datasets_.end();) {
    Dataset& dataset = it->second;
    dataset.filling.Drop(lane);
    if (dataset.filling.empty()) dataset.filling = {};
    const bool idle = dataset.filling.empty() && dataset.commit == nullptr;
    it = idle && !dataset.attempting ? datasets_.erase(it) : std::next(it);
  }
  Changed();
}

Status CommitScheduler::Admit(const DatasetId& id) {
  const std::scoped_lock lock(mutex_);
  if (closed_)
    return Fail(ErrorKind::kUnavailable, "shutting down; send again to the next process");
  if (!stretches_.contains(id) && stretches_.size() >= options_.datasets_max) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("too many datasets; use an existing one, or raise commit.datasets_max "
                            "tenant={} dataset={} limit={}",
                            id.tenant, id.dataset, options_.datasets_max));
  }
  const auto found = datasets_.find(id);
  if (found == datasets_.end() || found->second.failures == 0) return {};
  std::int64_t stalled_bytes = 0;
  for (const auto& [other, dataset] : datasets_) {
    if (dataset.failures > 0) stalled_bytes += dataset.commit_bytes + dataset.filling.bytes;
  }
  if (stalled_bytes < options_.stalled_bytes_max) return {};
  return Fail(ErrorKind::kUnavailable,
              fmt::format("commits of this dataset fail; retry later tenant={} dataset={} error={}",
                          id.tenant, id.dataset, found->second.last_error));
}

void CommitScheduler::Add(const MessageOrigin& origin,
                          std::vector<std::pair<DatasetId, DecodedMessage>> parts) {
  const std::scoped_lock lock(mutex_);
  const auto found = lanes_.find(origin.lane.get());
  SIGNALDB_ASSERT(found != lanes_.end());
  Lane& lane = found->second;
  if (origin.lane->order() == LaneOrder::kInOrder) {
    SIGNALDB_ASSERT(origin.position > lane.last_delivered);
    lane.last_delivered = origin.position;
  } else if (lane.held.contains(origin.position)) {
    return;
  }
  const Ticket ticket = ++last_ticket_;
  for (auto& [id, message] : parts) {
    if (message.tables.empty()) continue;
    ++lane.held[origin.position];
    stretches_.try_emplace(id, 1);
    Dataset& dataset = datasets_[id];
    const bool was_empty = dataset.filling.empty();
    if (was_empty) {
      dataset.filling.dataset = id;
      dataset.filling_first = ticket;
    }
    dataset.filling.Add(origin, std::move(message), clock_.MonotonicNow());
    const bool pressed = budget_.used() >= options_.memory_pressure_bytes;
    if (was_empty || pressed || dataset.filling.bytes >= options_.bytes_max ||
        (options_.rows_max > 0 && dataset.filling.rows >= options_.rows_max)) {
      Changed();
    }
  }
  if (!lane.held.contains(origin.position)) {
    NoteDone(lane, origin.position);
    Changed();
  }
}

std::optional<CommitScheduler::Due> CommitScheduler::DueOf(const DatasetId& id,
                                                           const Dataset& dataset,
                                                           Nanos now) const {
  if (dataset.attempting) return std::nullopt;
  if (dataset.commit != nullptr) return Due{dataset.next_attempt_at, CutReason::kAge};
  const Cut& cut = dataset.filling;
  if (cut.empty()) return std::nullopt;
  if (dataset.filling_first <= dataset.flush_through) return Due{now, flush_reason_};
  if (cut.bytes >= options_.bytes_max) return Due{now, CutReason::kBytes};
  if (options_.rows_max > 0 && cut.rows >= options_.rows_max) return Due{now, CutReason::kRows};
  if (cut.hours.size() > options_.partitions_max) return Due{now, CutReason::kPartitions};
  return Due{cut.begun_at + options_.interval * stretches_.at(id), CutReason::kAge};
}

std::map<DatasetId, CommitScheduler::Dataset>::iterator CommitScheduler::PickDue(Nanos now,
                                                                                 CutReason& reason,
                                                                                 Nanos& next_due) {
  auto best = datasets_.end();
  auto largest = datasets_.end();
  std::int64_t cuttable = 0;
  next_due = kNever;
  for (auto it = datasets_.begin(); it != datasets_.end(); ++it) {
    const auto due = DueOf(it->first, it->second, now);
    if (!due) continue;
    if (due->at < next_due) {
      next_due = due->at;
      best = it;
      reason = due->reason;
    }
    if (it->second.commit != nullptr) continue;
    cuttable += it->second.filling.bytes;
    if (largest == datasets_.end() || it->second.filling.bytes > largest->second.filling.bytes)
      largest = it;
  }
  if (next_due <= now) return best;
  // Worth it only if cuts can relieve it: beside a stalled dataset, or requests that are still
  // arriving, a commit for every small message would make many small files and little room.
  const std::int64_t used = budget_.used();
  if (largest != datasets_.end() && used >= options_.memory_pressure_bytes &&
      cuttable >= used / kCuttableDivisor) {
    reason = CutReason::kMemory;
    return largest;
  }
  return datasets_.end();
}

void CommitScheduler::BeginCut(const DatasetId& id, Dataset& dataset, CutReason reason) {
  Cut cut = std::exchange(dataset.filling, Cut{.dataset = id});
  dataset.commit_first = dataset.filling_first;
  for (const Cut::Message& message : cut.messages)
    dataset.commit_messages.push_back(message.origin);
  dataset.commit_bytes = cut.bytes;
  dataset.commit_rows = cut.rows;
  dataset.commit_oldest = cut.oldest_received_at;
  events_.Count("signaldb_writer_cuts_total", 1, {{"reason", ToString(reason)}});
  dataset.commit = begin_(std::move(cut), reason);
}

void CommitScheduler::AttemptDataset(std::unique_lock<std::mutex>& lock, const DatasetId& id,
                                     std::stop_token stop) {
  // A dataset under attempt is never erased, so the reference outlives the unlocked stretch.
  Dataset& dataset = datasets_.at(id);
  dataset.attempting = true;
  CutCommit& commit = *dataset.commit;
  lock.unlock();
  const Status status = commit.Attempt(stop);
  lock.lock();
  dataset.attempting = false;
  if (!status) {
    NoteFailure(id, dataset, status.error());
    return;
  }
  // The wall clock may have been set back meanwhile.
  const Nanos delay = std::max(clock_.WallNow() - dataset.commit_oldest, Nanos(0));
  events_.Observe("signaldb_writer_end_to_end_delay_seconds", Seconds(delay));
  if (dataset.failures > 0) events_.Count("signaldb_writer_retry_success_total", 1);
  NoteRaces(id, commit.lost_races());
  dataset.commit.reset();
  dataset.commit_bytes = 0;
  dataset.commit_rows = 0;
  dataset.failures = 0;
  dataset.last_error.clear();
  NoteCommitted(std::exchange(dataset.commit_messages, {}));
  if (dataset.filling.empty()) datasets_.erase(id);
}

// Also what was done without a commit, and what a lane could not take the last time: else a full
// log might wait for ever for a commit that a full log does not let happen.
void CommitScheduler::TellLanes(std::unique_lock<std::mutex>& lock) {
  const auto has_news = [](const auto& lane) { return lane.second.has_news; };
  if (std::ranges::none_of(lanes_, has_news)) return;
  lock.unlock();
  const std::scoped_lock tell_lock(tell_mutex_);
  lock.lock();
  std::vector<const SourceLane*> told;
  for (const auto& [key, lane] : lanes_) {
    if (lane.has_news) told.push_back(key);
  }
  for (const SourceLane* key : told) {
    // CloseLane waits for tell_mutex_, so the lane is there until the end.
    Lane& lane = lanes_.at(key);
    LaneProgress progress = ProgressOf(lane);
    lane.has_news = false;
    lock.unlock();
    // The source has said itself why it could not.
    const bool taken = lane.on_progress(progress).has_value();
    lock.lock();
    if (taken) continue;
    lane.has_news = true;
    lane.done.insert(lane.done.end(), progress.done.begin(), progress.done.end());
  }
}

// Doubled and taken back by ones, so that writers that meet find an interval at which they seldom
// do.
void CommitScheduler::NoteRaces(const DatasetId& id, int lost_races) {
  int& stretch = stretches_.at(id);
  if (lost_races >= kLostRacesMin) {
    stretch = std::min(stretch * 2, kStretchMax);
  } else if (lost_races == 0) {
    stretch = std::max(stretch - 1, 1);
  }
}

void CommitScheduler::NoteFailure(const DatasetId& id, Dataset& dataset, const Error& error) {
  if (error.kind != ErrorKind::kCancelled) ++dataset.failures;
  if (error.kind == ErrorKind::kConflict) NoteRaces(id, kLostRacesMin);
  dataset.last_error = fmt::format("{}: {}", ToString(error.kind), error.message);
  const Nanos wait = PaceAfter(std::max(dataset.failures, 1), options_.pace, random_);
  dataset.next_attempt_at = clock_.MonotonicNow() + wait;
  events_.Observe("signaldb_writer_retry_backoff_seconds", Seconds(wait));
  events_.Log({.severity = Severity::kWarning,
               .module = kModule,
               .message = "cut was not committed; its rows are kept and it will be tried again",
               .fields = {{"tenant", id.tenant},
                          {"dataset", id.dataset},
                          {"rows", std::to_string(dataset.commit_rows)},
                          {"failures", std::to_string(dataset.failures)},
                          {"error", dataset.last_error}}});
}

void CommitScheduler::NoteCommitted(const std::vector<MessageOrigin>& messages) {
  for (const MessageOrigin& message : messages) {
    const auto found = lanes_.find(message.lane.get());
    if (found == lanes_.end()) continue;  // Closed meanwhile.
    const auto held = found->second.held.find(message.position);
    SIGNALDB_ASSERT(held != found->second.held.end());
    if (--held->second > 0) continue;
    found->second.held.erase(held);
    NoteDone(found->second, message.position);
  }
}

void CommitScheduler::NoteDone(Lane& lane, SourcePosition position) {
  if (lane.lane->order() == LaneOrder::kAnyOrder) lane.done.push_back(position);
  lane.has_news = true;
}

LaneProgress CommitScheduler::ProgressOf(Lane& lane) {
  LaneProgress progress{.last_delivered = lane.last_delivered};
  progress.through = lane.held.empty() ? lane.last_delivered : lane.held.begin()->first - 1;
  if (lane.lane->order() == LaneOrder::kInOrder) {
    for (const auto& [position, parts] : lane.held) progress.held.push_back(position);
  }
  progress.done = std::exchange(lane.done, {});
  return progress;
}

void CommitScheduler::Changed() {
  ++changes_;
  changed_.notify_all();
}

void CommitScheduler::PublishGauges() {
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  int stalled = 0;
  for (const auto& [id, dataset] : datasets_) {
    rows += dataset.filling.rows + dataset.commit_rows;
    bytes += dataset.filling.bytes + dataset.commit_bytes;
    stalled += dataset.failures > 0 ? 1 : 0;
  }
  events_.Gauge("signaldb_writer_buffer_rows", static_cast<double>(rows));
  events_.Gauge("signaldb_writer_buffer_bytes", static_cast<double>(bytes));
  events_.Gauge("signaldb_writer_stalled_datasets", stalled);
  events_.Gauge("signaldb_writer_memory_used_bytes", static_cast<double>(budget_.used()));
}

bool CommitScheduler::CommitOneDue(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  CutReason reason{};
  Nanos next_due{};
  const auto found = PickDue(clock_.MonotonicNow(), reason, next_due);
  if (found == datasets_.end()) {
    TellLanes(lock);
    return false;
  }
  const DatasetId id = found->first;
  if (found->second.commit == nullptr) BeginCut(id, found->second, reason);
  AttemptDataset(lock, id, stop);
  TellLanes(lock);
  PublishGauges();
  Changed();
  return true;
}

void CommitScheduler::Work(std::stop_token stop) {
  while (!stop.stop_requested()) {
    if (CommitOneDue(stop)) continue;
    std::unique_lock lock(mutex_);
    CutReason reason{};
    Nanos next_due{};
    const Nanos now = clock_.MonotonicNow();
    if (PickDue(now, reason, next_due) != datasets_.end()) continue;
    PublishGauges();
    const Nanos wait = next_due == kNever ? kIdleWait : std::min(kIdleWait, next_due - now);
    const std::uint64_t seen = changes_;
    changed_.wait_for(lock, stop, wait, [&] { return changes_ != seen; });
  }
}

Status CommitScheduler::Flush(Nanos deadline, const FlushScope& scope) {
  std::unique_lock lock(mutex_);
  return WaitFlushed(lock, scope, CutReason::kFlush, deadline);
}

bool CommitScheduler::Waits(const Dataset& dataset, Ticket through) const {
  if (dataset.commit != nullptr) return dataset.commit_first <= through;
  return !dataset.filling.empty() && dataset.filling_first <= through;
}

Status CommitScheduler::WaitFlushed(std::unique_lock<std::mutex>& lock, const FlushScope& scope,
                                    CutReason reason, Nanos deadline) {
  const Ticket target = last_ticket_;
  flush_reason_ = reason;
  for (auto& [id, dataset] : datasets_) {
    if (scope.Holds(id)) dataset.flush_through = target;
  }
  Changed();
  const auto waits = [&](const auto& one) {
    return scope.Holds(one.first) && Waits(one.second, target);
  };
  while (std::ranges::any_of(datasets_, waits)) {
    if (ended_) return Fail(ErrorKind::kCancelled, "closed before everything was committed");
    const Nanos left = deadline - clock_.MonotonicNow();
    if (left <= Nanos(0)) {
      std::string waiting;
      for (const auto& one : datasets_) {
        if (!waits(one)) continue;
        const auto& [id, dataset] = one;
        waiting += fmt::format(" tenant={} dataset={} error={}", id.tenant, id.dataset,
                               dataset.last_error.empty() ? "none yet" : dataset.last_error);
      }
      return Fail(ErrorKind::kUnavailable,
                  fmt::format("not everything was committed in time;{}", waiting));
    }
    changed_.wait_for(lock, std::min(left, kIdleWait));
  }
  TellLanes(lock);
  // A worker may be telling them this moment.
  lock.unlock();
  const std::scoped_lock told(tell_mutex_);
  lock.lock();
  return {};
}

Status CommitScheduler::Close(Nanos deadline) {
  Status status;
  {
    std::unique_lock lock(mutex_);
    if (closed_) return {};
    closed_ = true;
    if (!workers_.empty()) status = WaitFlushed(lock, {}, CutReason::kShutdown, deadline);
    ended_ = true;
    Changed();
  }
  for (std::jthread& worker : workers_) worker.request_stop();
  workers_.clear();
  return status;
}

std::vector<std::string> CommitScheduler::Stalled() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> stalled;
  for (const auto& [id, dataset] : datasets_) {
    if (dataset.failures > 0) {
      stalled.push_back(fmt::format("tenant={} dataset={} failures={} error={}", id.tenant,
                                    id.dataset, dataset.failures, dataset.last_error));
    }
  }
  return stalled;
}

bool CommitScheduler::Idle() const {
  const std::scoped_lock lock(mutex_);
  return datasets_.empty();
}

}  // namespace signaldb

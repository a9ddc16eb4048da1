#include "adapters/postgres/connection_pool.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace signaldb {

namespace {

double Seconds(Nanos t) { return std::chrono::duration<double>(t).count(); }

Status CheckOptions(const ConnectionPoolOptions& options) {
  if (options.max_connections == 0 || options.min_connections > options.max_connections) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a pool needs at least one connection and a minimum of at most the "
                            "maximum min_connections={} max_connections={}",
                            options.min_connections, options.max_connections));
  }
  if (options.acquire_timeout <= Nanos(0) || options.idle_timeout <= Nanos(0) ||
      options.max_lifetime <= Nanos(0)) {
    return Fail(ErrorKind::kInvalid, "the times of a connection pool must be above zero");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ConnectionPool>> ConnectionPool::Start(const ConnectionPoolOptions& options,
                                                              Opener open, Clock& clock,
                                                              EventListener& events) {
  SIGNALDB_TRY(CheckOptions(options));
  std::unique_ptr<ConnectionPool> pool(new ConnectionPool(options, std::move(open), clock, events));
  events.Gauge("signaldb_writer_catalog_pool_connections_max",
               static_cast<double>(options.max_connections));
  {
    Result<Lease> first = pool->Acquire();
    if (!first.has_value()) return std::unexpected(std::move(first).error());
  }
  pool->Maintain();
  if (options.maintenance_interval > Nanos(0)) {
    pool->maintainer_ = std::jthread([&self = *pool](const std::stop_token& stop) {
      while (self.clock_.SleepFor(self.options().maintenance_interval, stop)) self.Maintain();
    });
  }
  return pool;
}

ConnectionPool::~ConnectionPool() {
  maintainer_ = std::jthread();
  SIGNALDB_ASSERT(in_use_ == 0 && waiters_.empty());
  for (std::size_t i = 0; i < idle_.size(); ++i) CountClosed("shutdown");
  idle_.clear();
  ReportLocked();
}

Result<ConnectionPool::Lease> ConnectionPool::Acquire() {
  const ConnectionPoolOptions options = this->options();
  const Nanos begin = clock_.MonotonicNow();
  const Nanos deadline = begin + options.acquire_timeout;
  Waiter turn;
  const Status granted = WaitForTurn(turn, deadline);
  events_.Observe("signaldb_writer_catalog_pool_acquire_duration_seconds",
                  Seconds(clock_.MonotonicNow() - begin));
  SIGNALDB_TRY(granted);
  if (turn.member != nullptr) {
    if (IsTooOld(turn.opened_at, options)) {
      CountClosed("lifetime");
    } else if (!turn.member->IsHealthy()) {
      CountClosed("unhealthy");
    } else {
      return Lease(*this, std::move(turn.member), turn.opened_at);
    }
    turn.member.reset();  // Before another one is opened: the maximum counts.
  }
  return OpenInOwnTurn(deadline);
}

Status ConnectionPool::WaitForTurn(Waiter& turn, Nanos deadline) {
  std::unique_lock lock(mutex_);
  waiters_.push_back(&turn);
  ServeWaitersLocked();
  if (!turn.is_granted) events_.Count("signaldb_writer_catalog_pool_waits_total", 1);
  while (!turn.is_granted) {
    const Nanos left = deadline - clock_.MonotonicNow();
    if (left <= Nanos(0)) break;
    turn.granted.wait_for(lock, left);
  }
  ReportLocked();
  if (turn.is_granted) return {};
  waiters_.remove(&turn);
  ReportLocked();
  events_.Count("signaldb_writer_catalog_pool_timeouts_total", 1);
  return Fail(ErrorKind::kUnavailable,
              fmt::format("no connection to the catalog became free in time; raise "
                          "max_connections or connection_timeout_ms in_use={} max_connections={} "
                          "connection_timeout_ms={}",
                          in_use_, options_.max_connections,
                          options_.acquire_timeout / std::chrono::milliseconds(1)));
}

Result<ConnectionPool::Lease> ConnectionPool::OpenInOwnTurn(Nanos deadline) {
  const Nanos now = clock_.MonotonicNow();
  // Testing a dead connection may have used the time up; give opening a chance nevertheless.
  const Nanos timeout = std::max(deadline - now, options().acquire_timeout / 10);
  Result<std::unique_ptr<PoolMember>> opened = open_(timeout);
  if (!opened.has_value()) {
    GiveBackTurn();
    return std::unexpected(std::move(opened).error());
  }
  events_.Count("signaldb_writer_catalog_pool_created_total", 1);
  return Lease(*this, *std::move(opened), clock_.MonotonicNow());
}

void ConnectionPool::Return(std::unique_ptr<PoolMember> member, Nanos opened_at, bool is_broken) {
  std::string_view why_close;
  {
    const std::scoped_lock lock(mutex_);
    if (is_broken) {
      why_close = "broken";
    } else if (IsTooOld(opened_at, options_)) {
      why_close = "lifetime";
    } else if (idle_.size() + in_use_ > options_.max_connections) {
      why_close = "resized";
    } else {
      --in_use_;
      idle_.push_back({std::move(member), opened_at, clock_.MonotonicNow()});
      ServeWaitersLocked();
      ReportLocked();
      return;
    }
  }
  CountClosed(why_close);
  member.reset();  // Before the turn is given back: the maximum counts.
  GiveBackTurn();
}

void ConnectionPool::GiveBackTurn() {
  const std::scoped_lock lock(mutex_);
  --in_use_;
  ServeWaitersLocked();
  ReportLocked();
}

void ConnectionPool::ServeWaitersLocked() {
  while (!waiters_.empty()) {
    // With idle ones left this happens only after the maximum was lowered.
    if (in_use_ >= options_.max_connections) return;
    Waiter& first = *waiters_.front();
    if (!idle_.empty()) {
      // The newest, so that what is not needed grows idle.
      first.member = std::move(idle_.back().member);
      first.opened_at = idle_.back().opened_at;
      idle_.pop_back();
    }
    ++in_use_;
    waiters_.pop_front();
    first.is_granted = true;
    first.granted.notify_one();
  }
}

void ConnectionPool::Maintain() {
  std::vector<Idle> closing;
  {
    const std::scoped_lock lock(mutex_);
    const Nanos now = clock_.MonotonicNow();
    for (auto entry = idle_.begin(); entry != idle_.end();) {
      const std::size_t staying = idle_.size() + in_use_ - closing.size();
      const bool is_spare = staying > options_.min_connections;
      const bool is_idle = is_spare && now - entry->idle_since >= options_.idle_timeout;
      const bool is_old = IsTooOld(entry->opened_at, options_);
      const bool is_surplus = staying > options_.max_connections;
      if (!is_idle && !is_old && !is_surplus) {
        ++entry;
        continue;
      }
      CountClosed(is_old ? "lifetime" : is_surplus ? "resized" : "idle");
      closing.push_back(std::move(*entry));
      entry = idle_.erase(entry);
      ++in_use_;  // Until it is really closed: the maximum counts.
    }
  }
  for (Idle& entry : closing) {
    entry.member.reset();
    GiveBackTurn();
  }
  while (OpenOneForMinimum()) {
  }
}

bool ConnectionPool::OpenOneForMinimum() {
  {
    const std::scoped_lock lock(mutex_);
    if (idle_.size() + in_use_ >= options_.min_connections) return false;
    ++in_use_;
  }
  Result<Lease> opened = OpenInOwnTurn(clock_.MonotonicNow() + options().acquire_timeout);
  if (opened.has_value()) return true;
  events_.Log({.severity = Severity::kWarning,
               .module = "catalog",
               .message = "cannot keep the minimum of catalog connections open",
               .fields = {{"error", opened.error().message}}});
  return false;
}

Status ConnectionPool::SetOptions(const ConnectionPoolOptions& options) {
  SIGNALDB_TRY(CheckOptions(options));
  {
    const std::scoped_lock lock(mutex_);
    options_ = options;
    ServeWaitersLocked();
    ReportLocked();
  }
  events_.Gauge("signaldb_writer_catalog_pool_connections_max",
                static_cast<double>(options.max_connections));
  Maintain();
  return {};
}

ConnectionPoolOptions ConnectionPool::options() const {
  const std::scoped_lock lock(mutex_);
  return options_;
}

bool ConnectionPool::IsTooOld(Nanos opened_at, const ConnectionPoolOptions& options) const {
  return clock_.MonotonicNow() - opened_at >= options.max_lifetime;
}

void ConnectionPool::CountClosed(std::string_view reason) {
  events_.Count("signaldb_writer_catalog_pool_closed_total", 1, {{"reason", reason}});
}

void ConnectionPool::ReportLocked() {
  constexpr std::string_view kConnections = "signaldb_writer_catalog_pool_connections";
  events_.Gauge(kConnections, static_cast<double>(idle_.size()), {{"state", "idle"}});
  events_.Gauge(kConnections, static_cast<double>(in_use_), {{"state", "in_use"}});
  events_.Gauge("signaldb_writer_catalog_pool_waiting", static_cast<double>(waiters_.size()));
}

ConnectionPool::Counts ConnectionPool::counts() const {
  const std::scoped_lock lock(mutex_);
  return {.idle = idle_.size(), .in_use = in_use_, .waiting = waiters_.size()};
}

}  // namespace signaldb

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "signaldb/result.h"

namespace signaldb {

/// What a pool holds: a connection that can be asked whether it still works.
class PoolMember {
 public:
  virtual ~PoolMember() = default;

  /// Asks the server; called before each use. Must end within a bounded time.
  [[nodiscard]] virtual bool IsHealthy() = 0;
};

struct ConnectionPoolOptions {
  std::size_t min_connections = 1;                  ///< Kept open, also when nobody needs them.
  std::size_t max_connections = 10;                 ///< Never more are open, or being opened.
  Nanos acquire_timeout = std::chrono::seconds(5);  ///< How long Acquire waits, opening included.
  Nanos idle_timeout = std::chrono::minutes(5);   ///< Unused as long: closed, down to the minimum.
  Nanos max_lifetime = std::chrono::minutes(30);  ///< Older ones are closed when not in use.
  /// How often a thread of the pool does Maintain. Zero: no thread, the owner calls it.
  Nanos maintenance_interval = std::chrono::seconds(1);
};

/// Connections for many threads: opened when needed, tested when borrowed, given to those who wait
/// in the order in which they came.
///
///   Acquire -> idle one, newest first -> too old or unhealthy: closed, opened anew -> Lease
///              none idle, below max   -> opened
///              else                   -> waits its turn, up to acquire_timeout
///
/// Owns:     its connections and one thread that closes and opens in the background.
/// Lifetime: borrows clock and listener; leases must be gone before the pool is.
/// Threads:  thread-safe.
class ConnectionPool {
 public:
  /// Opens one connection within `timeout`.
  using Opener = std::function<Result<std::unique_ptr<PoolMember>>(Nanos timeout)>;

  /// A borrowed connection; goes back when it is destroyed.
  class Lease {
   public:
    Lease(ConnectionPool& pool, std::unique_ptr<PoolMember> member, Nanos opened_at)
        : pool_(&pool), member_(std::move(member)), opened_at_(opened_at) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (member_ != nullptr) pool_->Return(std::move(member_), opened_at_, is_broken_);
    }

    [[nodiscard]] PoolMember& member() const { return *member_; }
    /// Its state is in doubt: it will be closed, not given to anyone again.
    void MarkBroken() { is_broken_ = true; }

   private:
    ConnectionPool* pool_;
    std::unique_ptr<PoolMember> member_;
    Nanos opened_at_;
    bool is_broken_ = false;
  };

  /// Opens the first connection at once, which shows that it can be done, and then the minimum.
  /// Errors: kInvalid (no connection allowed, minimum above maximum, a time that is not positive),
  /// and those of `open`.
  [[nodiscard]] static Result<std::unique_ptr<ConnectionPool>> Start(
      const ConnectionPoolOptions& options, Opener open, Clock& clock, EventListener& events);
  ~ConnectionPool();

  /// Errors: kUnavailable (none became free in time), and those of the opener.
  [[nodiscard]] Result<Lease> Acquire();

  /// Closes what is idle for too long, too old or above the maximum, and opens up to the minimum.
  void Maintain();

  /// Changes the pool while it is in use, for everybody: those who wait keep their deadlines, and
  /// connections above a lower maximum are closed once they are given back. Opens up to the new
  /// minimum before it returns, as far as the server lets it.
  /// Errors: kInvalid (as Start; the pool is as before).
  [[nodiscard]] Status SetOptions(const ConnectionPoolOptions& options);
  [[nodiscard]] ConnectionPoolOptions options() const;

  struct Counts {
    std::size_t idle = 0;
    std::size_t in_use = 0;  ///< Also those being opened.
    std::size_t waiting = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct Idle {
    std::unique_ptr<PoolMember> member;
    Nanos opened_at;
    Nanos idle_since;
  };
  /// One who waits; the front one is served first. Granted with an idle connection, or with the
  /// right to open one.
  struct Waiter {
    std::condition_variable granted;
    bool is_granted = false;
    std::unique_ptr<PoolMember> member;
    Nanos opened_at{0};
  };

  ConnectionPool(const ConnectionPoolOptions& options, Opener open, Clock& clock,
                 EventListener& events)
      : open_(std::move(open)), clock_(clock), events_(events), options_(options) {}

  [[nodiscard]] Status WaitForTurn(Waiter& turn, Nanos deadline);
  [[nodiscard]] Result<Lease> OpenInOwnTurn(Nanos deadline);
  void Return(std::unique_ptr<PoolMember> member, Nanos opened_at, bool is_broken);
  void GiveBackTurn();
  void ServeWaitersLocked();
  void ReportLocked();
  void CountClosed(std::string_view reason);
  [[nodiscard]] bool IsTooOld(Nanos opened_at, const ConnectionPoolOptions& options) const;
  [[nodiscard]] bool OpenOneForMinimum();

  const Opener open_;
  Clock& clock_;
  EventListener& events_;

  mutable std::mutex mutex_;
  ConnectionPoolOptions options_;
  std::deque<Idle> idle_;  // The longest unused in front.
  std::list<Waiter*> waiters_;
  std::size_t in_use_ = 0;
  std::jthread maintainer_;  // Last: stopped before the rest goes.
};

}  // namespace signaldb

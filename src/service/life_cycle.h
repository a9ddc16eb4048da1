#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/random.h"
#include "log/durable_log.h"
#include "service/admin_handler.h"
#include "service/configuration.h"
#include "service/event_log.h"
#include "signaldb/result.h"
#include "writer/watermark.h"

namespace signaldb {

class CommitScheduler;
class IngestPipeline;
struct FlushScope;

/// The whole writer in one process: composed from its configuration, started, drained, stopped.
///
///   Start: store, catalog, log -> admin answers -> compare the log with the tables -> replay it
///   -> receivers listen, queues are read -> ready
///   Stop:  not ready -> receivers drain, queues stop -> log drains -> last cuts commit
///          -> log trimmed, queues told -> closed
///
/// The stopping order is what makes a stop lose nothing: nobody hands a message to a part that has
/// closed.
///
/// Threads: Start and Stop on one thread; the rest thread-safe.
class Service final : public ServiceState {
 public:
  /// What the process gives to the service. Borrowed; outlives it.
  struct Environment {
    FileSystem& files;
    Clock& clock;
    Random& random;
    EventLog& events;
  };

  Service(LoadedConfiguration configuration, Environment environment);
  /// Stops without draining if Stop was not called: the log keeps what was acknowledged.
  ~Service() override;

  /// Blocks until the service is ready, or `stop` is requested.
  /// Errors: kInvalid (an address, a certificate, a location), kConflict (another process holds the
  /// log), kCorrupt (the log, or a watermark), kUnavailable (an address is taken, a disk is away),
  /// kCancelled.
  [[nodiscard]] Status Start(std::stop_token stop);

  /// Drains within `shutdown.deadline`. What could not be committed in time stays in the log, and
  /// the next process takes it up. Idempotent. Errors: kUnavailable (that, by name).
  [[nodiscard]] Status Stop();

  [[nodiscard]] std::vector<ReadinessCheck> CheckReadiness() override;
  void Flush(Nanos wait, FlushDone done) override;
  [[nodiscard]] std::string MetricsText() override;
  [[nodiscard]] std::string ConfigurationText() override;

 private:
  struct Parts;

  [[nodiscard]] Status OpenStorage();
  [[nodiscard]] Status OpenLog();
  [[nodiscard]] Status StartAdmin();
  void StartFlusher();
  /// Until it is done, or an error that will not pass; says in /readyz what it waits for.
  [[nodiscard]] Status Patiently(std::string_view doing, std::stop_token stop,
                                 const std::function<Status()>& attempt);
  /// Begins a new identity if the tables know more of the log than it holds.
  [[nodiscard]] Status CompareLogWithTables();
  /// Fills the window of put entries from what the log still holds.
  [[nodiscard]] Status RememberEntries();
  [[nodiscard]] std::unique_ptr<CommitScheduler> MakeScheduler();
  [[nodiscard]] std::unique_ptr<IngestPipeline> MakePipeline(
      DurableLog& log, std::shared_ptr<const SourceLane> lane);
  /// The lane of one identity of the log, whose records `log` trims.
  [[nodiscard]] std::shared_ptr<SourceLane> OpenLogLane(const LogIdentity& identity,
                                                        DurableLog& log);
  [[nodiscard]] Status Recover(std::stop_token stop);
  /// Brings what is left of an identity that takes no new records into the tables.
  [[nodiscard]] Status RecoverFormerIdentity(const LogIdentity& identity, Position last,
                                             std::stop_token stop);
  [[nodiscard]] Status Listen();
  [[nodiscard]] Status ListenToFlight();
  void Flush(FlushScope scope, Nanos wait, FlushDone done);
  [[nodiscard]] Status ReadQueues();
  void CloseQueues(Nanos deadline);
  void EnterPhase(std::string why_not_ready);

  const LoadedConfiguration configuration_;
  const Environment environment_;
  std::unique_ptr<Parts> parts_;
  mutable std::mutex phase_mutex_;
  std::string why_not_ready_ = "starting";  // Empty once ready.
  bool was_ready_ = false;
};

}  // namespace signaldb

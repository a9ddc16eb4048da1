#include "service/run.h"

#include <atomic>
#include <csignal>
#include <cstring>
#include <iostream>
#include <semaphore>
#include <stop_token>
#include <thread>
#include <utility>

#include <pthread.h>
#include <unistd.h>

#include "adapters/local/posix_file_system.h"
#include "base/clock.h"
#include "base/random.h"
#include "rpc/grpc_log.h"
#include "service/event_log.h"
#include "service/life_cycle.h"
#include "service/log_levels.h"

namespace signaldb {

namespace {

enum ExitCode : int { kDone = 0, kFailed = 1, kWrongConfiguration = 2 };

// The signals that end the service, waited for by a thread of ours instead of interrupting one of
// the others.
sigset_t BlockEndingSignals() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  SIGNALDB_ASSERT(pthread_sigmask(SIG_BLOCK, &ending, nullptr) == 0);
  // A client that hangs up is an error of the write, never the end of the process.
  SIGNALDB_ASSERT(std::signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  return ending;
}

void WaitForSignals(const sigset_t& ending, const std::atomic<bool>& finished,
                    std::stop_source& stop, std::binary_semaphore& asked, EventListener& events) {
  for (;;) {
    int number = 0;
    SIGNALDB_ASSERT(sigwait(&ending, &number) == 0);
    if (finished) return;
    if (stop.stop_requested()) _exit(kFailed);
    events.Log({.severity = Severity::kInfo,
                .module = "service",
                .message = "signal received; a second one stops at once",
                .fields = {{"signal", number == SIGTERM ? "SIGTERM" : "SIGINT"}}});
    stop.request_stop();
    asked.release();
  }
}

int ExitCodeOf(const Error& error) {
  if (error.kind == ErrorKind::kCancelled) return kDone;
  return error.kind == ErrorKind::kInvalid ? kWrongConfiguration : kFailed;
}

}  // namespace

int RunUntilSignal(LoadedConfiguration configuration) {
  const sigset_t ending = BlockEndingSignals();
  const Result<LogLevels> levels = ParseLogLevels(configuration.values.logging.level);
  if (!levels) {
    std::cerr << levels.error().message << '\n';
    return kWrongConfiguration;
  }
  SystemClock clock;
  SystemRandom random;
  PosixFileSystem files;
  EventLog events(configuration.values.logging.format, *levels, clock, std::cerr);
  const GrpcLog grpc_log(events);
  std::stop_source stop;
  std::binary_semaphore asked(0);
  std::atomic<bool> finished = false;
  std::jthread signals([&] { WaitForSignals(ending, finished, stop, asked, events); });
  int exit_code = kDone;
  {
    Service service(std::move(configuration), {files, clock, random, events});
    const Status started = service.Start(stop.get_token());
    if (started) {
      asked.acquire();
      // Not an error of the process: what was not committed in time is in the log, and Stop has
      // said so.
      (void)service.Stop();
    } else {
      exit_code = ExitCodeOf(started.error());
      events.Log({.severity = exit_code == kDone ? Severity::kInfo : Severity::kError,
                  .module = "service",
                  .message = "not started",
                  .fields = {{"kind", std::string(ToString(started.error().kind))},
                             {"error", started.error().message}}});
    }
  }
  finished = true;
  // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread): it is blocked, and waited for over there.
  pthread_kill(signals.native_handle(), SIGTERM);
  return exit_code;
}

}  // namespace signaldb

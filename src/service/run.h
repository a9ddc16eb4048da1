#pragma once

#include "service/configuration.h"

namespace signaldb {

/// Runs the service in the foreground until SIGTERM or SIGINT, and returns the process's exit code:
/// 0 drained and stopped (what was not committed in time is in the log and said so), 1 failed, 2
/// the configuration cannot work. A second signal ends the process at once, which loses nothing
/// either: the log keeps what was acknowledged.
///
/// Threads: call it from main, before any other thread exists: it decides how signals are
/// delivered.
[[nodiscard]] int RunUntilSignal(LoadedConfiguration configuration);

}  // namespace signaldb

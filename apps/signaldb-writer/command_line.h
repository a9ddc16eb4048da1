#pragma once

namespace signaldb {

/// Does what the arguments say and returns the exit code of the process: 0 done, 1 failed while
/// running, 2 wrong usage or configuration. Blocks until the service ends, for the command `run`.
[[nodiscard]] int RunCommandLine(int argc, const char* const* argv);

}  // namespace signaldb

#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/event_listener.h"
#include "signaldb/result.h"

namespace signaldb {

/// From which severity on lines are written: one for all, and exceptions by module.
struct LogLevels {
  Severity fallback = Severity::kInfo;
  std::map<std::string, Severity, std::less<>> modules;

  [[nodiscard]] Severity Of(std::string_view module) const;
};

/// Reads "info", "writer=debug", "warn,log=debug,pipeline=info". Levels are error, warn (or
/// warning), info, debug; `trace` is read as debug and `off` as error, since RUST_LOG may hold
/// them. Errors: kInvalid; the message says only what was expected.
[[nodiscard]] Result<LogLevels> ParseLogLevels(std::string_view text);

/// The parts of `text` that ParseLogLevels accepts: RUST_LOG is shared with other programs, and
/// what it says of their modules is none of our business.
[[nodiscard]] std::string OwnLogLevels(std::string_view text);

}  // namespace signaldb

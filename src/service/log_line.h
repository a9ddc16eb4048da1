#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_listener.h"
#include "service/configuration.h"

namespace signaldb {

/// Longest value of one field; the rest of a longer one is cut off and "..." put behind it.
inline constexpr std::size_t kLogValueBytesMax = 8'192;

/// `event` as one line without its end: for people, or a JSON object with the keys time, level,
/// component and msg before the fields. Passwords inside URIs are taken out, in either.
[[nodiscard]] std::string FormatLogLine(const LogEvent& event, Nanos wall, LogFormat format);

/// Keeps a storm of the same warning or error from drowning the rest: of each message, so many
/// lines pass in a period; the others are counted, and a line at its end tells the count. Debug and
/// info lines always pass: they are asked for, one for each thing done.
///
/// Threads: thread-compatible.
class RepeatFilter {
 public:
  static constexpr int kLinesMax = 20;
  static constexpr Nanos kPeriod = std::chrono::seconds(10);
  /// Different messages remembered. They are literals of the code, so there are fewer in practice.
  static constexpr std::size_t kMessagesMax = 1'024;

  /// A message of which lines were held back.
  struct HeldBack {
    Severity severity{};
    std::string module;
    std::string message;
    std::int64_t lines = 0;
  };

  /// True if the line shall be written. Call TakeEnded before, so that old periods have ended.
  [[nodiscard]] bool Passes(const LogEvent& event, Nanos monotonic);

  /// What was held back in periods that are over, each once.
  [[nodiscard]] std::vector<HeldBack> TakeEnded(Nanos monotonic);

  /// The same of all periods, at the end of the process.
  [[nodiscard]] std::vector<HeldBack> TakeAll();

 private:
  struct Period {
    HeldBack held_back;
    Nanos began{};
    int passed = 0;
  };

  std::map<std::string, Period, std::less<>> periods_;
  Nanos next_look_{0};
};

}  // namespace signaldb

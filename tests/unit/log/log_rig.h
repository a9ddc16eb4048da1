#pragma once

#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "log/durable_log.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/recording_listener.h"
#include "testing/sim_file_system.h"

namespace signaldb::testing {

inline constexpr const char* kLogDir = "/data/log";

/// A record whose body lives in the record.
[[nodiscard]] inline LogRecord MakeRecord(std::string header, std::string body) {
  auto owner = std::make_shared<const std::string>(std::move(body));
  return {
      .header = std::move(header), .body = std::as_bytes(std::span(*owner)), .body_owner = owner};
}

/// Appends and waits for the answer.
[[nodiscard]] inline Result<Position> AppendAndWait(DurableLog& log, std::string header,
                                                    std::string body) {
  std::promise<Result<Position>> answer;
  auto answered = answer.get_future();
  log.Append(MakeRecord(std::move(header), std::move(body)),
             [&](Result<Position> result) { answer.set_value(std::move(result)); });
  return answered.get();
}

using Contents = std::map<Position, std::pair<std::string, std::string>>;

/// Everything the log replays from a position on. Positions out of order are a failure.
[[nodiscard]] inline Result<Contents> ReadLog(DurableLog& log, Position from = 0) {
  Contents contents;
  SIGNALDB_TRY(log.Replay(
      from,
      [&](Position position, std::string_view header, std::span<const std::byte> body) -> Status {
        if (!contents.empty() && position <= contents.rbegin()->first) {
          return Fail(ErrorKind::kInternal, fmt::format("out of order position={}", position));
        }
        contents[position] = {std::string(header),
                              std::string(reinterpret_cast<const char*>(body.data()), body.size())};
        return {};
      }));
  return contents;
}

/// A log on a simulated disk, and all it needs.
struct LogRig {
  explicit LogRig(std::uint64_t seed = 1) : random(seed) {
    options.dir = kLogDir;
    options.segment_bytes = 1 << 20;
    options.mend_interval = std::chrono::hours(1);  // Real time: not in tests of other things.
  }

  [[nodiscard]] Status Open() {
    auto opened = DurableLog::Open(files, clock, random, events, options);
    if (!opened.has_value()) return std::unexpected(std::move(opened).error());
    log = *std::move(opened);
    return {};
  }
  /// Closes in good order and opens again.
  [[nodiscard]] Status Reopen() {
    log.reset();
    return Open();
  }
  /// Loses power, then opens again.
  [[nodiscard]] Status CrashAndOpen(CrashPolicy policy) {
    files.CutPower();
    log.reset();
    files.Crash(policy, random);
    return Open();
  }
  /// Paths of the segments, oldest first.
  [[nodiscard]] std::vector<std::string> Segments() const {
    std::vector<std::string> paths;
    for (const std::string& name : files.Names(kLogDir)) {
      if (name.ends_with(".seg") && !name.starts_with("quarantine"))
        paths.push_back(fmt::format("{}/{}", kLogDir, name));
    }
    return paths;
  }

  SimFileSystem files;
  FakeClock clock;
  SeededRandom random;
  RecordingListener events;
  DurableLogOptions options;
  std::unique_ptr<DurableLog> log;
};

}  // namespace signaldb::testing

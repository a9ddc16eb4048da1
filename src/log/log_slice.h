#pragma once

#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "log/durable_log.h"

namespace signaldb {

/// Positions of a log, both included.
struct LogRange {
  Position first = 1;
  Position last = std::numeric_limits<Position>::max();
};

/// A log of which only the records of some positions are replayed, and no others are trimmed for
/// them: those of one identity, since a reader of the log names its records by one source key.
/// Everything else goes to the log itself.
///
/// Lifetime: borrows the log.
/// Threads:  as the log.
class LogSlice final : public DurableLog {
 public:
  LogSlice(DurableLog& log, LogRange range) : log_(log), range_(range) {}

  void Append(LogRecord record, OnDurable on_durable) override;
  [[nodiscard]] Status Replay(Position from, const OnRecord& on_record) override;
  [[nodiscard]] Status Trim(Position position) override;
  [[nodiscard]] Status ReleaseBetween(std::span<const Position> held, Position seen) override;
  void Close() override { log_.Close(); }

  [[nodiscard]] std::vector<LogIdentity> identities() const override { return log_.identities(); }
  [[nodiscard]] Uuid uuid_of(Position position) const override { return log_.uuid_of(position); }
  [[nodiscard]] Uuid uuid() const override { return log_.uuid(); }
  [[nodiscard]] Result<Uuid> TakeNewIdentity(std::string_view why) override {
    return log_.TakeNewIdentity(why);
  }
  [[nodiscard]] Position trimmed() const override { return log_.trimmed(); }
  /// Of the slice.
  [[nodiscard]] Position last_durable() const override;
  [[nodiscard]] std::uint64_t bytes_on_disk() const override { return log_.bytes_on_disk(); }
  [[nodiscard]] const RecoveryReport& recovery() const override { return log_.recovery(); }
  [[nodiscard]] bool healthy() const override { return log_.healthy(); }
  [[nodiscard]] std::string trouble() const override { return log_.trouble(); }

 private:
  DurableLog& log_;
  const LogRange range_;
};

}  // namespace signaldb

#include "log/log_slice.h"

#include <algorithm>
#include <utility>

namespace signaldb {

void LogSlice::Append(LogRecord record, OnDurable on_durable) {
  log_.Append(std::move(record), std::move(on_durable));
}

Status LogSlice::Replay(Position from, const OnRecord& on_record) {
  bool past = false;
  Status replayed = log_.Replay(
      std::max(from, range_.first),
      [&](Position position, std::string_view header, std::span<const std::byte> body) -> Status {
        past = position > range_.last;
        if (past) return Fail(ErrorKind::kCancelled, "past the slice");
        return on_record(position, header, body);
      });
  if (past) return {};
  return replayed;
}

Status LogSlice::Trim(Position position) { return log_.Trim(std::min(position, range_.last)); }

Status LogSlice::ReleaseBetween(std::span<const Position> held, Position seen) {
  // What lies before the slice is somebody else's.
  if (log_.trimmed() + 1 < range_.first) return {};
  return log_.ReleaseBetween(held, std::min(seen, range_.last));
}

Position LogSlice::last_durable() const { return std::min(log_.last_durable(), range_.last); }

}  // namespace signaldb

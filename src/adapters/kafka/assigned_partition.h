#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "adapters/kafka/kafka_consumer.h"
#include "adapters/kafka/message_parts.h"
#include "base/clock.h"
#include "base/source_position.h"
#include "telemetry/source.h"

namespace signaldb {

/// Where a lane leaves its progress for the thread that polls.
///
/// Threads: thread-safe.
class ProgressBox {
 public:
  void Put(SourcePosition through) {
    const std::scoped_lock lock(mutex_);
    through_ = std::max(through_, through);
  }
  [[nodiscard]] SourcePosition through() const {
    const std::scoped_lock lock(mutex_);
    return through_;
  }

 private:
  mutable std::mutex mutex_;
  SourcePosition through_ = 0;
};

/// What the reader knows of a partition that is ours. A position is an offset plus one, so it is
/// also the offset of the message that follows.
struct AssignedPartition {
  const KafkaTopic* topic = nullptr;
  SourceKey key;
  std::int64_t next_offset = 0;  ///< Messages below it were delivered already.
  std::int64_t committed = 0;    ///< The group's offset, as far as we know.
  /// Shared with the lane's callback, which may outlast the partition by a call.
  std::shared_ptr<ProgressBox> progress = std::make_shared<ProgressBox>();
  std::unique_ptr<MessageLane> lane;  ///< Null if another reader of this process has it.
  /// Messages that the lane had no room for, the oldest first. While there are any, the partition
  /// is paused: no more than what was on its way can come.
  std::deque<KafkaMessage> held;
  Nanos retry_at{0};
  Nanos retry_wait{0};
  /// Datasets whose tables were asked what they cover.
  std::set<std::pair<std::string, std::string>> checked;
  std::string stopped;  ///< Why it stands still; empty: it does not.
};

}  // namespace signaldb

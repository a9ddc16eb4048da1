#pragma once

#include <atomic>
#include <utility>

#include "base/source_position.h"
#include "telemetry/source.h"

namespace signaldb {

/// A source's positions as commits see them. Shared by all messages of the lane, so that a cut can
/// hold messages of many lanes.
///
/// Threads: thread-safe.
class SourceLane {
 public:
  SourceLane(SourceKey key, LaneOrder order) : key_(std::move(key)), order_(order) {}

  [[nodiscard]] const SourceKey& key() const { return key_; }
  [[nodiscard]] LaneOrder order() const { return order_; }

  /// Everything up to here was acknowledged to the source, and so is in every table it feeds.
  /// kAnyOrder only.
  [[nodiscard]] SourcePosition floor() const { return floor_; }
  void RaiseFloor(SourcePosition position) {
    SourcePosition seen = floor_;
    while (seen < position && !floor_.compare_exchange_weak(seen, position)) {
    }
  }

 private:
  const SourceKey key_;
  const LaneOrder order_;
  std::atomic<SourcePosition> floor_ = 0;
};

/// Orders lanes by key, so that what is written does not depend on addresses.
struct ByKey {
  bool operator()(const SourceLane* a, const SourceLane* b) const { return a->key() < b->key(); }
};

}  // namespace signaldb

#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/source.h"

namespace signaldb::testing {

/// Takes messages by the rules of the port, and gives progress when the test says so.
///
/// Threads: thread-safe.
class FakeIntake final : public SourceIntake {
 public:
  struct Delivery {
    SourceKey key;
    SourcePosition position;
    std::string body;
    Nanos received_at;
    bool unfit;
  };

  [[nodiscard]] Result<std::unique_ptr<MessageLane>> OpenLane(LaneOptions options) override {
    const std::scoped_lock lock(mutex_);
    if (taken_) return Fail(ErrorKind::kConflict, "another one reads the same messages");
    return std::make_unique<Lane>(*this, std::move(options));
  }

  /// Delivered so far, in order.
  [[nodiscard]] std::vector<Delivery> deliveries() const {
    const std::scoped_lock lock(mutex_);
    return deliveries_;
  }
  [[nodiscard]] std::size_t open_lanes() const {
    const std::scoped_lock lock(mutex_);
    return lanes_.size();
  }
  [[nodiscard]] int refusals() const {
    const std::scoped_lock lock(mutex_);
    return refusals_;
  }
  [[nodiscard]] int flushes() const {
    const std::scoped_lock lock(mutex_);
    return flushes_;
  }

  /// From now on Deliver says that there is no room, or takes messages again.
  void SetFull(bool full) {
    const std::scoped_lock lock(mutex_);
    full_ = full;
  }
  /// From now on every key is another reader's.
  void SetTaken(bool taken) {
    const std::scoped_lock lock(mutex_);
    taken_ = taken;
  }
  /// Whether Flush commits, or gives up.
  void SetFlushWorks(bool works) {
    const std::scoped_lock lock(mutex_);
    flush_works_ = works;
  }

  /// Everything delivered is in the tables.
  void CommitAll() {
    const std::scoped_lock lock(mutex_);
    for (Lane* lane : lanes_) Report(*lane);
  }

 private:
  class Lane final : public MessageLane {
   public:
    Lane(FakeIntake& intake, LaneOptions options) : intake_(intake), options_(std::move(options)) {
      intake_.lanes_.push_back(this);
    }
    ~Lane() override {
      const std::scoped_lock lock(intake_.mutex_);
      std::erase(intake_.lanes_, this);
    }

    [[nodiscard]] Status Deliver(const SourceMessage& message) override {
      const std::scoped_lock lock(intake_.mutex_);
      EXPECT_GT(message.position, last_) << "positions of a lane ascend";
      if (intake_.full_) {
        ++intake_.refusals_;
        return Fail(ErrorKind::kUnavailable, "no room");
      }
      last_ = message.position;
      for (const SourceMessage::Part& part : message.parts) {
        intake_.deliveries_.push_back(
            {options_.key, message.position,
             std::string(reinterpret_cast<const char*>(part.body.data()), part.body.size()),
             message.received_at, message.unfit.has_value()});
      }
      return {};
    }
    void RaiseFloor(SourcePosition) override {}
    [[nodiscard]] Status Flush(Nanos) override {
      const std::scoped_lock lock(intake_.mutex_);
      ++intake_.flushes_;
      if (!intake_.flush_works_) return Fail(ErrorKind::kUnavailable, "not in time");
      Report(*this);
      return {};
    }

    FakeIntake& intake_;
    LaneOptions options_;
    SourcePosition last_ = 0;
  };

  static void Report(Lane& lane) {
    EXPECT_TRUE(lane.options_.on_progress({.through = lane.last_, .last_delivered = lane.last_})
                    .has_value());
  }

  mutable std::mutex mutex_;
  std::vector<Lane*> lanes_;
  std::vector<Delivery> deliveries_;
  bool full_ = false;
  bool taken_ = false;
  bool flush_works_ = true;
  int refusals_ = 0;
  int flushes_ = 0;
};

}  // namespace signaldb::testing

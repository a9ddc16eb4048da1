#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/source.h"

namespace signaldb::testing {

/// An intake that keeps what is delivered until the test says that it is in the tables.
///
/// Threads: thread-safe.
class RecordingIntake final : public SourceIntake {
 public:
  struct Delivered {
    SourcePosition position;
    std::string body;
    std::string tenant;
    Nanos received_at;
  };

  [[nodiscard]] Result<std::unique_ptr<MessageLane>> OpenLane(LaneOptions options) override {
    const std::scoped_lock lock(mutex_);
    keys.push_back(options.key);
    options_ = std::move(options);
    return std::make_unique<Lane>(*this);
  }

  /// All delivered so far, once they are `count`, or what there is after half a minute.
  std::vector<Delivered> WaitFor(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return delivered_.size() >= count; });
    return delivered_;
  }

  /// Everything that was delivered and not committed is in the tables now.
  void Commit() {
    LaneProgress progress;
    std::function<Status(const LaneProgress&)> report;
    {
      const std::scoped_lock lock(mutex_);
      progress.done = std::exchange(uncommitted_, {});
      report = options_.on_progress;
    }
    static_cast<void>(report(progress));
  }

  void SetRefuses(bool refuses) {
    const std::scoped_lock lock(mutex_);
    refuses_ = refuses;
  }
  [[nodiscard]] SourcePosition floor() const {
    const std::scoped_lock lock(mutex_);
    return floor_;
  }

  std::vector<SourceKey> keys;

 private:
  class Lane final : public MessageLane {
   public:
    explicit Lane(RecordingIntake& intake) : intake_(intake) {}
    [[nodiscard]] Status Deliver(const SourceMessage& message) override {
      return intake_.Take(message);
    }
    void RaiseFloor(SourcePosition position) override {
      const std::scoped_lock lock(intake_.mutex_);
      intake_.floor_ = position;
    }
    [[nodiscard]] Status Flush(Nanos) override { return {}; }

   private:
    RecordingIntake& intake_;
  };

  [[nodiscard]] Status Take(const SourceMessage& message) {
    {
      const std::scoped_lock lock(mutex_);
      if (refuses_) return Fail(ErrorKind::kUnavailable, "full");
      const SourceMessage::Part& part = message.parts.front();
      delivered_.push_back(
          {message.position,
           std::string(reinterpret_cast<const char*>(part.body.data()), part.body.size()),
           part.tenant, message.received_at});
      uncommitted_.push_back(message.position);
    }
    changed_.notify_all();
    return {};
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  LaneOptions options_;
  bool refuses_ = false;
  std::vector<Delivered> delivered_;
  std::vector<SourcePosition> uncommitted_;
  SourcePosition floor_ = 0;
};

}  // namespace signaldb::testing

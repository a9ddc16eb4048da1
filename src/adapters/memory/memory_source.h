#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "base/clock.h"
#include "signaldb/result.h"
#include "telemetry/source.h"

namespace signaldb {

/// A queue in the process that is read like any other: for programs that embed the writer, and for
/// tests. It keeps each message until the tables have it; what was not acknowledged is delivered
/// again after Close and Start, and is gone with the process.
///
/// Lifetime: borrows `clock`; destroy it before the intake.
/// Threads:  as Source; Push and the rest are thread-safe.
class MemorySource final : public Source {
 public:
  struct Options {
    std::string name;  ///< Its source key is "memory/<name>": unique among those of the tables.
    LaneOrder order = LaneOrder::kInOrder;
    std::size_t messages_max = 10'000;  ///< Kept until acknowledged.
  };
  struct Message {
    std::string tenant;   ///< Validated (telemetry/names.h).
    std::string dataset;  ///< Validated.
    Signal signal = Signal::kLogs;
    MessageEncoding encoding = MessageEncoding::kProtobuf;
    std::string body;
  };

  MemorySource(Options options, Clock& clock) : options_(std::move(options)), clock_(clock) {}
  /// Closes without waiting.
  ~MemorySource() override;

  /// Puts a message at the end and returns its position; the first is 1. Errors: kUnavailable
  /// (`messages_max` are not acknowledged yet: try again later).
  [[nodiscard]] Result<SourcePosition> Push(Message message);

  /// Messages that are not acknowledged.
  [[nodiscard]] std::size_t waiting() const;

  [[nodiscard]] Status Start(SourceIntake& intake) override;
  void StopDelivering() override;
  [[nodiscard]] Status Close(Nanos deadline) override;
  [[nodiscard]] std::string Name() const override { return "memory " + options_.name; }
  [[nodiscard]] std::string Trouble() const override;

 private:
  struct Kept {
    SourcePosition position = 0;
    Nanos received_at{0};
    std::shared_ptr<const Message> message;
  };

  void Read(const std::stop_token& stop);
  [[nodiscard]] bool NextAfter(SourcePosition position, const std::stop_token& stop, Kept& next);
  void Acknowledge(const LaneProgress& progress);

  const Options options_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Kept> kept_;  // By position.
  SourcePosition last_ = 0;
  std::string trouble_;
  std::unique_ptr<MessageLane> lane_;
  std::jthread reader_;
};

}  // namespace signaldb

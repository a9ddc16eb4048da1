#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/source_position.h"
#include "signaldb/result.h"
#include "telemetry/ingest.h"
#include "telemetry/signal.h"

namespace signaldb {

/// One message of a queue that keeps its messages itself until they are acknowledged.
struct SourceMessage {
  SourcePosition position = 0;
  Signal signal = Signal::kLogs;
  MessageEncoding encoding = MessageEncoding::kProtobuf;
  /// Wall clock, from the queue where it keeps one: a redelivery must give the same rows.
  Nanos received_at{0};
  /// One for each dataset that the message feeds; most feed one.
  struct Part {
    std::string tenant;                 ///< Validated (telemetry/names.h).
    std::string dataset;                ///< Validated.
    std::span<const std::byte> body;    ///< An Export*ServiceRequest.
    std::shared_ptr<const void> owner;  ///< Keeps `body` alive.
  };
  std::vector<Part> parts;
  /// Why the source itself found that the message can never be rows (an encoding that nobody reads,
  /// an evil tenant name). Its one part, bytes as received, goes to the dead letters.
  std::optional<std::string> unfit;
};

/// What has become of a lane's messages.
struct LaneProgress {
  /// Everything up to here is in the tables (kInOrder).
  SourcePosition through = 0;
  /// Positions that were delivered but are not in the tables yet, ascending, all above `through`
  /// (kInOrder).
  std::vector<SourcePosition> held;
  /// The last position delivered; what lies above it is not known here (kInOrder).
  SourcePosition last_delivered = 0;
  /// Positions that got into the tables since the last report, in no order (kAnyOrder).
  std::vector<SourcePosition> done;
};

/// Whether a source hands positions out in ascending order, and to one reader at a time
/// (kInOrder: the log, a Kafka partition), or in any order to several (kAnyOrder: a JetStream
/// consumer).
enum class LaneOrder : std::uint8_t { kInOrder, kAnyOrder };

struct LaneOptions {
  SourceKey key;
  LaneOrder order = LaneOrder::kInOrder;
  /// Gets what is in the tables, definitely and durably, so that it can be acknowledged. Called one
  /// at a time, from threads of the pipeline; must return quickly (hand it to a thread of your
  /// own). After an error the same progress comes again, with what has been added since.
  std::function<Status(const LaneProgress&)> on_progress;
};

/// Where a source hands the messages of one run of positions. Made by SourceIntake::OpenLane.
///
/// Destroying it closes the lane: what is not being committed already is dropped (the source still
/// has it), and `on_progress` is not called any more.
/// Threads: one at a time, except as said.
class MessageLane {
 public:
  virtual ~MessageLane() = default;

  /// Takes the message in, or leaves it with the caller. Blocks for decoding only. In a kInOrder
  /// lane positions ascend; gaps are fine. In a kAnyOrder lane a position that is still held is
  /// ignored: its progress will come.
  ///
  /// Errors: kUnavailable (no room in memory, or commits of the dataset fail): deliver the same
  /// message again in a little while, and nothing above it before. Nothing else: what can never be
  /// rows is stored as a dead letter.
  [[nodiscard]] virtual Status Deliver(const SourceMessage& message) = 0;

  /// Says that everything up to `position` was acknowledged, by whomever: tables need not list it
  /// any longer. kAnyOrder only. Thread-safe.
  virtual void RaiseFloor(SourcePosition position) = 0;

  /// Makes everything delivered so far visible and reports the progress before it returns, or gives
  /// up at `deadline` (monotonic). For a partition that is taken away. Errors: kUnavailable (not in
  /// time; names the dataset), kCancelled (closing down).
  [[nodiscard]] virtual Status Flush(Nanos deadline) = 0;
};

/// Port: where sources hand their messages. Thread-safe; outlives its lanes.
class SourceIntake {
 public:
  virtual ~SourceIntake() = default;
  /// In other processes the key may be open too, the watermarks keep rows single.
  /// Errors: kConflict (the key is open in this process; whoever asked must not read the source).
  [[nodiscard]] virtual Result<std::unique_ptr<MessageLane>> OpenLane(LaneOptions options) = 0;
};

/// Port: a queue that is read, on threads of the implementation.
///
///   Start -> deliver ... -> StopDelivering -> (the pipeline commits) -> Close
///
/// Threads: Start, StopDelivering and Close on one thread; the rest thread-safe.
class Source {
 public:
  virtual ~Source() = default;

  /// Connects and begins to deliver into `intake`, which outlives the source. A server that is away
  /// is not an error: it is tried for ever, and Trouble says so.
  /// Errors: kInvalid (configuration that cannot work).
  [[nodiscard]] virtual Status Start(SourceIntake& intake) = 0;

  /// Delivers nothing any more once it returns; progress is still acknowledged.
  virtual void StopDelivering() = 0;

  /// Passes on what can still be acknowledged until `deadline` (monotonic), closes the lanes and
  /// leaves. Idempotent. Errors: kUnavailable (acknowledgements may be lost: some messages will
  /// come again, and be recognised).
  [[nodiscard]] virtual Status Close(Nanos deadline) = 0;

  /// How it is called in logs and /readyz, such as "kafka orders".
  [[nodiscard]] virtual std::string Name() const = 0;

  /// What keeps it from delivering, for /readyz and people; empty while all is well.
  [[nodiscard]] virtual std::string Trouble() const = 0;
};

}  // namespace signaldb

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "adapters/nats/ack_subject.h"
#include "adapters/nats/held_messages.h"
#include "adapters/nats/jetstream_api.h"
#include "adapters/nats/nats_link.h"
#include "adapters/nats/nats_options.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "base/memory_budget.h"
#include "telemetry/source.h"

namespace signaldb {

/// Deliveries that the pipeline was not given yet, oldest first. They outlive a connection: the
/// server takes their acknowledgements on any, and would deliver them again only after ack_wait.
struct WaitingMessages {
  struct One {
    NatsMessage message;
    SourcePosition position;
  };
  std::deque<One> messages;
  std::int64_t bytes = 0;
};

/// Asks a consumer for messages and hands them to the pipeline, over one connection.
///
///   Step: nothing asked for and room here -> ask for a batch, bounded in messages and bytes
///         next delivery -> held already ? keep its newest reply : put at the end
///         oldest waiting -> Deliver -> refused: again after a pause, and ask for nothing
///         two heartbeats missing -> kUnavailable, the caller makes everything anew
///
/// What waits here is bounded by two requests' bytes. JetStream's pull requests are sent by
/// ourselves and not by cnats' Fetch, whose version 3.4.1 returns messages only when the batch is
/// full or its time is over, and writes past its list when deliveries are left from before.
///
/// Threads: confined to one thread. Borrows everything.
class NatsPuller {
 public:
  struct Collaborators {
    NatsLink& link;
    NatsInbox& inbox;
    HeldMessages& held;
    WaitingMessages& waiting;
    MessageLane& lane;
    MemoryBudget& budget;
    Clock& clock;
    EventListener& events;
  };
  NatsPuller(Collaborators with, const NatsSourceOptions& options, const ConsumerState& consumer);

  /// One round; waits at most `wait_max` for a message. Errors: kUnavailable (the connection or the
  /// request is lost, or the server refuses it).
  [[nodiscard]] Status Step(Nanos wait_max);

  /// Ends: asks for nothing more, and gives back to the server at once what the pipeline was not
  /// given, so that another writer gets it.
  void GiveBack();

 private:
  [[nodiscard]] bool HasRoom() const;
  [[nodiscard]] Status Ask();
  [[nodiscard]] Status TakeIn(NatsMessage message);
  [[nodiscard]] Status TakeInStatus(const NatsMessage& message);
  void TakeInDelivery(NatsMessage message, const AckSubject& delivery);
  void DeliverOldest();
  void RequestIsOver();
  void Count(std::string_view metric, double by) const;

  Collaborators with_;
  const NatsSourceOptions& options_;
  const std::string pull_subject_;
  const std::int64_t batch_max_;
  const std::int64_t bytes_max_;
  const Nanos expires_;
  std::int64_t asked_for_ = 0;     // Messages still to come of the request; 0: none is open.
  std::int64_t came_ = 0;          // Messages that came of it.
  bool is_without_bytes_ = false;  // The next request names no bytes: one message is larger.
  Nanos heard_at_;
  Nanos retry_at_{0};
  Nanos retry_delay_{0};
};

}  // namespace signaldb

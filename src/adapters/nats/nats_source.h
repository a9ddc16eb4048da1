#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "adapters/nats/held_messages.h"
#include "adapters/nats/jetstream_api.h"
#include "adapters/nats/nats_link.h"
#include "adapters/nats/nats_options.h"
#include "adapters/nats/nats_puller.h"
#include "adapters/nats/stream_identity.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "base/file_system.h"
#include "base/memory_budget.h"
#include "base/random.h"
#include "telemetry/source.h"

namespace signaldb {

/// One durable pull consumer of a JetStream stream, read into one lane.
///
///   "pull": connect -> look at stream and consumer -> ask, deliver, ask, deliver ... -> lost:
///           connect to the next server
///   "tend": acknowledges what is in the tables, says of the rest that work goes on, asks for the
///           consumer's state
///
/// Several writers may read one consumer: each message goes to one of them, and to another when
/// that one is too slow or gone; the watermarks keep its rows single.
///
/// Lifetime: borrows its collaborators. Threads: as the port says.
class NatsSource final : public Source {
 public:
  struct Collaborators {
    FileSystem& files;
    Clock& clock;
    Random& random;
    EventListener& events;
    MemoryBudget& budget;  ///< Pays for what is decompressed.
  };

  /// `connect` is for tests; without it, cnats.
  NatsSource(NatsSourceOptions options, Collaborators with, NatsConnector connect = nullptr);
  ~NatsSource() override;

  [[nodiscard]] Status Start(SourceIntake& intake) override;
  void StopDelivering() override;
  [[nodiscard]] Status Close(Nanos deadline) override;
  [[nodiscard]] std::string Name() const override;
  [[nodiscard]] std::string Trouble() const override;

 private:
  struct Seen {
    StreamState stream;
    ConsumerState consumer;
  };

  void Pull(const std::stop_token& stop);
  [[nodiscard]] Status PullOnce(const std::stop_token& stop);
  [[nodiscard]] Result<Seen> LookAround(NatsLink& link);
  [[nodiscard]] Result<Seen> LookAroundOrCreate(NatsLink& link);
  /// Compares with what is known and takes note. Errors: as Recognise.
  [[nodiscard]] Status TakeNote(const Seen& seen);
  void ReportGap(const Seen& seen);
  void ReportGauges(const Seen& seen);
  void Remember();
  [[nodiscard]] Status OpenLane();

  void Tend(const std::stop_token& stop);
  void SendAcks(NatsLink& link);
  void SendProgress(NatsLink& link);
  void Poll(NatsLink& link);

  void SetTrouble(std::string trouble);
  [[nodiscard]] std::shared_ptr<NatsLink> link() const;
  void SetLink(std::shared_ptr<NatsLink> link);
  void Count(std::string_view metric, double by) const;
  void Gauge(std::string_view metric, double value) const;
  void Say(Severity severity, std::string message, std::string detail) const;

  const NatsSourceOptions options_;
  const Collaborators with_;
  const NatsConnector connect_;
  SourceIntake* intake_ = nullptr;
  HeldMessages held_;
  WaitingMessages waiting_;  // Of the pull thread.

  std::mutex note_mutex_;  // Both threads look at the stream.
  std::optional<KnownStream> known_;
  std::optional<KnownStream> written_;
  SourcePosition gap_through_ = 0;
  Nanos remembered_at_{0};

  mutable std::mutex mutex_;  // The rest is looked at from everywhere.
  std::string trouble_ = "not started";
  std::shared_ptr<NatsLink> link_;
  std::unique_ptr<MessageLane> lane_;
  std::string lane_key_;

  std::atomic<std::int64_t> ack_wait_ns_{0};  // Of the consumer, as last seen.
  std::atomic<bool> must_look_again_{false};  // The poll found another stream.
  std::size_t server_ = 0;                    // Next to connect to.
  bool is_closed_ = false;
  std::jthread tend_;
  std::jthread pull_;  // Ends first.
};

}  // namespace signaldb

#include "adapters/nats/nats_puller.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "adapters/nats/read_message.h"

namespace signaldb {
namespace {

constexpr int kHeartbeatsMissed = 2;
constexpr int kIdleHeartbeat = 100;
constexpr int kNoMessages = 404;
constexpr int kRequestTimeout = 408;
constexpr int kConflict = 409;
constexpr Nanos kDrainWait = std::chrono::milliseconds(500);

std::string_view Header(const NatsMessage& message, std::string_view name) {
  for (const auto& [key, value] : message.headers) {
    if (key == name) return value;
  }
  return {};
}

std::int64_t AtMost(std::int64_t wanted, std::int64_t limit) {
  return limit > 0 ? std::min(wanted, limit) : wanted;
}

}  // namespace

NatsPuller::NatsPuller(Collaborators with, const NatsSourceOptions& options,
                       const ConsumerState& consumer)
    : with_(with),
      options_(options),
      pull_subject_(PullSubject(options.stream, options.consumer)),
      batch_max_(AtMost(options.fetch_messages, consumer.max_batch)),
      bytes_max_(AtMost(options.fetch_bytes, consumer.max_bytes)),
      expires_(consumer.max_expires > Nanos(0)
                   ? std::min(options.request_expires, consumer.max_expires)
                   : options.request_expires),
      heard_at_(with.clock.MonotonicNow()) {}

bool NatsPuller::HasRoom() const {
  return asked_for_ == 0 && retry_delay_ == Nanos(0) &&
         with_.waiting.bytes < options_.fetch_bytes / 2 &&
         static_cast<std::int64_t>(with_.held.held()) < options_.held_messages_max;
}

Status NatsPuller::Step(Nanos wait_max) {
  if (HasRoom()) SIGNALDB_TRY(Ask());
  const Nanos now = with_.clock.MonotonicNow();
  const Nanos wait =
      with_.waiting.messages.empty() ? wait_max : std::clamp(retry_at_ - now, Nanos(0), wait_max);
  SIGNALDB_ASSIGN(std::optional<NatsMessage> message, with_.inbox.Next(wait));
  if (!message.has_value() && asked_for_ > 0 && wait > Nanos(0) &&
      with_.clock.MonotonicNow() - heard_at_ > kHeartbeatsMissed * options_.heartbeat) {
    // Only after a wait in vain: this process may have slept while heartbeats came.
    return Fail(ErrorKind::kUnavailable, "the server missed two heartbeats of a pull request");
  }
  // All that is there, which is never more than was asked for: what stays in the inbox is lost with
  // the connection, and comes again only after ack_wait.
  while (message.has_value()) {
    heard_at_ = with_.clock.MonotonicNow();
    SIGNALDB_TRY(TakeIn(std::move(*message)));
    SIGNALDB_ASSIGN(message, with_.inbox.Next(Nanos(0)));
  }
  DeliverOldest();
  return {};
}

Status NatsPuller::Ask() {
  const auto held = static_cast<std::int64_t>(with_.held.held());
  const std::int64_t messages =
      is_without_bytes_ ? 1 : std::min(batch_max_, options_.held_messages_max - held);
  // A server refuses heartbeats that are not well below the expiry.
  const PullRequest request{.messages = messages,
                            .bytes = is_without_bytes_ ? 0 : bytes_max_,
                            .expires = expires_,
                            .heartbeat = std::min(options_.heartbeat, expires_ / 3)};
  SIGNALDB_TRY(with_.link.Publish(pull_subject_, ToJson(request), with_.inbox.subject()));
  asked_for_ = messages;
  came_ = 0;
  is_without_bytes_ = false;
  heard_at_ = with_.clock.MonotonicNow();
  return {};
}

Status NatsPuller::TakeIn(NatsMessage message) {
  if (const std::optional<AckSubject> delivery = ParseAckSubject(message.reply)) {
    TakeInDelivery(std::move(message), *delivery);
    return {};
  }
  return TakeInStatus(message);
}

Status NatsPuller::TakeInStatus(const NatsMessage& message) {
  const std::string_view text = Header(message, "Status");
  const std::string_view description = Header(message, "Description");
  int status = 0;
  std::from_chars(text.data(), text.data() + text.size(), status);
  switch (status) {
    case kIdleHeartbeat:
      return {};
    case kNoMessages:
    case kRequestTimeout:
      RequestIsOver();
      return {};
    case kConflict:
      if (description == "Message Size Exceeds MaxBytes") {
        // Alone and still too large: it is asked for without the limit, as nobody else takes it.
        is_without_bytes_ = came_ == 0;
        RequestIsOver();
        return {};
      }
      if (description == "Batch Completed") {
        RequestIsOver();
        return {};
      }
      break;
    default:
      break;
  }
  return Fail(ErrorKind::kUnavailable,
              fmt::format("the server ended a pull request: {} status={}", description, status));
}

void NatsPuller::RequestIsOver() { asked_for_ = 0; }

void NatsPuller::TakeInDelivery(NatsMessage message, const AckSubject& delivery) {
  ++came_;
  if (asked_for_ > 0) --asked_for_;
  Count("signaldb_writer_nats_messages_total", 1);
  Count("signaldb_writer_nats_bytes_total", static_cast<double>(message.body.size()));
  if (delivery.deliveries > 1) Count("signaldb_writer_nats_redelivered_messages_total", 1);
  const SourcePosition position = delivery.stream_sequence;
  if (with_.held.Add(position, message.reply, with_.clock.MonotonicNow()) ==
      HeldMessages::Arrival::kHeldAlready) {
    return;
  }
  with_.waiting.bytes += static_cast<std::int64_t>(message.body.size());
  with_.waiting.messages.push_back({.message = std::move(message), .position = position});
}

void NatsPuller::DeliverOldest() {
  const Nanos now = with_.clock.MonotonicNow();
  if (with_.waiting.messages.empty() || now < retry_at_) return;
  const WaitingMessages::One& oldest = with_.waiting.messages.front();
  const Result<SourceMessage> read =
      ReadNatsMessage(oldest.message,
                      {.subjects = options_.subjects,
                       .limits = {.bytes_max = options_.message_bytes_max,
                                  .ratio_max = options_.decompression_ratio_max}},
                      with_.budget);
  if (!read.has_value() || !with_.lane.Deliver(*read).has_value()) {
    retry_delay_ = std::clamp(2 * retry_delay_, options_.retry_delay_min, options_.retry_delay_max);
    retry_at_ = now + retry_delay_;
    return;
  }
  retry_delay_ = Nanos(0);
  retry_at_ = Nanos(0);
  with_.waiting.bytes -= static_cast<std::int64_t>(oldest.message.body.size());
  with_.waiting.messages.pop_front();
}

void NatsPuller::GiveBack() {
  // What is under way would wait for its ack_wait to end, if nobody told the server.
  Status drained = with_.inbox.Drain();
  const Nanos until = with_.clock.MonotonicNow() + kDrainWait;
  while (drained.has_value() && with_.clock.MonotonicNow() < until) {
    Result<std::optional<NatsMessage>> message = with_.inbox.Next(kDrainWait);
    if (!message.has_value() || !message->has_value()) break;
    if (const auto delivery = ParseAckSubject((*message)->reply)) {
      TakeInDelivery(std::move(**message), *delivery);
    }
  }
  for (const WaitingMessages::One& waiting : with_.waiting.messages) {
    const std::optional<std::string> reply = with_.held.Drop(waiting.position);
    // A connection that is lost answers for itself: the server delivers again after ack_wait.
    if (reply.has_value()) static_cast<void>(with_.link.Publish(*reply, "-NAK", ""));
  }
  with_.waiting.messages.clear();
  with_.waiting.bytes = 0;
}

void NatsPuller::Count(std::string_view metric, double by) const {
  with_.events.Count(metric, by, {{"source", options_.name}});
}

}  // namespace signaldb

#include "adapters/nats/nats_source.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "adapters/nats/cnats_link.h"
#include "adapters/nats/consumer_rules.h"
#include "base/retry.h"

namespace signaldb {
namespace {

constexpr std::string_view kModule = "nats";
constexpr Nanos kStepWait = std::chrono::milliseconds(100);
constexpr Nanos kTendWait = std::chrono::milliseconds(200);
constexpr Nanos kCloseWait = std::chrono::milliseconds(5);
constexpr Nanos kSteady = std::chrono::seconds(1);
constexpr Nanos kRememberEvery = std::chrono::seconds(10);
constexpr std::size_t kAcksAtOnce = 1000;
constexpr int kProgressesPerAckWait = 3;

}  // namespace

NatsSource::NatsSource(NatsSourceOptions options, Collaborators with, NatsConnector connect)
    : options_(std::move(options)),
      with_(with),
      connect_(connect != nullptr ? std::move(connect) : [this](const std::string& server) {
        return ConnectToNats(server, options_.access, options_.request_timeout);
      }) {}

NatsSource::~NatsSource() {
  pull_.request_stop();
  tend_.request_stop();
  if (pull_.joinable()) pull_.join();
  if (tend_.joinable()) tend_.join();
}

Status NatsSource::Start(SourceIntake& intake) {
  if (options_.servers.empty() || options_.subjects.empty() || !IsValidNatsName(options_.stream) ||
      !IsValidNatsName(options_.consumer)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a nats source needs a server, a stream, a durable name and a subject; "
                            "names are 1 to 128 of [A-Za-z0-9_-] stream={} durable={}",
                            options_.stream, options_.consumer));
  }
  if (!options_.state_file.empty()) {
    SIGNALDB_ASSIGN(known_, ReadKnownStream(with_.files, options_.state_file));
    written_ = known_;
  }
  intake_ = &intake;
  SetTrouble("connecting");
  tend_ = std::jthread([this](const std::stop_token& stop) { Tend(stop); });
  pull_ = std::jthread([this](const std::stop_token& stop) { Pull(stop); });
  return {};
}

void NatsSource::StopDelivering() {
  if (!pull_.joinable()) return;
  pull_.request_stop();
  pull_.join();
}

Status NatsSource::Close(Nanos deadline) {
  if (std::exchange(is_closed_, true)) return {};
  StopDelivering();
  while (held_.acks() > 0 && link() != nullptr && with_.clock.MonotonicNow() < deadline) {
    with_.clock.SleepFor(kCloseWait, {});
  }
  if (tend_.joinable()) {
    tend_.request_stop();
    tend_.join();
  }
  const std::shared_ptr<NatsLink> last = link();
  Status status;
  if (last != nullptr) {
    SendAcks(*last);
    // Given back, not left to ack_wait: the next reader need not wait two minutes, and what did
    // get into the tables is recognised.
    for (const std::string& reply : held_.DropAll()) {
      status = last->Publish(reply, "-NAK", "");
      if (!status.has_value()) break;
    }
    const Nanos left = deadline - with_.clock.MonotonicNow();
    if (status.has_value()) status = last->Flush(std::max(left, kCloseWait));
  }
  if (held_.acks() > 0) {
    status = Fail(ErrorKind::kUnavailable,
                  fmt::format("acknowledgements could not be sent; the messages come again and are "
                              "recognised source={} messages={}",
                              Name(), held_.acks()));
  }
  {
    const std::scoped_lock lock(note_mutex_);
    Remember();
  }
  SetLink(nullptr);
  std::unique_ptr<MessageLane> lane;
  {
    const std::scoped_lock lock(mutex_);
    lane = std::move(lane_);
  }
  return status;
}

std::string NatsSource::Name() const { return fmt::format("nats {}", options_.name); }

std::string NatsSource::Trouble() const {
  const std::scoped_lock lock(mutex_);
  return trouble_;
}

void NatsSource::Pull(const std::stop_token& stop) {
  RetryConfig pace;
  pace.max_attempts = std::numeric_limits<int>::max();
  pace.initial_delay = std::chrono::milliseconds(100);
  pace.max_delay = std::chrono::seconds(5);
  while (!stop.stop_requested()) {
    // A session that worked begins the pauses anew.
    for (Backoff backoff(pace, with_.clock, with_.random); backoff.Next(stop);) {
      const Nanos begun = with_.clock.MonotonicNow();
      const Status ended = PullOnce(stop);
      if (stop.stop_requested()) break;
      const bool was_reading = Trouble().empty();
      // One that broke off at once did not: a server that refuses every request is asked at a pace.
      const bool worked = was_reading && with_.clock.MonotonicNow() - begun >= kSteady;
      SIGNALDB_ASSERT(!ended.has_value());
      const std::string& why = ended.error().message;
      // Said once, not with every attempt.
      if (Trouble() != why) {
        Say(IsRetryable(ended.error().kind) ? Severity::kWarning : Severity::kError,
            "nothing is read from nats until this is over", why);
      }
      SetTrouble(why);
      Gauge("signaldb_writer_nats_connected", 0);
      if (was_reading) Count("signaldb_writer_nats_reconnects_total", 1);
      if (worked) break;
    }
  }
}

Status NatsSource::PullOnce(const std::stop_token& stop) {
  // The old connection first: one of its kind is enough, and acknowledgements go to the new one.
  SetLink(nullptr);
  const std::string& server = options_.servers[server_++ % options_.servers.size()];
  SIGNALDB_ASSIGN(std::shared_ptr<NatsLink> link, connect_(server));
  SIGNALDB_ASSIGN(const Seen seen, LookAroundOrCreate(*link));
  SIGNALDB_TRY(CheckConsumer(seen.consumer, options_));
  must_look_again_ = false;
  SIGNALDB_TRY(TakeNote(seen));
  ack_wait_ns_ = seen.consumer.ack_wait.count();
  SIGNALDB_TRY(OpenLane());
  SIGNALDB_ASSIGN(const std::unique_ptr<NatsInbox> inbox, link->OpenInbox());
  SetLink(link);
  SetTrouble("");
  Gauge("signaldb_writer_nats_connected", 1);
  Say(Severity::kInfo, "reading from nats", ShownServer(server));
  for (const std::string& warning : WarningsOf(seen.consumer, options_)) {
    Say(Severity::kWarning, "a nats consumer is not set up well", warning);
  }
  NatsPuller puller(
      {*link, *inbox, held_, waiting_, *lane_, with_.budget, with_.clock, with_.events}, options_,
      seen.consumer);
  Status status;
  while (status.has_value() && !stop.stop_requested() && !must_look_again_) {
    status = puller.Step(kStepWait);
  }
  if (stop.stop_requested()) puller.GiveBack();
  if (status.has_value() && must_look_again_) {
    return Fail(ErrorKind::kUnavailable, "the stream has to be looked at again");
  }
  return status;
}

Result<NatsSource::Seen> NatsSource::LookAround(NatsLink& link) {
  SIGNALDB_ASSIGN(StreamState stream,
                  AskForStream(link, options_.stream, options_.request_timeout));
  SIGNALDB_ASSIGN(ConsumerState consumer, AskForConsumer(link, options_.stream, options_.consumer,
                                                         options_.request_timeout));
  return Seen{.stream = std::move(stream), .consumer = std::move(consumer)};
}

Result<NatsSource::Seen> NatsSource::LookAroundOrCreate(NatsLink& link) {
  Result<StreamState> stream = AskForStream(link, options_.stream, options_.request_timeout);
  const auto is_missing = [](const auto& found) {
    return !found.has_value() && found.error().kind == ErrorKind::kNotFound;
  };
  if (options_.create == NatsCreate::kNever) {
    if (is_missing(stream)) {
      return Fail(ErrorKind::kNotFound,
                  fmt::format("there is no such stream; create it, or set create = true stream={}",
                              options_.stream));
    }
    Result<Seen> seen = LookAround(link);
    if (is_missing(seen)) {
      return Fail(ErrorKind::kNotFound,
                  fmt::format("the stream has no such durable consumer; create it, or set create = "
                              "true stream={} durable={}",
                              options_.stream, options_.consumer));
    }
    return seen;
  }
  if (is_missing(stream)) {
    {
      const std::scoped_lock lock(note_mutex_);
      if (known_.has_value()) {
        return Fail(ErrorKind::kCorrupt,
                    fmt::format("the stream is gone; it is not created a second time, since that "
                                "would hide a loss stream={} known={}",
                                options_.stream, known_->created));
      }
    }
    SIGNALDB_TRY(CreateStream(link, options_));
    Say(Severity::kInfo, "created the nats stream", options_.stream);
  }
  Result<Seen> seen = LookAround(link);
  if (!is_missing(seen)) return seen;
  SIGNALDB_TRY(CreateConsumer(link, options_));
  Say(Severity::kInfo, "created the nats consumer", options_.consumer);
  return LookAround(link);
}

Status NatsSource::TakeNote(const Seen& seen) {
  const std::scoped_lock lock(note_mutex_);
  SIGNALDB_ASSIGN(KnownStream known,
                  Recognise(known_, seen.stream, seen.consumer, options_.accept_new_incarnation));
  const bool is_another =
      !known_.has_value() || known_->created != known.created || known_->accepted != known.accepted;
  if (is_another) gap_through_ = 0;
  if (const std::string warning = WarningOfAnother(known_, seen.stream, seen.consumer);
      !warning.empty()) {
    Say(Severity::kError, "another durable of a stream that is in the tables", warning);
  }
  known_ = std::move(known);
  ReportGap(seen);
  ReportGauges(seen);
  if (is_another || with_.clock.MonotonicNow() - remembered_at_ >= kRememberEvery) Remember();
  return {};
}

void NatsSource::ReportGap(const Seen& seen) {
  const std::optional<SequenceGap> gap = FindGap(seen.stream, seen.consumer, gap_through_);
  if (!gap.has_value()) return;
  gap_through_ = gap->last;
  Count("signaldb_writer_nats_gap_messages_total", static_cast<double>(gap->last - gap->first + 1));
  Say(Severity::kError,
      "the stream dropped messages before they were delivered; they are lost to the tables",
      fmt::format("first_seq={} last_seq={}", gap->first, gap->last));
}

void NatsSource::ReportGauges(const Seen& seen) {
  Gauge("signaldb_writer_nats_pending_messages", static_cast<double>(seen.consumer.pending));
  Gauge("signaldb_writer_nats_ack_pending_messages",
        static_cast<double>(seen.consumer.ack_pending));
  Gauge("signaldb_writer_nats_held_messages", static_cast<double>(held_.held()));
}

void NatsSource::Remember() {
  if (options_.state_file.empty() || !known_.has_value() || known_ == written_) return;
  remembered_at_ = with_.clock.MonotonicNow();
  const Status status = WriteKnownStream(with_.files, options_.state_file, *known_);
  if (status.has_value()) {
    written_ = known_;
  } else {
    // It only makes the next process know less.
    Say(Severity::kWarning, "what is known of a nats stream was not stored",
        status.error().message);
  }
}

Status NatsSource::OpenLane() {
  std::string key;
  {
    const std::scoped_lock lock(note_mutex_);
    key = KeyOf(options_.stream, options_.consumer, *known_);
  }
  if (lane_ != nullptr && key == lane_key_) return {};
  // Of another incarnation: what it holds has no one left to be acknowledged to.
  std::unique_ptr<MessageLane> old;
  {
    const std::scoped_lock lock(mutex_);
    old = std::move(lane_);
  }
  old.reset();
  static_cast<void>(held_.DropAll());
  waiting_ = {};
  SIGNALDB_ASSIGN(std::unique_ptr<MessageLane> lane,
                  intake_->OpenLane({.key = key,
                                     .order = LaneOrder::kAnyOrder,
                                     .on_progress = [this](const LaneProgress& made) {
                                       held_.Done(made.done);
                                       return Status();
                                     }}));
  const std::scoped_lock lock(mutex_);
  lane_ = std::move(lane);
  lane_key_ = std::move(key);
  return {};
}

void NatsSource::Tend(const std::stop_token& stop) {
  Nanos polled_at = with_.clock.MonotonicNow();
  while (!stop.stop_requested()) {
    held_.WaitForAcks(kTendWait, stop);
    const std::shared_ptr<NatsLink> now = link();
    if (now == nullptr) {
      with_.clock.SleepFor(kTendWait, stop);
      continue;
    }
    SendAcks(*now);
    SendProgress(*now);
    if (with_.clock.MonotonicNow() - polled_at < options_.poll_interval) continue;
    Poll(*now);
    polled_at = with_.clock.MonotonicNow();
  }
}

void NatsSource::SendAcks(NatsLink& link) {
  while (true) {
    std::vector<std::string> replies = held_.TakeAcks(kAcksAtOnce);
    if (replies.empty()) return;
    for (std::size_t i = 0; i + 1 < replies.size(); ++i) {
      if (link.Publish(replies[i], "+ACK", "").has_value()) continue;
      replies.erase(replies.begin(), replies.begin() + static_cast<std::ptrdiff_t>(i));
      held_.ReturnAcks(std::move(replies));
      return;
    }
    // The server answers the last one, which it reads after the others.
    const Result<std::string> confirmed =
        link.Request(replies.back(), "+ACK", options_.request_timeout);
    with_.events.Count("signaldb_writer_nats_acks_total", static_cast<double>(replies.size()),
                       {{"source", options_.name},
                        {"outcome", confirmed.has_value() ? "confirmed" : "unconfirmed"}});
    if (!confirmed.has_value()) return;  // Whatever comes again is recognised.
  }
}

void NatsSource::SendProgress(NatsLink& link) {
  const Nanos age(ack_wait_ns_ / kProgressesPerAckWait);
  for (const std::string& reply : held_.TakeAging(with_.clock.MonotonicNow(), age)) {
    if (!link.Publish(reply, "+WPI", "").has_value()) return;
  }
}

void NatsSource::Poll(NatsLink& link) {
  const Result<Seen> seen = LookAround(link);
  Status noted = seen.has_value() ? TakeNote(*seen) : std::unexpected(seen.error());
  if (!noted.has_value()) {
    // The pull thread stops, looks again for itself, and says what is wrong.
    must_look_again_ = !IsRetryable(noted.error().kind);
    return;
  }
  ack_wait_ns_ = seen->consumer.ack_wait.count();
  const std::scoped_lock lock(mutex_);
  if (lane_ != nullptr) lane_->RaiseFloor(seen->consumer.ack_floor);
}

void NatsSource::SetTrouble(std::string trouble) {
  const std::scoped_lock lock(mutex_);
  trouble_ = std::move(trouble);
}

std::shared_ptr<NatsLink> NatsSource::link() const {
  const std::scoped_lock lock(mutex_);
  return link_;
}

void NatsSource::SetLink(std::shared_ptr<NatsLink> link) {
  std::shared_ptr<NatsLink> old;
  const std::scoped_lock lock(mutex_);
  old = std::exchange(link_, std::move(link));
}

void NatsSource::Count(std::string_view metric, double by) const {
  with_.events.Count(metric, by, {{"source", options_.name}});
}

void NatsSource::Gauge(std::string_view metric, double value) const {
  with_.events.Gauge(metric, value, {{"source", options_.name}});
}

void NatsSource::Say(Severity severity, std::string message, std::string detail) const {
  with_.events.Log({.severity = severity,
                    .module = kModule,
                    .message = std::move(message),
                    .fields = {{"source", Name()}, {"detail", std::move(detail)}}});
}

}  // namespace signaldb

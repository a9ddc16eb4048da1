#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "adapters/nats/nats_link.h"
#include "telemetry/source.h"
#include "testing/fake_clock.h"

namespace signaldb::testing {

/// A delivery as JetStream would send it.
inline NatsMessage Delivery(SourcePosition sequence, std::string_view body,
                            std::vector<std::pair<std::string, std::string>> headers = {},
                            std::string subject = "otel.logs", int deliveries = 1) {
  auto owner = std::make_shared<const std::string>(body);
  return {.subject = std::move(subject),
          .reply = fmt::format("$JS.ACK.OTEL.writer.{}.{}.{}.1790000000000000000.0", deliveries,
                               sequence, sequence),
          .headers = std::move(headers),
          .body = std::as_bytes(std::span(*owner)),
          .owner = owner};
}

/// A message of the server about a pull request.
inline NatsMessage StatusOf(int status, std::string description) {
  return {.subject = "inbox",
          .headers = {{"Status", std::to_string(status)}, {"Description", std::move(description)}}};
}

/// What comes is scripted; waiting moves the clock.
class FakeInbox final : public NatsInbox {
 public:
  explicit FakeInbox(FakeClock& clock) : clock_(clock) {}
  [[nodiscard]] const std::string& subject() const override { return subject_; }
  [[nodiscard]] Result<std::optional<NatsMessage>> Next(Nanos wait) override {
    if (!to_come.empty()) {
      NatsMessage message = std::move(to_come.front());
      to_come.pop_front();
      return message;
    }
    if (is_draining_) return Fail(ErrorKind::kCancelled, "drained");
    clock_.Advance(wait);
    return std::nullopt;
  }
  [[nodiscard]] Status Drain() override {
    is_draining_ = true;
    return {};
  }

  std::deque<NatsMessage> to_come;

 private:
  FakeClock& clock_;
  const std::string subject_ = "inbox";
  bool is_draining_ = false;
};

/// Keeps what was published, and gives scripted answers.
class FakeLink final : public NatsLink {
 public:
  struct Sent {
    std::string subject;
    std::string body;
  };
  [[nodiscard]] Result<std::string> Request(const std::string& subject, std::string_view body,
                                            Nanos) override {
    requests.push_back({subject, std::string(body)});
    const auto found = answers.find(subject);
    if (found == answers.end()) return Fail(ErrorKind::kUnavailable, "no answer");
    return found->second;
  }
  [[nodiscard]] Status Publish(const std::string& subject, std::string_view body,
                               const std::string&) override {
    published.push_back({subject, std::string(body)});
    return {};
  }
  [[nodiscard]] Status Flush(Nanos) override { return {}; }
  [[nodiscard]] Result<std::unique_ptr<NatsInbox>> OpenInbox() override {
    return Fail(ErrorKind::kUnavailable, "not here");
  }

  std::map<std::string, std::string> answers;
  std::vector<Sent> requests;
  std::vector<Sent> published;
};

/// Keeps what is delivered, or refuses.
class FakeLane final : public MessageLane {
 public:
  [[nodiscard]] Status Deliver(const SourceMessage& message) override {
    ++attempts;
    if (refuses) return Fail(ErrorKind::kUnavailable, "full");
    delivered.push_back(message.position);
    return {};
  }
  void RaiseFloor(SourcePosition position) override { floor = position; }
  [[nodiscard]] Status Flush(Nanos) override { return {}; }

  bool refuses = false;
  int attempts = 0;
  std::vector<SourcePosition> delivered;
  SourcePosition floor = 0;
};

}  // namespace signaldb::testing

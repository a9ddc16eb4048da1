#include "adapters/nats/consumer_rules.h"

#include <algorithm>

#include <fmt/format.h>

namespace signaldb {
namespace {

constexpr std::int64_t kMaxAckPendingLeast = 10'000;
constexpr Nanos kAckWaitLeast = std::chrono::milliseconds(300);  // InProgress needs a third of it.

}  // namespace

Status CheckConsumer(const ConsumerState& consumer, const NatsSourceOptions& options) {
  const auto refuse = [&](std::string_view setting, std::string_view is, std::string_view why) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("the consumer cannot be used: {}; change it, or delete it and let "
                            "create = true make it again by its name stream={} consumer={} {}={}",
                            why, options.stream, options.consumer, setting, is));
  };
  if (consumer.durable_name.empty()) {
    return refuse("durable_name", "\"\"", "it must be durable, or its state goes with the reader");
  }
  if (!consumer.deliver_subject.empty()) {
    return refuse("deliver_subject", consumer.deliver_subject, "it must be a pull consumer");
  }
  if (consumer.ack_policy != "explicit") {
    return refuse("ack_policy", consumer.ack_policy,
                  "its ack_policy must be explicit, since commits end in another order");
  }
  if (consumer.max_deliver > 0) {
    return refuse("max_deliver", std::to_string(consumer.max_deliver),
                  "its max_deliver must be -1, or an outage makes it give up good messages");
  }
  if (consumer.ack_wait < kAckWaitLeast) {
    return refuse("ack_wait", fmt::format("{}ms", consumer.ack_wait.count() / 1'000'000),
                  "its ack_wait is too short to say in time that work goes on");
  }
  return {};
}

std::vector<std::string> WarningsOf(const ConsumerState& consumer,
                                    const NatsSourceOptions& options) {
  std::vector<std::string> warnings;
  if (consumer.ack_wait < options.least_ack_wait) {
    warnings.push_back(fmt::format(
        "the consumer's ack_wait is short: after a pause messages are delivered again; set at "
        "least four times commit.interval ack_wait_ms={} wanted_ms={}",
        consumer.ack_wait.count() / 1'000'000, options.least_ack_wait.count() / 1'000'000));
  }
  if (consumer.max_ack_pending > 0 && consumer.max_ack_pending < kMaxAckPendingLeast) {
    warnings.push_back(fmt::format(
        "the consumer's max_ack_pending limits how much one commit can hold, over all writers; "
        "max_ack_pending={} wanted={}",
        consumer.max_ack_pending, options.max_ack_pending));
  }
  for (const std::string& filter : consumer.filters) {
    const bool known = std::ranges::any_of(options.subjects, [&](const NatsSubject& subject) {
      return MatchesSubject(subject.pattern, filter);
    });
    if (!known) {
      warnings.push_back(fmt::format(
          "the consumer delivers subjects for which no signal is configured: they become dead "
          "letters filter={}",
          filter));
    }
  }
  return warnings;
}

}  // namespace signaldb

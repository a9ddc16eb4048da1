#include "adapters/nats/consumer_rules.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Change = std::function<void(ConsumerState&)>;

ConsumerState Good() {
  return {.created = "t",
          .durable_name = "writer",
          .ack_policy = "explicit",
          .ack_wait = seconds(120),
          .max_deliver = -1,
          .max_ack_pending = 50'000};
}

NatsSourceOptions Options() {
  return {.stream = "OTEL",
          .consumer = "writer",
          .subjects = DefaultNatsSubjects("default", "default"),
          .least_ack_wait = seconds(20)};
}

TEST(CheckConsumer, TakesOneThatDeliversUntilAcknowledged) {
  EXPECT_THAT(CheckConsumer(Good(), Options()), IsOk());
  ConsumerState without_limit = Good();
  without_limit.max_deliver = 0;
  without_limit.ack_wait = milliseconds(300);
  EXPECT_THAT(CheckConsumer(without_limit, Options()), IsOk());
}

TEST(CheckConsumer, RefusesByName) {
  const std::vector<std::pair<Change, std::string>> cases = {
      {[](ConsumerState& c) { c.durable_name = ""; }, "durable_name"},
      {[](ConsumerState& c) { c.deliver_subject = "push.here"; }, "deliver_subject=push.here"},
      {[](ConsumerState& c) { c.ack_policy = "all"; }, "ack_policy=all"},
      {[](ConsumerState& c) { c.ack_policy = "none"; }, "ack_policy=none"},
      {[](ConsumerState& c) { c.max_deliver = 1; }, "max_deliver=1"},
      {[](ConsumerState& c) { c.ack_wait = milliseconds(299); }, "ack_wait=299ms"},
  };
  for (const auto& [change, named] : cases) {
    ConsumerState consumer = Good();
    change(consumer);
    EXPECT_THAT(CheckConsumer(consumer, Options()), IsErrorSaying(ErrorKind::kInvalid, named));
  }
}

TEST(WarningsOf, NamesWhatWillHurt) {
  EXPECT_THAT(WarningsOf(Good(), Options()), IsEmpty());
  const std::vector<std::pair<Change, std::string>> cases = {
      {[](ConsumerState& c) { c.ack_wait = seconds(19); }, "ack_wait_ms=19000 wanted_ms=20000"},
      {[](ConsumerState& c) { c.max_ack_pending = 9'999; }, "max_ack_pending=9999"},
      {[](ConsumerState& c) { c.filters = {"otel.logs", "orders.>"}; }, "filter=orders.>"},
  };
  for (const auto& [change, named] : cases) {
    ConsumerState consumer = Good();
    change(consumer);
    EXPECT_THAT(WarningsOf(consumer, Options()), ElementsAre(HasSubstr(named)));
  }
}

}  // namespace
}  // namespace signaldb::testing

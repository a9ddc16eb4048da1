#include "adapters/nats/ack_subject.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace signaldb {
namespace {

TEST(AckSubject, ReadsTheShortForm) {
  const auto found = ParseAckSubject("$JS.ACK.OTEL.writer.2.41.7.1790000000123456789.99");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->stream, "OTEL");
  EXPECT_EQ(found->consumer, "writer");
  EXPECT_EQ(found->deliveries, 2U);
  EXPECT_EQ(found->stream_sequence, 41U);
  EXPECT_EQ(found->consumer_sequence, 7U);
  EXPECT_EQ(found->stored_at, Nanos(1'790'000'000'123'456'789));
  EXPECT_EQ(found->pending, 99U);
}

TEST(AckSubject, ReadsTheLongForms) {
  for (const char* reply :
       {"$JS.ACK.hub.A1b2.OTEL.writer.1.41.7.17.99", "$JS.ACK._.A1b2.OTEL.writer.1.41.7.17.99.xyz",
        "$JS.ACK._.A1b2.OTEL.writer.1.41.7.17.99.xyz.more"}) {
    const auto found = ParseAckSubject(reply);
    ASSERT_TRUE(found.has_value()) << reply;
    EXPECT_EQ(found->stream, "OTEL") << reply;
    EXPECT_EQ(found->stream_sequence, 41U) << reply;
    EXPECT_EQ(found->pending, 99U) << reply;
  }
}

TEST(AckSubject, RefusesEverythingElse) {
  for (const char* reply :
       {"", "_INBOX.abc", "$JS.ACK.OTEL.writer.1.41.7.17", "$JS.ACK.OTEL.writer.1.x.7.17.99",
        "$JS.ACK.OTEL.writer.1.0.7.17.99", "$JS.NAK.OTEL.writer.1.41.7.17.99",
        "$JS.ACK._.OTEL.writer.1.41.7.17.99", "$JS.ACK.OTEL.writer.1.41.7.17.99 "}) {
    EXPECT_FALSE(ParseAckSubject(reply).has_value()) << reply;
  }
}

}  // namespace
}  // namespace signaldb

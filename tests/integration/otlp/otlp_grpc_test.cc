#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/otlp/grpc_client.h"
#include "integration/otlp/stack.h"

namespace signaldb::testing {
namespace {

TEST(OtlpGrpc, HandsOverEverySignalPlainAndGzipped) {
  struct Case {
    const char* method;
    Signal signal;
  };
  static constexpr Case kCases[] = {
      {kGrpcTraces, Signal::kTraces}, {kGrpcLogs, Signal::kLogs}, {kGrpcMetrics, Signal::kMetrics}};
  Stack stack;
  GrpcClient client(stack.grpc->port());
  for (const Case& c : kCases) {
    for (const auto compression : {GRPC_COMPRESS_NONE, GRPC_COMPRESS_GZIP}) {
      for (const std::size_t size : {0UL, 1UL, 100UL, 300'000UL}) {
        SCOPED_TRACE(c.method + std::to_string(compression) + " " + std::to_string(size));
        const std::string body(size, 'x');
        const GrpcOutcome outcome =
            client.Call({.method = c.method, .body = body, .compression = compression});
        EXPECT_TRUE(outcome.status.ok()) << outcome.status.error_message();
        EXPECT_EQ(outcome.body, "");
        const auto seen = stack.ingest.seen();
        ASSERT_FALSE(seen.empty());
        EXPECT_EQ(seen.back().signal, c.signal);
        EXPECT_EQ(seen.back().tenant, "default");
        EXPECT_EQ(seen.back().request_id.size(), 36U);
        EXPECT_EQ(seen.back().request_id, outcome.request_id);
        EXPECT_TRUE(seen.back().body == body);
        EXPECT_EQ(seen.back().held, static_cast<std::int64_t>(size));
      }
    }
  }
}

}  // namespace
}  // namespace signaldb::testing

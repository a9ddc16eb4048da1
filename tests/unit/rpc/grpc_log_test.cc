#include "rpc/grpc_log.h"

#include <grpc/support/log.h>
#include <gtest/gtest.h>

#include "testing/recording_listener.h"

namespace signaldb {
namespace {

using testing::RecordingListener;

TEST(GrpcLog, BringsLinesToTheListenerWhileItLives) {
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);  // As gRPC's start does.
  RecordingListener events;
  {
    const GrpcLog log(events);
    gpr_log(GPR_ERROR, "hand%s failed", "shake");
  }
  gpr_log(GPR_ERROR, "too late");
  const auto lines = events.events();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].severity, Severity::kWarning);
  EXPECT_EQ(lines[0].module, "rpc");
  EXPECT_EQ(lines[0].message, "grpc says");
  ASSERT_EQ(lines[0].fields.size(), 2U);
  EXPECT_EQ(lines[0].fields[0].second, "handshake failed");
  EXPECT_TRUE(lines[0].fields[1].second.starts_with("grpc_log_test.cc:"));

  const GrpcLog again(events);
  gpr_log(GPR_ERROR, "heard");
  EXPECT_EQ(events.events().size(), 2U);
}

}  // namespace
}  // namespace signaldb

#include "pipeline/log_entry.h"

#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsError;
using testing::IsOkAnd;

const LogEntryHeader kHeader{.tenant = "acme",
                             .dataset = "prod",
                             .signal = Signal::kMetrics,
                             .encoding = MessageEncoding::kJson,
                             .received_at = Nanos(1'790'000'000'123'456'789),
                             .request_id = "0193-xyz",
                             .depth_max = 7,
                             .attributes_max = 123'456'789'012,
                             .timestamp_min = Nanos(-5),
                             .timestamp_future_max = Nanos(99)};

TEST(LogEntryHeader, ComesBackAsItWas) {
  EXPECT_THAT(DecodeLogEntryHeader(EncodeLogEntryHeader(kHeader)), IsOkAnd(kHeader));
}

TEST(LogEntryHeader, IsRefusedWhenCutShortOrLengthened) {
  const std::string bytes = EncodeLogEntryHeader(kHeader);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(DecodeLogEntryHeader(bytes.substr(0, size)), IsError(ErrorKind::kCorrupt)) << size;
  }
  EXPECT_THAT(DecodeLogEntryHeader(bytes + "x"), IsError(ErrorKind::kCorrupt));
}

TEST(LogEntryHeader, LetsNoNameThroughThatNoReceiverWould) {
  LogEntryHeader evil = kHeader;
  evil.tenant = "../etc";
  EXPECT_THAT(DecodeLogEntryHeader(EncodeLogEntryHeader(evil)), IsError(ErrorKind::kCorrupt));
}

}  // namespace
}  // namespace signaldb

#include "telemetry/select_records.h"

#include <gtest/gtest.h>

#include "telemetry/decode.h"
#include "testing/matchers.h"
#include "testing/otlp_samples.h"

namespace signaldb {
namespace {

using testing::AsBytes;
using testing::IsErrorSaying;
using testing::IsOk;

TEST(SelectRecords, TakesNothingElseAlong) {
  const std::string body = testing::MakeOtlpRequest(Signal::kLogs, {.records = 1'000});
  const auto one = SelectRecords(Signal::kLogs, MessageEncoding::kProtobuf, AsBytes(body), {{500}});
  ASSERT_THAT(one, IsOk());
  EXPECT_LT(one->size(), body.size() / 100);
  const auto decoded =
      DecodeMessage(Signal::kLogs, MessageEncoding::kProtobuf, AsBytes(*one), DecodeOptions{});
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->accepted, 1);
  const auto none = SelectRecords(Signal::kLogs, MessageEncoding::kProtobuf, AsBytes(body), {});
  EXPECT_THAT(none, testing::IsOkAnd(std::string()));
}

TEST(SelectRecords, GivesEveryRecordBackUnchanged) {
  for (const Signal signal : {Signal::kLogs, Signal::kTraces, Signal::kMetrics}) {
    const std::string body = testing::MakeOtlpRequest(signal, {.records = 30});
    std::vector<std::uint32_t> all;
    for (std::uint32_t i = 0; i < 30; ++i) all.push_back(i);
    EXPECT_THAT(SelectRecords(signal, MessageEncoding::kProtobuf, AsBytes(body), all),
                testing::IsOkAnd(body));
  }
}

TEST(SelectRecords, ReadsJson) {
  const std::string body =
      R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"a"},{"eventName":"b"}]}]}]})";
  const auto selected = SelectRecords(Signal::kLogs, MessageEncoding::kJson, AsBytes(body), {{1}});
  ASSERT_THAT(selected, IsOk());
  EXPECT_TRUE(selected->contains("b"));
  EXPECT_FALSE(selected->contains("a"));
}

TEST(SelectRecords, RefusesWhatItCannotTakeApart) {
  EXPECT_THAT(SelectRecords(Signal::kLogs, MessageEncoding::kArrow, AsBytes("x"), {{0}}),
              IsErrorSaying(ErrorKind::kInvalid, "Arrow"));
  EXPECT_THAT(SelectRecords(Signal::kLogs, MessageEncoding::kProtobuf, AsBytes("\xff"), {{0}}),
              IsErrorSaying(ErrorKind::kInvalid, "well-formed"));
}

}  // namespace
}  // namespace signaldb

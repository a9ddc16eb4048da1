#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/decode.h"
#include "telemetry/table_definition.h"
#include "testing/matchers.h"
#include "testing/otlp_samples.h"

namespace signaldb {
namespace {

using testing::AsBytes;
using testing::IsOk;
using testing::MakeOtlpRequest;

TEST(DecodeSamples, GiveARowForEveryRecord) {
  for (const Signal signal : {Signal::kLogs, Signal::kTraces, Signal::kMetrics}) {
    SCOPED_TRACE(ToString(signal));
    const auto body = MakeOtlpRequest(signal, {.records = 1'000});
    const auto decoded = DecodeMessage(signal, MessageEncoding::kProtobuf, AsBytes(body),
                                       {.received_at = Nanos{1'764'000'000'000'000'000}});
    ASSERT_THAT(decoded, IsOk());
    EXPECT_EQ(decoded->tables.size(), signal == Signal::kMetrics ? 5U : 1U);
    EXPECT_EQ(decoded->accepted, 1'000);
    EXPECT_EQ(decoded->rejected, 0);
    EXPECT_TRUE(decoded->notes.empty());
    std::int64_t rows = 0;
    for (const auto& table : decoded->tables) {
      rows += table.rows->num_rows();
      EXPECT_TRUE(table.rows->schema()->Equals(*DefinitionOf(table.table).decoded_schema));
      const auto valid = table.rows->ValidateFull();
      EXPECT_TRUE(valid.ok()) << valid.ToString();
    }
    EXPECT_EQ(rows, 1'000);
  }
}

TEST(DecodeSamples, AreTheSameForTheSameSeedOnly) {
  const auto body = MakeOtlpRequest(Signal::kLogs, {.seed = 7});
  EXPECT_EQ(body, MakeOtlpRequest(Signal::kLogs, {.seed = 7}));
  EXPECT_NE(body, MakeOtlpRequest(Signal::kLogs, {.seed = 8}));
}

}  // namespace
}  // namespace signaldb

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

TEST(DecodeLogs, GivesARowForEveryRecordOfASample) {
  const auto body = MakeOtlpRequest(Signal::kLogs, {.records = 1'000});
  const auto decoded = DecodeOtlp(Signal::kLogs, OtlpEncoding::kProtobuf, AsBytes(body),
                                  {.received_at = Nanos{1'764'000'000'000'000'000}});
  ASSERT_THAT(decoded, IsOk());
  ASSERT_EQ(decoded->tables.size(), 1U);
  const auto& rows = *decoded->tables[0].rows;
  EXPECT_EQ(rows.num_rows(), 1'000);
  EXPECT_EQ(decoded->accepted, 1'000);
  EXPECT_TRUE(rows.schema()->Equals(*DefinitionOf(TableKind::kLogs).decoded_schema));
  const auto valid = rows.ValidateFull();
  EXPECT_TRUE(valid.ok()) << valid.ToString() << rows.Slice(0, 2)->ToString();
}

}  // namespace
}  // namespace signaldb

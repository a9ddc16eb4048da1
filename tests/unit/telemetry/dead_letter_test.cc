#include "telemetry/dead_letter.h"

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/table_definition.h"
#include "testing/matchers.h"
#include "testing/otlp_samples.h"

namespace signaldb {
namespace {

using testing::AsBytes;
using testing::IsErrorSaying;
using testing::IsOk;

DeadLetter Sample() {
  return {.source = "kafka/c/t/0",
          .position = 12,
          .first_position = 5,
          .messages = 8,
          .part = 3,
          .signal = Signal::kMetrics,
          .encoding = MessageEncoding::kJson,
          .received_at = Nanos{1'763'816'400'123'456'000},
          .reason = "too long",
          .rejected_records = 7,
          .content = LetterContent::kStart,
          .message_bytes = 99,
          .message = AsBytes("abc"),
          .message_xxh64 = "0123456789abcdef",
          .for_tenant = "t",
          .for_dataset = "d"};
}

TEST(DeadLetter, IsReadAsItWasWritten) {
  const auto row = RowOf(Sample());
  ASSERT_TRUE(row->ValidateFull().ok());
  const auto read = LetterIn(*row, 0);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->source, "kafka/c/t/0");
  EXPECT_EQ(read->position, 12U);
  EXPECT_EQ(read->first_position, 5U);
  EXPECT_EQ(read->messages, 8);
  EXPECT_EQ(read->part, 3);
  EXPECT_EQ(read->signal, Signal::kMetrics);
  EXPECT_EQ(read->encoding, MessageEncoding::kJson);
  EXPECT_EQ(read->received_at, Nanos{1'763'816'400'123'456'000});
  EXPECT_EQ(read->reason, "too long");
  EXPECT_EQ(read->rejected_records, 7);
  EXPECT_EQ(read->content, LetterContent::kStart);
  EXPECT_EQ(read->message_bytes, 99);
  EXPECT_EQ(read->message.size(), 3U);
  EXPECT_EQ(read->message_xxh64, "0123456789abcdef");
  EXPECT_EQ(read->for_tenant, "t");
  EXPECT_EQ(read->for_dataset, "d");
}

TEST(DeadLetter, MakesReasonsReadable) {
  DeadLetter letter = Sample();
  letter.reason = "tenant \xff\xfe";
  auto row = RowOf(letter);
  ASSERT_TRUE(row->ValidateFull().ok());
  EXPECT_EQ(LetterIn(*row, 0)->reason, "tenant ??");
  const std::string longer = std::string(kReasonBytesMax - 1, 'x') + "\u00e4";
  letter.reason = longer;
  row = RowOf(letter);
  ASSERT_TRUE(row->ValidateFull().ok());
  EXPECT_EQ(LetterIn(*row, 0)->reason, std::string(kReasonBytesMax - 1, 'x'));
  const std::string fits = std::string(kReasonBytesMax - 2, 'x') + "\u00e4";
  letter.reason = fits;
  row = RowOf(letter);
  EXPECT_EQ(LetterIn(*row, 0)->reason, fits);
}

TEST(DeadLetter, IsReplayableIfItHoldsAllThatIsMissing) {
  for (const auto& [content, replayable] :
       std::vector<std::pair<LetterContent, bool>>{{LetterContent::kWhole, true},
                                                   {LetterContent::kRecords, true},
                                                   {LetterContent::kMixed, false},
                                                   {LetterContent::kStart, false},
                                                   {LetterContent::kNone, false},
                                                   {LetterContent::kUnfit, false}}) {
    DeadLetter letter = Sample();
    letter.content = content;
    EXPECT_EQ(letter.IsReplayable(), replayable) << ToString(content);
  }
}

TEST(DeadLetter, NamesTheColumnThatItCannotRead) {
  const auto row = RowOf(Sample());
  EXPECT_THAT(LetterIn(*row->RemoveColumn(1).ValueOrDie(), 0),
              IsErrorSaying(ErrorKind::kInvalid, "column=source"));
  const auto word = arrow::MakeArrayFromScalar(arrow::StringScalar("html"), 1).ValueOrDie();
  const int column = row->schema()->GetFieldIndex("encoding");
  EXPECT_THAT(
      LetterIn(*row->SetColumn(column, arrow::field("encoding", arrow::utf8()), word).ValueOrDie(),
               0),
      IsErrorSaying(ErrorKind::kInvalid, "column=encoding"));
}

TEST(DeadLetter, IsSummedAsXxhsumDoes) {
  EXPECT_EQ(Xxh64Text(AsBytes("")), "ef46db3751d8e999");
  EXPECT_EQ(Xxh64Text(AsBytes("abc")), "44bc2cf5ad770999");
}

}  // namespace
}  // namespace signaldb

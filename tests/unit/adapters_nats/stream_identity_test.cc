#include "adapters/nats/stream_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"
#include "testing/sim_file_system.h"

namespace signaldb::testing {
namespace {

const ConsumerState kConsumer{
    .created = "c", .durable_name = "writer", .filters = {"a"}, .delivered = 90, .ack_floor = 80};
const KnownStream kKnown{.created = "t1",
                         .last_sequence = 100,
                         .filters = {"a"},
                         .accepted = {},
                         .consumer = "writer",
                         .ack_floor = 80};

TEST(Recognise, TakesAStreamAtFirstSight) {
  const auto known =
      Recognise(std::nullopt, {.created = "t1", .last_sequence = 100}, kConsumer, "");
  ASSERT_THAT(known, IsOk());
  EXPECT_EQ(*known, kKnown);
  EXPECT_EQ(KeyOf("OTEL", "writer", *known), "nats/OTEL/t1/writer");
}

TEST(Recognise, TakesOneThatGrewOrStood) {
  for (const SourcePosition last : {100U, 101U}) {
    const auto known = Recognise(kKnown, {.created = "t1", .last_sequence = last}, kConsumer, "");
    ASSERT_THAT(known, IsOk());
    EXPECT_EQ(known->last_sequence, last);
  }
}

TEST(Recognise, RefusesAStreamCreatedAnewUntilAccepted) {
  const StreamState anew{.created = "t2", .last_sequence = 5};
  const ConsumerState fresh{.filters = {"a"}};
  EXPECT_THAT(Recognise(kKnown, anew, fresh, ""),
              IsErrorSaying(ErrorKind::kCorrupt, R"(accept_new_incarnation = "t2")"));
  EXPECT_THAT(Recognise(kKnown, anew, fresh, "t3"), IsError(ErrorKind::kCorrupt));
  const auto known = Recognise(kKnown, anew, fresh, "t2");
  ASSERT_THAT(known, IsOk());
  EXPECT_EQ(KeyOf("OTEL", "writer", *known), "nats/OTEL/t2/writer");
}

TEST(Recognise, RefusesAStreamThatWentBackUntilAccepted) {
  const StreamState shorter{.created = "t1", .last_sequence = 99};
  EXPECT_THAT(Recognise(kKnown, shorter, kConsumer, ""),
              IsErrorSaying(ErrorKind::kCorrupt, R"(accept_new_incarnation = "t1@99")"));
  EXPECT_THAT(Recognise(kKnown, shorter, kConsumer, "t1"), IsError(ErrorKind::kCorrupt));
  const auto known = Recognise(kKnown, shorter, kConsumer, "t1@99");
  ASSERT_THAT(known, IsOk());
  EXPECT_EQ(KeyOf("OTEL", "writer", *known), "nats/OTEL/t1@99/writer");
}

TEST(Recognise, KeepsTheKeyThatWasAcceptedWhateverTheConfigurationSaysLater) {
  const KnownStream known{
      .created = "t1", .last_sequence = 99, .filters = {"a"}, .accepted = "t1@99"};
  const StreamState grown{.created = "t1", .last_sequence = 120};
  for (const char* accept : {"", "t1@99"}) {
    const auto next = Recognise(known, grown, kConsumer, accept);
    ASSERT_THAT(next, IsOk());
    EXPECT_EQ(KeyOf("OTEL", "writer", *next), "nats/OTEL/t1@99/writer");
  }
  // And what was accepted once does not excuse a second time.
  EXPECT_THAT(Recognise(known, {.created = "t1", .last_sequence = 98}, kConsumer, "t1@99"),
              IsErrorSaying(ErrorKind::kCorrupt, "t1@98"));
}

TEST(Recognise, LearnsFromTheConsumerThatAStreamWentBack) {
  const StreamState shorter{.created = "t1", .last_sequence = 89};
  EXPECT_THAT(Recognise(std::nullopt, shorter, kConsumer, ""), IsError(ErrorKind::kCorrupt));
  EXPECT_THAT(Recognise(std::nullopt, {.created = "t1", .last_sequence = 90}, kConsumer, ""),
              IsOk());
  EXPECT_THAT(Recognise(std::nullopt, shorter, kConsumer, "t1@89"), IsOk());
}

TEST(Recognise, RefusesOtherFilters) {
  ConsumerState wider = kConsumer;
  wider.filters = {"a", "b"};
  EXPECT_THAT(Recognise(kKnown, {.created = "t1", .last_sequence = 100}, wider, ""),
              IsErrorSaying(ErrorKind::kCorrupt, "known=a found=a,b"));
}

TEST(Recognise, TakesAnotherConsumerWithOtherFilters) {
  ConsumerState other = kConsumer;
  other.durable_name = "writer-2";
  other.filters = {"b"};
  const auto known = Recognise(kKnown, {.created = "t1", .last_sequence = 100}, other, "");
  ASSERT_THAT(known, IsOk());
  EXPECT_EQ(known->consumer, "writer-2");
}

TEST(WarningOfAnother, IsForADurableThatBeginsBelowTheFloorOfTheOneBefore) {
  const StreamState stream{.created = "t1", .last_sequence = 100};
  ConsumerState other = kConsumer;
  EXPECT_EQ(WarningOfAnother(kKnown, stream, other), "") << "it is the same";
  other.durable_name = "writer-2";
  EXPECT_EQ(WarningOfAnother(kKnown, stream, other), "") << "it begins behind the floor";
  other.ack_floor = 79;
  EXPECT_THAT(WarningOfAnother(kKnown, stream, other),
              ::testing::HasSubstr("deliver_policy = by_start_sequence and opt_start_seq one above "
                                   "that floor known=writer known_floor=80 found=writer-2 "
                                   "found_floor=79"));
  EXPECT_EQ(WarningOfAnother(kKnown, {.created = "t2"}, other), "") << "another stream";
  EXPECT_EQ(WarningOfAnother(std::nullopt, stream, other), "");
  KnownStream old = kKnown;
  old.consumer.clear();
  EXPECT_EQ(WarningOfAnother(old, stream, other), "") << "a file of a writer that did not know";
}

TEST(KnownStream, IsReadFromAFileThatDoesNotNameTheConsumer) {
  SimFileSystem files;
  ASSERT_THAT(files.MakeDirs("/data"), IsOk());
  const std::string text = R"({"created":"t1","last_seq":100,"filters":["a"],"accepted":""})";
  auto file = files.Open("/data/f", OpenMode::kCreateNew);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->WriteAt(0, std::as_bytes(std::span(text))), IsOk());
  const auto known = ReadKnownStream(files, "/data/f");
  ASSERT_THAT(known, IsOk());
  ASSERT_TRUE(known->has_value());
  EXPECT_EQ((*known)->last_sequence, 100U);
  EXPECT_EQ((*known)->consumer, "");
}

TEST(FindGap, IsWhatNobodyWasDelivered) {
  const ConsumerState consumer{.delivered = 10};
  EXPECT_FALSE(FindGap({.first_sequence = 11}, consumer, 0).has_value());
  EXPECT_FALSE(FindGap({.first_sequence = 1}, consumer, 0).has_value());
  const auto gap = FindGap({.first_sequence = 12}, consumer, 0);
  ASSERT_TRUE(gap.has_value());
  EXPECT_EQ(gap->first, 11U);
  EXPECT_EQ(gap->last, 11U);
}

TEST(FindGap, ReportsOnlyWhatIsNew) {
  const ConsumerState consumer{.delivered = 10};
  EXPECT_FALSE(FindGap({.first_sequence = 20}, consumer, 19).has_value());
  const auto gap = FindGap({.first_sequence = 25}, consumer, 19);
  ASSERT_TRUE(gap.has_value());
  EXPECT_EQ(gap->first, 20U);
  EXPECT_EQ(gap->last, 24U);
}

TEST(KnownStream, IsReadAsItWasWritten) {
  SimFileSystem files;
  const std::string path = "/data/sources/nats.json";
  EXPECT_THAT(ReadKnownStream(files, path), IsOkAnd(std::nullopt));
  const KnownStream known{.created = "t\"1",
                          .last_sequence = 18446744073709551615U,
                          .filters = {"a", "b.>"},
                          .accepted = "t@5",
                          .consumer = "writer",
                          .ack_floor = 7};
  ASSERT_THAT(WriteKnownStream(files, path, known), IsOk());
  ASSERT_THAT(WriteKnownStream(files, path, known), IsOk());
  EXPECT_THAT(ReadKnownStream(files, path), IsOkAnd(known));
}

TEST(KnownStream, RefusesAFileThatIsNone) {
  SimFileSystem files;
  ASSERT_THAT(files.MakeDirs("/data"), IsOk());
  for (const std::string text : {"", "[]", "{}", R"({"created":1})", "\x00\x01"}) {
    auto file = files.Open("/data/f", OpenMode::kCreateNew);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT((*file)->WriteAt(0, std::as_bytes(std::span(text))), IsOk());
    EXPECT_THAT(ReadKnownStream(files, "/data/f"), IsErrorSaying(ErrorKind::kCorrupt, "/data/f"));
    ASSERT_THAT(files.Remove("/data/f"), IsOk());
  }
}

}  // namespace
}  // namespace signaldb::testing

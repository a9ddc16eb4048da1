#include "log/durable_log.h"

#include <latch>
#include <set>
#include <thread>

#include "log/format.h"
#include "log_rig.h"

namespace signaldb {
namespace {

using testing::AppendAndWait;
using testing::CrashPolicy;
using ::testing::ElementsAre;
using ::testing::Eq;
using testing::FaultEffect;
using testing::FileOperation;
using ::testing::Ge;
using ::testing::IsEmpty;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;
using testing::kLogDir;
using testing::LogRig;
using testing::MakeRecord;
using ::testing::Pair;
using testing::ReadLog;
using ::testing::SizeIs;

TEST(DurableLog, GivesPositionsFromOneAndReplaysThem) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  EXPECT_THAT(AppendAndWait(*rig.log, "h1", "body"), IsOkAnd(Eq(1U)));
  EXPECT_THAT(AppendAndWait(*rig.log, "", ""), IsOkAnd(Eq(2U)));
  EXPECT_THAT(AppendAndWait(*rig.log, "h3", std::string(5000, 'x')), IsOkAnd(Eq(3U)));
  EXPECT_EQ(rig.log->last_durable(), 3U);
  const auto expected = ElementsAre(Pair(1, Pair("h1", "body")), Pair(2, Pair("", "")),
                                    Pair(3, Pair("h3", std::string(5000, 'x'))));
  EXPECT_THAT(ReadLog(*rig.log), IsOkAnd(expected));
  const Uuid uuid = rig.log->uuid();
  ASSERT_THAT(rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
  EXPECT_THAT(ReadLog(*rig.log), IsOkAnd(expected));
  EXPECT_EQ(rig.log->uuid(), uuid);
  EXPECT_EQ(rig.log->recovery().records, 3U);
  EXPECT_EQ(rig.log->recovery().torn_bytes, 0U);
  EXPECT_THAT(AppendAndWait(*rig.log, "h4", "b"), IsOkAnd(Eq(4U)));
  EXPECT_THAT(ReadLog(*rig.log, 3), IsOkAnd(SizeIs(2)));
  EXPECT_THAT(ReadLog(*rig.log, 5), IsOkAnd(IsEmpty()));
}

TEST(DurableLog, GivesBackTheSpaceBetweenRecordsThatAreStillNeeded) {
  LogRig rig;
  rig.options.segment_bytes = 1'000;
  ASSERT_THAT(rig.Open(), IsOk());
  for (int i = 1; i <= 40; ++i)
    ASSERT_THAT(AppendAndWait(*rig.log, "h", std::string(400, 'x')), IsOk());
  const std::uint64_t full = rig.log->bytes_on_disk();
  const std::vector<Position> held = {1, 21};
  ASSERT_THAT(rig.log->ReleaseBetween(held, 39), IsOk());
  EXPECT_LT(rig.log->bytes_on_disk(), full / 3);
  const auto read = [&] { return ReadLog(*rig.log).value_or(testing::Contents{}); };
  for (const Position position : {1, 21, 40}) EXPECT_TRUE(read().contains(position)) << position;
  EXPECT_LT(read().size(), 12U);
  const std::size_t segments = rig.Segments().size();

  ASSERT_THAT(rig.CrashAndOpen(CrashPolicy::kKeepAll), IsOk());
  EXPECT_EQ(rig.log->recovery().quarantined_bytes, 0U);
  EXPECT_LT(rig.log->bytes_on_disk(), full / 3);
  for (const Position position : {1, 21, 40}) EXPECT_TRUE(read().contains(position)) << position;
  ASSERT_THAT(rig.log->Trim(20), IsOk());
  EXPECT_LT(rig.Segments().size(), segments - 4) << "the empty ones go with their turn";
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "next"), IsOkAnd(Eq(41U)));
  EXPECT_TRUE(read().contains(21));
}

TEST(DurableLog, StopsReplayAtTheFirstErrorOfItsReader) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(AppendAndWait(*rig.log, "a", "1"), IsOk());
  ASSERT_THAT(AppendAndWait(*rig.log, "b", "2"), IsOk());
  int calls = 0;
  const auto refuse = [&](Position, std::string_view, std::span<const std::byte>) -> Status {
    ++calls;
    return Fail(ErrorKind::kCancelled, "enough");
  };
  EXPECT_THAT(rig.log->Replay(0, refuse), IsErrorSaying(ErrorKind::kCancelled, "enough"));
  EXPECT_EQ(calls, 1);
}

TEST(DurableLog, AnswersManyAppendsAfterOneFsyncInOrder) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  std::vector<Position> answers;
  std::latch done(51);
  // Appended from the log's own thread, hence all waiting when it looks again.
  rig.log->Append(MakeRecord("first", ""), [&](Result<Position>) {
    for (int i = 0; i < 50; ++i) {
      rig.log->Append(MakeRecord("h", std::to_string(i)), [&](Result<Position> position) {
        answers.push_back(position.value_or(0));
        done.count_down();
      });
    }
    done.count_down();
  });
  done.wait();
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(answers[i], i + 2);
  EXPECT_THAT(rig.events.observations("signaldb_writer_log_group_requests"), ElementsAre(1, 50));
  EXPECT_THAT(rig.events.observations("signaldb_writer_log_fsync_duration_seconds"), SizeIs(2));
  rig.log.reset();
}

TEST(DurableLog, StartsASegmentWhenOneIsFullAndTrimsWholeOnes) {
  LogRig rig;
  rig.options.segment_bytes = 1000;
  ASSERT_THAT(rig.Open(), IsOk());
  for (int i = 1; i <= 12; ++i)
    ASSERT_THAT(AppendAndWait(*rig.log, "h", std::string(400, 'x')), IsOk());
  const std::size_t full = rig.Segments().size();
  EXPECT_EQ(full, 4U);
  EXPECT_THAT(rig.log->Trim(5), IsOk());
  EXPECT_EQ(rig.log->trimmed(), 5U);
  EXPECT_EQ(rig.Segments().size(), 3U);
  EXPECT_THAT(ReadLog(*rig.log, 6), IsOkAnd(SizeIs(7)));
  EXPECT_THAT(rig.log->Trim(4), IsOk());  // going back changes nothing
  EXPECT_EQ(rig.log->trimmed(), 5U);
  ASSERT_THAT(rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
  EXPECT_EQ(rig.log->trimmed(), 5U);
  EXPECT_THAT(ReadLog(*rig.log, 6), IsOkAnd(SizeIs(7)));
  EXPECT_THAT(rig.log->Trim(1000), IsOk());  // no further than what there is
  EXPECT_EQ(rig.log->trimmed(), 12U);
}

TEST(DurableLog, NeverStartsAgainBelowWhatWasTrimmed) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  Position last = 0;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 3; ++i) {
      const auto position = AppendAndWait(*rig.log, "h", "x");
      ASSERT_THAT(position, IsOkAnd(Eq(last + 1)));
      last = *position;
    }
    ASSERT_THAT(rig.log->Trim(last), IsOk());
    ASSERT_THAT(rig.Reopen(), IsOk());
    EXPECT_EQ(rig.log->trimmed(), last);
    EXPECT_EQ(rig.log->last_durable(), last);
    EXPECT_THAT(ReadLog(*rig.log, last + 1), IsOkAnd(IsEmpty()));
    EXPECT_THAT(rig.Segments(), SizeIs(1));
  }
}

TEST(DurableLog, RefusesWhatIsTooLongAtTheEdge) {
  LogRig rig;
  rig.options.record_bytes_max = 100;
  ASSERT_THAT(rig.Open(), IsOk());
  EXPECT_THAT(AppendAndWait(*rig.log, "h", std::string(98, 'x')), IsOk());
  EXPECT_THAT(AppendAndWait(*rig.log, "h", std::string(99, 'x')), IsOk());
  EXPECT_THAT(AppendAndWait(*rig.log, "h", std::string(100, 'x')),
              IsErrorSaying(ErrorKind::kInvalid, "bytes_max=100"));
  EXPECT_THAT(AppendAndWait(*rig.log, "h", std::string(100'000, 'x')),
              IsError(ErrorKind::kInvalid));
  EXPECT_EQ(rig.events.counter("signaldb_writer_log_append_errors_total{reason=too_long}"), 2);
  EXPECT_EQ(rig.log->last_durable(), 2U);
}

TEST(DurableLog, RefusesWhatWouldNotFitOnItsDiskAtTheEdge) {
  LogRig rig;
  rig.options.bytes_max = 1000;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_EQ(rig.log->bytes_on_disk(), kSegmentHeaderBytes);
  ASSERT_THAT(AppendAndWait(*rig.log, "", std::string(400, 'x')), IsOk());
  const std::uint64_t room = 1000 - rig.log->bytes_on_disk() - kFrameHeaderBytes;
  EXPECT_THAT(AppendAndWait(*rig.log, "", std::string(room + 1, 'x')),
              IsErrorSaying(ErrorKind::kUnavailable, "full"));
  EXPECT_THAT(AppendAndWait(*rig.log, "", std::string(room, 'x')), IsOk());
  EXPECT_EQ(rig.log->bytes_on_disk(), 1000U);
  EXPECT_THAT(AppendAndWait(*rig.log, "", ""), IsError(ErrorKind::kUnavailable));
  EXPECT_EQ(rig.events.gauge("signaldb_writer_log_bytes"), 1000);
  EXPECT_EQ(rig.events.gauge("signaldb_writer_log_bytes_max"), 1000);
  // All of it is in the one segment being written; it is left for a new one.
  ASSERT_THAT(rig.log->Trim(2), IsOk());
  Result<Position> next = Fail(ErrorKind::kInternal, "");
  for (int i = 0; i < 10'000 && !next.has_value(); ++i) {
    next = AppendAndWait(*rig.log, "", "x");
    std::this_thread::yield();
  }
  EXPECT_THAT(next, IsOkAnd(Eq(3U)));
}

TEST(DurableLog, RefusesWhatWouldWaitBeyondTheLimit) {
  LogRig rig;
  rig.options.pending_bytes_max = 100;
  ASSERT_THAT(rig.Open(), IsOk());
  EXPECT_THAT(AppendAndWait(*rig.log, "", std::string(101, 'x')), IsError(ErrorKind::kInvalid));
  std::latch done(4);
  std::vector<Result<Position>> answers;
  const auto keep = [&](Result<Position> answer) {
    answers.push_back(std::move(answer));
    done.count_down();
  };
  // Appended from the log's own thread, so that nothing is written in between.
  rig.log->Append(MakeRecord("", ""), [&](Result<Position>) {
    rig.log->Append(MakeRecord("", std::string(60, 'x')), keep);
    rig.log->Append(MakeRecord("", std::string(41, 'x')), keep);
    rig.log->Append(MakeRecord("", std::string(40, 'x')), keep);
    rig.log->Append(MakeRecord("", "x"), keep);
  });
  done.wait();
  rig.log->Close();
  EXPECT_THAT(answers[0], IsErrorSaying(ErrorKind::kUnavailable, "wait"));
  EXPECT_THAT(answers[1], IsErrorSaying(ErrorKind::kUnavailable, "wait"));
  EXPECT_THAT(answers[2], IsOkAnd(Eq(2U)));
  EXPECT_THAT(answers[3], IsOkAnd(Eq(3U)));
  EXPECT_EQ(rig.events.counter("signaldb_writer_log_append_errors_total{reason=pending}"), 2);
}

TEST(DurableLog, DrainsOnCloseAndRefusesAfterwards) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  std::atomic<int> durable = 0;
  for (int i = 0; i < 100; ++i) {
    rig.log->Append(MakeRecord("h", "x"),
                    [&](Result<Position> position) { durable += position.has_value() ? 1 : 0; });
  }
  rig.log->Close();
  EXPECT_EQ(durable, 100);
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "x"), IsErrorSaying(ErrorKind::kUnavailable, "closed"));
  rig.log->Close();
  EXPECT_THAT(rig.log->Trim(50), IsOk());
}

TEST(DurableLog, LocksItsFolderAgainstASecondOpener) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  EXPECT_THAT(DurableLog::Open(rig.files, rig.clock, rig.random, rig.events, rig.options),
              IsError(ErrorKind::kConflict));
  rig.log.reset();
  EXPECT_THAT(rig.Open(), IsOk());
}

TEST(DurableLog, RefusesOptionsThatCannotWork) {
  const auto opened_with = [](auto change) {
    LogRig rig;
    change(rig.options);
    return rig.Open();
  };
  EXPECT_THAT(opened_with([](DurableLogOptions& o) { o.dir = "relative"; }),
              IsError(ErrorKind::kInvalid));
  EXPECT_THAT(opened_with([](DurableLogOptions& o) { o.segment_bytes = 0; }),
              IsError(ErrorKind::kInvalid));
  EXPECT_THAT(opened_with([](DurableLogOptions& o) { o.segment_bytes = (1ULL << 30) + 1; }),
              IsError(ErrorKind::kInvalid));
  EXPECT_THAT(opened_with([](DurableLogOptions& o) { o.record_bytes_max = 0; }),
              IsError(ErrorKind::kInvalid));
  EXPECT_THAT(opened_with([](DurableLogOptions& o) { o.record_bytes_max = (1ULL << 30) + 1; }),
              IsError(ErrorKind::kInvalid));
  EXPECT_THAT(opened_with([](DurableLogOptions& o) { o.bytes_max = 0; }),
              IsError(ErrorKind::kInvalid));
  EXPECT_THAT(opened_with([](DurableLogOptions& o) { o.pending_bytes_max = 0; }),
              IsError(ErrorKind::kInvalid));
  EXPECT_THAT(
      opened_with([](DurableLogOptions& o) { o.segment_bytes = o.record_bytes_max = 1ULL << 30; }),
      IsOk());
}

TEST(DurableLog, WritesAgainElsewhereAfterAFailedFsync) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(AppendAndWait(*rig.log, "h", "before"), IsOk());
  rig.files.Arm({.only = FileOperation::kSync});
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "during"), IsOkAnd(Eq(2U)));
  EXPECT_TRUE(rig.files.fault_fired());
  EXPECT_TRUE(rig.log->healthy());
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "after"), IsOkAnd(Eq(3U)));
  EXPECT_THAT(rig.Segments(), SizeIs(2));
  ASSERT_THAT(rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
  EXPECT_THAT(ReadLog(*rig.log),
              IsOkAnd(ElementsAre(Pair(1, Pair("h", "before")), Pair(2, Pair("h", "during")),
                                  Pair(3, Pair("h", "after")))));
}

TEST(DurableLog, IsUnhealthyWhileTheDiskFailsAndRecoversByItself) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(AppendAndWait(*rig.log, "h", "before"), IsOk());
  const std::optional<FileOperation> everything;
  for (const auto operation :
       {std::optional(FileOperation::kWrite), std::optional(FileOperation::kSync), everything}) {
    rig.files.Arm({.only = operation, .times = 1'000'000});
    for (int i = 0; i < 200; ++i) {
      ASSERT_THAT(AppendAndWait(*rig.log, "h", "during"),
                  IsErrorSaying(ErrorKind::kUnavailable, "simulated"));
      ASSERT_FALSE(rig.log->healthy());
    }
    EXPECT_LE(rig.Segments().size(), 10U);
    rig.files.Disarm();
    EXPECT_THAT(AppendAndWait(*rig.log, "h", "after"), IsOk());
    EXPECT_TRUE(rig.log->healthy());
  }
  EXPECT_TRUE(rig.events.Said(Severity::kError, "cannot be written"));
  EXPECT_TRUE(rig.events.Said(Severity::kInfo, "can be written again"));
  ASSERT_THAT(rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
  const auto contents = ReadLog(*rig.log);
  ASSERT_THAT(contents, IsOkAnd(SizeIs(4)));
  for (const auto& [position, record] : *contents) EXPECT_NE(record.second, "during");
}

TEST(DurableLog, ResumesWithoutRestartWhenAFullDiskIsFreed) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(AppendAndWait(*rig.log, "h", std::string(1000, 'a')), IsOk());
  rig.files.SetCapacity(2600);
  ASSERT_THAT(AppendAndWait(*rig.log, "h", std::string(1000, 'b')), IsOk());
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(AppendAndWait(*rig.log, "h", std::string(1000, 'c')),
                IsErrorSaying(ErrorKind::kUnavailable, "full"));
  }
  EXPECT_FALSE(rig.log->healthy());
  EXPECT_EQ(rig.events.counter("signaldb_writer_log_append_errors_total{reason=io}"), 5);
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "small"), IsOk());  // what fits is taken
  EXPECT_THAT(rig.log->Trim(2), IsOk());                       // and frees the first segment
  EXPECT_THAT(AppendAndWait(*rig.log, "h", std::string(1000, 'd')), IsOk());
  EXPECT_TRUE(rig.log->healthy());
  rig.files.SetCapacity(std::nullopt);
  ASSERT_THAT(rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
  const auto contents = ReadLog(*rig.log, 3);
  ASSERT_THAT(contents, IsOkAnd(SizeIs(2)));
  EXPECT_EQ(contents->begin()->second.second, "small");
}

TEST(DurableLog, FindsOutByItselfThatTheDiskIsWellAgain) {
  LogRig rig;
  rig.options.mend_interval = std::chrono::milliseconds(1);
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(AppendAndWait(*rig.log, "h", "before"), IsOk());
  rig.files.SetCapacity(0);
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "x"), IsError(ErrorKind::kUnavailable));
  EXPECT_FALSE(rig.log->healthy());
  rig.files.SetCapacity(std::nullopt);
  while (!rig.log->healthy()) std::this_thread::yield();  // The test's timeout is the limit.
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "after"), IsOk());
  EXPECT_LE(rig.Segments().size(), 3U);
  ASSERT_THAT(rig.CrashAndOpen(CrashPolicy::kLoseUnsynced), IsOk());
  EXPECT_THAT(ReadLog(*rig.log), IsOkAnd(SizeIs(2)));
}

TEST(DurableLog, ClosesWhileTheDiskIsStillFull) {
  LogRig rig;
  rig.options.mend_interval = std::chrono::milliseconds(1);
  ASSERT_THAT(rig.Open(), IsOk());
  rig.files.SetCapacity(0);
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "x"), IsError(ErrorKind::kUnavailable));
  rig.log->Close();
  EXPECT_FALSE(rig.log->healthy());
}

TEST(DurableLog, OpensOnAFullDiskSoThatItCanBeDrained) {
  LogRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(AppendAndWait(*rig.log, "h", std::string(1000, 'a')), IsOk());
  rig.log->Close();
  rig.files.SetCapacity(0);
  ASSERT_THAT(rig.Reopen(), IsOk());
  EXPECT_FALSE(rig.log->healthy());
  EXPECT_THAT(ReadLog(*rig.log), IsOkAnd(SizeIs(1)));
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "x"), IsError(ErrorKind::kUnavailable));
  rig.files.SetCapacity(std::nullopt);
  EXPECT_THAT(AppendAndWait(*rig.log, "h", "x"), IsOkAnd(Ge(2U)));
  EXPECT_TRUE(rig.log->healthy());
}

TEST(DurableLog, KeepsRoomBoundedOverManyStarts) {
  LogRig rig;
  for (int i = 0; i < 50; ++i) ASSERT_THAT(rig.Reopen(), IsOk());
  EXPECT_THAT(rig.Segments(), SizeIs(1));
  EXPECT_THAT(rig.files.Names(kLogDir), SizeIs(3));  // identity, lock, segment
}

}  // namespace
}  // namespace signaldb

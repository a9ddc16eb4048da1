#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "suites/writer_world.h"

namespace signaldb {
namespace {

using testing::CommitFault;
using testing::EventBatch;
using testing::EventRows;
using testing::FaultMoment;
using ::testing::IsEmpty;
using testing::IsErrorSaying;
using testing::IsOk;
using ::testing::SizeIs;
using testing::WriterWorld;

TEST(RetryLogic, DefaultsAreThoseOfTheSpecification) {
  const RetryConfig config;
  EXPECT_EQ(config.max_attempts, 3);
  EXPECT_EQ(config.initial_delay, std::chrono::milliseconds(100));
  EXPECT_EQ(config.max_delay, std::chrono::seconds(5));
  EXPECT_EQ(config.backoff_multiplier, 2.0);
}

TEST(RetryLogic, TransientFailuresAreOvercomeWithinTheAttempts) {
  for (const CommitFault fault : {CommitFault::kConflict, CommitFault::kOutage,
                                  CommitFault::kLostReply, CommitFault::kLostRequest}) {
    WriterWorld world;
    const auto writer = world.OpenWriter();
    world.store->catalog->Script({fault, CommitFault::kOutage});
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
    EXPECT_EQ(world.Read(), EventRows(0, 3));
    EXPECT_EQ(world.Snapshots(), 1);
    EXPECT_THAT(world.DataFiles(), SizeIs(1));
    EXPECT_TRUE(world.Logged("commit is attempted again", "attempt=2"));
  }
}

TEST(RetryLogic, AttemptsAreLimited) {
  for (const int attempts : {1, 3, 5}) {
    WriterWorld world;
    const auto writer = world.OpenWriter();
    EXPECT_THAT(writer->SetRetryConfig({.max_attempts = attempts}), IsOk());
    const int before = world.store->catalog->commits();
    world.store->catalog->Script({}, CommitFault::kOutage);
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)),
                IsErrorSaying(ErrorKind::kUnavailable, "scripted outage"));
    EXPECT_EQ(world.store->catalog->commits() - before, attempts);
    EXPECT_THAT(world.DataFiles(), IsEmpty());
  }
}

TEST(RetryLogic, DelaysGrowByTheMultiplierUpToTheirMost) {
  WriterWorld world;
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->SetRetryConfig({.max_attempts = 4,
                                      .initial_delay = std::chrono::seconds(1),
                                      .max_delay = std::chrono::seconds(5),
                                      .backoff_multiplier = 4}),
              IsOk());
  world.store->catalog->Script({}, CommitFault::kOutage);
  const Nanos before = world.store->clock->MonotonicNow();
  EXPECT_FALSE(writer->WriteBatch(EventBatch(0, 3)).has_value());
  const Nanos waited = world.store->clock->MonotonicNow() - before;
  // 1 + 4 + 5 seconds, each by jitter somewhere in its upper half.
  EXPECT_GE(waited, std::chrono::seconds(5));
  EXPECT_LE(waited, std::chrono::seconds(10));
}

TEST(RetryLogic, WhatCanNeverSucceedIsNotTriedAgain) {
  WriterWorld world;
  const auto writer = world.OpenWriter();
  const int before = world.store->catalog->commits();
  world.store->catalog->Script({}, CommitFault::kInvalid);
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)),
              IsErrorSaying(ErrorKind::kInvalid, "scripted refusal"));
  EXPECT_EQ(world.store->catalog->commits() - before, 1);
  const Nanos now = world.store->clock->MonotonicNow();
  EXPECT_FALSE(writer->WriteBatch(EventBatch(0, 3)->RemoveColumn(0).ValueOrDie()).has_value());
  EXPECT_EQ(world.store->clock->MonotonicNow(), now) << "nothing was waited for";
}

TEST(RetryLogic, AStoreThatFailsOnceIsTriedAgain) {
  for (std::uint64_t at = 1; at <= 3; ++at) {
    WriterWorld world;
    const auto writer = world.OpenWriter();
    const auto id = writer->BeginTransaction();
    world.store->io->Arm(at, FaultMoment::kBefore);
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 3)), IsOk());
    EXPECT_TRUE(world.store->io->fired());
    EXPECT_TRUE(world.Logged("batch is written again", "attempt=1"));
    EXPECT_THAT(writer->CommitTransaction(*id), IsOk());
    EXPECT_EQ(world.Read(), EventRows(0, 3));
    EXPECT_THAT(world.DataFiles(), SizeIs(1));
  }
}

TEST(RetryLogic, ManyConflictsInARowLoseAndDoubleNothing) {
  WriterWorld world;
  world.config.retry.max_attempts = 10;
  const auto writer = world.OpenWriter();
  for (int i = 0; i < 10; ++i) {
    world.store->catalog->Script(
        std::deque<CommitFault>(static_cast<std::size_t>(i % 5), CommitFault::kConflict));
    EXPECT_THAT(writer->WriteBatch(EventBatch(i, 1)), IsOk());
  }
  EXPECT_EQ(world.Read(), EventRows(0, 10));
  EXPECT_EQ(world.Snapshots(), 10);
}

TEST(RetryLogic, AnotherWritersCommitInBetweenIsKept) {
  WriterWorld world;
  const auto ours = world.OpenWriter();
  const auto theirs = world.OpenWriter();
  world.store->catalog->Script({CommitFault::kConflict});
  world.store->catalog->AfterNextCommit(
      [&] { EXPECT_THAT(theirs->WriteBatch(EventBatch(3, 3)), IsOk()); });
  EXPECT_THAT(ours->WriteBatch(EventBatch(0, 3)), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 6));
  EXPECT_EQ(world.Snapshots(), 2);
}

TEST(RetryLogic, RefusesConfigurationsThatCannotWork) {
  WriterWorld world;
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->SetRetryConfig({.max_attempts = 0}),
              IsErrorSaying(ErrorKind::kInvalid, "field=max_attempts"));
  EXPECT_THAT(writer->SetRetryConfig({.backoff_multiplier = 0.5}),
              IsErrorSaying(ErrorKind::kInvalid, "field=backoff_multiplier"));
  EXPECT_THAT(writer->SetRetryConfig({.max_delay = std::chrono::milliseconds(99)}),
              IsErrorSaying(ErrorKind::kInvalid, "field=max_delay"));
  EXPECT_EQ(writer->retry_config(), RetryConfig());
  const auto id = writer->BeginTransaction();
  EXPECT_THAT(writer->SetRetryConfig({}), IsErrorSaying(ErrorKind::kInvalid, *id));
}

TEST(RetryLogic, AttemptsDelaysAndLateSuccessesAreTold) {
  WriterWorld world;
  const auto totals = std::make_shared<MetricTotals>();
  world.config.metrics = totals;
  const auto told = [&](const std::string& metric,
                        const std::vector<std::pair<std::string, std::string>>& labels = {}) {
    return totals->Value("signaldb_writer_" + metric, labels);
  };
  const auto writer = world.OpenWriter();
  world.store->catalog->Script({CommitFault::kConflict, CommitFault::kOutage});
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
  EXPECT_EQ(told("commit_retries_total", {{"reason", "conflict"}}), 1);
  EXPECT_EQ(told("commit_retries_total", {{"reason", "unavailable"}}), 1);
  EXPECT_EQ(told("retry_success_total"), 1);
  EXPECT_EQ(told("retry_backoff_seconds"), 2);
  world.store->io->Arm(1, FaultMoment::kBefore);
  EXPECT_THAT(writer->WriteBatch(EventBatch(1, 1)), IsOk());
  EXPECT_EQ(told("write_retries_total", {{"reason", "unavailable"}}), 1);
  EXPECT_EQ(told("retry_success_total"), 2);
  EXPECT_EQ(told("retry_backoff_seconds"), 3);
  for (const MetricSample& sample : totals->Snapshot()) {
    // The clock stands still but for the waits: those of 100, 200 and 100 ms, by jitter.
    if (sample.name != "signaldb_writer_retry_backoff_seconds") continue;
    EXPECT_GE(sample.value, 0.2);
    EXPECT_LE(sample.value, 0.4);
  }
  EXPECT_EQ(told("commits_total", {{"outcome", "applied"}}), 2);
  EXPECT_EQ(told("commit_duration_seconds"), 2);
}

}  // namespace
}  // namespace signaldb

// The log on the machine's own files: many threads, real locks, folders that cannot be used (W8).

#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "adapters/local/posix_file_system.h"
#include "log_rig.h"
#include "testing/temp_dir.h"

namespace signaldb {
namespace {

using testing::AppendAndWait;
using ::testing::Eq;
using ::testing::Ge;
using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;
using testing::MakeRecord;
using testing::ReadLog;
using ::testing::SizeIs;
using testing::TempDir;

class PosixLog : public ::testing::Test {
 protected:
  PosixLog() {
    options_.dir = dir_ / "deep/log";
    options_.segment_bytes = 256 << 10;
  }
  [[nodiscard]] Result<std::unique_ptr<DurableLog>> Open() {
    return DurableLog::Open(files_, clock_, random_, events_, options_);
  }

  TempDir dir_;
  PosixFileSystem files_;
  SystemClock clock_;
  SystemRandom random_;
  testing::RecordingListener events_;
  DurableLogOptions options_;
};

TEST_F(PosixLog, KeepsWhatManyThreadsAppendWhileOthersTrimAndRead) {
  constexpr int kThreads = 8;
  constexpr int kRecords = 200;
  auto opened = Open();
  ASSERT_THAT(opened, IsOk());
  DurableLog& log = **opened;
  std::mutex mutex;
  testing::Contents acknowledged;
  Position last_answered = 0;
  bool in_order = true;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kRecords; ++i) {
          const auto done = std::make_shared<std::latch>(1);
          const std::string header = fmt::format("{}-{}", thread, i);
          const std::string body(static_cast<std::size_t>(i * 37 % 4000),
                                 static_cast<char>('a' + thread));
          log.Append(MakeRecord(header, body), [&, header, body, done](Result<Position> position) {
            const std::scoped_lock lock(mutex);
            if (position.has_value()) {
              in_order &= *position > last_answered;
              last_answered = *position;
              acknowledged[*position] = {header, body};
            }
            done->count_down();
          });
          done->wait();
        }
      });
    }
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        EXPECT_THAT(log.Trim(log.last_durable() / 4), IsOk());
        EXPECT_THAT(ReadLog(log, log.trimmed() + 1), IsOk());
      }
    });
  }
  EXPECT_TRUE(in_order);
  ASSERT_THAT(acknowledged, SizeIs(kThreads * kRecords));
  const Position trimmed = log.trimmed();
  opened->reset();
  opened = Open();
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ((*opened)->trimmed(), trimmed);
  acknowledged.erase(acknowledged.begin(), acknowledged.upper_bound(trimmed));
  EXPECT_THAT(ReadLog(**opened, trimmed + 1), IsOkAnd(Eq(acknowledged)));
  EXPECT_EQ((*opened)->recovery().quarantined_bytes + (*opened)->recovery().torn_bytes, 0U);
}

TEST_F(PosixLog, AnswersEveryAppendThatRacesWithClose) {
  auto opened = Open();
  ASSERT_THAT(opened, IsOk());
  std::atomic<int> answers = 0;
  std::atomic<std::uint64_t> durable = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) {
          (*opened)->Append(MakeRecord("h", "body"), [&](Result<Position> position) {
            durable += position.has_value() ? 1 : 0;
            ++answers;
          });
        }
      });
    }
    for (int i = 0; i < 2; ++i) threads.emplace_back([&] { (*opened)->Close(); });
  }
  EXPECT_EQ(answers, 800);
  EXPECT_EQ((*opened)->last_durable(), durable);
}

TEST_F(PosixLog, MakesItsFolderAndLocksIt) {
  auto opened = Open();
  ASSERT_THAT(opened, IsOk());
  EXPECT_THAT(Open(), IsErrorSaying(ErrorKind::kConflict, "lock"));
  opened->reset();
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(PosixLog, SaysWhyItsFolderCannotBeUsed) {
  const auto open_in = [&](const std::string& path) {
    options_.dir = path;
    return Open();
  };
  std::ofstream(dir_ / "file") << "x";
  EXPECT_THAT(open_in(dir_ / "file"), IsErrorSaying(ErrorKind::kInvalid, "not a directory"));
  std::filesystem::create_symlink(dir_ / "nowhere", dir_ / "dangling");
  EXPECT_THAT(open_in(dir_ / "dangling"), IsErrorSaying(ErrorKind::kInvalid, "symbolic link"));
  std::filesystem::create_directory(dir_ / "linked");
  std::filesystem::create_symlink(dir_ / "file", dir_ / "linked/lock");
  EXPECT_THAT(open_in(dir_ / "linked"), IsErrorSaying(ErrorKind::kInvalid, "symbolic link"));
  EXPECT_FALSE(open_in("/proc/log").has_value());  // nothing can be made there, whoever we are
}

TEST_F(PosixLog, ReturnsDescriptorsAndDiskToTheBaseline) {
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  const auto before = descriptors();
  for (int round = 0; round < 3; ++round) {
    auto opened = Open();
    ASSERT_THAT(opened, IsOk());
    for (int i = 0; i < 50; ++i)
      ASSERT_THAT(AppendAndWait(**opened, "h", std::string(50'000, 'x')), IsOk());
    ASSERT_THAT((*opened)->Trim((*opened)->last_durable()), IsOk());
    (*opened)->Close();
    EXPECT_LE((*opened)->bytes_on_disk(), options_.segment_bytes + 60'000);
  }
  EXPECT_EQ(descriptors(), before);
  ASSERT_THAT(Open(), IsOk());
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(options_.dir))
    bytes += entry.file_size();
  EXPECT_LE(bytes, 1000U);
}

}  // namespace
}  // namespace signaldb

// Every single fault at every file operation of a workload, with every way a crash can end, against
// an oracle (fault matrix W1, W2, W3, D1, P1).

#include <cstdio>
#include <functional>
#include <latch>

#include "log_rig.h"
#include "testing/effort.h"

namespace signaldb {
namespace {

using testing::Contents;
using testing::CrashPolicy;
using testing::FaultEffect;
using testing::FaultPlan;
using testing::FileOperation;
using testing::IsOk;
using testing::IsOkAnd;
using testing::kCrashPolicies;
using testing::LogRig;
using testing::MakeRecord;
using testing::ReadLog;

constexpr FaultEffect kEffects[] = {FaultEffect::kErrorBefore, FaultEffect::kErrorAfter,
                                    FaultEffect::kErrorPartial, FaultEffect::kPowerCutBefore,
                                    FaultEffect::kPowerCutAfter};

/// What must be true of the log after all that was done to it.
class Oracle {
 public:
  [[nodiscard]] std::string NextContent() {
    const std::uint64_t number = ++submitted_;
    // Lengths from nothing to a few sectors, so that frames begin anywhere in one.
    return fmt::format("{:06}", number) +
           std::string((number * 397) % 1500, static_cast<char>('a' + number % 26));
  }

  void Acknowledged(Position position, const std::string& content) {
    must_have_[position] = content;
    const auto [found, is_new] = handed_out_.emplace(position, content);
    if (!is_new) Broken(fmt::format("position used twice position={}", position));
    if (position <= highest_ && is_new)
      Broken(fmt::format("position went back position={}", position));
    highest_ = std::max(highest_, position);
  }

  void Released(const std::vector<Position>& held, Position seen) {
    std::erase_if(must_have_, [&](const auto& record) {
      return record.first <= seen && !std::ranges::binary_search(held, record.first);
    });
  }

  void Trimmed(Position position) { trim_asked_ = std::max(trim_asked_, position); }

  enum class Seen : std::uint8_t {

    kMustStay,  ///< The log has made durable all that it replays.
    kMayGo,     ///< An fsync failed: the page cache shows records that the disk does not have.
  };

  /// Compares with what a log that was just opened replays.
  void Check(DurableLog& log, Seen seen) {
    if (log.trimmed() > trim_asked_) Broken("trimmed further than asked");
    const Result<Contents> replayed = ReadLog(log, log.trimmed() + 1);
    if (!replayed.has_value()) {
      if (replayed.error().message.find("simulated") == std::string::npos)
        Broken(replayed.error().message);
      return;
    }
    for (const auto& [position, content] : must_have_) {
      if (position > log.trimmed() && !replayed->contains(position)) {
        Broken(fmt::format("acknowledged record was lost position={}", position));
      }
    }
    std::uint64_t number_before = 0;
    for (const auto& [position, record] : *replayed) {
      const auto [known, is_new] = handed_out_.emplace(position, record.second);
      if (known->second != record.second) {
        Broken(fmt::format("position has another content now position={}", position));
      }
      const std::uint64_t number = std::stoull(record.second.substr(0, 6));
      if (number <= number_before)
        Broken(fmt::format("order or uniqueness broken position={}", position));
      number_before = number;
      if (seen == Seen::kMustStay) must_have_[position] = record.second;
      highest_ = std::max(highest_, position);
    }
    highest_ = std::max(highest_, trim_asked_);
    if (log.last_durable() < (must_have_.empty() ? 0 : must_have_.rbegin()->first))
      Broken("last_durable went back");
  }

  void Broken(const std::string& how) { broken_ += how + "; "; }
  [[nodiscard]] const std::string& broken() const { return broken_; }

 private:
  std::uint64_t submitted_ = 0;
  Position highest_ = 0;
  Position trim_asked_ = 0;
  std::map<Position, std::string> must_have_;   ///< Acknowledged, or replayed from the disk.
  std::map<Position, std::string> handed_out_;  ///< Replayed at least once, too.
  std::string broken_;
};

/// One log, its oracle, and the steps a workload is made of. Steps on a log that is not open do
/// nothing.
class Scenario {
 public:
  explicit Scenario(std::uint64_t seed) : rig(seed) { rig.options.segment_bytes = 3000; }

  /// Appends `count` records: the first alone, the others as one group.
  void AppendGroup(int count) {
    if (rig.log == nullptr) return;
    const auto done = std::make_shared<std::latch>(count);  // outlives the last count_down
    std::vector<std::string> contents;
    for (int i = 0; i < count; ++i) contents.push_back(oracle.NextContent());
    const auto append = [&](int i, std::function<void()> then) {
      rig.log->Append(MakeRecord("header", contents[static_cast<std::size_t>(i)]),
                      [&, i, done, then = std::move(then)](Result<Position> position) {
                        if (position.has_value())
                          oracle.Acknowledged(*position, contents[static_cast<std::size_t>(i)]);
                        last_answered_ok = position.has_value();
                        then();
                        done->count_down();
                      });
    };
    append(0, [&] {
      for (int i = 1; i < count; ++i) append(i, [] {});
    });
    done->wait();
  }

  void Trim(Position back) {
    if (rig.log == nullptr) return;
    const Position position = rig.log->last_durable() > back ? rig.log->last_durable() - back : 0;
    oracle.Trimmed(position);
    [[maybe_unused]] const Status trimmed = rig.log->Trim(position);
  }

  /// Releases all but the first record after the trimmed ones, and every fifth.
  void Release() {
    if (rig.log == nullptr) return;
    const Position seen = rig.log->last_durable();
    std::vector<Position> held;
    for (Position p = rig.log->trimmed() + 1; p <= seen; ++p) {
      if (held.empty() || p % 5 == 0) held.push_back(p);
    }
    oracle.Released(held, seen);
    [[maybe_unused]] const Status released = rig.log->ReleaseBetween(held, seen);
  }

  /// Opens and checks; a second time if the first met the fault.
  void Open() {
    rig.log.reset();
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (!rig.Open().has_value()) continue;
      Check();
      return;
    }
  }

  /// After the last fault: everything must work, and stay.
  void Finish(CrashPolicy policy, std::optional<FaultPlan> fault_in_recovery) {
    Crash(policy);
    if (fault_in_recovery.has_value()) {
      rig.files.Arm(*fault_in_recovery);
      Open();
      fired_in_recovery = rig.files.fault_fired();
      Crash(policy);
    }
    MustOpen();
    // What never reached a second disk block looks damaged only if the disk reordered sectors.
    const bool reordered = policy == CrashPolicy::kTailOnly || policy == CrashPolicy::kRandom;
    if (rig.log != nullptr && !reordered && rig.log->recovery().quarantined_bytes > 0)
      oracle.Broken("false alarm");
    AppendGroup(3);
    if (!last_answered_ok) oracle.Broken("append fails without a fault");
    Crash(CrashPolicy::kLoseUnsynced);
    MustOpen();
  }

  LogRig rig;
  Oracle oracle;
  bool last_answered_ok = true;
  bool fired_in_recovery = false;

 private:
  void Check() {
    oracle.Check(*rig.log,
                 rig.files.shows_lost_data() ? Oracle::Seen::kMayGo : Oracle::Seen::kMustStay);
  }
  void Crash(CrashPolicy policy) {
    rig.files.CutPower();
    rig.log.reset();
    rig.files.Crash(policy, rig.random);
  }
  void MustOpen() {
    if (Status opened = rig.Open(); !opened.has_value()) {
      oracle.Broken("cannot open: " + opened.error().message);
      return;
    }
    Check();
  }
};

struct Workload {
  const char* name;
  std::function<void(Scenario&)> run;
};

const Workload kWorkloads[] = {
    {"first start, groups",
     [](Scenario& s) {
       s.Open();
       s.AppendGroup(1);
       s.AppendGroup(5);
       s.AppendGroup(3);
     }},
    {"segments, trims",
     [](Scenario& s) {
       s.Open();
       s.AppendGroup(4);
       s.AppendGroup(4);
       s.Trim(2);
       s.AppendGroup(6);
       s.Trim(0);
       s.AppendGroup(2);
     }},
    {"records released between others",
     [](Scenario& s) {
       s.Open();
       s.AppendGroup(4);
       s.AppendGroup(6);
       s.Release();
       s.AppendGroup(4);
       s.Release();
       s.Open();
       s.AppendGroup(2);
       s.Trim(3);
     }},
    {"restarts",
     [](Scenario& s) {
       s.Open();
       s.AppendGroup(4);
       s.Open();
       s.AppendGroup(2);
       s.Trim(1);
       s.Open();
       s.AppendGroup(2);
     }},
};

std::string Describe(const Workload& workload, const FaultPlan& plan, CrashPolicy policy,
                     std::uint64_t seed) {
  return fmt::format("workload='{}' operation={} effect='{}' times={} crash='{}' seed={}",
                     workload.name, plan.at, ToString(plan.effect), plan.times, ToString(policy),
                     seed);
}

/// Runs one workload with one fault. Whether the fault was reached.
bool RunOne(const Workload& workload, const FaultPlan& plan, CrashPolicy policy,
            std::uint64_t seed) {
  Scenario scenario(seed);
  scenario.rig.files.Arm(plan);
  workload.run(scenario);
  const bool fired = scenario.rig.files.fault_fired();
  scenario.rig.files.Disarm();
  scenario.Finish(policy, std::nullopt);
  EXPECT_EQ(scenario.oracle.broken(), "") << Describe(workload, plan, policy, seed);
  return fired;
}

const std::uint64_t kStride = testing::FaultStride(4);

/// Fails the n-th operation for n = `offset` + 1, and every `kStride` on, until the workload gets
/// through. How many faults there were.
std::uint64_t LoopOverOperations(const Workload& workload, FaultPlan plan, CrashPolicy policy,
                                 std::uint64_t seed, std::uint64_t offset) {
  std::uint64_t points = 0;
  for (plan.at = 1 + offset % kStride; !::testing::Test::HasFailure(); plan.at += kStride) {
    if (!RunOne(workload, plan, policy, seed + plan.at)) break;
    ++points;
  }
  return points;
}

void Report(const char* what, std::uint64_t points) {
  ::testing::Test::RecordProperty("fault_points", std::to_string(points));
  std::printf("[   INFO   ] %s: %llu fault points\n", what,
              static_cast<unsigned long long>(points));
}

TEST(LogFaults, NoSingleFaultAtAnyOperationLosesOrReordersAnything) {
  std::uint64_t points = 0;
  std::uint64_t loop = 0;
  for (const Workload& workload : kWorkloads) {
    for (const FaultEffect effect : kEffects) {
      for (const CrashPolicy policy : kCrashPolicies) {
        points += LoopOverOperations(workload, {.effect = effect}, policy, 1, loop++);
      }
    }
  }
  Report("single faults", points);
  EXPECT_GT(points, 5'000U / kStride);
}

TEST(LogFaults, RandomCrashesOfManySeedsLoseNothing) {
  std::uint64_t points = 0;
  std::uint64_t loop = 0;
  for (const Workload& workload : kWorkloads) {
    for (const FaultEffect effect : kEffects) {
      for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        points += LoopOverOperations(workload, {.effect = effect}, CrashPolicy::kRandom,
                                     seed * 1000, loop++);
      }
    }
  }
  Report("random crashes", points);
}

TEST(LogFaults, LongerFailuresOfTheDiskLoseNothing) {
  std::uint64_t points = 0;
  std::uint64_t loop = 0;
  for (const Workload& workload : kWorkloads) {
    for (const FaultEffect effect :
         {FaultEffect::kErrorBefore, FaultEffect::kErrorAfter, FaultEffect::kErrorPartial}) {
      for (const std::uint64_t times : {2, 3, 8, 1'000}) {
        for (const CrashPolicy policy :
             {CrashPolicy::kLoseUnsynced, CrashPolicy::kKeepAll, CrashPolicy::kRandom}) {
          points += LoopOverOperations(workload, {.effect = effect, .times = times}, policy, times,
                                       loop++);
        }
      }
    }
  }
  Report("longer failures", points);
}

TEST(LogFaults, FailedFsyncsOneAfterTheOtherLoseNothing) {
  std::uint64_t points = 0;
  std::uint64_t loop = 0;
  for (const Workload& workload : kWorkloads) {
    for (const FaultEffect effect : {FaultEffect::kErrorBefore, FaultEffect::kErrorAfter}) {
      for (const std::uint64_t times : {1, 2, 3, 4}) {
        for (const CrashPolicy policy : kCrashPolicies) {
          points += LoopOverOperations(
              workload, {.effect = effect, .only = FileOperation::kSync, .times = times}, policy,
              times, loop++);
        }
      }
    }
  }
  Report("failed fsyncs", points);
}

TEST(LogFaults, FaultsDuringRecoveryFromACrashLoseNothing) {
  std::uint64_t points = 0;
  std::uint64_t loop = 0;
  const Workload& workload = kWorkloads[1];
  for (const CrashPolicy policy : kCrashPolicies) {
    for (const FaultEffect effect : kEffects) {
      for (FaultPlan first{.at = 1, .effect = FaultEffect::kPowerCutAfter}; !HasFailure();
           first.at += 7) {
        bool fired = true;
        FaultPlan second{.at = 1 + loop++ % kStride, .effect = effect};
        for (bool again = true; again && !HasFailure(); second.at += kStride) {
          Scenario scenario(first.at * 1000 + second.at);
          scenario.rig.files.Arm(first);
          workload.run(scenario);
          fired = scenario.rig.files.fault_fired();
          scenario.rig.files.Disarm();
          scenario.Finish(policy, second);
          again = scenario.fired_in_recovery;
          points += again ? 1 : 0;
          EXPECT_EQ(scenario.oracle.broken(), "")
              << Describe(workload, first, policy, first.at * 1000 + second.at)
              << " then operation=" << second.at << " effect='" << ToString(effect) << "'";
        }
        if (!fired) break;
      }
    }
  }
  Report("faults in recovery", points);
}

}  // namespace
}  // namespace signaldb

// SQLite on a file system that fails and loses power: no outcome of Commit may turn out untrue.

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/sqlite/sqlite_catalog.h"
#include "base/random.h"
#include "testing/matchers.h"
#include "testing/metadata_pointer.h"
#include "testing/sim_file_system.h"
#include "testing/sqlite_sim_vfs.h"

namespace signaldb {
namespace {

using signaldb::testing::Create;
using signaldb::testing::FaultEffect;
using signaldb::testing::IsOk;
using signaldb::testing::SimFileSystem;
using signaldb::testing::SqliteSimVfs;
using signaldb::testing::Swap;
using signaldb::testing::Table;

/// A machine with a catalog of two tables, "a" and "b", both at version 0.
class Machine {
 public:
  Machine() : vfs_(files_) {
    EXPECT_THAT(files_.MakeDirs("/c"), IsOk());
    Boot();
    EXPECT_THAT(catalog_->CreateNamespace({"acme", "prod"}, {}), IsOk());
    const std::vector<PointerUpdate> create = {Create(Table("a"), "a0"), Create(Table("b"), "b0")};
    EXPECT_THAT(catalog_->Commit(create), IsOk());
  }

  void Boot() {
    Result<std::unique_ptr<SqliteCatalog>> opened =
        SqliteCatalog::Open("sqlite:///c/catalog.db",
                            {.busy_timeout = std::chrono::milliseconds(0), .vfs = vfs_.name()});
    ASSERT_THAT(opened, IsOk());
    catalog_ = std::move(*opened);
  }

  void PowerCycle(testing::CrashPolicy policy, Random& random) {
    files_.CutPower();
    catalog_.reset();
    files_.Crash(policy, random);
    Boot();
  }

  Status CommitBoth() {
    const std::vector<PointerUpdate> updates = {Swap(Table("a"), "a0", "a1"),
                                                Swap(Table("b"), "b0", "b1")};
    return catalog_->Commit(updates);
  }

  /// "a0 b0", or why it cannot be read.
  std::string Read() {
    std::string text;
    for (const std::string& name : {std::string("a"), std::string("b")}) {
      const Result<std::string> location = catalog_->MetadataLocation(Table(name));
      if (!location.has_value()) return "error: " + location.error().message;
      text += (text.empty() ? "" : " ") + *location;
    }
    return text;
  }

  SimFileSystem& files() { return files_; }

 private:
  SimFileSystem files_;
  SqliteSimVfs vfs_;
  std::unique_ptr<SqliteCatalog> catalog_;
};

constexpr const char* kBefore = "a0 b0";
constexpr const char* kAfter = "a1 b1";

struct Fault {
  FaultEffect effect;
  std::uint64_t times;
};

constexpr Fault kErrors[] = {
    {FaultEffect::kErrorBefore, 1},  {FaultEffect::kErrorAfter, 1},
    {FaultEffect::kErrorPartial, 1}, {FaultEffect::kErrorBefore, 99},
    {FaultEffect::kErrorAfter, 99},
};

/// Runs `check(machine, at)` with the n-th file operation of a commit failing, for every n.
template <typename Check>
void ForEachFault(const Fault& fault, const Check& check) {
  bool fired = true;
  std::uint64_t at = 1;
  for (; fired; ++at) {
    SCOPED_TRACE(std::string(ToString(fault.effect)) + " x" + std::to_string(fault.times) +
                 " at operation " + std::to_string(at));
    ASSERT_LT(at, 200U);
    Machine machine;
    machine.files().Arm({.at = at, .effect = fault.effect, .times = fault.times});
    const Status status = machine.CommitBoth();
    fired = machine.files().fault_fired();
    check(machine, status, at);
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(at, 10U) << "a commit has more steps than that: did the faults reach it?";
}

TEST(SqliteCatalogUnderFaults, TellsTheTruthAboutACommitWhenAnyOperationFails) {
  for (const Fault& fault : kErrors) {
    ForEachFault(fault, [](Machine& machine, const Status& status, std::uint64_t) {
      machine.files().Disarm();
      const std::string now = machine.Read();
      if (status.has_value()) {
        EXPECT_EQ(now, kAfter);
      } else if (status.error().kind == ErrorKind::kUnknownOutcome) {
        EXPECT_TRUE(now == kBefore || now == kAfter) << now;
      } else {
        EXPECT_EQ(status.error().kind, ErrorKind::kUnavailable) << status.error().message;
        EXPECT_EQ(now, kBefore);
      }
      // The catalog recovers by itself: what is not in yet can be committed.
      if (now == kBefore) {
        EXPECT_THAT(machine.CommitBoth(), IsOk());
      }
      EXPECT_EQ(machine.Read(), kAfter);
    });
  }
}

// Between the failed commit and the power cut the tables are read, as a committer does that found
// the outcome unknown: what it saw must be what survives.
TEST(SqliteCatalogUnderFaults, KeepsWhatWasSeenAfterAFailedCommitThroughAPowerCut) {
  for (const Fault& fault : kErrors) {
    for (const testing::CrashPolicy policy : testing::kCrashPolicies) {
      ForEachFault(fault, [&](Machine& machine, const Status& status, std::uint64_t at) {
        SCOPED_TRACE(std::string(ToString(policy)));
        machine.files().Disarm();
        const std::string seen = machine.Read();
        SeededRandom random(at);
        machine.PowerCycle(policy, random);
        EXPECT_EQ(machine.Read(), seen);
        if (status.has_value()) {
          EXPECT_EQ(seen, kAfter);
        }
      });
    }
  }
}

TEST(SqliteCatalogUnderFaults, SurvivesAPowerCutAtAnyOperationOfACommit) {
  for (const FaultEffect effect : {FaultEffect::kPowerCutBefore, FaultEffect::kPowerCutAfter}) {
    for (const testing::CrashPolicy policy : testing::kCrashPolicies) {
      ForEachFault({effect, 1}, [&](Machine& machine, const Status& status, std::uint64_t at) {
        SCOPED_TRACE(std::string(ToString(policy)));
        SeededRandom random(at);
        machine.PowerCycle(policy, random);
        const std::string now = machine.Read();
        if (status.has_value()) {
          EXPECT_EQ(now, kAfter);
        } else if (status.error().kind == ErrorKind::kUnknownOutcome) {
          EXPECT_TRUE(now == kBefore || now == kAfter) << now;
        } else {
          EXPECT_EQ(now, kBefore);
        }
      });
    }
  }
}

}  // namespace
}  // namespace signaldb

#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "adapters/local/local_file_io.h"
#include "adapters/sqlite/sqlite_catalog.h"
#include "sim/embedded_writer.h"
#include "sim/otlp_bodies.h"
#include "telemetry/table_definition.h"
#include "testing/effort.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/sim_file_system.h"
#include "testing/sqlite_sim_vfs.h"
#include "testing/table_rows.h"
#include "writer/telemetry_tables.h"

namespace signaldb::testing {
namespace {

using Counts = std::map<std::string, int>;

// One machine with a disk that fails as planned: log, catalog and tables all lie on it. The client
// sends each request until it is acknowledged, and remembers how often it sent it.
class Machine {
 public:
  explicit Machine(std::uint64_t seed) : random_(seed), vfs_(disk_) {
    EXPECT_THAT(disk_.MakeDirs("/data"), IsOk());
  }

  SimFileSystem& disk() { return disk_; }
  Random& random() { return random_; }

  // Starts the writer if it is not running; false if the disk did not let it.
  bool Up() {
    if (writer_ != nullptr) return true;
    auto catalog = SqliteCatalog::Open("sqlite:///data/catalog.db", {.vfs = vfs_.name()});
    if (!catalog) return false;
    catalog_ = std::move(*catalog);
    auto writer = EmbeddedWriter::Start({disk_, *catalog_, clock_, random_, events_});
    if (!writer) {
      catalog_.reset();
      return false;
    }
    writer_ = std::move(*writer);
    return true;
  }

  void Down() {
    writer_.reset();
    catalog_.reset();
  }

  // One try; the name counts as sent whatever comes of it.
  void Send(const std::string& tenant, Signal signal, const std::string& name) {
    ++sent_[name];
    if (!Up()) return;
    const std::string body =
        signal == Signal::kLogs ? LogsRequest({name}) : GaugesAndSumsRequest({name});
    if (!writer_->Send(tenant, signal, body).error) acknowledged_.insert(name);
  }

  void CommitDue() {
    if (Up()) writer_->CommitDue();
  }

  // A short day: two tenants, two signals, two rounds of commits, a restart in between.
  void Work() {
    for (const std::string round : {"first", "second"}) {
      Send("a", Signal::kLogs, round + "-log-1");
      Send("a", Signal::kMetrics, round + "-metric-1");
      Send("b", Signal::kLogs, round + "-log-2");
      CommitDue();
      Send("a", Signal::kMetrics, round + "-metric-2");
      Down();
    }
  }

  // With the disk mended: everything acknowledged reaches the tables.
  void Settle() {
    ASSERT_TRUE(Up());
    for (int i = 0; i < 20 && !writer_->settled(); ++i) writer_->CommitDue();
    ASSERT_TRUE(writer_->settled());
  }

  // What any reader sees now: whole files, whole requests, nothing more often than it was sent.
  Counts CheckTables() {
    Counts all;
    auto catalog = SqliteCatalog::Open("sqlite:///data/catalog.db", {.vfs = vfs_.name()});
    if (!catalog) {
      ADD_FAILURE() << catalog.error().message;
      return all;
    }
    LocalFileIo io(disk_, random_, EmbeddedWriter::kTablesDir);
    const auto count = [&](const char* tenant, TableKind kind, const char* column) {
      auto counts = CountColumn(**catalog, io,
                                TableInDataset({tenant, "prod"}, DefinitionOf(kind).name), column);
      EXPECT_THAT(counts, IsOk());
      return counts.value_or(Counts{});
    };
    const Counts gauges = count("a", TableKind::kMetricsGauge, "metric_description");
    const Counts sums = count("a", TableKind::kMetricsSum, "metric_description");
    EXPECT_EQ(gauges, sums) << "a reader sees half of a request";
    for (const Counts& counts :
         {gauges, count("a", TableKind::kLogs, "body"), count("b", TableKind::kLogs, "body")}) {
      all.insert(counts.begin(), counts.end());
    }
    for (const auto& [name, times] : all) EXPECT_LE(times, sent_[name]) << name << " is doubled";
    return all;
  }

  void CheckNothingAcknowledgedIsLost() {
    Counts rows = CheckTables();
    for (const std::string& name : acknowledged_) EXPECT_GE(rows[name], 1) << name << " is lost";
  }

  std::size_t acknowledged() const { return acknowledged_.size(); }

 private:
  FakeClock clock_;
  SeededRandom random_;
  NullEventListener events_;
  SimFileSystem disk_;
  SqliteSimVfs vfs_;
  std::unique_ptr<SqliteCatalog> catalog_;
  std::unique_ptr<EmbeddedWriter> writer_;
  std::map<std::string, int> sent_;
  std::set<std::string> acknowledged_;
};

// Runs the day with one fault at the n-th file operation. False once the day ends before the fault.
bool RunDayWithFault(std::uint64_t n, FaultEffect effect, CrashPolicy policy) {
  Machine machine(n);
  machine.disk().Arm({.at = n, .effect = effect});
  machine.Work();
  const bool fired = machine.disk().fault_fired();
  machine.Down();
  machine.disk().Crash(policy, machine.random());
  machine.CheckTables();
  machine.Settle();
  machine.CheckNothingAcknowledgedIsLost();
  machine.Down();
  return fired;
}

const std::uint64_t kStride = FaultStride(5);

class CrashLoop : public ::testing::TestWithParam<std::tuple<FaultEffect, CrashPolicy>> {};

TEST_P(CrashLoop, LosesAndDoublesNothingWhateverOperationFails) {
  const auto [effect, policy] = GetParam();
  std::uint64_t faults = 0;
  // Each effect begins at another operation: together they visit all, under every crash policy.
  for (std::uint64_t n = 1 + static_cast<std::uint64_t>(effect) % kStride;; n += kStride) {
    SCOPED_TRACE(::testing::Message() << "operation " << n);
    if (!RunDayWithFault(n, effect, policy)) break;
    ++faults;
    if (HasFailure()) break;
  }
  RecordProperty("fault_points", std::to_string(faults));
  std::printf("fault_points=%llu\n", static_cast<unsigned long long>(faults));
  EXPECT_GT(faults, 100 / kStride);
}

std::string NameOf(const ::testing::TestParamInfo<CrashLoop::ParamType>& info) {
  std::string name = std::string(ToString(std::get<0>(info.param))) + "_" +
                     std::string(ToString(std::get<1>(info.param)));
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    EveryFault, CrashLoop,
    ::testing::Combine(::testing::Values(FaultEffect::kErrorBefore, FaultEffect::kErrorAfter,
                                         FaultEffect::kErrorPartial, FaultEffect::kPowerCutBefore,
                                         FaultEffect::kPowerCutAfter),
                       ::testing::Values(CrashPolicy::kLoseUnsynced, CrashPolicy::kRandom,
                                         CrashPolicy::kNamesOnly)),
    NameOf);

TEST(CrashDay, ADayWithoutFaultsAcknowledgesEverything) {
  Machine machine(1);
  machine.Work();
  EXPECT_EQ(machine.acknowledged(), 8u);
  machine.Settle();
  EXPECT_EQ(machine.CheckTables().size(), 8u);
}

}  // namespace
}  // namespace signaldb::testing

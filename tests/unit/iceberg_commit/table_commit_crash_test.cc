// A commit of two tables on the embedded stack, local files and a SQLite catalog on one disk, with
// the power failing or the process dying at each operation of the disk: after the restart both
// tables are at the same version, everything they refer to is whole, and the next commit goes
// through.

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/local/local_file_io.h"
#include "adapters/sqlite/sqlite_catalog.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/sim_file_system.h"
#include "testing/sqlite_sim_vfs.h"
#include "testing/table_world.h"

namespace signaldb {
namespace {

using signaldb::testing::CrashPolicy;
using signaldb::testing::FakeClock;
using signaldb::testing::FaultEffect;
using signaldb::testing::IsOk;
using signaldb::testing::SimFileSystem;
using signaldb::testing::SqliteSimVfs;
using signaldb::testing::TableWorld;

NewTable Definition(const std::string& name) {
  NewTable table = TableWorld::Definition(name);
  table.location = "file:///w/" + name;
  return table;
}

/// What dies with the process.
struct Process {
  Process(SimFileSystem& files, const SqliteSimVfs& vfs, Random& random)
      : io(files, random, "/w"),
        catalog(
            SqliteCatalog::Open("sqlite:///c/catalog.db",
                                {.busy_timeout = std::chrono::milliseconds(0), .vfs = vfs.name()})
                .value()),
        cache(clock, events),
        committer({*catalog, io, clock, random, events, cache},
                  {.retry = {.max_attempts = 2}, .write_threads = 1}) {}

  /// Rows of the table by its files, all of which must be there and sound.
  std::vector<std::string> FilesIn(const std::string& name) {
    const Result<LoadedTable> table = committer.Load(TableWorld::Id(name));
    EXPECT_THAT(table, IsOk());
    if (!table.has_value() || table->metadata->current_snapshot() == nullptr) return {};
    const auto list = cache.ManifestList(io, table->metadata->current_snapshot()->manifest_list);
    EXPECT_THAT(list, IsOk());
    std::vector<std::string> names;
    for (const ManifestFile& manifest : list.has_value() ? **list : std::vector<ManifestFile>{}) {
      const Result<std::string> bytes = io.Read(manifest.manifest_path);
      EXPECT_THAT(bytes, IsOk());
      const auto entries = DecodeManifest(bytes.value_or(""), manifest, *table->metadata);
      EXPECT_THAT(entries, IsOk());
      if (!entries.has_value()) continue;
      for (const ManifestEntry& entry : *entries) names.push_back(entry.data_file.file_path);
    }
    return names;
  }

  Result<CommitReport> CommitBoth(const std::string& file) {
    std::vector<TableChange> changes = {TableWorld::Append("a", {file}),
                                        TableWorld::Append("b", {file})};
    return committer.Commit(file, std::move(changes), {});
  }

  FakeClock clock;
  NullEventListener events;
  LocalFileIo io;
  std::unique_ptr<SqliteCatalog> catalog;
  MetadataCache cache;
  TableCommitter committer;
};

TEST(TableCommitterOnALocalDisk, KeepsBothTablesWholeThroughACrashAtAnyOperation) {
  for (const FaultEffect effect : {FaultEffect::kPowerCutBefore, FaultEffect::kPowerCutAfter}) {
    for (const CrashPolicy policy : testing::kCrashPolicies) {
      bool fired = true;
      std::uint64_t at = 1;
      for (; fired; ++at) {
        SCOPED_TRACE(std::string(ToString(effect)) + ", " + std::string(ToString(policy)) +
                     ", operation " + std::to_string(at));
        ASSERT_LT(at, 500U);
        SimFileSystem files;
        SqliteSimVfs vfs(files);
        SeededRandom random(at);
        ASSERT_THAT(files.MakeDirs("/c"), IsOk());
        auto process = std::make_unique<Process>(files, vfs, random);
        for (const char* const name : {"a", "b"}) {
          ASSERT_THAT(process->committer.LoadOrCreate(TableWorld::Id(name), Definition(name)),
                      IsOk());
        }
        ASSERT_THAT(process->CommitBoth("old"), IsOk());
        files.Arm({.at = at, .effect = effect});
        const Result<CommitReport> report = process->CommitBoth("new");
        fired = files.fault_fired();
        if (!fired) files.CutPower();
        process.reset();
        files.Crash(policy, random);

        Process restarted(files, vfs, random);
        const std::vector<std::string> a = restarted.FilesIn("a");
        EXPECT_EQ(a, restarted.FilesIn("b"));
        EXPECT_TRUE(a.size() == 1 || a.size() == 2) << a.size();
        if (report.has_value()) {
          EXPECT_EQ(a.size(), 2U);
        } else if (report.error().kind != ErrorKind::kUnknownOutcome) {
          EXPECT_EQ(a.size(), 1U);
        }
        EXPECT_THAT(restarted.CommitBoth("next"), IsOk());
        EXPECT_EQ(restarted.FilesIn("b").size(), a.size() + 1);
        if (HasFailure()) return;
      }
      EXPECT_GT(at, 30U) << "a commit has more operations than that: did the cuts reach it?";
    }
  }
}

}  // namespace
}  // namespace signaldb

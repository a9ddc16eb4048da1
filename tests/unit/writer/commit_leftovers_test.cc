// Commits on local files and a SQLite catalog, with the power failing or the process dying at each
// operation of the disk: after the next start there is no file that the tables do not refer to.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/local/local_file_io.h"
#include "adapters/sqlite/sqlite_catalog.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/sim_file_system.h"
#include "testing/sqlite_sim_vfs.h"
#include "testing/table_world.h"
#include "writer/files_in_flight.h"
#include "writer/transaction.h"

namespace signaldb {
namespace {

using signaldb::testing::FakeClock;
using signaldb::testing::FaultEffect;
using signaldb::testing::IsOk;
using signaldb::testing::SimFileSystem;
using signaldb::testing::SqliteSimVfs;
using signaldb::testing::TableWorld;
using ::testing::IsEmpty;

constexpr const char* kJournals = "/j";

NewTable Definition(const std::string& name) {
  NewTable table = TableWorld::Definition(name);
  table.location = "file:///w/" + name;
  table.schema = {};
  table.schema.fields = {{.id = 1, .name = "id", .required = false, .type = Type(TypeId::kLong)}};
  return table;
}

std::shared_ptr<arrow::RecordBatch> OneRow() {
  const auto column = arrow::json::ArrayFromJSONString(arrow::int64(), "[1]").ValueOrDie();
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}), 1, {column});
}

/// What dies with the process.
struct Process {
  Process(SimFileSystem& disk, const SqliteSimVfs& vfs, Random& random)
      : files(disk),
        numbers(random),
        io(disk, random, "/w"),
        catalog(
            SqliteCatalog::Open("sqlite:///c/catalog.db",
                                {.busy_timeout = std::chrono::milliseconds(0), .vfs = vfs.name()})
                .value()),
        in_flight(FilesInFlight::Open(disk, random, events, kJournals).value()),
        cache(clock, events),
        committer({*catalog, io, clock, random, events, cache, in_flight.get()},
                  {.retry = {.max_attempts = 2}, .write_threads = 1}) {}

  Status Create(const std::string& name) {
    SIGNALDB_TRY(committer.LoadOrCreate(TableWorld::Id(name), Definition(name)));
    return {};
  }

  Status Write(const std::vector<std::string>& tables) {
    Transaction transaction({committer, io, clock, numbers, events, in_flight.get()},
                            std::chrono::hours(1));
    for (const std::string& table : tables) {
      SIGNALDB_TRY(transaction.Write(TableWorld::Id(table), {OneRow()}, {}));
    }
    SIGNALDB_TRY(transaction.Commit({}));
    return {};
  }

  Status SetProperty() {
    TableChange change;
    change.table = TableWorld::Id("a");
    change.on_base = [](const TableMetadata&) -> Result<Properties> {
      return Properties{{"owner", "me"}};
    };
    SIGNALDB_TRY(committer.Commit("properties", {change}, {}));
    return {};
  }

  /// Of all that the test does, how far it comes.
  Status Work() {
    SIGNALDB_TRY(Create("b"));
    SIGNALDB_TRY(Write({"a", "b"}));
    return SetProperty();
  }

  Status Recover() { return RecoverFilesInFlight(files, events, kJournals, committer, io, {}); }

  void AddFilesOf(const std::string& name, std::set<std::string>& all) {
    const Result<LoadedTable> table = committer.Load(TableWorld::Id(name));
    ASSERT_THAT(table, IsOk());
    all.insert(table->metadata_location);
    for (const MetadataLogEntry& entry : table->metadata->metadata_log) {
      all.insert(entry.metadata_file);
    }
    for (const auto& snapshot : table->metadata->snapshots) {
      all.insert(snapshot->manifest_list);
      const auto list = cache.ManifestList(io, snapshot->manifest_list);
      ASSERT_THAT(list, IsOk());
      for (const ManifestFile& manifest : **list) {
        all.insert(manifest.manifest_path);
        const Result<std::string> bytes = io.Read(manifest.manifest_path);
        ASSERT_THAT(bytes, IsOk());
        const auto entries = DecodeManifest(*bytes, manifest, *table->metadata);
        ASSERT_THAT(entries, IsOk());
        for (const ManifestEntry& entry : *entries) {
          all.insert(entry.data_file.file_path);
          EXPECT_THAT(io.Open(entry.data_file.file_path), IsOk());
        }
      }
    }
  }

  /// Files, finished or not, that neither table refers to.
  std::vector<std::string> Orphans() {
    std::set<std::string> needed;
    AddFilesOf("a", needed);
    AddFilesOf("b", needed);
    std::vector<std::string> all = io.List("file:///w").value_or(std::vector<std::string>{"?"});
    const auto begun = io.ListUnfinished("file:///w").value_or(std::vector<std::string>{"?"});
    all.insert(all.end(), begun.begin(), begun.end());
    std::erase_if(all, [&](const std::string& file) { return needed.contains(file); });
    return all;
  }

  SimFileSystem& files;
  Random& numbers;
  FakeClock clock;
  NullEventListener events;
  LocalFileIo io;
  std::unique_ptr<SqliteCatalog> catalog;
  std::unique_ptr<FilesInFlight> in_flight;
  MetadataCache cache;
  TableCommitter committer;
};

TEST(CommitLeftovers, AreGoneAfterTheNextStartWhereverTheCrashWas) {
  // Between them the rounds meet every operation.
  constexpr std::uint64_t kStride = 16;
  std::uint64_t begun = 0;
  for (const FaultEffect effect : {FaultEffect::kPowerCutBefore, FaultEffect::kPowerCutAfter}) {
    for (const auto policy : testing::kCrashPolicies) {
      bool fired = true;
      std::uint64_t at = ++begun;
      for (; fired; at += kStride) {
        SCOPED_TRACE(std::string(ToString(effect)) + ", " + std::string(ToString(policy)) +
                     ", operation " + std::to_string(at));
        ASSERT_LT(at, 1000U);
        SimFileSystem files;
        SqliteSimVfs vfs(files);
        SeededRandom random(at);
        ASSERT_THAT(files.MakeDirs("/c"), IsOk());
        auto process = std::make_unique<Process>(files, vfs, random);
        ASSERT_THAT(process->Create("a"), IsOk());
        ASSERT_THAT(process->Write({"a"}), IsOk());
        files.Arm({.at = at, .effect = effect});
        std::ignore = process->Work();
        fired = files.fault_fired();
        if (!fired) files.CutPower();
        process.reset();
        files.Crash(policy, random);

        Process restarted(files, vfs, random);
        ASSERT_THAT(restarted.Create("a"), IsOk());
        ASSERT_THAT(restarted.Create("b"), IsOk());
        EXPECT_THAT(restarted.Recover(), IsOk());
        EXPECT_THAT(restarted.Orphans(), IsEmpty());
        EXPECT_THAT(restarted.Write({"a", "b"}), IsOk());
        if (HasFailure()) return;
      }
      EXPECT_GT(at, 50U) << "there are more operations than that: did the cuts reach them?";
    }
  }
}

}  // namespace
}  // namespace signaldb

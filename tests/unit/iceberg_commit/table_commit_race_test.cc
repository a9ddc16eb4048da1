// Many committers on one table at once: every file is in once, and the snapshots form one chain.

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/sqlite/sqlite_catalog.h"
#include "testing/table_world.h"
#include "testing/temp_dir.h"

namespace signaldb {
namespace {

using signaldb::testing::IsOk;
using signaldb::testing::TableWorld;

constexpr int kThreads = 8;
constexpr int kCommits = 25;

void RaceOn(std::unique_ptr<Catalog> catalog) {
  TableCommitterOptions options = TableWorld::DefaultOptions();
  // The clock of the test does not sleep: everybody attempts again at once.
  options.retry.max_attempts = 10'000;
  options.write_threads = 2;
  TableWorld world(std::move(catalog), options);
  world.CreateTable("logs");
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kCommits; ++i) {
          const std::string name = std::to_string(t) + "-" + std::to_string(i);
          if (!world.Commit({TableWorld::Append("logs", {name})}, name).has_value()) ++failed;
        }
      });
    }
  }
  EXPECT_EQ(failed, 0);

  const std::vector<std::string> files = world.FilesIn("logs");
  EXPECT_EQ(files.size(), static_cast<std::size_t>(kThreads * kCommits));
  EXPECT_EQ(std::set<std::string>(files.begin(), files.end()).size(), files.size());
  const TableMetadata metadata = world.Current("logs");
  ASSERT_EQ(metadata.snapshots.size(), files.size());
  std::optional<std::int64_t> parent;
  std::int64_t sequence_number = 0;
  for (const auto& snapshot : metadata.snapshots) {
    EXPECT_EQ(snapshot->parent_snapshot_id, parent);
    EXPECT_EQ(snapshot->sequence_number, ++sequence_number);
    parent = snapshot->snapshot_id;
  }
}

TEST(TableCommitterRace, LosesNothingInMemory) { RaceOn(std::make_unique<MemoryCatalog>()); }

TEST(TableCommitterRace, LosesNothingOnSqlite) {
  const testing::TempDir folder;
  Result<std::unique_ptr<SqliteCatalog>> catalog =
      SqliteCatalog::Open("sqlite://" + folder.path() + "/catalog.db", {});
  ASSERT_THAT(catalog, IsOk());
  RaceOn(std::move(*catalog));
}

}  // namespace
}  // namespace signaldb

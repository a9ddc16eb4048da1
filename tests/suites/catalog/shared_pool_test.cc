// The library's writers on PostgreSQL, as the server sees them in pg_stat_activity.

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "suites/library_world.h"

namespace signaldb::testing {
namespace {

using std::chrono::milliseconds;

class SharedPool : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!world_.why_not.empty()) GTEST_SKIP() << world_.why_not;
  }

  [[nodiscard]] int Sessions() const {
    return std::stoi(world_.server->Ask(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'signaldb-writer' AND "
        "datname = '" +
        world_.database + "'"));
  }
  void ExpectSessionsSoon(int count) {
    for (int i = 0; i < 300 && Sessions() != count; ++i) {
      std::this_thread::sleep_for(milliseconds(20));
    }
    EXPECT_EQ(Sessions(), count);
  }
  /// Until the server counts one.
  void WaitFor(const std::string& query) const {
    while (world_.server->Ask(query) != "1") std::this_thread::sleep_for(milliseconds(5));
  }
  Result<std::unique_ptr<IcebergTableWriter>> OpenWithPool(const CatalogPoolConfig& pool) {
    return CreateIcebergWriterWithPool(world_.config, world_.store, "acme", "prod", "logs", pool);
  }
  [[nodiscard]] double Total(const std::string& metric,
                             const std::vector<std::pair<std::string, std::string>>& labels = {}) {
    return world_.totals->Value("signaldb_writer_catalog_pool_" + metric, labels);
  }

  LibraryWorld world_{"postgres"};
};

TEST_F(SharedPool, IsOneForAllWritersOfAStoreAndAUri) {
  world_.config.catalog_pool.min_connections = 3;
  const auto first = world_.OpenWriter("a");
  const auto second = world_.OpenWriter("b");
  EXPECT_EQ(Sessions(), 3);
  EXPECT_THAT(first->WriteBatch(EventBatch(0, 1)), IsOk());
  EXPECT_THAT(second->WriteBatch(EventBatch(0, 1)), IsOk());
  EXPECT_EQ(Sessions(), 3);
  EXPECT_EQ(Total("created_total"), 3);
}

TEST_F(SharedPool, OutlivesTheWriterThatMadeItAndItsListener) {
  world_.config.catalog_pool.min_connections = 1;
  auto lines = std::make_unique<std::vector<std::string>>();
  Configuration own = world_.config;
  own.metrics = std::make_shared<MetricTotals>();
  const std::weak_ptr<MetricListener> gone = own.metrics;
  own.on_log = [&lines](const std::string& line) { lines->push_back(line); };
  auto first = CreateIcebergWriter(own, world_.store, "acme", "prod", "logs");
  ASSERT_THAT(first, IsOk());
  own = {};
  const auto second = world_.OpenWriter();
  // Told as it stands, though nothing has changed since.
  EXPECT_EQ(Total("connections_max"), 10);
  first->reset();
  lines.reset();
  EXPECT_TRUE(gone.expired());
  EXPECT_THAT(second->WriteBatch(EventBatch(0, 1)), IsOk());
  EXPECT_GT(Total("acquire_duration_seconds"), 0);
}

TEST_F(SharedPool, EndsWithItsLastWriterAndSaysSo) {
  auto writer = world_.OpenWriter();
  ASSERT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
  EXPECT_GE(Sessions(), 1);
  writer.reset();
  ExpectSessionsSoon(0);
  EXPECT_EQ(Total("closed_total", {{"reason", "shutdown"}}), Total("created_total"));
  EXPECT_EQ(Total("connections", {{"state", "idle"}}), 0);
}

TEST_F(SharedPool, MinimumIsRaisedAndLoweredAtOnce) {
  const auto writer = OpenWithPool({.min_connections = 1});
  ASSERT_THAT(writer, IsOk());
  EXPECT_THAT((*writer)->SetPoolConfig({.min_connections = 5}), IsOk());
  EXPECT_EQ(Sessions(), 5);
  EXPECT_EQ((*writer)->pool_config().min_connections, 5);
  EXPECT_THAT((*writer)->SetPoolConfig({.min_connections = 1, .idle_timeout_seconds = 1}), IsOk());
  ExpectSessionsSoon(1);
}

TEST_F(SharedPool, LowerMaximumClosesWhatIsTooMuch) {
  const auto writer = OpenWithPool({.min_connections = 6, .max_connections = 6});
  ASSERT_THAT(writer, IsOk());
  EXPECT_EQ(Sessions(), 6);
  EXPECT_THAT((*writer)->SetPoolConfig({.min_connections = 0, .max_connections = 2}), IsOk());
  ExpectSessionsSoon(2);
  EXPECT_EQ(Total("closed_total", {{"reason", "resized"}}), 4);
  EXPECT_EQ(Total("connections_max"), 2);
}

TEST_F(SharedPool, ShorterLifetimeReplacesConnections) {
  const auto writer = OpenWithPool({.min_connections = 2});
  ASSERT_THAT(writer, IsOk());
  EXPECT_THAT((*writer)->SetPoolConfig({.min_connections = 2, .max_lifetime_seconds = 1}), IsOk());
  for (int i = 0; i < 300 && Total("closed_total", {{"reason", "lifetime"}}) < 2; ++i) {
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_GE(Total("closed_total", {{"reason", "lifetime"}}), 2);
  ExpectSessionsSoon(2);
}

TEST_F(SharedPool, TimesOutWhenNoneBecomesFree) {
  world_.config.retry.max_attempts = 1;
  const auto writer =
      OpenWithPool({.min_connections = 1, .max_connections = 1, .connection_timeout_ms = 300});
  ASSERT_THAT(writer, IsOk());
  // Somebody else holds the only connection: a statement waits for this lock.
  std::jthread blocker([&] {
    std::ignore = world_.server->Ask(
        "BEGIN; LOCK TABLE iceberg_tables IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT",
        world_.database);
  });
  WaitFor("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
  std::jthread holder([&] { std::ignore = (*writer)->TableSchema(); });
  WaitFor("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
  EXPECT_THAT(world_.OpenCatalog()->ListNamespaces(),
              IsErrorSaying(ErrorKind::kUnavailable, "connection_timeout_ms=300"));
  EXPECT_GE(Total("timeouts_total"), 1);
  EXPECT_GE(Total("waits_total"), 1);
}

TEST_F(SharedPool, WithPoolSetsItForAllAndWithoutJoinsItAsItIs) {
  const auto first = OpenWithPool({.max_connections = 7});
  ASSERT_THAT(first, IsOk());
  const auto joined = world_.OpenWriter();
  EXPECT_EQ(joined->pool_config().max_connections, 7);
  const auto second = OpenWithPool({.max_connections = 4});
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ((*first)->pool_config(), (CatalogPoolConfig{.max_connections = 4}));
  EXPECT_THAT((*first)->SetPoolConfig({.min_connections = 9, .max_connections = 4}),
              IsError(ErrorKind::kInvalid));
  EXPECT_EQ(joined->pool_config().max_connections, 4);
}

TEST_F(SharedPool, FilesOfACrashedWriterAreFoundByTheNextOfTheSameDatabase) {
  const auto open = world_.OpenWriter();
  ASSERT_THAT(open->BeginTransaction(), IsOk());
  ASSERT_THAT(open->WriteBatch(EventBatch(0, 1)), IsOk());
  // Journals carry no password and lie apart by database.
  std::vector<std::string> journals;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(world_.dir / "tables/.signaldb-in-flight")) {
    if (entry.is_regular_file()) journals.push_back(entry.path().filename());
  }
  EXPECT_THAT(journals, ::testing::Contains(::testing::EndsWith(".journal")));
}

TEST_F(SharedPool, SaysWhatAUriLooksLikeAndRepeatsNone) {
  for (const char* const uri :
       {"mysql://u:secret@h/db", "postgres:/u:secret@h", "postgres://u:sec%ret@h:1/db"}) {
    world_.config.schema.catalog_uri = uri;
    const auto writer = CreateIcebergWriter(world_.config, world_.store, "acme", "prod", "logs");
    ASSERT_THAT(writer, IsErrorSaying(ErrorKind::kInvalid, "postgres://user"));
    EXPECT_THAT(writer.error().message, ::testing::Not(::testing::HasSubstr("sec")));
  }
}

TEST_F(SharedPool, TellsOfAServerThatIsAway) {
  world_.config.schema.catalog_uri = "postgres://postgres@127.0.0.1:1/none";
  EXPECT_THAT(CreateIcebergWriter(world_.config, world_.store, "acme", "prod", "logs"),
              IsError(ErrorKind::kUnavailable));
}

}  // namespace
}  // namespace signaldb::testing

// Many threads of several processes commit to one table: no update is lost, each is there once, and
// the snapshots form one chain. SIGNALDB_RACE_COMMITS sets the commits of each thread.

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/local/local_file_io.h"
#include "adapters/local/posix_file_system.h"
#include "adapters/memory/memory_catalog.h"
#include "adapters/postgres/postgres_catalog.h"
#include "adapters/sqlite/sqlite_catalog.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "base/random.h"
#include "iceberg/commit/metadata_cache.h"
#include "iceberg/commit/table_commit.h"
#include "iceberg/manifest/manifest.h"
#include "testing/matchers.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace signaldb::testing {
namespace {

using std::chrono::milliseconds;

constexpr int kProcesses = 4;
constexpr int kThreads = 16;

int CommitsOfAThread() {
  const char* const text = std::getenv("SIGNALDB_RACE_COMMITS");
  return text == nullptr ? 2 : std::atoi(text);
}

const TableIdentifier kTable{.levels = {"acme", "prod"}, .name = "logs"};

using OpenCatalog = std::function<std::unique_ptr<Catalog>(Clock&, EventListener&)>;

/// What one process has: its own catalog, files in a common folder.
struct Process {
  Process(const OpenCatalog& open, const std::string& folder)
      : io(files, random, folder),
        catalog(open(clock, events)),
        committer({*catalog, io, clock, random, events, cache},
                  {.retry = {.max_attempts = 100'000,
                             .initial_delay = milliseconds(5),
                             .max_delay = milliseconds(400)},
                   .write_threads = 1}) {}

  PosixFileSystem files;
  SystemRandom random;
  SystemClock clock;
  NullEventListener events;
  LocalFileIo io;
  std::unique_ptr<Catalog> catalog;
  MetadataCache cache{clock, events};
  TableCommitter committer;
};

/// Commits from every thread; returns how many failed.
int CommitFromThreads(Process& process, int number) {
  std::atomic<int> failed = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < CommitsOfAThread(); ++i) {
        const std::string name = fmt::format("{}-{}-{}", number, t, i);
        DataFile file;
        file.file_path = "file:///nowhere/" + name;
        file.record_count = 1;
        file.file_size_in_bytes = 100;
        TableChange change{.table = kTable};
        change.added_files.push_back(std::move(file));
        std::vector<TableChange> changes;
        changes.push_back(std::move(change));
        const auto done = process.committer.Commit(name, std::move(changes), {});
        if (done.has_value()) continue;
        ++failed;
        fmt::print(stderr, "{} {}\n", ToString(done.error().kind), done.error().message);
      }
    });
  }
  threads.clear();
  return failed;
}

void ExpectOneChain(Process& process, std::size_t commits) {
  const auto loaded = process.committer.Load(kTable);
  ASSERT_THAT(loaded, IsOk());
  const TableMetadata& metadata = *loaded->metadata;
  ASSERT_EQ(metadata.snapshots.size(), commits);
  std::optional<std::int64_t> parent;
  std::int64_t sequence_number = 0;
  for (const auto& snapshot : metadata.snapshots) {
    EXPECT_EQ(snapshot->parent_snapshot_id, parent);
    EXPECT_EQ(snapshot->sequence_number, ++sequence_number);
    parent = snapshot->snapshot_id;
  }
  const std::string list_location = metadata.current_snapshot()->manifest_list;
  const auto list = DecodeManifestList(process.io.Read(list_location).value_or(""), list_location);
  ASSERT_THAT(list, IsOk());
  std::multiset<std::string> files;
  for (const ManifestFile& manifest : *list) {
    const auto entries =
        DecodeManifest(process.io.Read(manifest.manifest_path).value_or(""), manifest, metadata);
    ASSERT_THAT(entries, IsOk());
    for (const ManifestEntry& entry : *entries) {
      if (entry.status != EntryStatus::kDeleted) files.insert(entry.data_file.file_path);
    }
  }
  EXPECT_EQ(files.size(), commits);
  EXPECT_EQ(std::set<std::string>(files.begin(), files.end()).size(), commits);
}

void CreateTable(const OpenCatalog& open, const std::string& folder) {
  Process first(open, folder);
  NewTable definition;
  definition.location = "file://" + folder + "/logs";
  definition.schema.fields = {
      {.id = 1, .name = "id", .required = true, .type = Type(TypeId::kLong)}};
  ASSERT_THAT(first.committer.LoadOrCreate(kTable, definition), IsOk());
}

void RaceOn(const OpenCatalog& open, const std::function<void()>& meanwhile = [] {}) {
  const TempDir folder;
  CreateTable(open, folder.path());
  std::vector<pid_t> children;
  for (int number = 0; number < kProcesses; ++number) {
    const pid_t child = ::fork();
    // Ends without destructors: those of the parent's server would end the server.
    if (child == 0) {
      Process process(open, folder.path());
      ::_exit(CommitFromThreads(process, number) == 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  while (!children.empty()) {
    int status = 0;
    const pid_t ended = ::waitpid(children.back(), &status, WNOHANG);
    if (ended == children.back()) {
      EXPECT_EQ(status, 0);
      children.pop_back();
      continue;
    }
    meanwhile();
    std::this_thread::sleep_for(milliseconds(20));
  }
  Process last(open, folder.path());
  ExpectOneChain(last, static_cast<std::size_t>(kProcesses * kThreads * CommitsOfAThread()));
}

/// Opens the one catalog of this process again and again.
class Borrowed final : public Catalog {
 public:
  explicit Borrowed(Catalog& catalog) : catalog_(catalog) {}
  Result<std::string> MetadataLocation(const TableIdentifier& table) override {
    return catalog_.MetadataLocation(table);
  }
  Status Commit(std::span<const PointerUpdate> updates) override {
    return catalog_.Commit(updates);
  }
  Status CreateNamespace(const Namespace& levels, const Properties& properties) override {
    return catalog_.CreateNamespace(levels, properties);
  }
  Result<bool> NamespaceExists(const Namespace& levels) override {
    return catalog_.NamespaceExists(levels);
  }
  Result<std::vector<Namespace>> ListNamespaces() override { return catalog_.ListNamespaces(); }
  Result<std::vector<TableIdentifier>> ListTables(const Namespace& levels) override {
    return catalog_.ListTables(levels);
  }
  Status DropTable(const TableIdentifier& table) override { return catalog_.DropTable(table); }
  Status RenameTable(const TableIdentifier& from, const TableIdentifier& to) override {
    return catalog_.RenameTable(from, to);
  }
  Status DropNamespace(const Namespace& levels) override { return catalog_.DropNamespace(levels); }
  Result<Properties> NamespaceProperties(const Namespace& levels) override {
    return catalog_.NamespaceProperties(levels);
  }
  Status UpdateNamespaceProperties(const Namespace& levels, const Properties& set,
                                   std::span<const std::string> removed) override {
    return catalog_.UpdateNamespaceProperties(levels, set, removed);
  }

 private:
  Catalog& catalog_;
};

OpenCatalog OnPostgres(const std::string& uri) {
  return [uri](Clock& clock, EventListener& events) -> std::unique_ptr<Catalog> {
    // Opening may meet a cut as well.
    for (int attempt = 0; attempt < 100; ++attempt) {
      auto catalog = PostgresCatalog::Open(
          uri, {.pool = {.max_connections = 6, .acquire_timeout = std::chrono::seconds(60)}}, clock,
          events);
      if (catalog.has_value()) return std::move(*catalog);
      EXPECT_THAT(catalog, IsError(ErrorKind::kUnavailable));
    }
    return nullptr;
  };
}

// One process only: nobody else sees its memory.
TEST(ConcurrentCommits, LoseNothingInMemory) {
  MemoryCatalog catalog;
  const OpenCatalog open = [&](Clock&, EventListener&) {
    return std::make_unique<Borrowed>(catalog);
  };
  const TempDir folder;
  CreateTable(open, folder.path());
  Process process(open, folder.path());
  EXPECT_EQ(CommitFromThreads(process, 0), 0);
  ExpectOneChain(process, static_cast<std::size_t>(kThreads * CommitsOfAThread()));
}

TEST(ConcurrentCommits, LoseNothingOnSqlite) {
  const TempDir folder;
  RaceOn([&](Clock&, EventListener&) -> std::unique_ptr<Catalog> {
    auto catalog = SqliteCatalog::Open("sqlite://" + folder.path() + "/catalog.db", {});
    EXPECT_THAT(catalog, IsOk());
    return catalog.has_value() ? std::move(*catalog) : nullptr;
  });
}

TEST(ConcurrentCommits, LoseNothingOnPostgres) {
  const auto& server = PostgresServer::OfThisProcess();
  if (!server.has_value()) GTEST_SKIP() << server.error().message;
  RaceOn(OnPostgres((*server)->Uri((*server)->NewDatabase())));
}

TEST(ConcurrentCommits, LoseNothingOnPostgresWhileSessionsAreCut) {
  const auto& server = PostgresServer::OfThisProcess();
  if (!server.has_value()) GTEST_SKIP() << server.error().message;
  int cut = 0;
  RaceOn(OnPostgres((*server)->Uri((*server)->NewDatabase())), [&] {
    cut += std::atoi((*server)
                         ->Ask("SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM "
                               "pg_stat_activity WHERE application_name = 'signaldb-writer' ORDER "
                               "BY random() LIMIT 2) AS victims")
                         .c_str());
  });
  EXPECT_GT(cut, 0);
}

}  // namespace
}  // namespace signaldb::testing

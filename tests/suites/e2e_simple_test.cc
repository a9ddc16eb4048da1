#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../examples/gauge_batch.h"
#include "signaldb/catalog_transaction.h"
#include "suites/writer_world.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

// The library as a program uses it: real files, SQLite and PostgreSQL, writers that come and go.

namespace signaldb {
namespace {

using testing::EventBatch;
using testing::EventRows;
using testing::EventSchema;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::PostgresServer;
using testing::Rows;
using ::testing::SizeIs;
using testing::TempDir;

class E2eSimple : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    config_.schema.catalog_uri = "sqlite://" + (dir_ / "catalog.db");
    if (GetParam() == "postgres") {
      const auto& server = PostgresServer::OfThisProcess();
      if (!server.has_value()) GTEST_SKIP() << server.error().message;
      config_.schema.catalog_uri = (*server)->Uri((*server)->NewDatabase());
    }
    store_ = OpenStore();
  }

  std::shared_ptr<ObjectStore> OpenStore() {
    return ObjectStore::Open("file://" + (dir_ / "tables")).value_or(nullptr);
  }

  std::unique_ptr<IcebergTableWriter> OpenWriter(const std::shared_ptr<ObjectStore>& store,
                                                 const std::string& table = "events") {
    TableOptions options;
    options.schema = EventSchema();
    auto writer = CreateIcebergWriterForTable(config_, store, "acme", "prod", table, options);
    EXPECT_THAT(writer, IsOk());
    return writer.has_value() ? *std::move(writer) : nullptr;
  }

  Rows Read(const std::string& table = "events") {
    const auto writer = OpenWriter(store_, table);
    const auto loaded = writer->parts().committer->Load(writer->parts().table);
    const auto batches = ReadTable(*store_->parts().io, *loaded->metadata);
    EXPECT_THAT(batches, IsOk());
    Rows rows;
    if (!batches.has_value()) return rows;
    for (const auto& batch : *batches) {
      const auto& ids = static_cast<const arrow::Int64Array&>(*batch->GetColumnByName("id"));
      const auto& bodies = static_cast<const arrow::StringArray&>(*batch->GetColumnByName("body"));
      for (std::int64_t i = 0; i < batch->num_rows(); ++i) {
        rows.emplace_back(ids.Value(i), bodies.GetString(i));
      }
    }
    std::ranges::sort(rows);
    return rows;
  }

  // Files of every kind on the disk whose name has `part`, temporaries included.
  std::vector<std::string> OnDisk(const std::string& part) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "tables")) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && name.contains(part)) found.push_back(name);
    }
    return found;
  }

  // What `act` does in another process, which dies without leaving anything in order.
  template <typename Act>
  void InAProcessThatDies(const Act& act) {
    const pid_t child = ::fork();
    if (child == 0) {
      act();
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }

  TempDir dir_;
  Configuration config_;
  std::shared_ptr<ObjectStore> store_;
};

TEST_P(E2eSimple, RowsOutliveTheWriterAndTheStore) {
  EXPECT_THAT(OpenWriter(store_)->WriteBatch(EventBatch(0, 10)), IsOk());
  store_ = OpenStore();
  EXPECT_THAT(OpenWriter(store_)->WriteBatch(EventBatch(10, 10)), IsOk());
  store_ = OpenStore();
  EXPECT_EQ(Read(), EventRows(0, 20));
}

TEST_P(E2eSimple, EveryTelemetryTableIsMadeFromItsDefinition) {
  for (const char* const table :
       {"traces", "logs", "metrics_gauge", "metrics_sum", "metrics_histogram",
        "metrics_exponential_histogram", "metrics_summary"}) {
    EXPECT_THAT(CreateIcebergWriter(config_, store_, "my_tenant", "my_dataset", table), IsOk());
  }
  EXPECT_THAT(CreateIcebergWriter(config_, store_, "my_tenant", "my_dataset", "events"),
              IsErrorSaying(ErrorKind::kNotFound, "CreateIcebergWriterForTable"));
  EXPECT_THAT(CreateIcebergWriter(config_, store_, "my_tenant", "no/slash", "traces"),
              IsErrorSaying(ErrorKind::kInvalid, "name=\"no/slash\""));
}

TEST_P(E2eSimple, GaugesGoToThePartitionsOfTheirHours) {
  const auto writer =
      CreateIcebergWriter(config_, store_, "my_tenant", "my_dataset", "metrics_gauge");
  ASSERT_THAT(writer, IsOk());
  EXPECT_THAT((*writer)->WriteBatch(MakeGaugeBatch(7'200)), IsOk());
  EXPECT_THAT(OnDisk(".parquet"), SizeIs(2));
  const auto loaded = (*writer)->parts().committer->Load((*writer)->parts().table);
  const auto batches = ReadTable(*store_->parts().io, *loaded->metadata);
  ASSERT_THAT(batches, IsOk());
  std::int64_t rows = 0;
  for (const auto& batch : *batches) rows += batch->num_rows();
  EXPECT_EQ(rows, 7'200);
}

TEST_P(E2eSimple, WhatACrashLeavesIsRemovedByTheNextWriter) {
  EXPECT_THAT(OpenWriter(store_)->WriteBatch(EventBatch(0, 10)), IsOk());
  InAProcessThatDies([this] {
    const auto store = OpenStore();
    const auto writer = OpenWriter(store);
    std::ignore = writer->BeginTransaction();
    std::ignore = writer->WriteBatch(EventBatch(10, 10));
    std::ignore = writer->WriteBatch(EventBatch(20, 10));
    // As if a file was half written.
    const auto files = store->List();
    for (const std::string& file : *files) {
      if (!file.ends_with(".parquet")) continue;
      const std::string path = file.substr(std::string("file://").size());
      const auto slash = path.rfind('/') + 1;
      std::ofstream(path.substr(0, slash) + ".signaldb-tmp-" + path.substr(slash)) << "half";
    }
    ::_exit(0);
  });
  EXPECT_THAT(OnDisk("-0.parquet"), SizeIs(6)) << "one committed, two left behind, three halves";
  EXPECT_EQ(Read(), EventRows(0, 10));
  // Halves of what is committed are nobody's: the test made one up.
  EXPECT_THAT(OnDisk("-0.parquet"), SizeIs(2));
  EXPECT_THAT(OnDisk(".journal"), IsEmpty());
}

TEST_P(E2eSimple, ACommitThatACrashFollowsIsKept) {
  InAProcessThatDies([this] {
    const auto store = OpenStore();
    const auto writer = OpenWriter(store);
    std::ignore = writer->WriteBatch(EventBatch(0, 10));
    const auto id = writer->BeginTransaction();
    std::ignore = writer->WriteBatch(EventBatch(10, 10));
    // The journal as it is between the catalog's step and the note that all is over.
    std::vector<std::filesystem::path> journals;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "tables")) {
      if (entry.path().extension() == ".journal") journals.push_back(entry.path());
    }
    for (const auto& journal : journals) {
      std::filesystem::copy_file(journal, journal.parent_path() / "before.journal");
    }
    ::_exit(journals.size() == 1 && writer->CommitTransaction(*id).has_value() ? 0 : 1);
  });
  EXPECT_EQ(Read(), EventRows(0, 20));
  EXPECT_THAT(OnDisk("before.journal"), IsEmpty());
}

TEST_P(E2eSimple, TheFilesOfALivingWriterAreLeftAlone) {
  const auto alive = OpenWriter(store_);
  const auto id = alive->BeginTransaction();
  EXPECT_THAT(alive->WriteBatch(EventBatch(0, 10)), IsOk());
  const auto other = OpenWriter(OpenStore());
  EXPECT_THAT(other->WriteBatch(EventBatch(10, 10)), IsOk());
  EXPECT_THAT(alive->CommitTransaction(*id), IsOk());
  EXPECT_EQ(Read(), EventRows(0, 20));
}

TEST_P(E2eSimple, WritersInThreadsAndProcessesLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kCommits = 5;
  config_.retry.max_attempts = 100;
  config_.retry.initial_delay = std::chrono::milliseconds(1);
  config_.retry.max_delay = std::chrono::milliseconds(20);
  const auto write_some = [this](int first) {
    const auto writer = OpenWriter(OpenStore());
    for (int i = 0; i < kCommits; ++i) {
      if (!writer->WriteBatch(EventBatch(first + i, 1)).has_value()) return false;
    }
    return true;
  };
  OpenWriter(store_).reset();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(write_some(1'000) ? 0 : 1);
  std::atomic<int> done = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] { done += write_some(t * kCommits) ? 1 : 0; });
    }
  }
  int status = 1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(done, kThreads);
  Rows want = EventRows(0, kThreads * kCommits);
  for (const auto& row : EventRows(1'000, kCommits)) want.push_back(row);
  EXPECT_EQ(Read(), want);
}

TEST_P(E2eSimple, SeveralTablesChangeTogether) {
  const auto orders = OpenWriter(store_, "orders");
  const auto lines = OpenWriter(store_, "lines");
  {
    auto transaction = CatalogTransaction::Begin({*orders, *lines});
    ASSERT_THAT(transaction, IsOk());
    EXPECT_THAT((*transaction)->WriteBatch(*orders, EventBatch(0, 1)), IsOk());
    EXPECT_THAT((*transaction)->WriteBatch(*lines, EventBatch(0, 5)), IsOk());
    EXPECT_THAT((*transaction)->Commit(), IsOk());
  }
  EXPECT_EQ(Read("orders"), EventRows(0, 1));
  EXPECT_EQ(Read("lines"), EventRows(0, 5));
}

TEST_P(E2eSimple, AStoreThatIsNoneIsRefused) {
  EXPECT_THAT(ObjectStore::Open("gs://bucket/prefix"),
              IsErrorSaying(ErrorKind::kInvalid, "dsn=gs://bucket/prefix"));
  EXPECT_THAT(ObjectStore::Open("file:///with%20escape"),
              IsErrorSaying(ErrorKind::kInvalid, "cannot hold %"));
  config_.schema.catalog_type = "hive";
  EXPECT_THAT(CreateIcebergWriter(config_, store_, "t", "d", "traces"),
              IsErrorSaying(ErrorKind::kInvalid, "catalog_type=hive"));
  EXPECT_THAT(CreateIcebergWriter(Configuration(), nullptr, "t", "d", "traces"),
              IsErrorSaying(ErrorKind::kInvalid, "object store is null"));
  config_.schema.catalog_type = "sql";
  EXPECT_THAT(OpenWriter(store_)->WriteBatch(EventBatch(0, 1)), IsOk());
  EXPECT_EQ(Read(), EventRows(0, 1));
}

INSTANTIATE_TEST_SUITE_P(On, E2eSimple, ::testing::Values("sqlite", "postgres"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace signaldb

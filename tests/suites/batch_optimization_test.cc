#include <atomic>
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "suites/writer_world.h"

namespace signaldb {
namespace {

using ::testing::Each;
using testing::EventBatch;
using testing::EventRows;
using testing::EventSchema;
using ::testing::HasSubstr;
using testing::IsErrorSaying;
using testing::IsOk;
using ::testing::Lt;
using testing::Rows;
using ::testing::SizeIs;
using testing::WriterWorld;

// Rows of each row group of the table's only file, or files in order.
std::vector<std::int64_t> RowGroups(WriterWorld& world) {
  std::vector<std::int64_t> rows;
  for (const auto& batch : world.ReadBatches()) rows.push_back(batch->num_rows());
  return rows;
}

TEST(BatchOptimization, DefaultsAreThoseOfTheSpecification) {
  const BatchOptimizationConfig batch;
  EXPECT_EQ(batch.max_rows_per_batch, 50'000);
  EXPECT_EQ(batch.max_memory_per_batch_bytes, 128 * 1024 * 1024);
  EXPECT_TRUE(batch.enable_auto_split);
  EXPECT_TRUE(batch.enable_catalog_caching);
  EXPECT_EQ(batch.catalog_cache_ttl_seconds, 300);
}

TEST(BatchOptimization, SplitsByRowsInOneSnapshotAndOrder) {
  WriterWorld world;
  world.config.batch.max_rows_per_batch = 100;
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 250)), IsOk());
  EXPECT_EQ(RowGroups(world), (std::vector<std::int64_t>{100, 100, 50}));
  EXPECT_EQ(world.Read(), EventRows(0, 250));
  EXPECT_EQ(world.Snapshots(), 1);
  EXPECT_THAT(world.DataFiles(), SizeIs(1)) << "splitting for memory makes no small files";
}

TEST(BatchOptimization, SplitsAtTheExactLimitOnly) {
  for (const auto& [rows, groups] :
       std::vector<std::pair<std::int64_t, std::size_t>>{{99, 1}, {100, 1}, {101, 2}, {200, 2}}) {
    WriterWorld world;
    world.config.batch.max_rows_per_batch = 100;
    const auto writer = world.OpenWriter();
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, rows)), IsOk());
    EXPECT_THAT(RowGroups(world), SizeIs(groups)) << rows;
    EXPECT_EQ(world.Read(), EventRows(0, rows));
  }
}

TEST(BatchOptimization, SplitsByBytes) {
  WriterWorld world;
  world.config.batch.max_memory_per_batch_bytes = 10'000;
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 100, std::string(1'000, 'x'))), IsOk());
  const auto groups = RowGroups(world);
  EXPECT_GE(groups.size(), 10U);
  EXPECT_LE(groups.size(), 20U);
  EXPECT_EQ(world.Read(), EventRows(0, 100, std::string(1'000, 'x')));
}

TEST(BatchOptimization, ASingleRowOverTheLimitIsWrittenAlone) {
  WriterWorld world;
  world.config.batch.max_memory_per_batch_bytes = 100;
  const auto writer = world.OpenWriter();
  const std::string wide(5'000, 'w');
  EXPECT_THAT(writer->WriteBatches({EventBatch(0, 2, wide), EventBatch(2, 3)}), IsOk());
  const auto groups = RowGroups(world);
  EXPECT_EQ(groups.at(0), 1);
  EXPECT_EQ(groups.at(1), 1);
  Rows want = EventRows(0, 2, wide);
  for (const auto& row : EventRows(2, 3)) want.push_back(row);
  EXPECT_EQ(world.Read(), want);
}

TEST(BatchOptimization, WithoutAutoSplitABatchIsOneRowGroup) {
  WriterWorld world;
  world.config.batch = {.max_rows_per_batch = 10, .enable_auto_split = false};
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 100)), IsOk());
  EXPECT_EQ(RowGroups(world), std::vector<std::int64_t>{100});
}

TEST(BatchOptimization, FilesRollAtTheTargetSize) {
  WriterWorld world;
  world.config.batch.max_rows_per_batch = 10;
  const auto writer = world.OpenWriter(
      "events", {.schema = EventSchema(), .properties = {{"write.target-file-size-bytes", "1"}}});
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 50)), IsOk());
  EXPECT_THAT(world.DataFiles(), SizeIs(5));
  EXPECT_EQ(world.Read(), EventRows(0, 50));
  EXPECT_EQ(world.Snapshots(), 1);
}

TEST(BatchOptimization, PartitionsAreWrittenSideBySideAtEveryWidth) {
  for (const int concurrent : {1, 2, 8}) {
    WriterWorld world;
    world.config.batch.target_concurrent_batches = concurrent;
    const auto writer = world.OpenWriter(
        "events", {.schema = EventSchema(),
                   .partition_by = {{.column = "id", .transform = "bucket[8]", .name = ""}}});
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 400)), IsOk());
    EXPECT_THAT(world.DataFiles(), SizeIs(8));
    EXPECT_EQ(world.Read(), EventRows(0, 400));
  }
}

TEST(BatchOptimization, ALargePartitionIsEncodedInAsManyPartsAsAsked) {
  for (const int concurrent : {1, 3}) {
    WriterWorld world;
    world.config.batch.target_concurrent_batches = concurrent;
    const auto writer = world.OpenWriter();
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 600'000)), IsOk());
    EXPECT_THAT(world.DataFiles(), SizeIs(concurrent));
    std::int64_t rows = 0;
    for (const std::int64_t group : RowGroups(world)) rows += group;
    EXPECT_EQ(rows, 600'000);
  }
}

TEST(BatchOptimization, SortsEachBatchByTheTablesOrder) {
  WriterWorld world;
  const auto writer =
      world.OpenWriter("events", {.schema = EventSchema(), .sort_by = {{.column = "id"}}});
  EXPECT_THAT(writer->WriteBatches({EventBatch(50, 50), EventBatch(0, 50)}), IsOk());
  const auto batches = world.ReadBatches();
  ASSERT_THAT(batches, SizeIs(1));
  const auto& ids = static_cast<const arrow::Int64Array&>(*batches[0]->GetColumnByName("id"));
  for (std::int64_t i = 0; i < 100; ++i) ASSERT_EQ(ids.Value(i), i);
}

std::shared_ptr<arrow::RecordBatch> One(
    const std::vector<std::pair<std::shared_ptr<arrow::Field>, std::shared_ptr<arrow::Scalar>>>&
        columns) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const auto& [field, value] : columns) {
    fields.push_back(field);
    arrays.push_back(arrow::MakeArrayFromScalar(*value, 1).ValueOrDie());
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), 1, arrays);
}

TEST(BatchOptimization, TakesColumnsInAnyOrderMissingOrNarrower) {
  WriterWorld world;
  const auto writer = world.OpenWriter();
  const auto id = [](std::shared_ptr<arrow::DataType> type, int value) {
    return std::pair(arrow::field("id", type), arrow::MakeScalar(type, value).ValueOrDie());
  };
  const auto text = [](const std::shared_ptr<arrow::DataType>& type, const std::string& value) {
    return std::pair(arrow::field("body", type),
                     arrow::MakeScalar(value)->CastTo(type).ValueOrDie());
  };
  const auto id_then_body = One({id(arrow::int64(), 0), text(arrow::utf8(), "b0")});
  EXPECT_THAT(writer->WriteBatch(id_then_body), IsOk());
  EXPECT_THAT(writer->WriteBatch(One({text(arrow::utf8(), "b1"), id(arrow::int32(), 1)})), IsOk());
  EXPECT_THAT(writer->WriteBatch(One({id(arrow::int8(), 2), text(arrow::large_utf8(), "b2")})),
              IsOk());
  EXPECT_THAT(writer->WriteBatch(One({id(arrow::uint32(), 3)})), IsOk());
  Rows want = EventRows(0, 3);
  want.emplace_back(3, "null");
  EXPECT_EQ(world.Read(), want);
}

TEST(BatchOptimization, RefusesWhatWouldLoseAndNamesTheColumn) {
  WriterWorld world;
  const auto writer = world.OpenWriter();
  const auto id = std::pair(arrow::field("id", arrow::int64()), arrow::MakeScalar(std::int64_t{1}));
  struct Case {
    std::shared_ptr<arrow::RecordBatch> batch;
    std::string says;
  };
  const std::vector<Case> cases = {
      {One({{arrow::field("id", arrow::float64()), arrow::MakeScalar(1.5)}}), "column=id"},
      {One({{arrow::field("id", arrow::utf8()), arrow::MakeScalar("1")}}), "column=id"},
      {One({{arrow::field("id", arrow::int64()), arrow::MakeNullScalar(arrow::int64())}}),
       "a required column has nulls nulls=1 column=id"},
      {One({{arrow::field("body", arrow::utf8()), arrow::MakeScalar("x")}}),
       "a required column is missing or null column=id"},
      {One({id, {arrow::field("body", arrow::int64()), arrow::MakeScalar(std::int64_t{1})}}),
       "column=body"},
      {One({id, {arrow::field("more", arrow::utf8()), arrow::MakeScalar("x")}}), "column=more"},
      {One({id, id}), "a column twice column=id"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(writer->WriteBatch(c.batch), IsErrorSaying(ErrorKind::kInvalid, c.says));
  }
  EXPECT_EQ(world.Snapshots(), 0);
}

TEST(BatchOptimization, TheCacheTellsItsAgeAndCanBeCleared) {
  WriterWorld world;
  const auto writer = world.OpenWriter();
  EXPECT_EQ(writer->CatalogCacheInfo(), std::pair(std::uint64_t{0}, false));
  world.store->clock->SleepFor(std::chrono::seconds(299), {});
  EXPECT_EQ(writer->CatalogCacheInfo(), std::pair(std::uint64_t{299}, false));
  world.store->clock->SleepFor(std::chrono::seconds(1), {});
  EXPECT_EQ(writer->CatalogCacheInfo(), std::pair(std::uint64_t{300}, true));
  writer->ClearCatalogCache();
  EXPECT_EQ(writer->CatalogCacheInfo(), std::nullopt);
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
  EXPECT_EQ(writer->CatalogCacheInfo(), std::pair(std::uint64_t{0}, false));
  EXPECT_THAT(writer->SetBatchConfig({.enable_catalog_caching = false}), IsOk());
  EXPECT_EQ(writer->CatalogCacheInfo(), std::nullopt);
}

TEST(BatchOptimization, AStaleCacheNeverMakesAWrongCommit) {
  WriterWorld world;
  const auto first = world.OpenWriter();
  const auto second = world.OpenWriter();
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT((i % 2 == 0 ? first : second)->WriteBatch(EventBatch(i, 1)), IsOk());
  }
  EXPECT_EQ(world.Read(), EventRows(0, 10));
  EXPECT_EQ(world.Snapshots(), 10);
}

TEST(BatchOptimization, RefusesConfigurationsThatCannotWork) {
  WriterWorld world;
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->SetBatchConfig({.max_rows_per_batch = 0}),
              IsErrorSaying(ErrorKind::kInvalid, "field=max_rows_per_batch"));
  EXPECT_THAT(writer->SetBatchConfig({.max_memory_per_batch_bytes = 0}),
              IsErrorSaying(ErrorKind::kInvalid, "field=max_memory_per_batch_bytes"));
  EXPECT_THAT(writer->SetBatchConfig({.target_concurrent_batches = 0}),
              IsErrorSaying(ErrorKind::kInvalid, "field=target_concurrent_batches"));
  EXPECT_THAT(writer->SetPoolConfig({.min_connections = 3, .max_connections = 2}),
              IsErrorSaying(ErrorKind::kInvalid, "field=min_connections"));
  EXPECT_EQ(writer->batch_config(), BatchOptimizationConfig());
  EXPECT_THAT(writer->SetPoolConfig({.max_connections = 20}), IsOk());
  EXPECT_EQ(writer->pool_config().max_connections, 20);
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 1)), IsOk());
}

// What another writer of the same store has in encoding, until it dies.
struct Neighbour {
  Neighbour(WriterWorld& world, std::int64_t bytes)
      : share(world.store->parts().encoding_room, {.limit_bytes = bytes},
              *world.store->parts().clock, events),
        hold(share.Take(bytes)) {}

  NullEventListener events;
  EncodingShare share;
  Result<EncodingShare::Hold> hold;
};

TEST(BatchOptimization, AMemoryLimitMakesSmallerSlices) {
  WriterWorld world;
  world.config.memory.limit_bytes = 10'000;
  const auto writer = world.OpenWriter();
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 2'000)), IsOk());
  EXPECT_GT(RowGroups(world).size(), 2U);
  EXPECT_EQ(world.Read(), EventRows(0, 2'000));
  EXPECT_THAT(writer->WriteBatch(EventBatch(0, 1, std::string(20'000, 'x'))),
              IsErrorSaying(ErrorKind::kInvalid, "limit_bytes=10000"));
}

TEST(BatchOptimization, WithoutRoomAWriteFailsAtOnceIfConfiguredSo) {
  WriterWorld world;
  world.config.memory = {.limit_bytes = 100'000,
                         .when_exhausted = MemoryConfig::WhenExhausted::kFail};
  const auto totals = std::make_shared<MetricTotals>();
  world.config.metrics = totals;
  const auto writer = world.OpenWriter();
  const auto id = writer->BeginTransaction();
  ASSERT_THAT(writer->WriteBatch(EventBatch(0, 10)), IsOk());
  const auto files = world.DataFiles();
  {
    const Neighbour neighbour(world, 99'999);
    EXPECT_THAT(writer->WriteBatch(EventBatch(10, 10)),
                IsErrorSaying(ErrorKind::kUnavailable, "limit_bytes=100000"));
  }
  EXPECT_EQ(totals->Value("signaldb_writer_write_retries_total", {{"reason", "unavailable"}}), 0);
  EXPECT_EQ(totals->Value("signaldb_writer_encoding_waits_total", {{"outcome", "refused"}}), 1);
  EXPECT_EQ(world.DataFiles(), files);
  EXPECT_THAT(writer->WriteBatch(EventBatch(10, 10)), IsOk());
  EXPECT_THAT(writer->CommitTransaction(*id), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 20));
}

TEST(BatchOptimization, WithoutRoomAWriteWaitsForOthers) {
  WriterWorld world;
  world.config.memory.limit_bytes = 100'000;
  const auto writer = world.OpenWriter();
  auto neighbour = std::make_unique<Neighbour>(world, 100'000);
  std::atomic<bool> done = false;
  std::jthread other([&] {
    EXPECT_THAT(writer->WriteBatch(EventBatch(0, 10)), IsOk());
    done = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(done);
  neighbour.reset();
  other.join();
  EXPECT_EQ(world.Read(), EventRows(0, 10));
}

// Looks, whenever a file is finished, at how much memory Arrow has.
class MemoryWatch final : public MetricListener {
 public:
  void Count(std::string_view, double, Labels) override {}
  void Gauge(std::string_view, double, Labels) override {}
  void Observe(std::string_view metric, double, Labels) override {
    if (metric != "signaldb_writer_data_file_bytes") return;
    files.push_back(arrow::default_memory_pool()->bytes_allocated() - before);
  }

  const std::int64_t before = arrow::default_memory_pool()->bytes_allocated();
  std::vector<std::int64_t> files;
};

TEST(BatchOptimization, RowsThatStayAreWrittenWithinTheMemoryLimit) {
  constexpr std::int64_t kLimit = 256 << 10;
  constexpr std::int64_t kRows = 20'000;
  const std::string long_text(200, 'x');
  // In the first row group a row matches, in the last, long after the limit, or in none.
  for (const RowFilter& filter : {RowFilter::Equal("body", long_text + "0"),
                                  RowFilter::Equal("body", long_text + std::to_string(kRows - 1)),
                                  RowFilter::Equal("body", long_text)}) {
    WriterWorld world;
    world.config.batch.max_rows_per_batch = 500;
    ASSERT_THAT(world.OpenWriter()->WriteBatch(EventBatch(0, kRows, long_text)), IsOk());
    ASSERT_THAT(world.DataFiles(), SizeIs(1)) << "of 4 MB, in 40 row groups";
    world.config.memory.limit_bytes = kLimit;
    const auto watch = std::make_shared<MemoryWatch>();
    world.config.metrics = watch;
    const auto report = world.OpenWriter()->DeleteWhere(filter);
    ASSERT_THAT(report, IsOk());
    if (report->rows_deleted == 0) {
      EXPECT_EQ(filter.values()[0], RowFilter::Value(long_text));
      EXPECT_THAT(world.DataFiles(), SizeIs(1)) << "nothing is written for nothing";
      continue;
    }
    EXPECT_EQ(report->rows_deleted, 1);
    EXPECT_EQ(report->files_rewritten, 1);
    EXPECT_THAT(world.Read(), SizeIs(kRows - 1));
    EXPECT_EQ(world.DataFiles().size(), 1 + watch->files.size());
    EXPECT_GE(watch->files.size(), 4'000'000 / (2 * kLimit));
    // The rows that are kept, those of a slice, what Parquet has of it, and a row group.
    EXPECT_THAT(watch->files, Each(Lt(4 * kLimit)));
  }
}

TEST(BatchOptimization, RowsThatStayFromASmallFileStayInOne) {
  WriterWorld world;
  world.config.batch.max_rows_per_batch = 10;
  const auto writer = world.OpenWriter();
  ASSERT_THAT(writer->WriteBatch(EventBatch(0, 100)), IsOk());
  ASSERT_THAT(writer->DeleteWhere(RowFilter::GreaterOrEqual("id", std::int64_t{55})), IsOk());
  EXPECT_EQ(world.Read(), EventRows(0, 55));
  EXPECT_THAT(world.DataFiles(), SizeIs(2));
}

TEST(BatchOptimization, SizesAndTimesAreTold) {
  WriterWorld world;
  const auto totals = std::make_shared<MetricTotals>();
  world.config.metrics = totals;
  const auto writer = world.OpenWriter();
  ASSERT_THAT(writer->WriteBatch(EventBatch(0, 5)), IsOk());
  ASSERT_THAT(writer->WriteBatch(EventBatch(5, 100)), IsOk());
  for (const MetricSample& sample : totals->Snapshot()) {
    if (sample.name != "signaldb_writer_batch_rows") continue;
    EXPECT_EQ(sample.kind, MetricSample::Kind::kHistogram);
    EXPECT_EQ(sample.value, 105);
    EXPECT_EQ(sample.count, 2U);
    EXPECT_EQ(sample.buckets.at(1), (std::pair<double, std::uint64_t>(4, 0)));
    EXPECT_EQ(sample.buckets.at(2), (std::pair<double, std::uint64_t>(16, 1)));
    EXPECT_EQ(sample.buckets.back().second, 2U);
    EXPECT_THAT(sample.help, HasSubstr("Rows of one table"));
  }
  for (const char* const metric : {"batch_rows", "batch_bytes", "encode_duration_seconds",
                                   "commit_duration_seconds", "data_file_bytes"}) {
    EXPECT_EQ(totals->Value(std::string("signaldb_writer_") + metric), 2) << metric;
  }
  EXPECT_EQ(totals->Value("signaldb_writer_transactions_total", {{"outcome", "committed"}}), 2);
}

TEST(MetricTotals, KeepsNoMoreLabelSetsThanItsLimit) {
  MetricTotals totals;
  for (std::size_t i = 0; i < MetricTotals::kLabelSetsMax + 10; ++i) {
    const std::string value = std::to_string(i);
    const std::pair<std::string_view, std::string_view> label("table", value);
    totals.Count("signaldb_writer_commits_total", 1, {&label, 1});
  }
  EXPECT_THAT(totals.Snapshot(), SizeIs(MetricTotals::kLabelSetsMax + 1));
  EXPECT_EQ(totals.Value("signaldb_writer_commits_total", {{"table", "other"}}), 10);
}

}  // namespace
}  // namespace signaldb

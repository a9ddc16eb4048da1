// What a committed batch costs through the library: beside Arrow's own Parquet writer on the same
// rows, by the age of the table, in transactions, with several writers, and split.
//
//   iceberg_benchmarks [--quick] [--benchmark_filter=single_batch] [--benchmark_out=FILE]
//
// Whatever is compared is done by turns in one run (see measurement.h for the counters). Every
// commit is a real one: files in place, catalog in SQLite. With store:disk both sides sync their
// files; with store:memory (tmpfs) syncing costs neither of them anything. --quick does everything
// once with few rows: to see that it works, not to measure.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "bench_place.h"
#include "bench_rows.h"
#include "measurement.h"

namespace signaldb {
namespace {

constexpr std::int64_t kBatchRows = 50'000;
constexpr std::int64_t kMillion = 1'000'000;

/// How much of everything is done.
class Scale {
 public:
  explicit Scale(bool quick) : quick_(quick) {}
  [[nodiscard]] bool is_quick() const { return quick_; }
  [[nodiscard]] std::int64_t Rows(std::int64_t rows) const {
    return quick_ ? std::min<std::int64_t>(rows, 2'000) : rows;
  }
  [[nodiscard]] std::int64_t Pairs(std::int64_t pairs) const { return quick_ ? 1 : pairs; }

 private:
  bool quick_;
};

void Register(const std::string& name, std::int64_t iterations,
              std::function<void(benchmark::State&)> body) {
  benchmark::RegisterBenchmark(name.c_str(), std::move(body))
      ->Iterations(iterations)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

Batches Copies(const std::shared_ptr<arrow::RecordBatch>& batch, std::int64_t count) {
  return Batches(static_cast<std::size_t>(count), batch);
}

// A batch, one commit; beside it a Parquet file.
void SingleBatch(benchmark::State& state, RowKind kind, std::int64_t rows, Codec codec,
                 Medium medium) {
  BenchPlace place(medium);
  const auto writer = place.Writer(kind, codec);
  PlainParquet plain(place.path(), codec);
  const Batches batch = {MakeRows(kind, rows)};
  RunPairs(state, static_cast<double>(rows),
           {.ours = [&] { Check(writer->WriteBatch(batch.front())); },
            .theirs = [&] { plain.Write(batch); },
            .tidy_up = [&] { plain.RemoveFiles(); }});
}

void RegisterSingleBatch(const Scale& scale) {
  const auto add = [&](RowKind kind, std::int64_t rows, Codec codec, Medium medium,
                       std::int64_t pairs) {
    Register(fmt::format("single_batch/{}/rows:{}/codec:{}/store:{}", ToString(kind), rows,
                         ToString(codec), ToString(medium)),
             scale.Pairs(pairs), [=](benchmark::State& state) {
               SingleBatch(state, kind, scale.Rows(rows), codec, medium);
             });
  };
  for (const Medium medium : {Medium::kDisk, Medium::kMemory}) {
    for (const Codec codec : {Codec::kDefault, Codec::kSnappy, Codec::kZstd, Codec::kNone}) {
      add(RowKind::kRequests, kBatchRows, codec, medium, 40);
      add(RowKind::kRequests, kMillion, codec, medium, 8);
    }
    add(RowKind::kGauges, kBatchRows, Codec::kDefault, medium, 40);
    add(RowKind::kGauges, kMillion, Codec::kDefault, medium, 8);
  }
  for (const std::int64_t rows : {1'000, 10'000}) {
    add(RowKind::kRequests, rows, Codec::kDefault, Medium::kDisk, 40);
  }
}

// Several batches, one commit; beside it one Parquet file.
enum class MultiWay : std::uint8_t { kOneCall, kTransaction };

void MultiBatch(benchmark::State& state, std::int64_t count, MultiWay way, const Scale& scale) {
  BenchPlace place(Medium::kDisk);
  const auto writer = place.Writer(RowKind::kRequests, Codec::kDefault);
  PlainParquet plain(place.path(), Codec::kDefault);
  const std::int64_t rows = scale.Rows(kBatchRows);
  const Batches batches = Copies(MakeRows(RowKind::kRequests, rows), count);
  const auto one_call = [&] { Check(writer->WriteBatches(batches)); };
  const auto transaction = [&] {
    const std::string id = Check(writer->BeginTransaction());
    for (const auto& batch : batches) Check(writer->WriteBatch(batch));
    Check(writer->CommitTransaction(id));
  };
  RunPairs(state, static_cast<double>(rows * count),
           {.ours = way == MultiWay::kOneCall ? std::function<void()>(one_call) : transaction,
            .theirs = [&] { plain.Write(batches); },
            .tidy_up = [&] { plain.RemoveFiles(); }});
}

void RegisterMultiBatch(const Scale& scale) {
  for (const std::int64_t count : {4, 20}) {
    for (const MultiWay way : {MultiWay::kOneCall, MultiWay::kTransaction}) {
      Register(fmt::format("multi_batch/batches:{}/{}", count,
                           way == MultiWay::kOneCall ? "one_call" : "transaction"),
               scale.Pairs(count > 10 ? 8 : 20),
               [=](benchmark::State& state) { MultiBatch(state, count, way, scale); });
    }
  }
}

// Batches in one transaction, beside each in its own: the difference is what transactions cost.
void OneForAll(benchmark::State& state, std::int64_t rows, std::int64_t count) {
  BenchPlace place(Medium::kDisk);
  const auto writer = place.Writer(RowKind::kRequests, Codec::kDefault);
  const auto batch = MakeRows(RowKind::kRequests, rows);
  const auto together = [&] {
    const std::string id = Check(writer->BeginTransaction());
    for (std::int64_t i = 0; i < count; ++i) Check(writer->WriteBatch(batch));
    Check(writer->CommitTransaction(id));
  };
  const auto apart = [&] {
    for (std::int64_t i = 0; i < count; ++i) Check(writer->WriteBatch(batch));
  };
  RunPairs(state, static_cast<double>(rows * count),
           {.ours = together, .theirs = apart, .tidy_up = {}});
  const double difference_ms = state.counters["theirs_ms"] - state.counters["ours_ms"];
  state.counters["overhead_per_batch_ms"] = difference_ms / static_cast<double>(count - 1);
}

// The steps of a transaction of one batch, and of one that is rolled back.
void Steps(benchmark::State& state, std::int64_t rows) {
  BenchPlace place(Medium::kDisk);
  const auto writer = place.Writer(RowKind::kRequests, Codec::kDefault);
  const auto batch = MakeRows(RowKind::kRequests, rows);
  Check(writer->WriteBatch(batch));
  std::vector<double> begin;
  std::vector<double> write;
  std::vector<double> commit;
  std::vector<double> rollback;
  for (auto unused : state) {
    static_cast<void>(unused);
    std::string id;
    begin.push_back(CostOf([&] { id = Check(writer->BeginTransaction()); }).wall_s);
    write.push_back(CostOf([&] { Check(writer->WriteBatch(batch)); }).wall_s);
    commit.push_back(CostOf([&] { Check(writer->CommitTransaction(id)); }).wall_s);
    state.SetIterationTime(begin.back() + write.back() + commit.back());
    id = Check(writer->BeginTransaction());
    Check(writer->WriteBatch(batch));
    rollback.push_back(CostOf([&] { Check(writer->RollbackTransaction(id)); }).wall_s);
  }
  const auto median_ms = [](const std::vector<double>& values) {
    return Quantile(values, 0.5) * 1e3;
  };
  state.counters["begin_ms"] = median_ms(begin);
  state.counters["write_ms"] = median_ms(write);
  state.counters["commit_ms"] = median_ms(commit);
  state.counters["rollback_ms"] = median_ms(rollback);
  state.counters["commit_share"] = median_ms(commit) / (median_ms(write) + median_ms(commit));
}

// What a table does with its history.
enum class History : std::uint8_t {
  kKept,     // As Iceberg has it: all snapshots for five days, every metadata file for ever.
  kBounded,  // As tables of the library have it.
};

StringMap PropertiesOf(History history) {
  if (history == History::kBounded) return {};
  return {{"signaldb.expire-on-commit.enabled", "false"},
          {"write.metadata.delete-after-commit.enabled", "false"},
          {"write.metadata.previous-versions-max", "100"}};
}

// A table that gets commits of 100 rows, one after the other.
class GrowingTable {
 public:
  GrowingTable(Medium medium, History history)
      : place_(medium),
        writer_(place_.Writer(RowKind::kRequests, Codec::kDefault, PropertiesOf(history))),
        batch_(MakeRows(RowKind::kRequests, 100)) {}

  void Commit() {
    Check(writer_->WriteBatch(batch_));
    ++commits_;
  }
  void GrowTo(std::int64_t commits) {
    while (commits_ < commits) Commit();
  }
  [[nodiscard]] std::int64_t commits() const { return commits_; }

 private:
  BenchPlace place_;
  std::unique_ptr<IcebergTableWriter> writer_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::int64_t commits_ = 0;
};

constexpr std::int64_t kYoung = 9;      // Commits behind a young table: the next is its 10th.
constexpr std::int64_t kYoungMax = 50;  // It is replaced by another then.

// Commits to a table that has `nth` of them, by turns with commits to a young one.
void NthCommit(benchmark::State& state, const std::shared_ptr<GrowingTable>& old, std::int64_t nth,
               Medium medium, History history) {
  old->GrowTo(nth - 1);
  auto young = std::make_unique<GrowingTable>(medium, history);
  young->GrowTo(kYoung);
  RunPairs(state, 100,
           {.ours = [&] { old->Commit(); },
            .theirs = [&] { young->Commit(); },
            .tidy_up =
                [&] {
                  if (young->commits() < kYoungMax) return;
                  young = std::make_unique<GrowingTable>(medium, history);
                  young->GrowTo(kYoung);
                }});
  state.counters["young_ms"] = state.counters["theirs_ms"];
  state.counters["growth"] = 1 / state.counters["speed"];
  state.counters["cpu_growth"] = 1 / state.counters["cpu_speed"];
}

void RegisterNthCommits(const Scale& scale, Medium medium, History history,
                        const std::vector<std::int64_t>& points) {
  // Grows from one benchmark to the next, and is only made if one of them runs.
  const auto old = std::make_shared<std::shared_ptr<GrowingTable>>();
  for (const std::int64_t nth : points) {
    if (scale.is_quick() && nth > 10) break;
    Register(fmt::format("transaction_overhead/nth_commit/store:{}/history:{}/nth:{}",
                         ToString(medium), history == History::kKept ? "kept" : "bounded", nth),
             scale.Pairs(50), [=](benchmark::State& state) {
               if (*old == nullptr) *old = std::make_shared<GrowingTable>(medium, history);
               NthCommit(state, *old, nth, medium, history);
             });
  }
}

void RegisterTransactionOverhead(const Scale& scale) {
  for (const std::int64_t rows : {std::int64_t{100}, kBatchRows}) {
    Register(fmt::format("transaction_overhead/steps/rows:{}", rows), scale.Pairs(50),
             [=](benchmark::State& state) { Steps(state, scale.Rows(rows)); });
    for (const std::int64_t count : {2, 10}) {
      Register(fmt::format("transaction_overhead/one_for_all/rows:{}/batches:{}", rows, count),
               scale.Pairs(rows > 1'000 ? 8 : 20),
               [=](benchmark::State& state) { OneForAll(state, scale.Rows(rows), count); });
    }
  }
  for (const Medium medium : {Medium::kDisk, Medium::kMemory}) {
    RegisterNthCommits(scale, medium, History::kBounded, {10, 100, 500, 1'000, 10'000});
    // Ten thousand commits would leave 40 GB of metadata behind.
    RegisterNthCommits(scale, medium, History::kKept, {10, 100, 500});
  }
}

void InThreads(std::size_t threads, const std::function<void(std::size_t)>& body) {
  std::vector<std::jthread> running;
  for (std::size_t i = 0; i < threads; ++i) running.emplace_back([&body, i] { body(i); });
}

// Writers of one table, each in its thread, beside as many threads with plain files.
void ConcurrentWriters(benchmark::State& state, std::size_t threads, const Scale& scale) {
  constexpr int kCommits = 2;
  BenchPlace place(Medium::kDisk);
  std::vector<std::unique_ptr<IcebergTableWriter>> writers;
  for (std::size_t i = 0; i < threads; ++i) {
    writers.push_back(place.Writer(RowKind::kRequests, Codec::kDefault));
    // As suits writers in a loop beside others: the defaults wait 100 ms after a conflict.
    Check(writers.back()->SetRetryConfig(
        {.max_attempts = 100, .initial_delay = std::chrono::milliseconds(5)}));
  }
  PlainParquet plain(place.path(), Codec::kDefault);
  const std::int64_t rows = scale.Rows(kBatchRows);
  const Batches batch = {MakeRows(RowKind::kRequests, rows)};
  const auto ours = [&](std::size_t i) {
    for (int n = 0; n < kCommits; ++n) Check(writers[i]->WriteBatch(batch.front()));
  };
  const auto theirs = [&](std::size_t) {
    for (int n = 0; n < kCommits; ++n) plain.Write(batch);
  };
  RunPairs(state, static_cast<double>(rows) * kCommits * static_cast<double>(threads),
           {.ours = [&] { InThreads(threads, ours); },
            .theirs = [&] { InThreads(threads, theirs); },
            .tidy_up = [&] { plain.RemoveFiles(); }});
}

// A million rows in one commit with so many encoders, beside one encoder.
void ConcurrentEncoders(benchmark::State& state, int encoders, const Scale& scale) {
  BenchPlace place(Medium::kDisk);
  place.config().batch.target_concurrent_batches = encoders;
  const auto many = place.Writer(RowKind::kRequests, Codec::kDefault);
  place.config().batch.target_concurrent_batches = 1;
  const auto one = place.Writer(RowKind::kRequests, Codec::kDefault);
  const std::int64_t rows = scale.Rows(kMillion);
  const auto batch = MakeRows(RowKind::kRequests, rows);
  RunPairs(state, static_cast<double>(rows),
           {.ours = [&] { Check(many->WriteBatch(batch)); },
            .theirs = [&] { Check(one->WriteBatch(batch)); },
            .tidy_up = {}});
}

void RegisterConcurrent(const Scale& scale) {
  for (const std::size_t threads : {1, 2, 4, 8}) {
    Register(fmt::format("concurrent/writers:{}", threads), scale.Pairs(10),
             [=](benchmark::State& state) { ConcurrentWriters(state, threads, scale); });
  }
  for (const int encoders : {2, 4}) {
    Register(fmt::format("concurrent/encoders:{}", encoders), scale.Pairs(8),
             [=](benchmark::State& state) { ConcurrentEncoders(state, encoders, scale); });
  }
}

// A large batch cut into slices, beside the same in one piece.
void BatchSplitting(benchmark::State& state, const BatchOptimizationConfig& limits,
                    const Scale& scale) {
  BenchPlace place(Medium::kDisk);
  place.config().batch = limits;
  const auto split = place.Writer(RowKind::kRequests, Codec::kDefault);
  place.config().batch = {.enable_auto_split = false};
  const auto whole = place.Writer(RowKind::kRequests, Codec::kDefault);
  const std::int64_t rows = scale.Rows(4 * kBatchRows);
  const auto batch = MakeRows(RowKind::kRequests, rows);
  RunPairs(state, static_cast<double>(rows),
           {.ours = [&] { Check(split->WriteBatch(batch)); },
            .theirs = [&] { Check(whole->WriteBatch(batch)); },
            .tidy_up = {}});
}

void RegisterBatchSplitting(const Scale& scale) {
  const auto add = [&](const std::string& name, const BatchOptimizationConfig& limits) {
    Register("batch_splitting/" + name, scale.Pairs(15),
             [=](benchmark::State& state) { BatchSplitting(state, limits, scale); });
  };
  for (const std::int64_t rows : {2'000, 10'000, 50'000}) {
    add(fmt::format("rows:{}", rows), {.max_rows_per_batch = rows});
  }
  for (const std::int64_t mebibytes : {1, 8}) {
    add(fmt::format("mebibytes:{}", mebibytes), {.max_memory_per_batch_bytes = mebibytes << 20});
  }
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  char** const end = std::remove(argv, argv + argc, std::string_view("--quick"));
  const signaldb::Scale scale(end != argv + argc);
  argc = static_cast<int>(end - argv);
  signaldb::RegisterSingleBatch(scale);
  signaldb::RegisterMultiBatch(scale);
  signaldb::RegisterTransactionOverhead(scale);
  signaldb::RegisterConcurrent(scale);
  signaldb::RegisterBatchSplitting(scale);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

// How fast are manifests encoded and decoded, and what does the smallest one cost?
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "iceberg/manifest/manifest.h"
#include "testing/manifest_samples.h"

namespace signaldb {
namespace {

constexpr std::int64_t kSnapshot = 1;
constexpr std::int32_t kHourAndBucket = 2;
constexpr int kEntries = 10'000;

/// What a writer of telemetry adds: full metrics for every column, bounds of 8 to 16 bytes, paths
/// that differ in their end only.
ManifestEntry TelemetryEntry(std::mt19937_64& random, int columns) {
  ManifestEntry entry;
  DataFile& file = entry.data_file;
  file.file_path =
      "file:///var/lib/signaldb/warehouse/default/logs/data/timestamp_hour=2026-11-22-13/" +
      std::to_string(random()) + "-00001.parquet";
  file.spec_id = kHourAndBucket;
  file.partition = {Literal{std::int32_t{498'000} + static_cast<std::int32_t>(random() % 24)},
                    Literal{static_cast<std::int32_t>(random() % 8)}};
  file.record_count = static_cast<std::int64_t>(random() % 1'000'000);
  file.file_size_in_bytes = file.record_count * 40;
  for (std::int32_t id = 1; id <= columns; ++id) {
    file.column_sizes[id] = static_cast<std::int64_t>(random() % 1'000'000);
    file.value_counts[id] = file.record_count;
    file.null_value_counts[id] = static_cast<std::int64_t>(random() % 100);
    std::string bound(id % 3 == 0 ? 16 : 8, 'a');
    for (std::size_t i = bound.size() / 2; i < bound.size(); ++i) {
      bound[i] = static_cast<char>(random());
    }
    file.lower_bounds[id] = bound;
    file.upper_bounds[id] = bound;
  }
  file.split_offsets = {4};
  file.sort_order_id = 1;
  return entry;
}

std::vector<ManifestEntry> TelemetryEntries(int count, int columns) {
  std::mt19937_64 random(1);
  std::vector<ManifestEntry> entries;
  for (int i = 0; i < count; ++i) entries.push_back(TelemetryEntry(random, columns));
  return entries;
}

ManifestContext ContextFor(const TableMetadata& table) {
  return {
      .schema = &table.schema(), .spec = table.SpecById(kHourAndBucket), .snapshot_id = kSnapshot};
}

void EncodeEntries(benchmark::State& state) {
  const TableMetadata table = testing::SampleTable();
  const auto entries = TelemetryEntries(kEntries, static_cast<int>(state.range(0)));
  std::size_t bytes = 0;
  for (auto _ : state) bytes = EncodeManifest(ContextFor(table), entries)->bytes.size();
  state.SetItemsProcessed(state.iterations() * kEntries);
  state.counters["bytes_per_entry"] = static_cast<double>(bytes) / kEntries;
}
BENCHMARK(EncodeEntries)->ArgName("columns")->Arg(10)->Arg(24)->Unit(benchmark::kMillisecond);

void DecodeEntries(benchmark::State& state) {
  const TableMetadata table = testing::SampleTable();
  auto manifest = EncodeManifest(ContextFor(table),
                                 TelemetryEntries(kEntries, static_cast<int>(state.range(0))));
  manifest->file.sequence_number = 1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(DecodeManifest(manifest->bytes, manifest->file, table)->size());
  }
  state.SetItemsProcessed(state.iterations() * kEntries);
}
BENCHMARK(DecodeEntries)->ArgName("columns")->Arg(10)->Arg(24)->Unit(benchmark::kMillisecond);

void EncodeOneEntry(benchmark::State& state) {
  const TableMetadata table = testing::SampleTable();
  const auto entries = TelemetryEntries(1, static_cast<int>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(EncodeManifest(ContextFor(table), entries)->bytes.size());
  }
}
BENCHMARK(EncodeOneEntry)->ArgName("columns")->Arg(10)->Arg(24)->Unit(benchmark::kMicrosecond);

void EncodeOneEntryWithHeaderMade(benchmark::State& state) {
  const TableMetadata table = testing::SampleTable();
  const auto entries = TelemetryEntries(1, static_cast<int>(state.range(0)));
  const auto encoder = ManifestEncoder::Make(ContextFor(table));
  for (auto _ : state) {
    benchmark::DoNotOptimize(encoder->Encode(kSnapshot, entries)->bytes.size());
  }
}
BENCHMARK(EncodeOneEntryWithHeaderMade)
    ->ArgName("columns")
    ->Arg(10)
    ->Arg(24)
    ->Unit(benchmark::kMicrosecond);

std::vector<ManifestFile> TelemetryManifests(std::int64_t count) {
  std::mt19937_64 random(1);
  std::vector<ManifestFile> files;
  for (std::int64_t i = 0; i < count; ++i) {
    ManifestFile& file = files.emplace_back(testing::RandomManifestFile(random));
    file.manifest_path = "file:///var/lib/signaldb/warehouse/default/logs/metadata/" +
                         std::to_string(random()) + "-m0.avro";
  }
  return files;
}

void EncodeList(benchmark::State& state) {
  const auto files = TelemetryManifests(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(EncodeManifestList({}, files)->size());
}
BENCHMARK(EncodeList)->ArgName("rows")->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void AppendToList(benchmark::State& state) {
  const std::string previous = *EncodeManifestList({}, TelemetryManifests(state.range(0)));
  const auto added = TelemetryManifests(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(AppendManifestList({}, added, previous, "previous")->size());
  }
}
BENCHMARK(AppendToList)->ArgName("rows")->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace signaldb

BENCHMARK_MAIN();

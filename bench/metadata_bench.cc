// What a commit spends on metadata.json, by the number of snapshots in it.
#include <string>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "iceberg/metadata/table_metadata.h"

namespace signaldb {
namespace {

constexpr std::int64_t kStartMs = 1'700'000'000'000;

// A summary as our appends write it.
Properties SummaryOf(std::int64_t number) {
  return {
      {"added-data-files", "3"},
      {"added-files-size", fmt::to_string(1'000'000 + number)},
      {"added-records", fmt::to_string(10'000 + number)},
      {"changed-partition-count", "2"},
      {"engine-name", "signaldb"},
      {"engine-version", "0.1.0"},
      {"signaldb.commit-id", fmt::format("018f3f2a-7b1c-7000-8000-{:012}", number)},
      {"total-data-files", fmt::to_string(3 * number)},
      {"total-delete-files", "0"},
      {"total-equality-deletes", "0"},
      {"total-files-size", fmt::to_string(1'000'000 * number)},
      {"total-position-deletes", "0"},
      {"total-records", fmt::to_string(10'000 * number)},
  };
}

Snapshot SnapshotNumber(std::int64_t number) {
  Snapshot snapshot;
  snapshot.snapshot_id = 3'000'000'000'000'000'000 + number;
  if (number > 1) snapshot.parent_snapshot_id = snapshot.snapshot_id - 1;
  snapshot.sequence_number = number;
  snapshot.timestamp_ms = kStartMs + number * 5'000;
  snapshot.operation = "append";
  snapshot.summary = SummaryOf(number);
  snapshot.manifest_list = fmt::format(
      "s3://bucket/warehouse/default/default/logs/metadata/"
      "snap-{}-1-5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10.avro",
      snapshot.snapshot_id);
  snapshot.schema_id = 0;
  return snapshot;
}

TableMetadata TableWith(std::int64_t snapshots) {
  NewTable table;
  table.table_uuid = "5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10";
  table.location = "s3://bucket/warehouse/default/default/logs";
  for (std::int32_t id = 1; id <= 20; ++id) {
    table.schema.fields.push_back(
        {.id = id, .name = fmt::format("column_{}", id), .type = Type(TypeId::kTimestampTz)});
  }
  table.spec.fields = {{1, 0, "column_1_hour", Transform::FromText("hour")}};
  table.now_ms = kStartMs;
  TableMetadata metadata = MakeTableMetadata(std::move(table)).value();
  for (std::int64_t number = 1; number <= snapshots; ++number) {
    const std::string base = NextMetadataLocation(metadata, std::nullopt, metadata.table_uuid);
    const std::int64_t updated = metadata.last_updated_ms;
    SIGNALDB_ASSERT(AddSnapshotToMain(metadata, SnapshotNumber(number)).has_value());
    benchmark::DoNotOptimize(AdvanceMetadataLog(metadata, base, updated, updated));
  }
  return metadata;
}

void ParseMetadata(benchmark::State& state) {
  const std::string text = SerializeTableMetadata(TableWith(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(ParseTableMetadata(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void SerializeMetadata(benchmark::State& state) {
  const TableMetadata metadata = TableWith(state.range(0));
  std::size_t bytes = 0;
  for (auto _ : state) bytes = SerializeTableMetadata(metadata).size();
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void CopyMetadata(benchmark::State& state) {
  const TableMetadata metadata = TableWith(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(TableMetadata(metadata));
}

// What one commit does when the metadata before it is in memory.
void NextVersion(benchmark::State& state) {
  const TableMetadata base = TableWith(state.range(0));
  const Snapshot snapshot = SnapshotNumber(state.range(0) + 1);
  for (auto _ : state) {
    TableMetadata next = base;
    SIGNALDB_ASSERT(AddSnapshotToMain(next, snapshot).has_value());
    benchmark::DoNotOptimize(
        AdvanceMetadataLog(next, "s3://bucket/x", base.last_updated_ms, kStartMs));
    benchmark::DoNotOptimize(EncodeMetadataFile(next));
  }
}

void EncodeGzip(benchmark::State& state) {
  TableMetadata metadata = TableWith(state.range(0));
  metadata.properties["write.metadata.compression-codec"] = "gzip";
  std::size_t bytes = 0;
  for (auto _ : state) bytes = EncodeMetadataFile(metadata)->size();
  state.counters["packed_bytes"] = static_cast<double>(bytes);
}

BENCHMARK(ParseMetadata)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK(SerializeMetadata)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK(CopyMetadata)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK(NextVersion)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK(EncodeGzip)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace signaldb

BENCHMARK_MAIN();

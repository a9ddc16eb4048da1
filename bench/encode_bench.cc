// What does a log record cost from decoded rows to Parquet bytes, next to Arrow's own writer?
//
// Both sides write the same rows with zstd 1 on one thread: ours sorts and encodes decoded batches
// (dictionaries known), Arrow's default writer gets plain columns in the order they came.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <arrow/io/memory.h>
#include <fmt/format.h>
#include <parquet/arrow/writer.h>

#include "adapters/memory/memory_file_io.h"
#include "iceberg/data_file/data_file_writer.h"
#include "iceberg/schema/schema.h"
#include "telemetry/decode.h"
#include "telemetry/table_definition.h"
#include "testing/otlp_samples.h"
#include "writer/sort_rows.h"

namespace signaldb {
namespace {

constexpr int kRequests = 50;
constexpr int kRecordsPerRequest = 1'000;
constexpr int kRounds = 8;

[[noreturn]] void Die(std::string_view what) {
  fmt::print(stderr, "{}\n", what);
  std::abort();
}

template <typename T>
T Check(Result<T> result) {
  if (!result.has_value()) Die(result.error().message);
  return std::move(*result);
}

/// How the times of requests lie to each other.
enum class Senders : std::uint8_t {
  kInTurn,  ///< Each request begins in the middle of the one before.
  kAtOnce,  ///< All at the same time: rows of one service interleave one by one.
};

std::vector<std::shared_ptr<arrow::RecordBatch>> DecodedBatches(Signal signal, TableKind kind,
                                                                Senders senders) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (int i = 0; i < kRequests; ++i) {
    testing::OtlpSampleOptions sample;
    sample.seed = static_cast<std::uint64_t>(i) + 1;
    sample.records = kRecordsPerRequest;
    sample.first_sequence = static_cast<std::uint64_t>(i) * kRecordsPerRequest;
    const std::uint64_t apart = senders == Senders::kInTurn ? 500'000'000 : 1'000;
    sample.first_time_unix_nano += static_cast<std::uint64_t>(i) * apart;
    DecodeOptions options;
    options.received_at = Nanos(static_cast<std::int64_t>(sample.first_time_unix_nano));
    const std::string request = testing::MakeOtlpRequest(signal, sample);
    const auto decoded = Check(
        DecodeMessage(signal, MessageEncoding::kProtobuf, testing::AsBytes(request), options));
    for (const DecodedTable& table : decoded.tables) {
      if (table.table == kind) batches.push_back(table.rows);
    }
  }
  return batches;
}

TableMetadata MetadataOf(const TableDefinition& definition) {
  TableMetadata table;
  table.location = "memory://bench/table";
  table.schemas.push_back(std::make_shared<Schema>(Check(FromArrowSchema(*definition.schema))));
  const Schema& schema = *table.schemas[0];
  table.partition_specs.push_back(std::make_shared<PartitionSpec>(
      PartitionSpec{.fields = {{.source_id = schema.FindByName(definition.partition_column)->id,
                                .field_id = 1000,
                                .name = "timestamp_hour",
                                .transform = Transform::FromText("hour")}}}));
  SortOrder order{.order_id = 1};
  for (const std::string_view column : definition.sort_columns) {
    order.fields.push_back({.source_id = schema.FindByName(column)->id});
  }
  table.sort_orders.push_back(std::make_shared<SortOrder>(order));
  table.default_sort_order_id = 1;
  for (const auto& [key, value] : definition.properties) table.properties[key] = value;
  return table;
}

std::shared_ptr<arrow::Array> Plain(const std::shared_ptr<arrow::Array>& array) {
  if (array->type_id() == arrow::Type::DICTIONARY) {
    const auto& type = static_cast<const arrow::DictionaryType&>(*array->type());
    return arrow::compute::Cast(*array, type.value_type()).ValueOrDie();
  }
  if (array->type_id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapArray&>(*array);
    return arrow::MapArray::FromArrays(map.offsets(), Plain(map.keys()), Plain(map.items()),
                                       arrow::default_memory_pool(), map.null_bitmap())
        .ValueOrDie();
  }
  return array;
}

std::shared_ptr<arrow::Table> PlainTable(
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches, const arrow::Schema& schema) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> plain;
  for (const auto& batch : batches) {
    arrow::ArrayVector columns;
    arrow::FieldVector fields;
    for (int i = 0; i < batch->num_columns(); ++i) {
      columns.push_back(Plain(batch->column(i)));
      fields.push_back(arrow::field(schema.field(i)->name(), columns.back()->type(),
                                    schema.field(i)->nullable()));
    }
    plain.push_back(arrow::RecordBatch::Make(arrow::schema(fields), batch->num_rows(), columns));
  }
  return arrow::Table::FromRecordBatches(plain).ValueOrDie()->CombineChunks().ValueOrDie();
}

struct Cost {
  double nanos_per_row = 1e18;
  double bytes_per_row = 0;
};

double CpuSeconds() {
  std::timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The best of several rounds: what the work costs when nothing else disturbs it.
template <typename Work>
Cost Measure(std::int64_t rows, Work work) {
  Cost cost;
  for (int round = 0; round < kRounds; ++round) {
    const double start = CpuSeconds();
    const std::int64_t bytes = work();
    const double nanos = (CpuSeconds() - start) * 1e9 / static_cast<double>(rows);
    cost.nanos_per_row = std::min(cost.nanos_per_row, nanos);
    cost.bytes_per_row = static_cast<double>(bytes) / static_cast<double>(rows);
  }
  return cost;
}

std::int64_t WriteByArrow(const arrow::Table& table) {
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto properties = parquet::WriterProperties::Builder()
                              .compression(parquet::Compression::ZSTD)
                              ->compression_level(1)
                              ->build();
  if (!parquet::arrow::WriteTable(table, arrow::default_memory_pool(), sink, table.num_rows(),
                                  properties)
           .ok()) {
    Die("Arrow's writer failed");
  }
  return sink->Finish().ValueOrDie()->size();
}

std::int64_t WriteByUs(const TableMetadata& metadata,
                       const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  MemoryFileIo io;
  const auto format = Check(DataFileFormat::Make(metadata));
  const SortedRows sorted = Check(SortedRows::Make(metadata, batches, SliceLimits{}));
  std::int64_t bytes = 0;
  for (const SortedRows::Slice& slice : sorted.slices()) {
    auto writer = Check(
        DataFileWriter::Make(io, format, fmt::format("memory://bench/table/{}.parquet", bytes),
                             sorted.partitions()[slice.partition], sorted.row_order()));
    const auto rows = Check(sorted.Gather(slice));
    if (auto written = writer->Write(*rows); !written.has_value()) Die(written.error().message);
    bytes += Check(writer->Finish()).file_size_in_bytes;
  }
  return bytes;
}

std::int64_t SortOnly(const TableMetadata& metadata,
                      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  const SortedRows sorted = Check(SortedRows::Make(metadata, batches, SliceLimits{}));
  std::int64_t bytes = 0;
  for (const SortedRows::Slice& slice : sorted.slices()) {
    bytes += Check(sorted.Gather(slice))->num_rows();
  }
  return bytes;
}

void CompareWriters(std::string_view name, Signal signal, TableKind kind, Senders senders) {
  const TableDefinition& definition = DefinitionOf(kind);
  const auto batches = DecodedBatches(signal, kind, senders);
  if (batches.empty()) return;
  const TableMetadata metadata = MetadataOf(definition);
  const auto table = PlainTable(batches, *definition.schema);
  const std::int64_t rows = table->num_rows();
  const Cost sort = Measure(rows, [&] { return SortOnly(metadata, batches); });
  const Cost ours = Measure(rows, [&] { return WriteByUs(metadata, batches); });
  const Cost arrows = Measure(rows, [&] { return WriteByArrow(*table); });
  fmt::print(
      "{:<14} rows {}  sort+gather {:.0f} ns/row  ours {:.0f} ns/row {:.1f} B/row  arrow {:.0f} "
      "ns/row {:.1f} B/row  ratio {:.3f}\n",
      name, rows, sort.nanos_per_row, ours.nanos_per_row, ours.bytes_per_row, arrows.nanos_per_row,
      arrows.bytes_per_row, ours.nanos_per_row / arrows.nanos_per_row);
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  using signaldb::Senders;
  using signaldb::Signal;
  using signaldb::TableKind;
  const std::string_view only = argc > 1 ? argv[1] : "";
  const auto run = [&](std::string_view name, Signal signal, TableKind kind, Senders senders) {
    if (only.empty() || name == only) signaldb::CompareWriters(name, signal, kind, senders);
  };
  run("logs", Signal::kLogs, TableKind::kLogs, Senders::kInTurn);
  run("logs_at_once", Signal::kLogs, TableKind::kLogs, Senders::kAtOnce);
  run("traces", Signal::kTraces, TableKind::kTraces, Senders::kInTurn);
  run("metrics_gauge", Signal::kMetrics, TableKind::kMetricsGauge, Senders::kInTurn);
  return 0;
}

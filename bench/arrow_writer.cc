// The yardstick: Arrow's own Parquet writer, default settings but zstd level 1, one thread, on the
// rows that the OTLP requests of otlp_load hold, as plain columns. Prints CPU seconds per million
// rows and bytes a row, as one JSON object.
//
//   arrow_writer --signal logs --rows 500000 --out /some/folder

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/writer.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "telemetry/decode.h"
#include "telemetry/table_definition.h"
#include "testing/otlp_samples.h"

namespace signaldb {
namespace {

constexpr int kRequests = 50;  // Of a thousand records: one row group.
constexpr int kRecords = 1'000;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Dictionaries written out as the strings they stand for, at any depth.
std::shared_ptr<arrow::Array> Plain(const std::shared_ptr<arrow::Array>& array) {
  if (array->type_id() == arrow::Type::DICTIONARY) {
    const auto& codes = static_cast<const arrow::DictionaryArray&>(*array);
    const auto& words = static_cast<const arrow::StringArray&>(*codes.dictionary());
    arrow::StringBuilder builder;
    for (std::int64_t i = 0; i < codes.length(); ++i) {
      const arrow::Status added = codes.IsNull(i)
                                      ? builder.AppendNull()
                                      : builder.Append(words.GetView(codes.GetValueIndex(i)));
      if (!added.ok()) added.Abort();
    }
    return builder.Finish().ValueOrDie();
  }
  if (array->type_id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapArray&>(*array);
    const auto keys = Plain(map.keys());
    const auto items = Plain(map.items());
    return arrow::MapArray::FromArrays(map.offsets(), keys, items, arrow::default_memory_pool(),
                                       map.null_bitmap())
        .ValueOrDie();
  }
  return array;
}

std::shared_ptr<arrow::RecordBatch> Plain(const arrow::RecordBatch& batch) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (int i = 0; i < batch.num_columns(); ++i) {
    columns.push_back(Plain(batch.column(i)));
    fields.push_back(batch.schema()->field(i)->WithType(columns.back()->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch.num_rows(),
                                  std::move(columns));
}

using Tables = std::map<TableKind, std::shared_ptr<arrow::Table>>;

Tables DecodeRows(Signal signal) {
  std::map<TableKind, std::vector<std::shared_ptr<arrow::RecordBatch>>> batches;
  for (int i = 0; i < kRequests; ++i) {
    const std::string body = testing::MakeOtlpRequest(
        signal, {.seed = static_cast<std::uint64_t>(i + 1),
                 .records = kRecords,
                 .first_sequence = static_cast<std::uint64_t>(i) * kRecords});
    auto decoded = DecodeMessage(signal, MessageEncoding::kProtobuf, testing::AsBytes(body),
                                 {.received_at = SystemClock().WallNow()});
    SIGNALDB_ASSERT(decoded.has_value());
    for (const DecodedTable& table : decoded->tables)
      batches[table.table].push_back(Plain(*table.rows));
  }
  Tables tables;
  for (const auto& [kind, parts] : batches) {
    tables[kind] =
        arrow::Table::FromRecordBatches(parts).ValueOrDie()->CombineChunks().ValueOrDie();
  }
  return tables;
}

int Main(const std::string& signal_name, std::int64_t rows_wanted, const std::string& folder) {
  const Signal signal = signal_name == "traces"    ? Signal::kTraces
                        : signal_name == "metrics" ? Signal::kMetrics
                                                   : Signal::kLogs;
  const Tables tables = DecodeRows(signal);
  const auto properties = parquet::WriterProperties::Builder()
                              .compression(parquet::Compression::ZSTD)
                              ->compression_level(1)
                              ->build();
  std::vector<std::string> paths;
  std::vector<std::unique_ptr<parquet::arrow::FileWriter>> writers;
  for (const auto& [kind, table] : tables) {
    paths.push_back(folder + "/" + std::string(DefinitionOf(kind).name) + ".parquet");
    auto out = arrow::io::FileOutputStream::Open(paths.back()).ValueOrDie();
    writers.push_back(parquet::arrow::FileWriter::Open(
                          *table->schema(), arrow::default_memory_pool(), out, properties)
                          .ValueOrDie());
  }
  std::int64_t rows = 0;
  const double before = CpuSeconds();
  while (rows < rows_wanted) {
    std::size_t i = 0;
    for (const auto& [kind, table] : tables) {
      const arrow::Status written = writers[i++]->WriteTable(*table, table->num_rows());
      if (!written.ok()) written.Abort();
      rows += table->num_rows();
    }
  }
  for (const auto& writer : writers) {
    if (const arrow::Status closed = writer->Close(); !closed.ok()) closed.Abort();
  }
  const double cpu = CpuSeconds() - before;
  std::uintmax_t bytes = 0;
  for (const std::string& path : paths) bytes += std::filesystem::file_size(path);
  std::printf(
      "{\"signal\":\"%s\",\"rows\":%lld,\"cpu_seconds_per_million\":%.4f,\"bytes_per_row\":%.1f}\n",
      signal_name.c_str(), static_cast<long long>(rows), cpu / static_cast<double>(rows) * 1e6,
      static_cast<double>(bytes) / static_cast<double>(rows));
  return 0;
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  std::string signal = "logs";
  std::int64_t rows = 500'000;
  std::string folder = ".";
  CLI::App app("Arrow's own Parquet writer on the rows of OTLP requests");
  app.add_option("--signal", signal, "logs, traces or metrics");
  app.add_option("--rows", rows, "how many, at least");
  app.add_option("--out", folder, "folder for the files");
  CLI11_PARSE(app, argc, argv);
  return signaldb::Main(signal, rows, folder);
}

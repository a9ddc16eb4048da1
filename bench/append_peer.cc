// The library as compare_with_pyiceberg.py drives it: reads rows from an Arrow IPC file, and for
// each line on standard input appends them once, as one commit, and prints what that took as a line
// of JSON.
//
//   append_peer --rows FILE.arrow --folder FOLDER [--codec zstd]

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <fmt/format.h>

#include "bench_place.h"
#include "measurement.h"
#include "signaldb/iceberg_table_writer.h"

namespace signaldb {
namespace {

Batches ReadRows(const std::string& path) {
  const auto file = arrow::io::ReadableFile::Open(path).ValueOrDie();
  const auto reader = arrow::ipc::RecordBatchFileReader::Open(file).ValueOrDie();
  Batches batches;
  for (int i = 0; i < reader->num_record_batches(); ++i) {
    batches.push_back(reader->ReadRecordBatch(i).ValueOrDie());
  }
  return batches;
}

void Serve(const std::string& rows, const std::string& folder, const std::string& codec) {
  const Batches batches = ReadRows(rows);
  Configuration config;
  config.schema.catalog_uri = fmt::format("sqlite://{}/catalog.db", folder);
  const auto store = Check(ObjectStore::Open(fmt::format("file://{}/warehouse", folder)));
  TableOptions options;
  options.schema = batches.front()->schema();
  if (!codec.empty()) options.properties["write.parquet.compression-codec"] = codec;
  const auto writer =
      Check(CreateIcebergWriterForTable(config, store, "bench", "rows", "requests", options));
  for (std::string line; std::getline(std::cin, line);) {
    const Cost cost = CostOf([&] { Check(writer->WriteBatches(batches)); });
    fmt::print("{{\"wall_s\":{:.6f},\"cpu_s\":{:.6f}}}\n", cost.wall_s, cost.cpu_s);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  CLI::App app("Appends the same rows again and again, when told to");
  std::string rows;
  std::string folder;
  std::string codec;
  app.add_option("--rows", rows, "an Arrow IPC file")->required();
  app.add_option("--folder", folder, "for catalog and tables")->required();
  app.add_option("--codec", codec, "of the table's Parquet files; its default otherwise");
  CLI11_PARSE(app, argc, argv);
  signaldb::Serve(rows, folder, codec);
  return 0;
}

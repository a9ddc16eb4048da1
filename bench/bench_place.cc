#include "bench_place.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <fmt/format.h>
#include <parquet/arrow/writer.h>

#include "adapters/local/posix_file_system.h"

namespace signaldb {

namespace {

void Check(const arrow::Status& status) {
  if (!status.ok()) status.Abort();
}

StringMap PropertiesOf(Codec codec) {
  const std::string key = "write.parquet.compression-codec";
  switch (codec) {
    case Codec::kDefault:
      break;
    case Codec::kNone:
      return {{key, "uncompressed"}};
    case Codec::kSnappy:
      return {{key, "snappy"}};
    case Codec::kZstd:
      return {{key, "zstd"}, {"write.parquet.compression-level", "1"}};
  }
  return {};
}

std::shared_ptr<parquet::WriterProperties> PlainProperties(Codec codec) {
  parquet::WriterProperties::Builder builder;
  switch (codec) {
    case Codec::kNone:
      break;
    case Codec::kDefault:
    case Codec::kSnappy:
      builder.compression(parquet::Compression::SNAPPY);
      break;
    case Codec::kZstd:
      builder.compression(parquet::Compression::ZSTD)->compression_level(1);
      break;
  }
  return builder.build();
}

}  // namespace

std::string_view ToString(Medium medium) { return medium == Medium::kDisk ? "disk" : "memory"; }

std::string_view ToString(Codec codec) {
  switch (codec) {
    case Codec::kDefault:
      return "default";
    case Codec::kNone:
      return "none";
    case Codec::kSnappy:
      return "snappy";
    case Codec::kZstd:
      return "zstd";
  }
  return "";
}

void Check(const Status& status) {
  if (status.has_value()) return;
  fmt::print(stderr, "benchmark cannot go on: {}\n", status.error().message);
  std::exit(1);
}

BenchPlace::BenchPlace(Medium medium) {
  const std::filesystem::path parent =
      medium == Medium::kMemory ? "/dev/shm" : std::filesystem::temp_directory_path();
  std::string pattern = (parent / "signaldb-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    fmt::print(stderr, "cannot make a folder in {}\n", parent.string());
    std::exit(1);
  }
  path_ = pattern;
  config_.schema.catalog_uri = fmt::format("sqlite://{}/catalog.db", path_);
  config_.storage.dsn = fmt::format("file://{}/warehouse", path_);
  store_ = Check(ObjectStore::Open(config_.storage.dsn));
}

BenchPlace::~BenchPlace() {
  store_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::unique_ptr<IcebergTableWriter> BenchPlace::Writer(RowKind kind, Codec codec,
                                                       const StringMap& properties) {
  if (kind == RowKind::kGauges) {
    auto writer = Check(CreateIcebergWriter(config_, store_, "bench", "rows", "metrics_gauge"));
    if (codec == Codec::kDefault) return writer;
    const auto catalog = Check(IcebergCatalog::Open(config_, store_));
    Check(catalog->SetTableProperties({"bench.rows", "metrics_gauge"}, PropertiesOf(codec)));
    writer->ClearCatalogCache();
    return writer;
  }
  TableOptions options;
  options.schema = MakeRows(kind, 0)->schema();
  options.properties = PropertiesOf(codec);
  options.properties.insert(properties.begin(), properties.end());
  return Check(CreateIcebergWriterForTable(config_, store_, "bench", "rows", "requests", options));
}

PlainParquet::PlainParquet(const std::string& folder, Codec codec)
    : folder_(folder + "/plain"), codec_(codec), files_(std::make_unique<PosixFileSystem>()) {
  Check(files_->MakeDirs(folder_));
}

void PlainParquet::Write(const Batches& batches) {
  static std::atomic<std::uint64_t> number = 0;
  const std::string path = fmt::format("{}/{}.parquet", folder_, number++);
  auto out = arrow::io::FileOutputStream::Open(path).ValueOrDie();
  if (batches.size() == 1) {
    const auto table = arrow::Table::FromRecordBatches(batches).ValueOrDie();
    Check(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out,
                                     parquet::DEFAULT_MAX_ROW_GROUP_LENGTH,
                                     PlainProperties(codec_)));
  } else {
    const auto writer =
        parquet::arrow::FileWriter::Open(*batches.front()->schema(), arrow::default_memory_pool(),
                                         out, PlainProperties(codec_))
            .ValueOrDie();
    for (const auto& batch : batches) Check(writer->WriteRecordBatch(*batch));
    Check(writer->Close());
  }
  Check(out->Close());
  Check(Check(files_->Open(path, OpenMode::kWrite))->Sync());
  Check(files_->SyncDir(folder_));
}

void PlainParquet::RemoveFiles() {
  for (const DirEntry& entry : Check(files_->List(folder_))) {
    Check(files_->Remove(folder_ + "/" + entry.name));
  }
}

}  // namespace signaldb

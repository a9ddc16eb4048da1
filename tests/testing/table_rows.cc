#include "testing/table_rows.h"

#include <memory>

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>

#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"

namespace signaldb::testing {

namespace {

std::unexpected<Error> Broken(const DataFile& file, std::string_view what) {
  return Fail(ErrorKind::kCorrupt, fmt::format("{} file={}", what, file.file_path));
}

void CountValues(const arrow::Array& values, std::map<std::string, int>& counts) {
  const auto& texts = static_cast<const arrow::StringArray&>(values);
  for (std::int64_t i = 0; i < texts.length(); ++i)
    ++counts[texts.IsNull(i) ? "" : texts.GetString(i)];
}

Status CountFile(FileIo& io, const DataFile& file, std::string_view column,
                 std::map<std::string, int>& counts) {
  SIGNALDB_ASSIGN(const auto input, io.Open(file.file_path));
  if (input->GetSize().ValueOr(-1) != file.file_size_in_bytes)
    return Broken(file, "length is not as recorded");
  parquet::arrow::FileReaderBuilder builder;
  if (!builder.Open(input).ok()) return Broken(file, "not a Parquet file");
  std::unique_ptr<parquet::arrow::FileReader> reader;
  if (!builder.Build(&reader).ok()) return Broken(file, "not readable");
  std::shared_ptr<arrow::Schema> schema;
  if (!reader->GetSchema(&schema).ok()) return Broken(file, "no schema");
  const int index = schema->GetFieldIndex(std::string(column));
  if (index < 0) return Broken(file, "column is missing");
  std::shared_ptr<arrow::ChunkedArray> values;
  if (!reader->ReadColumn(index, &values).ok()) return Broken(file, "column is not readable");
  if (values->length() != file.record_count) return Broken(file, "row count is not as recorded");
  for (const auto& chunk : values->chunks()) CountValues(*chunk, counts);
  return {};
}

}  // namespace

Result<std::map<std::string, int>> CountColumn(Catalog& catalog, FileIo& io,
                                               const TableIdentifier& table,
                                               std::string_view column) {
  std::map<std::string, int> counts;
  const Result<std::string> location = catalog.MetadataLocation(table);
  if (!location && location.error().kind == ErrorKind::kNotFound) return counts;
  if (!location) return std::unexpected(location.error());
  SIGNALDB_ASSIGN(const std::string json, io.Read(*location));
  SIGNALDB_ASSIGN(const TableMetadata metadata, ParseTableMetadata(json));
  const Snapshot* snapshot = metadata.current_snapshot();
  if (snapshot == nullptr) return counts;
  SIGNALDB_ASSIGN(const std::string list, io.Read(snapshot->manifest_list));
  SIGNALDB_ASSIGN(const auto manifests, DecodeManifestList(list, snapshot->manifest_list));
  for (const ManifestFile& manifest : manifests) {
    SIGNALDB_ASSIGN(const std::string bytes, io.Read(manifest.manifest_path));
    SIGNALDB_ASSIGN(const auto entries, DecodeManifest(bytes, manifest, metadata));
    for (const ManifestEntry& entry : entries) {
      if (entry.status == EntryStatus::kDeleted) continue;
      SIGNALDB_TRY(CountFile(io, entry.data_file, column, counts));
    }
  }
  return counts;
}

}  // namespace signaldb::testing

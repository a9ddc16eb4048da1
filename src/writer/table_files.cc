#include "writer/table_files.h"

#include <map>
#include <memory>
#include <string>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "iceberg/data_file_writer.h"
#include "iceberg/partition_spec.h"

namespace signaldb {

namespace {

constexpr std::int64_t kMicrosPerHour = 3'600'000'000;
using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

std::map<std::int32_t, Batches> ByHour(
    std::span<const std::shared_ptr<arrow::RecordBatch>> batches) {
  std::map<std::int32_t, Batches> hours;
  for (const auto& batch : batches) {
    const auto& times =
        static_cast<const arrow::TimestampArray&>(*batch->GetColumnByName("timestamp"));
    for (std::int64_t i = 0; i < times.length();) {
      const auto hour = static_cast<std::int32_t>(times.Value(i) / kMicrosPerHour);
      std::int64_t end = i + 1;
      while (end < times.length() && times.Value(end) / kMicrosPerHour == hour) ++end;
      hours[hour].push_back(batch->Slice(i, end - i));
      i = end;
    }
  }
  return hours;
}

}  // namespace

Result<std::vector<DataFile>> WriteDataFiles(
    const FileCollaborators& with, const TableMetadata& table,
    std::span<const std::shared_ptr<arrow::RecordBatch>> batches, const FileOptions&) {
  SIGNALDB_ASSIGN(const std::shared_ptr<const DataFileFormat> format, DataFileFormat::Make(table));
  std::vector<DataFile> files;
  for (const auto& [hour, slices] : ByHour(batches)) {
    const auto rows = arrow::ConcatenateRecordBatches(slices);
    if (!rows.ok()) return Fail(ErrorKind::kInternal, rows.status().ToString());
    const PartitionValues partition = {Literal{hour}};
    SIGNALDB_ASSIGN(const std::vector<Type> types,
                    PartitionTypes(table.partition_spec(), table.schema()));
    const std::string location =
        fmt::format("{}/data/{}/{}.parquet", table.location,
                    PartitionPath(table.partition_spec(), types, partition),
                    ToString(UuidV7(with.clock, with.random)));
    SIGNALDB_ASSIGN(const auto writer, DataFileWriter::Make(with.io, format, location, partition,
                                                            RowOrder::kUnsorted));
    SIGNALDB_TRY(writer->Write(**rows));
    SIGNALDB_ASSIGN(DataFile file, writer->Finish());
    files.push_back(std::move(file));
  }
  return files;
}

void DeleteFiles(FileIo& io, EventListener& events, const std::vector<DataFile>& files) {
  for (const DataFile& file : files) {
    const Status deleted = io.Delete(file.file_path);
    if (deleted) continue;
    events.Log({.severity = Severity::kWarning,
                .module = "writer",
                .message = "file that no table refers to could not be deleted; delete it by hand",
                .fields = {{"file", file.file_path}, {"error", deleted.error().message}}});
  }
}

}  // namespace signaldb

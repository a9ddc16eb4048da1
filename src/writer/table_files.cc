#include "writer/table_files.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "iceberg/data_file_writer.h"
#include "iceberg/partition_spec.h"
#include "writer/sort_rows.h"

namespace signaldb {

namespace {

constexpr std::int64_t kTargetFileBytes = 512LL << 20;  // Iceberg's default.

std::int64_t TargetFileBytes(const TableMetadata& table) {
  const auto found = table.properties.find("write.target-file-size-bytes");
  if (found == table.properties.end()) return kTargetFileBytes;
  const std::int64_t bytes = std::strtoll(found->second.c_str(), nullptr, 10);
  return bytes > 0 ? bytes : kTargetFileBytes;
}

// Writes the partitions of one table's sorted rows, some at a time, each into its own file or
// files.
class PartitionFiles {
 public:
  PartitionFiles(const FileCollaborators& with, const TableMetadata& table,
                 std::shared_ptr<const DataFileFormat> format, std::vector<Type> partition_types,
                 const SortedRows& rows)
      : with_(with),
        table_(table),
        format_(std::move(format)),
        partition_types_(std::move(partition_types)),
        rows_(rows),
        target_bytes_(TargetFileBytes(table)) {}

  Result<std::vector<DataFile>> WriteAll(int concurrent) {
    const std::size_t partitions = rows_.partitions().size();
    const std::size_t threads =
        std::min(partitions, static_cast<std::size_t>(std::max(concurrent, 1)));
    {
      std::vector<std::jthread> helpers;
      for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back([this] { WriteSome(); });
      WriteSome();
    }
    if (error_) {
      DeleteFiles(with_.io, with_.events, files_);
      return std::unexpected(*std::move(error_));
    }
    return std::move(files_);
  }

 private:
  void WriteSome() {
    for (std::size_t i = next_++; i < rows_.partitions().size() && !failed_; i = next_++) {
      if (Status status = WritePartition(i); !status) {
        failed_ = true;
        const std::scoped_lock lock(mutex_);
        if (!error_) error_ = std::move(status).error();
      }
    }
  }

  Status WritePartition(std::size_t partition) {
    std::unique_ptr<DataFileWriter> writer;
    for (const SortedRows::Slice& slice : rows_.slices()) {
      if (slice.partition != partition) continue;
      if (writer == nullptr) {
        SIGNALDB_ASSIGN(writer,
                        DataFileWriter::Make(with_.io, format_, NewLocation(partition),
                                             rows_.partitions()[partition], rows_.row_order()));
      }
      SIGNALDB_ASSIGN(const std::shared_ptr<arrow::RecordBatch> batch, rows_.Gather(slice));
      SIGNALDB_TRY(writer->Write(*batch));
      if (writer->bytes_estimate() >= target_bytes_) SIGNALDB_TRY(Finish(writer));
    }
    return writer == nullptr ? Status() : Finish(writer);
  }

  Status Finish(std::unique_ptr<DataFileWriter>& writer) {
    SIGNALDB_ASSIGN(DataFile file, std::exchange(writer, nullptr)->Finish());
    with_.events.Observe("signaldb_writer_data_file_bytes",
                         static_cast<double>(file.file_size_in_bytes));
    const std::scoped_lock lock(mutex_);
    files_.push_back(std::move(file));
    return {};
  }

  std::string NewLocation(std::size_t partition) const {
    const std::string folder =
        PartitionPath(table_.partition_spec(), partition_types_, rows_.partitions()[partition]);
    const auto set = table_.properties.find("write.data.path");
    return fmt::format("{}/{}{}{}.parquet",
                       set == table_.properties.end() ? table_.location + "/data" : set->second,
                       folder, folder.empty() ? "" : "/",
                       ToString(UuidV7(with_.clock, with_.random)));
  }

  const FileCollaborators& with_;
  const TableMetadata& table_;
  const std::shared_ptr<const DataFileFormat> format_;
  const std::vector<Type> partition_types_;
  const SortedRows& rows_;
  const std::int64_t target_bytes_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::vector<DataFile> files_;
  std::optional<Error> error_;
};

// Values without a column to go to would be lost without a word.
Status CheckColumnsExist(const TableMetadata& table,
                         const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  for (const auto& batch : batches) {
    for (int i = 0; i < batch->num_columns(); ++i) {
      const std::string& name = batch->column_name(i);
      const bool exists = std::ranges::any_of(
          table.schema().fields, [&](const Field& field) { return field.name == name; });
      if (exists || batch->column(i)->null_count() == batch->num_rows()) continue;
      return Fail(ErrorKind::kInvalid,
                  fmt::format("the table has no column for values that were received; add it, or "
                              "move the table out of the way location={} column={}",
                              table.location, name));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<DataFile>> WriteDataFiles(
    const FileCollaborators& with, const TableMetadata& table,
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches, const FileOptions& options) {
  constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
  SIGNALDB_TRY(CheckColumnsExist(table, batches));
  SIGNALDB_ASSIGN(std::shared_ptr<const DataFileFormat> format, DataFileFormat::Make(table));
  SIGNALDB_ASSIGN(std::vector<Type> types, PartitionTypes(table.partition_spec(), table.schema()));
  SIGNALDB_ASSIGN(
      const SortedRows rows,
      SortedRows::Make(
          table, std::move(batches),
          {.rows_max = options.enable_auto_split ? options.max_rows_per_batch : kNoLimit,
           .bytes_max =
               options.enable_auto_split ? options.max_memory_per_batch_bytes : kNoLimit}));
  if (rows.slices().size() > rows.partitions().size()) {
    with.events.Count("signaldb_writer_batch_splits_total",
                      static_cast<double>(rows.slices().size() - rows.partitions().size()),
                      {{"reason", "size"}});
  }
  return PartitionFiles(with, table, std::move(format), std::move(types), rows)
      .WriteAll(options.target_concurrent_batches);
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

#include "writer/table_files.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

#include "iceberg/data_file/data_file_writer.h"
#include "iceberg/schema/partition_spec.h"
#include "writer/sort_rows.h"

namespace signaldb {

namespace {

constexpr std::int64_t kTargetFileBytes = 512LL << 20;  // Iceberg's default.

Result<std::int64_t> BytesIn(const TableMetadata& table, std::string_view property,
                             std::int64_t otherwise) {
  const auto found = table.properties.find(property);
  if (found == table.properties.end()) return otherwise;
  const std::string& text = found->second;
  std::int64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error == std::errc{} && end == text.data() + text.size() && bytes > 0) return bytes;
  return Fail(ErrorKind::kInvalid,
              fmt::format("a size is a whole number of bytes above 0 property={} value={:.40}",
                          property, text));
}

Result<std::int64_t> TargetFileBytes(const TableMetadata& table) {
  return BytesIn(table, "write.target-file-size-bytes", kTargetFileBytes);
}

Result<std::int64_t> RowGroupBytes(const TableMetadata& table) {
  return BytesIn(table, "write.parquet.row-group-size-bytes",
                 std::numeric_limits<std::int64_t>::max());
}

// Slices of one partition that go into the same file, or files one after the other.
struct Lane {
  std::size_t partition = 0;
  std::vector<const SortedRows::Slice*> slices;
  FileNames names;
};

// A partition is divided only where each part still makes a file worth having.
constexpr std::int64_t kLaneRowsMin = 200'000;

std::vector<Lane> DivideIntoLanes(const SortedRows& rows, int concurrent) {
  std::vector<std::int64_t> partition_rows(rows.partitions().size());
  for (const SortedRows::Slice& slice : rows.slices()) {
    partition_rows[slice.partition] += slice.rows;
  }
  std::vector<Lane> lanes;
  std::int64_t lane_rows = 0;
  std::int64_t lane_rows_max = 0;
  for (const SortedRows::Slice& slice : rows.slices()) {
    const bool same = !lanes.empty() && lanes.back().partition == slice.partition;
    if (!same || lane_rows >= lane_rows_max) {
      if (!same) {
        const std::int64_t all = partition_rows[slice.partition];
        lane_rows_max = std::max(kLaneRowsMin, (all + concurrent - 1) / concurrent);
      }
      lanes.push_back({.partition = slice.partition, .slices = {}, .names = {}});
      lane_rows = 0;
    }
    lanes.back().slices.push_back(&slice);
    lane_rows += slice.rows;
  }
  return lanes;
}

// Writes one table's sorted rows, some lanes at a time.
class LaneFiles {
 public:
  LaneFiles(const FileCollaborators& with, const TableMetadata& table,
            std::shared_ptr<const DataFileFormat> format, const std::vector<Type>& partition_types,
            const SortedRows& rows, std::int64_t target_bytes, int concurrent)
      : with_(with),
        table_(table),
        format_(std::move(format)),
        rows_(rows),
        target_bytes_(target_bytes),
        concurrent_(static_cast<std::size_t>(std::max(concurrent, 1))),
        lanes_(DivideIntoLanes(rows, std::max(concurrent, 1))) {
    for (Lane& lane : lanes_) {
      lane.names = {.stem = NewStem(partition_types, lane.partition), .count = lane.slices.size()};
    }
  }

  Result<std::vector<DataFile>> WriteAll() {
    if (with_.in_flight != nullptr && !lanes_.empty()) {
      std::vector<FileNames> names;
      for (const Lane& lane : lanes_) names.push_back(lane.names);
      SIGNALDB_TRY(with_.in_flight->Note(with_.owner, table_.table_uuid, names));
    }
    {
      std::vector<std::jthread> helpers;
      for (std::size_t i = 1; i < std::min(lanes_.size(), concurrent_); ++i) {
        helpers.emplace_back([this] { WriteSome(); });
      }
      WriteSome();
    }
    if (error_) {
      static_cast<void>(DeleteFiles(with_.io, with_.events, files_));
      return std::unexpected(*std::move(error_));
    }
    return std::move(files_);
  }

 private:
  void WriteSome() {
    for (std::size_t i = next_++; i < lanes_.size() && !failed_; i = next_++) {
      if (Status status = WriteLane(lanes_[i]); !status) {
        failed_ = true;
        const std::scoped_lock lock(mutex_);
        if (!error_) error_ = std::move(status).error();
      }
    }
  }

  Status WriteLane(const Lane& lane) {
    std::unique_ptr<DataFileWriter> writer;
    std::size_t files = 0;
    for (const SortedRows::Slice* slice : lane.slices) {
      if (writer == nullptr) {
        SIGNALDB_ASSIGN(
            writer, DataFileWriter::Make(with_.io, format_, lane.names.At(files++),
                                         rows_.partitions()[lane.partition], rows_.row_order()));
      }
      SIGNALDB_TRY(WriteSlice(*slice, *writer));
      if (writer->bytes_estimate() >= target_bytes_) {
        SIGNALDB_TRY(Finish(writer, lane.names.At(files - 1)));
      }
    }
    return writer == nullptr ? Status() : Finish(writer, lane.names.At(files - 1));
  }

  Status WriteSlice(const SortedRows::Slice& slice, DataFileWriter& writer) {
    if (with_.encoding == nullptr) return GatherAndWrite(slice, writer);
    SIGNALDB_ASSIGN(const EncodingShare::Hold hold, with_.encoding->Take(slice.bytes));
    return GatherAndWrite(slice, writer);
  }

  Status GatherAndWrite(const SortedRows::Slice& slice, DataFileWriter& writer) {
    SIGNALDB_ASSIGN(const std::shared_ptr<arrow::RecordBatch> batch, rows_.Gather(slice));
    return writer.Write(*batch);
  }

  Status Finish(std::unique_ptr<DataFileWriter>& writer, const std::string& location) {
    Result<DataFile> file = std::exchange(writer, nullptr)->Finish();
    if (!file.has_value()) {
      // It may be there: so that it is among those that are deleted.
      const std::scoped_lock lock(mutex_);
      files_.emplace_back().file_path = location;
      return std::unexpected(std::move(file).error());
    }
    with_.events.Observe("signaldb_writer_data_file_bytes",
                         static_cast<double>(file->file_size_in_bytes));
    const std::scoped_lock lock(mutex_);
    files_.push_back(*std::move(file));
    return {};
  }

  std::string NewStem(const std::vector<Type>& partition_types, std::size_t partition) const {
    const std::string folder =
        PartitionPath(table_.partition_spec(), partition_types, rows_.partitions()[partition]);
    const auto set = table_.properties.find("write.data.path");
    return fmt::format(
        "{}/{}{}{}", set == table_.properties.end() ? table_.location + "/data" : set->second,
        folder, folder.empty() ? "" : "/", ToString(UuidV7(with_.clock, with_.random)));
  }

  const FileCollaborators& with_;
  const TableMetadata& table_;
  const std::shared_ptr<const DataFileFormat> format_;
  const SortedRows& rows_;
  const std::int64_t target_bytes_;
  const std::size_t concurrent_;
  std::vector<Lane> lanes_;
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
  std::int64_t slice_bytes_max = options.max_memory_per_batch_bytes;
  if (with.encoding != nullptr && with.encoding->bytes_max() > 0) {
    slice_bytes_max = std::min(slice_bytes_max, with.encoding->bytes_max());
  }
  SIGNALDB_ASSIGN(const std::int64_t target_bytes, TargetFileBytes(table));
  SIGNALDB_ASSIGN(const std::int64_t row_group_bytes, RowGroupBytes(table));
  slice_bytes_max = std::min(slice_bytes_max, row_group_bytes);
  SIGNALDB_TRY(CheckColumnsExist(table, batches));
  SIGNALDB_ASSIGN(std::shared_ptr<const DataFileFormat> format, DataFileFormat::Make(table));
  SIGNALDB_ASSIGN(std::vector<Type> types, PartitionTypes(table.partition_spec(), table.schema()));
  SIGNALDB_ASSIGN(
      const SortedRows rows,
      SortedRows::Make(
          table, std::move(batches),
          {.rows_max = options.enable_auto_split ? options.max_rows_per_batch : kNoLimit,
           .bytes_max = options.enable_auto_split ? slice_bytes_max : kNoLimit}));
  if (rows.slices().size() > rows.partitions().size()) {
    with.events.Count("signaldb_writer_batch_splits_total",
                      static_cast<double>(rows.slices().size() - rows.partitions().size()),
                      {{"reason", "size"}});
  }
  return LaneFiles(with, table, std::move(format), types, rows, target_bytes,
                   options.target_concurrent_batches)
      .WriteAll();
}

Status CheckTableCanBeWritten(const TableMetadata& table) {
  constexpr std::int32_t kFormatVersionWritten = 2;
  if (table.format_version != kFormatVersionWritten) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("only tables of format version {} are written; upgrade or recreate it "
                            "location={} format_version={}",
                            kFormatVersionWritten, table.location, table.format_version));
  }
  SIGNALDB_TRY(TargetFileBytes(table));
  SIGNALDB_TRY(RowGroupBytes(table));
  SIGNALDB_TRY(PartitionTypes(table.partition_spec(), table.schema()));
  SIGNALDB_TRY(DataFileFormat::Make(table));
  return {};
}

bool DeleteFiles(FileIo& io, EventListener& events, const std::vector<DataFile>& files) {
  bool gone = true;
  for (const DataFile& file : files) {
    const Status deleted = io.Delete(file.file_path);
    if (deleted) continue;
    gone = false;
    events.Log({.severity = Severity::kWarning,
                .module = "writer",
                .message = "file that no table refers to could not be deleted; delete it by hand",
                .fields = {{"file", file.file_path}, {"error", deleted.error().message}}});
  }
  return gone;
}

}  // namespace signaldb

#include "iceberg/data_file/data_file_writer.h"

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <fmt/format.h>
#include <parquet/file_writer.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>

#include "iceberg/arrow_error.h"
#include "iceberg/data_file/column_chunk.h"
#include "iceberg/data_file/parquet_layout.h"
#include "iceberg/data_file/parquet_settings.h"

namespace signaldb {

namespace {

constexpr std::string_view kMagic = "PAR1";
constexpr std::size_t kStreamBufferBytes = 256 << 10;
constexpr std::int16_t kRowGroupsMax = std::numeric_limits<std::int16_t>::max();

class Format final : public DataFileFormat {
 public:
  std::shared_ptr<const ParquetLayout> layout;
  ParquetSettings settings;
  std::int32_t spec_id = 0;
  std::size_t partition_fields = 0;
  std::int32_t sort_order_id = 0;
};

// An OutputFile as Arrow writes to it. Keeps our own error, which says more than Arrow's.
class OutputFileStream final : public arrow::io::OutputStream {
 public:
  explicit OutputFileStream(OutputFile& file) : file_(file) {}

  arrow::Status Write(const void* data, std::int64_t count) override {
    const auto size = static_cast<std::size_t>(count);
    position_ += count;
    if (buffer_.size() + size > kStreamBufferBytes) ARROW_RETURN_NOT_OK(Flush());
    if (size > kStreamBufferBytes) return Append({static_cast<const std::byte*>(data), size});
    buffer_.append(static_cast<const char*>(data), size);
    return arrow::Status::OK();
  }
  arrow::Status Flush() override {
    if (buffer_.empty()) return arrow::Status::OK();
    const std::string bytes = std::exchange(buffer_, {});
    return Append(std::as_bytes(std::span(bytes)));
  }
  arrow::Status Close() override {
    closed_ = true;
    return Flush();
  }
  [[nodiscard]] arrow::Result<std::int64_t> Tell() const override { return position_; }
  [[nodiscard]] bool closed() const override { return closed_; }

  [[nodiscard]] std::int64_t position() const { return position_; }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  arrow::Status Append(std::span<const std::byte> bytes) {
    Status appended = file_.Append(bytes);
    if (appended.has_value()) return arrow::Status::OK();
    error_ = std::move(appended).error();
    return arrow::Status::IOError(error_->message);
  }

  OutputFile& file_;
  std::string buffer_;
  std::int64_t position_ = 0;
  bool closed_ = false;
  std::optional<Error> error_;
};

struct BloomPlace {
  parquet::ColumnChunkId id;
  std::unique_ptr<parquet::BlockSplitBloomFilter> filter;
};

class ParquetDataFileWriter final : public DataFileWriter {
 public:
  ParquetDataFileWriter(std::unique_ptr<OutputFile> file, std::shared_ptr<const Format> format,
                        std::unique_ptr<PageCompressor> compressor, RowOrder order)
      : file_(std::move(file)),
        format_(std::move(format)),
        order_(order),
        stream_(std::make_shared<OutputFileStream>(*file_)),
        metadata_(parquet::FileMetaDataBuilder::Make(
            &format_->layout->descriptor,
            order == RowOrder::kSorted ? format_->settings.sorted : format_->settings.unsorted)),
        page_index_(parquet::PageIndexBuilder::Make(&format_->layout->descriptor)) {
    scratch_.compressor = std::move(compressor);
    ranges_.resize(format_->layout->leaves.size());
    column_sizes_.resize(format_->layout->leaves.size());
  }

  void Describe(std::string location, PartitionValues partition) {
    result_.file_path = std::move(location);
    result_.partition = std::move(partition);
    result_.spec_id = format_->spec_id;
    result_.sort_order_id = order_ == RowOrder::kSorted ? format_->sort_order_id : 0;
  }

  Status Write(const arrow::RecordBatch& rows) override {
    if (rows.num_rows() == 0) return {};
    SIGNALDB_TRY(CheckUsable());
    if (row_groups_ == kRowGroupsMax) {
      return Fail(ErrorKind::kInvalid, fmt::format("a file cannot have more row groups, start the "
                                                   "next one file={}",
                                                   result_.file_path));
    }
    SIGNALDB_ASSIGN(const std::vector<LeafColumn> leaves, SplitRows(rows));
    return Guarded([&] { return WriteRowGroup(rows.num_rows(), leaves); });
  }

  Result<DataFile> Finish() override {
    SIGNALDB_TRY(CheckUsable());
    SIGNALDB_TRY(Guarded([&] { return WriteFooter(); }));
    usable_ = false;
    SIGNALDB_TRY(file_->Finish());
    result_.file_size_in_bytes = stream_->position();
    for (const ParquetLeaf& leaf : format_->layout->leaves) {
      const auto at = static_cast<std::size_t>(leaf.ordinal);
      const MetricsMode& mode = format_->settings.columns[at].metrics;
      if (mode.kind == MetricsMode::Kind::kNone) continue;
      result_.column_sizes[leaf.field->id] = column_sizes_[at];
      if (!leaf.repeated) AddColumnMetrics(*leaf.field, mode, ranges_[at], result_);
    }
    return result_;
  }

  [[nodiscard]] std::int64_t bytes_estimate() const override { return stream_->position(); }

 private:
  Status CheckUsable() const {
    if (usable_) return {};
    return Fail(ErrorKind::kInternal,
                fmt::format("the file is finished or has failed, start another file={}",
                            result_.file_path));
  }

  // Nothing of a refused batch is written: rows are checked before the first byte.
  Result<std::vector<LeafColumn>> SplitRows(const arrow::RecordBatch& rows) const {
    const PageLimits limits{.bytes_target = format_->settings.page_bytes_target,
                            .rows_max = format_->settings.page_rows_max};
    std::vector<LeafColumn> all;
    const ParquetLeaf* leaves = format_->layout->leaves.data();
    for (const Field& field : format_->layout->schema.fields) {
      std::shared_ptr<arrow::Array> column = rows.GetColumnByName(field.name);
      if (column != nullptr) {
        SIGNALDB_ASSIGN(column, Conform(field, field.name, std::move(column)));
      }
      SIGNALDB_ASSIGN(auto split,
                      SplitIntoLeaves(field, column, rows.num_rows(), limits, leaves + all.size()));
      for (LeafColumn& leaf : split) all.push_back(std::move(leaf));
    }
    return all;
  }

  Status WriteRowGroup(std::int64_t rows, const std::vector<LeafColumn>& leaves) {
    if (stream_->position() == 0) {
      PARQUET_THROW_NOT_OK(stream_->Write(kMagic.data(), static_cast<std::int64_t>(kMagic.size())));
    }
    result_.split_offsets.push_back(stream_->position());
    parquet::RowGroupMetaDataBuilder* group = metadata_->AppendRowGroup();
    page_index_->AppendRowGroup();
    std::int64_t total = 0;
    for (const LeafColumn& leaf : leaves) {
      const auto at = static_cast<std::size_t>(leaf.leaf->ordinal);
      ChunkTarget target{.sink = stream_,
                         .metadata = group->NextColumnChunk(),
                         .row_group = row_groups_,
                         .offset_index = page_index_->GetOffsetIndexBuilder(leaf.leaf->ordinal)};
      if (format_->settings.columns[at].statistics) {
        target.column_index = page_index_->GetColumnIndexBuilder(leaf.leaf->ordinal);
      }
      const std::int64_t before = stream_->position();
      SIGNALDB_ASSIGN(WrittenChunk chunk,
                      WriteColumnChunk(leaf, format_->settings, target, scratch_));
      total += stream_->position() - before;
      column_sizes_[at] += target.metadata->total_compressed_size();
      ranges_[at].Merge(leaf.leaf->field->type, chunk.range);
      if (chunk.bloom != nullptr) {
        blooms_.push_back({{row_groups_, leaf.leaf->ordinal}, std::move(chunk.bloom)});
      }
    }
    group->set_num_rows(rows);
    group->Finish(total, row_groups_);
    ++row_groups_;
    result_.record_count += rows;
    return {};
  }

  Status WriteFooter() {
    if (stream_->position() == 0) {
      PARQUET_THROW_NOT_OK(stream_->Write(kMagic.data(), static_cast<std::int64_t>(kMagic.size())));
    }
    parquet::IndexLocations blooms;
    for (const BloomPlace& place : blooms_) {
      const std::int64_t before = stream_->position();
      place.filter->WriteTo(stream_.get());
      blooms.push_back(
          {place.id, {before, static_cast<std::int32_t>(stream_->position() - before)}});
    }
    if (!blooms.empty()) metadata_->SetIndexLocations(parquet::IndexKind::kBloomFilter, blooms);
    page_index_->Finish();
    const auto places = page_index_->WriteTo(stream_.get());
    metadata_->SetIndexLocations(parquet::IndexKind::kColumnIndex, places.column_index_locations);
    metadata_->SetIndexLocations(parquet::IndexKind::kOffsetIndex, places.offset_index_locations);
    const auto keys = arrow::KeyValueMetadata::Make(
        {"iceberg.sort-order-id"}, {fmt::format("{}", result_.sort_order_id.value_or(0))});
    const auto footer = metadata_->Finish(keys);
    parquet::WriteFileMetaData(*footer, stream_.get());
    PARQUET_THROW_NOT_OK(stream_->Close());
    return {};
  }

  // After a failure half a row group may be out: only destruction is left.
  Status Guarded(const std::function<Status()>& body) {
    Status done = CatchingParquet(fmt::format("writing file={}", result_.file_path), body);
    if (done.has_value()) return done;
    usable_ = false;
    if (const auto& error = stream_->error()) return std::unexpected(*error);
    return done;
  }

  std::unique_ptr<OutputFile> file_;
  std::shared_ptr<const Format> format_;
  RowOrder order_;
  std::shared_ptr<OutputFileStream> stream_;
  std::unique_ptr<parquet::FileMetaDataBuilder> metadata_;
  std::unique_ptr<parquet::PageIndexBuilder> page_index_;
  ChunkScratch scratch_;
  std::int16_t row_groups_ = 0;
  std::vector<BloomPlace> blooms_;
  std::vector<ValueRange> ranges_;
  std::vector<std::int64_t> column_sizes_;
  DataFile result_;
  bool usable_ = true;
};

}  // namespace

Result<std::shared_ptr<const DataFileFormat>> DataFileFormat::Make(const TableMetadata& metadata) {
  auto format = std::make_shared<Format>();
  SIGNALDB_ASSIGN(format->layout, ParquetLayout::Make(metadata.schema()));
  SIGNALDB_ASSIGN(format->settings, ParquetSettings::Make(metadata, *format->layout));
  format->spec_id = metadata.partition_spec().spec_id;
  format->partition_fields = metadata.partition_spec().fields.size();
  format->sort_order_id = metadata.sort_order().order_id;
  return std::shared_ptr<const DataFileFormat>(std::move(format));
}

Result<std::unique_ptr<DataFileWriter>> DataFileWriter::Make(
    FileIo& io, std::shared_ptr<const DataFileFormat> format, std::string location,
    PartitionValues partition, RowOrder order) {
  auto ours = std::static_pointer_cast<const Format>(std::move(format));
  if (partition.size() != ours->partition_fields) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("partition values do not match the spec fields={} values={} file={}",
                            ours->partition_fields, partition.size(), location));
  }
  SIGNALDB_ASSIGN(auto compressor,
                  PageCompressor::Make(ours->settings.codec, ours->settings.level));
  SIGNALDB_ASSIGN(auto file, io.Create(location));
  auto writer = std::make_unique<ParquetDataFileWriter>(std::move(file), std::move(ours),
                                                        std::move(compressor), order);
  writer->Describe(std::move(location), std::move(partition));
  return writer;
}

}  // namespace signaldb

#include "writer/sort_rows.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <arrow/api.h>
#include <arrow/util/byte_size.h>

#include "writer/encode_texts.h"
#include "writer/order_rows.h"
#include "writer/row_partitions.h"
#include "writer/sort_keys.h"

namespace signaldb {

namespace {

// Arrow bytes of each row, where they matter.
class RowSizes {
 public:
  explicit RowSizes(Batches batches) : batches_(std::move(batches)), sizes_(batches_.size()) {}

  [[nodiscard]] std::int64_t Of(std::uint32_t batch, std::int64_t row) {
    if (sizes_[batch].empty()) Measure(batch);
    return sizes_[batch][static_cast<std::size_t>(row)];
  }

 private:
  void Measure(std::uint32_t batch) {
    std::vector<std::int64_t>& sizes = sizes_[batch];
    const std::int64_t rows = batches_[batch]->num_rows();
    sizes.assign(static_cast<std::size_t>(rows), 0);
    std::vector<std::int64_t> edges(static_cast<std::size_t>(rows) + 1);
    for (const auto& column : batches_[batch]->columns()) {
      for (std::size_t i = 0; i < edges.size(); ++i) edges[i] = static_cast<std::int64_t>(i);
      AddColumn(*column->data(), edges, sizes);
    }
  }

  // Row i has the elements from edges[i] to edges[i + 1] of `data`.
  static void AddColumn(const arrow::ArrayData& data, const std::vector<std::int64_t>& edges,
                        std::vector<std::int64_t>& sizes) {
    std::int64_t width = 4;  // Offsets and dictionary indices.
    std::vector<std::int64_t> inner = edges;
    switch (data.type->id()) {
      case arrow::Type::STRING:
      case arrow::Type::BINARY:
      case arrow::Type::LIST:
      case arrow::Type::MAP: {
        const auto* offsets = data.GetValues<std::int32_t>(1);
        for (std::int64_t& edge : inner) edge = offsets[edge];
        if (data.child_data.empty())
          AddBytes(1, inner, sizes);
        else
          AddColumn(*data.child_data[0], inner, sizes);
        break;
      }
      case arrow::Type::STRUCT:
        for (std::int64_t& edge : inner) edge += data.offset;
        for (const auto& child : data.child_data) AddColumn(*child, inner, sizes);
        return;
      default:
        if (arrow::is_fixed_width(data.type->id())) width = std::max(data.type->byte_width(), 1);
    }
    AddBytes(width, edges, sizes);
  }

  static void AddBytes(std::int64_t width, const std::vector<std::int64_t>& edges,
                       std::vector<std::int64_t>& sizes) {
    for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] += width * (edges[i + 1] - edges[i]);
  }

  const Batches batches_;
  std::vector<std::vector<std::int64_t>> sizes_;
};

// Cuts the spans of one partition into slices.
class Slicer {
 public:
  Slicer(const SliceLimits& limits, RowSizes* sizes, std::vector<SortedRows::Slice>& out)
      : limits_(limits), sizes_(sizes), out_(out) {}

  void Cut(std::size_t partition, const OrderedRows& rows) {
    slice_ = SortedRows::Slice{.partition = partition};
    if (rows.picks.empty())
      CutSpans(partition, rows.spans);
    else
      CutPicks(partition, rows);
    Close(partition);
  }

 private:
  void CutSpans(std::size_t partition, const std::vector<RowSpan>& spans) {
    for (RowSpan span : spans) {
      while (span.length > 0) {
        const std::int64_t count = Fitting(span);
        if (count == 0) {
          Close(partition);
          continue;
        }
        slice_.spans.push_back(RowSpan{span.batch, span.start, count});
        slice_.rows += count;
        span.start += count;
        span.length -= count;
      }
    }
  }

  void CutPicks(std::size_t partition, const OrderedRows& rows) {
    const std::span<const RowPick> picks(rows.picks);
    const std::span<const std::uint64_t> first_words(rows.first_words);
    for (std::size_t start = 0; start < picks.size();) {
      auto count = std::min(picks.size() - start, static_cast<std::size_t>(limits_.rows_max));
      if (sizes_ != nullptr) count = FittingPicks(picks.subspan(start, count));
      slice_.picks = picks.subspan(start, count);
      if (!first_words.empty()) slice_.first_words = first_words.subspan(start, count);
      slice_.rows = static_cast<std::int64_t>(count);
      Close(partition);
      start += count;
    }
  }

  // How many of `picks` fit into an empty slice; at least one.
  std::size_t FittingPicks(std::span<const RowPick> picks) {
    std::size_t count = 0;
    for (const RowPick pick : picks) {
      const std::int64_t bytes = sizes_->Of(pick.batch, pick.row);
      if (slice_.bytes + bytes > limits_.bytes_max && count > 0) break;
      slice_.bytes += bytes;
      ++count;
    }
    return count;
  }

  // How many rows of `span` still fit; at least one if the slice is empty.
  std::int64_t Fitting(const RowSpan& span) {
    const std::int64_t rows = std::min(span.length, limits_.rows_max - slice_.rows);
    if (sizes_ == nullptr) return rows;
    std::int64_t count = 0;
    while (count < rows) {
      const std::int64_t bytes = sizes_->Of(span.batch, span.start + count);
      if (slice_.bytes + bytes > limits_.bytes_max && slice_.rows + count > 0) break;
      slice_.bytes += bytes;
      ++count;
    }
    return count;
  }

  void Close(std::size_t partition) {
    if (slice_.rows > 0) out_.push_back(std::move(slice_));
    slice_ = SortedRows::Slice{.partition = partition};
  }

  const SliceLimits& limits_;
  RowSizes* sizes_;
  std::vector<SortedRows::Slice>& out_;
  SortedRows::Slice slice_;
};

std::vector<std::string> SortColumns(const TableMetadata& metadata) {
  std::vector<std::string> names;
  for (const SortField& sort : metadata.sort_order().fields) {
    const Field* field = FindTopLevelField(metadata.schema(), sort.source_id);
    if (field != nullptr) names.push_back(field->name);
  }
  return names;
}

}  // namespace

Result<SortedRows> SortedRows::Make(const TableMetadata& metadata,
                                    std::vector<std::shared_ptr<arrow::RecordBatch>> batches,
                                    const SliceLimits& limits) {
  SIGNALDB_ASSERT(limits.rows_max > 0 && limits.bytes_max > 0);
  std::erase_if(batches, [](const auto& batch) { return batch->num_rows() == 0; });
  SortedRows sorted;
  if (batches.empty()) return sorted;
  const Schema& schema = metadata.schema();
  std::int64_t bytes = 0;
  std::int64_t rows = 0;
  for (const auto& batch : batches) {
    bytes += arrow::util::TotalBufferSize(*batch);
    rows += batch->num_rows();
  }
  RowSizes sizes(batches);
  SIGNALDB_ASSIGN(batches, EncodeTexts(batches, SortColumns(metadata)));
  SIGNALDB_ASSIGN(PartitionIds ids, FindPartitions(schema, metadata.partition_spec(), batches));
  SIGNALDB_ASSIGN(std::optional<SortKeys> keys,
                  FindSortKeys(schema, metadata.sort_order(), batches));
  if (keys.has_value()) sorted.row_order_ = RowOrder::kSorted;
  Slicer slicer(limits, bytes > limits.bytes_max ? &sizes : nullptr, sorted.slices_);
  SIGNALDB_ASSIGN(sorted.ordered_, OrderRows(batches, ids, keys.has_value() ? &*keys : nullptr));
  if (keys.has_value()) sorted.key_columns_ = std::move(keys->columns);
  keys.reset();
  for (std::size_t p = 0; p < sorted.ordered_.size(); ++p) slicer.Cut(p, sorted.ordered_[p]);
  if (bytes <= limits.bytes_max) {
    const double row_bytes = static_cast<double>(bytes) / static_cast<double>(rows);
    for (Slice& slice : sorted.slices_) {
      slice.bytes = static_cast<std::int64_t>(row_bytes * static_cast<double>(slice.rows));
    }
  }
  sorted.partitions_ = std::move(ids.partitions);
  const bool row_by_row = std::ranges::any_of(
      sorted.ordered_, [](const OrderedRows& of_partition) { return !of_partition.picks.empty(); });
  if (row_by_row) {
    SIGNALDB_ASSIGN(batches, EncodeTexts(batches, batches[0]->schema()->field_names()));
  }
  SIGNALDB_ASSIGN(sorted.gatherer_, RowGatherer::Make(std::move(batches)));
  return sorted;
}

Result<std::shared_ptr<arrow::RecordBatch>> SortedRows::Gather(const Slice& slice) const {
  if (slice.picks.empty()) return gatherer_.Gather(slice.spans);
  KnownColumns known;
  if (!slice.first_words.empty()) {
    for (const KeyColumn& column : key_columns_) {
      SIGNALDB_ASSIGN(known[column.name], column.restore(slice.first_words));
    }
  }
  return gatherer_.Gather(slice.picks, known);
}

}  // namespace signaldb

#include "writer/sort_rows.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <arrow/api.h>
#include <arrow/util/byte_size.h>

#include "writer/row_keys.h"

namespace signaldb {

namespace {

// Compares the keys of two rows.
int CompareKeys(const std::uint64_t* a, const std::uint64_t* b, std::size_t words) {
  for (std::size_t i = 0; i < words; ++i) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

// Rows of one batch in order: at most `length` from `start` on.
using Run = RowSpan;

// Merges the runs of one partition.
class RunMerger {
 public:
  RunMerger(const SortKeys& keys, std::vector<Run> runs) : keys_(keys), runs_(std::move(runs)) {}

  std::vector<RowSpan> Merge() && {
    std::int64_t rows = 0;
    for (const Run& run : runs_) rows += run.length;
    if (std::cmp_greater(runs_.size() * kShortRun, rows)) return SortRowByRow(rows);
    return MergeRuns();
  }

 private:
  static constexpr std::size_t kShortRun = 8;  // Shorter ones on average are not worth a heap.

  // A run on its way into the result: `key` is that of its first row.
  struct Head {
    const std::uint64_t* key;
    std::uint32_t run;
  };

  [[nodiscard]] const std::uint64_t* KeyOf(const Run& run) const {
    return keys_.Of(run.batch, run.start);
  }

  // Equal keys go by the order of the runs, which is that of the rows.
  [[nodiscard]] bool ComesBefore(const Head& a, const Head& b) const {
    const int order = CompareKeys(a.key, b.key, keys_.words);
    return order != 0 ? order < 0 : a.run < b.run;
  }

  // How many rows of the run of `head` come before the first row of `other`; at least one.
  [[nodiscard]] std::int64_t RowsBefore(const Head& head, const Head& other) const {
    const int tie = head.run < other.run ? 0 : -1;
    const auto before = [&](std::int64_t i) {
      const std::uint64_t* key = head.key + static_cast<std::size_t>(i) * keys_.words;
      return CompareKeys(key, other.key, keys_.words) <= tie;
    };
    std::int64_t low = 0;
    std::int64_t step = 1;
    const std::int64_t length = runs_[head.run].length;
    while (low + step < length && before(low + step)) {
      low += step;
      step *= 2;
    }
    std::int64_t high = std::min(low + step, length);
    while (high - low > 1) {
      const std::int64_t middle = low + (high - low) / 2;
      (before(middle) ? low : high) = middle;
    }
    return high;
  }

  // Moves the top of the heap down to where it belongs.
  void SiftDown(std::vector<Head>& heap) const {
    const Head moved = heap[0];
    std::size_t at = 0;
    for (;;) {
      std::size_t child = 2 * at + 1;
      if (child >= heap.size()) break;
      if (child + 1 < heap.size() && ComesBefore(heap[child + 1], heap[child])) ++child;
      if (!ComesBefore(heap[child], moved)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = moved;
  }

  // The head that is next after the top.
  [[nodiscard]] const Head& Second(const std::vector<Head>& heap) const {
    return heap.size() > 2 && ComesBefore(heap[2], heap[1]) ? heap[2] : heap[1];
  }

  std::vector<RowSpan> MergeRuns() {
    std::vector<Head> heap;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      heap.push_back(Head{KeyOf(runs_[i]), static_cast<std::uint32_t>(i)});
    }
    std::ranges::sort(heap, [this](const Head& a, const Head& b) { return ComesBefore(a, b); });
    std::vector<RowSpan> spans;
    while (!heap.empty()) {
      Head& top = heap[0];
      Run& run = runs_[top.run];
      const std::int64_t count = heap.size() == 1 ? run.length : RowsBefore(top, Second(heap));
      spans.push_back(RowSpan{run.batch, run.start, count});
      run.start += count;
      run.length -= count;
      top.key += static_cast<std::size_t>(count) * keys_.words;
      if (run.length == 0) {
        top = heap.back();
        heap.pop_back();
      }
      if (!heap.empty()) SiftDown(heap);
    }
    return spans;
  }

  std::vector<RowSpan> SortRowByRow(std::int64_t rows) const {
    // The first word lies in the row to be moved: most comparisons end there, without a look at
    // keys that are far away.
    struct Row {
      std::uint64_t first;
      std::uint32_t batch;
      std::uint32_t row;
    };
    std::vector<Row> order;
    order.reserve(static_cast<std::size_t>(rows));
    for (const Run& run : runs_) {
      for (std::int64_t row = run.start; row < run.start + run.length; ++row) {
        order.push_back(Row{*keys_.Of(run.batch, row), run.batch, static_cast<std::uint32_t>(row)});
      }
    }
    std::ranges::sort(order, [this](const Row& a, const Row& b) {
      if (a.first != b.first) return a.first < b.first;
      const int rest =
          CompareKeys(keys_.Of(a.batch, a.row) + 1, keys_.Of(b.batch, b.row) + 1, keys_.words - 1);
      if (rest != 0) return rest < 0;
      return a.batch != b.batch ? a.batch < b.batch : a.row < b.row;
    });
    std::vector<RowSpan> spans;
    spans.reserve(order.size());
    for (const Row& row : order) spans.push_back(RowSpan{row.batch, row.row, 1});
    return spans;
  }

  const SortKeys& keys_;
  std::vector<Run> runs_;
};

// The runs of each partition: rows that follow each other in a batch and are in order.
std::vector<std::vector<Run>> FindRuns(const Batches& batches, const PartitionIds& ids,
                                       const SortKeys* keys) {
  std::vector<std::vector<Run>> runs(ids.partitions.size());
  for (std::size_t b = 0; b < batches.size(); ++b) {
    const std::int64_t rows = batches[b]->num_rows();
    const auto batch = static_cast<std::uint32_t>(b);
    const auto partition_of = [&](std::int64_t row) {
      return ids.rows.empty() ? 0 : ids.rows[b][static_cast<std::size_t>(row)];
    };
    std::int64_t start = 0;
    for (std::int64_t row = 1; row <= rows; ++row) {
      const bool ends = row == rows || partition_of(row) != partition_of(start) ||
                        (keys != nullptr && CompareKeys(keys->Of(batch, row - 1),
                                                        keys->Of(batch, row), keys->words) > 0);
      if (!ends) continue;
      runs[partition_of(start)].push_back(Run{batch, start, row - start});
      start = row;
    }
  }
  return runs;
}

// Arrow bytes of each row, where they matter.
class RowSizes {
 public:
  explicit RowSizes(const Batches& batches) : batches_(batches), sizes_(batches.size()) {}

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

  const Batches& batches_;
  std::vector<std::vector<std::int64_t>> sizes_;
};

// Cuts the spans of one partition into slices.
class Slicer {
 public:
  Slicer(const SliceLimits& limits, RowSizes* sizes, std::vector<SortedRows::Slice>& out)
      : limits_(limits), sizes_(sizes), out_(out) {}

  void Cut(std::size_t partition, const std::vector<RowSpan>& spans) {
    slice_ = SortedRows::Slice{.partition = partition};
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
    Close(partition);
  }

 private:
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

}  // namespace

Result<SortedRows> SortedRows::Make(const TableMetadata& metadata,
                                    std::vector<std::shared_ptr<arrow::RecordBatch>> batches,
                                    const SliceLimits& limits) {
  SIGNALDB_ASSERT(limits.rows_max > 0 && limits.bytes_max > 0);
  std::erase_if(batches, [](const auto& batch) { return batch->num_rows() == 0; });
  SortedRows sorted;
  SIGNALDB_ASSIGN(sorted.gatherer_, RowGatherer::Make(batches));
  if (batches.empty()) return sorted;
  const Schema& schema = metadata.schema();
  SIGNALDB_ASSIGN(PartitionIds ids, FindPartitions(schema, metadata.partition_spec(), batches));
  SIGNALDB_ASSIGN(const std::optional<SortKeys> keys,
                  FindSortKeys(schema, metadata.sort_order(), batches));
  if (keys.has_value()) sorted.row_order_ = RowOrder::kSorted;
  std::int64_t bytes = 0;
  std::int64_t rows = 0;
  for (const auto& batch : batches) {
    bytes += arrow::util::TotalBufferSize(*batch);
    rows += batch->num_rows();
  }
  RowSizes sizes(batches);
  Slicer slicer(limits, bytes > limits.bytes_max ? &sizes : nullptr, sorted.slices_);
  auto runs = FindRuns(batches, ids, keys.has_value() ? &*keys : nullptr);
  for (std::size_t p = 0; p < runs.size(); ++p) {
    if (keys.has_value())
      slicer.Cut(p, RunMerger(*keys, std::move(runs[p])).Merge());
    else
      slicer.Cut(p, runs[p]);
  }
  if (bytes <= limits.bytes_max) {
    const double row_bytes = static_cast<double>(bytes) / static_cast<double>(rows);
    for (Slice& slice : sorted.slices_) {
      slice.bytes = static_cast<std::int64_t>(row_bytes * static_cast<double>(slice.rows));
    }
  }
  sorted.partitions_ = std::move(ids.partitions);
  return sorted;
}

Result<std::shared_ptr<arrow::RecordBatch>> SortedRows::Gather(const Slice& slice) const {
  return gatherer_.Gather(slice.spans);
}

}  // namespace signaldb

#include "writer/order_rows.h"

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include <arrow/buffer.h>
#include <arrow/record_batch.h>

#include "iceberg/arrow_error.h"

namespace signaldb {

namespace {

constexpr std::size_t kShortRun = 8;  // Shorter ones on average are not worth a heap.

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
    std::vector<Head> heap;
    heap.reserve(runs_.size());
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

 private:
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

  const SortKeys& keys_;
  std::vector<Run> runs_;
};

// A row to be sorted: key and row in one number, where they fit.
class PackedRows {
 public:
  using Entry = std::uint64_t;

  static bool Fits(const SortKeys& keys, const Batches& batches) {
    return keys.words == 1 && keys.first_bits + RowBits(batches) + BatchBits(batches) <= kWordBits;
  }
  PackedRows(const SortKeys& keys, const Batches& batches)
      : first_bits_(keys.first_bits),
        row_bits_(RowBits(batches)),
        low_bits_(row_bits_ + BatchBits(batches)) {}

  [[nodiscard]] Entry Make(const std::uint64_t* key, RowPick row) const {
    // There may be no bit of key, or no bit beside it.
    const std::uint64_t high = first_bits_ == 0 ? 0 : *key << low_bits_;
    return high | std::uint64_t{row.batch} << row_bits_ | row.row;
  }
  [[nodiscard]] RowPick RowOf(Entry entry) const {
    const std::uint64_t low = entry & Mask(low_bits_);
    return {.batch = static_cast<std::uint32_t>(low >> row_bits_),
            .row = static_cast<std::uint32_t>(low & Mask(row_bits_))};
  }
  // The keys, in the same memory.
  [[nodiscard]] std::vector<std::uint64_t> KeysOf(std::vector<Entry> entries) const {
    for (Entry& entry : entries) entry >>= low_bits_;
    return entries;
  }
  // The lowest `digit` of the bits of the key above its lowest `shift`.
  [[nodiscard]] std::size_t DigitOf(Entry entry, int shift, int digit) const {
    return (entry >> (low_bits_ + shift)) & Mask(digit);
  }
  [[nodiscard]] static bool Less(Entry a, Entry b) { return a < b; }

 private:
  static constexpr int kWordBits = 64;

  static std::uint64_t Mask(int bits) { return (std::uint64_t{1} << bits) - 1; }
  static int RowBits(const Batches& batches) {
    std::int64_t most = 0;
    for (const auto& batch : batches) most = std::max(most, batch->num_rows());
    return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(most)));
  }
  static int BatchBits(const Batches& batches) {
    return static_cast<int>(std::bit_width(batches.size() - 1));
  }

  const int first_bits_;
  const int row_bits_;
  const int low_bits_;  // Batch and row.
};

// The same with the first word of the key beside the row; the other words are where they were, and
// seldom looked at.
class WideRows {
 public:
  struct Entry {
    std::uint64_t first;
    RowPick row;
  };

  explicit WideRows(const SortKeys& keys) : keys_(keys) {}

  [[nodiscard]] static Entry Make(const std::uint64_t* key, RowPick row) { return {*key, row}; }
  [[nodiscard]] static RowPick RowOf(const Entry& entry) { return entry.row; }
  // They are not worth their memory.
  [[nodiscard]] static std::vector<std::uint64_t> KeysOf(const std::vector<Entry>&) { return {}; }
  [[nodiscard]] static std::size_t DigitOf(const Entry& entry, int shift, int digit) {
    return (entry.first >> shift) & ((std::uint64_t{1} << digit) - 1);
  }
  [[nodiscard]] bool Less(const Entry& a, const Entry& b) const {
    if (a.first != b.first) return a.first < b.first;
    const int rest = CompareKeys(keys_.Of(a.row.batch, a.row.row) + 1,
                                 keys_.Of(b.row.batch, b.row.row) + 1, keys_.words - 1);
    if (rest != 0) return rest < 0;
    return a.row.batch != b.row.batch ? a.row.batch < b.row.batch : a.row.row < b.row.row;
  }

 private:
  const SortKeys& keys_;
};

// Sorts the rows of one partition one by one: distributes them by leading bits of their keys until
// what is together is in order or few.
template <typename Kind>
class PickSorter {
 public:
  using Entry = Kind::Entry;

  PickSorter(const Kind& kind, const SortKeys& keys)
      : kind_(kind), bits_(keys.first_bits), group_bits_(keys.first_bits - keys.group_shift) {}

  // Errors: kUnavailable (memory).
  Result<std::vector<RowPick>> Sort(std::span<Entry> rows) const {
    if (!IsDone(rows)) {
      // From Arrow's pool, which keeps memory: fresh pages cost more than what is done with them.
      auto spare = arrow::AllocateBuffer(static_cast<std::int64_t>(rows.size() * sizeof(Entry)));
      if (!spare.ok()) return std::unexpected(ErrorFromArrow(spare.status(), "sorting rows"));
      // Whole groups first: what arrives in time order is in order then.
      const bool few = group_bits_ > 0 && (std::size_t{1} << group_bits_) <= 2 * rows.size();
      SortWithin(rows, {reinterpret_cast<Entry*>((*spare)->mutable_data()), rows.size()}, bits_,
                 few ? group_bits_ : DigitBits(rows.size(), bits_));
    }
    std::vector<RowPick> picks(rows.size());
    std::ranges::transform(rows, picks.begin(),
                           [this](const Entry& entry) { return kind_.RowOf(entry); });
    return picks;
  }

 private:
  static constexpr std::size_t kFew = 64;
  static constexpr int kDigitBitsMax = 12;

  static int DigitBits(std::size_t count, int bits) {
    return std::min({bits, kDigitBitsMax, static_cast<int>(std::bit_width(count / 16))});
  }

  [[nodiscard]] bool IsDone(std::span<const Entry> rows) const {
    for (std::size_t i = 1; i < rows.size(); ++i) {
      if (kind_.Less(rows[i], rows[i - 1])) return false;
    }
    return true;
  }

  void SortFew(std::span<Entry> rows) const {
    std::ranges::sort(rows, [this](const Entry& a, const Entry& b) { return kind_.Less(a, b); });
  }

  // Moves rows that agree above their low `bits` bits into `to`, by the highest `digit` of these,
  // and says where each digit's rows end.
  std::vector<std::uint32_t> Distribute(std::span<const Entry> from, std::span<Entry> to, int bits,
                                        int digit) const {
    const int shift = bits - digit;
    std::vector<std::uint32_t> ends(std::size_t{1} << digit);
    for (const Entry& entry : from) ++ends[kind_.DigitOf(entry, shift, digit)];
    std::uint32_t sum = 0;
    for (std::uint32_t& end : ends) sum += std::exchange(end, sum);
    for (const Entry& entry : from) to[ends[kind_.DigitOf(entry, shift, digit)]++] = entry;
    return ends;
  }

  template <typename Visit>
  static void ForEachBucket(const std::vector<std::uint32_t>& ends, Visit visit) {
    std::size_t start = 0;
    for (const std::size_t end : ends) {
      if (end > start) visit(start, end - start);
      start = end;
    }
  }

  // Sorts `rows`, which agree above their low `bits` bits.
  void SortWithin(std::span<Entry> rows, std::span<Entry> spare, int bits, int digit) const {
    if (rows.size() <= kFew || digit == 0) return SortFew(rows);
    const auto ends = Distribute(rows, spare, bits, digit);
    ForEachBucket(ends, [&](std::size_t start, std::size_t count) {
      SortInto(spare.subspan(start, count), rows.subspan(start, count), bits - digit);
    });
  }

  // The same, but the result goes into `to`.
  void SortInto(std::span<Entry> rows, std::span<Entry> to, int bits) const {
    const int digit = DigitBits(rows.size(), bits);
    if (IsDone(rows)) {
      std::ranges::copy(rows, to.begin());
    } else if (rows.size() <= kFew || digit == 0) {
      std::ranges::copy(rows, to.begin());
      SortFew(to);
    } else {
      const auto ends = Distribute(rows, to, bits, digit);
      ForEachBucket(ends, [&](std::size_t start, std::size_t count) {
        const std::span<Entry> bucket = to.subspan(start, count);
        if (IsDone(bucket)) return;
        SortWithin(bucket, rows.subspan(start, count), bits - digit,
                   DigitBits(count, bits - digit));
      });
    }
  }

  const Kind& kind_;
  const int bits_;
  const int group_bits_;
};

// The rows of all batches, by partition.
class Rows {
 public:
  Rows(const Batches& batches, const PartitionIds& ids, const SortKeys* keys)
      : batches_(batches), ids_(ids), keys_(keys) {}

  [[nodiscard]] bool ComeInRuns() const {
    std::size_t runs = 0;
    std::size_t rows = 0;
    for (std::size_t b = 0; b < batches_.size(); ++b) {
      rows += static_cast<std::size_t>(batches_[b]->num_rows());
      ForEachRun(b, [&](std::int64_t, std::int64_t) { ++runs; });
    }
    return runs * kShortRun <= rows;
  }

  [[nodiscard]] std::size_t Count() const {
    std::size_t rows = 0;
    for (const auto& batch : batches_) rows += static_cast<std::size_t>(batch->num_rows());
    return rows;
  }

  [[nodiscard]] std::vector<std::vector<Run>> FindRuns() const {
    std::vector<std::vector<Run>> runs(ids_.partitions.size());
    for (std::size_t b = 0; b < batches_.size(); ++b) {
      ForEachRun(b, [&](std::int64_t start, std::int64_t end) {
        runs[PartitionOf(b, start)].push_back(
            Run{static_cast<std::uint32_t>(b), start, end - start});
      });
    }
    return runs;
  }

  // `enter(partition, row)` for each in the order of arrival.
  template <typename Enter>
  void ForEach(Enter enter) const {
    for (std::size_t b = 0; b < batches_.size(); ++b) {
      const auto rows = static_cast<std::uint32_t>(batches_[b]->num_rows());
      for (std::uint32_t row = 0; row < rows; ++row) {
        enter(PartitionOf(b, row), RowPick{static_cast<std::uint32_t>(b), row});
      }
    }
  }

 private:
  [[nodiscard]] std::uint32_t PartitionOf(std::size_t batch, std::int64_t row) const {
    return ids_.rows.empty() ? 0 : ids_.rows[batch][static_cast<std::size_t>(row)];
  }

  // `visit(start, end)` for rows that follow each other in a batch, are of one partition and are in
  // order.
  template <typename Visit>
  void ForEachRun(std::size_t b, Visit visit) const {
    const std::int64_t rows = batches_[b]->num_rows();
    const auto batch = static_cast<std::uint32_t>(b);
    std::int64_t start = 0;
    for (std::int64_t row = 1; row <= rows; ++row) {
      const bool ends = row == rows || PartitionOf(b, row) != PartitionOf(b, start) ||
                        (keys_ != nullptr && CompareKeys(keys_->Of(batch, row - 1),
                                                         keys_->Of(batch, row), keys_->words) > 0);
      if (!ends) continue;
      visit(start, row);
      start = row;
    }
  }

  const Batches& batches_;
  const PartitionIds& ids_;
  const SortKeys* keys_;
};

// Spans of a row or two are better gathered row by row.
OrderedRows WithoutShortSpans(std::vector<RowSpan> spans) {
  std::int64_t rows = 0;
  for (const RowSpan& span : spans) rows += span.length;
  if (spans.size() == 1 || std::cmp_less_equal(spans.size() * 3, rows)) {
    return {.spans = std::move(spans), .picks = {}, .first_words = {}};
  }
  OrderedRows ordered;
  ordered.picks.reserve(static_cast<std::size_t>(rows));
  for (const RowSpan& span : spans) {
    for (std::int64_t row = span.start; row < span.start + span.length; ++row) {
      ordered.picks.push_back({span.batch, static_cast<std::uint32_t>(row)});
    }
  }
  return ordered;
}

// By partition.
template <typename Kind>
std::vector<std::vector<typename Kind::Entry>> EntriesOf(const Rows& rows, std::size_t partitions,
                                                         const Kind& kind, const SortKeys& keys) {
  std::vector<std::size_t> counts(partitions);
  if (partitions == 1)
    counts[0] = rows.Count();
  else
    rows.ForEach([&](std::uint32_t partition, RowPick) { ++counts[partition]; });
  std::vector<std::vector<typename Kind::Entry>> entries(partitions);
  for (std::size_t p = 0; p < partitions; ++p) entries[p].reserve(counts[p]);
  rows.ForEach([&](std::uint32_t partition, RowPick row) {
    entries[partition].push_back(kind.Make(keys.Of(row.batch, row.row), row));
  });
  return entries;
}

template <typename Kind>
Result<std::vector<OrderedRows>> SortOneByOne(
    const Kind& kind, const SortKeys& keys,
    std::vector<std::vector<typename Kind::Entry>> entries) {
  const PickSorter<Kind> sorter(kind, keys);
  std::vector<OrderedRows> ordered;
  for (auto& of_partition : entries) {
    SIGNALDB_ASSIGN(std::vector<RowPick> picks, sorter.Sort(of_partition));
    ordered.push_back({.spans = {},
                       .picks = std::move(picks),
                       .first_words = kind.KeysOf(std::exchange(of_partition, {}))});
  }
  return ordered;
}

}  // namespace

Result<std::vector<OrderedRows>> OrderRows(const Batches& batches, const PartitionIds& ids,
                                           SortKeys* keys) {
  const Rows rows(batches, ids, keys);
  if (keys != nullptr && !rows.ComeInRuns()) {
    const std::size_t partitions = ids.partitions.size();
    if (!PackedRows::Fits(*keys, batches)) {
      const WideRows kind(*keys);
      return SortOneByOne(kind, *keys, EntriesOf(rows, partitions, kind, *keys));
    }
    const PackedRows kind(*keys, batches);
    if (batches.size() > 1 || partitions > 1) {
      return SortOneByOne(kind, *keys, EntriesOf(rows, partitions, kind, *keys));
    }
    // In the memory of the keys.
    std::vector<std::uint64_t>& entries = keys->rows[0];
    for (std::size_t row = 0; row < entries.size(); ++row) {
      entries[row] = kind.Make(&entries[row], {.row = static_cast<std::uint32_t>(row)});
    }
    std::vector<std::vector<std::uint64_t>> all;
    all.push_back(std::move(entries));
    return SortOneByOne(kind, *keys, std::move(all));
  }
  std::vector<OrderedRows> ordered;
  for (std::vector<Run>& runs : rows.FindRuns()) {
    ordered.push_back(WithoutShortSpans(
        keys == nullptr ? std::move(runs) : RunMerger(*keys, std::move(runs)).Merge()));
  }
  return ordered;
}

}  // namespace signaldb

#include "iceberg/data_file/column_chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/util/bit_util.h>
#include <fmt/format.h>
#include <parquet/column_page.h>
#include <parquet/column_writer.h>
#include <parquet/encoding.h>
#include <parquet/statistics.h>

#include "iceberg/data_file/dictionary_codes.h"
#include "iceberg/data_file/rle_bit_packed.h"

namespace signaldb {

namespace {

// Longer bounds are left out of the footer: nobody prunes by them, and they are read every time.
constexpr std::size_t kStatisticBytesMax = 256;

parquet::EncodedStatistics StatisticsOf(const Field& field, const ValueRange& range) {
  parquet::EncodedStatistics statistics;
  statistics.set_null_count(range.nulls);
  statistics.all_null_value = range.nulls == range.values;
  const Physical physical = PhysicalOf(field.type);
  const bool bytes = physical == Physical::kBytes ||
                     (physical == Physical::kFixed && field.type.id() != TypeId::kDecimal);
  statistics.set_is_signed(!bytes);
  if (!range.lower || !range.upper) return statistics;
  statistics.set_min(ParquetBytes(field.type, *range.lower));
  statistics.set_max(ParquetBytes(field.type, *range.upper));
  statistics.is_min_value_exact = true;
  statistics.is_max_value_exact = true;
  if (statistics.min().size() > kStatisticBytesMax ||
      statistics.max().size() > kStatisticBytesMax) {
    statistics.ClearMinMax();
    statistics.is_min_value_exact.reset();
    statistics.is_max_value_exact.reset();
  }
  return statistics;
}

void AppendLevels(const Levels& levels, std::uint8_t uniform, std::int64_t slots, int level_max,
                  PageBuffer& out) {
  if (level_max == 0) return;
  const int width = BitWidthOf(static_cast<std::uint32_t>(level_max));
  const std::size_t start = out.size();
  const std::uint32_t nothing = 0;
  out.Append(&nothing, 4);
  if (levels == nullptr)
    AppendHybridRun(uniform, static_cast<std::size_t>(slots), width, out);
  else
    AppendHybrid(std::span<const std::uint8_t>(*levels), width, out);
  const auto length = static_cast<std::uint32_t>(out.size() - start - 4);
  std::memcpy(out.data() + start, &length, 4);
}

// Copies short texts without a call: most are ids of 16 or 32 bytes.
void CopyText(std::uint8_t* to, const std::uint8_t* from, std::size_t count) {
  if (count == 32) {
    std::memcpy(to, from, 32);
  } else if (count == 16) {
    std::memcpy(to, from, 16);
  } else {
    std::memcpy(to, from, count);
  }
}

template <typename EntryAt>
void AppendTexts(const LeafValues& values, std::int64_t count, EntryAt entry_at, PageBuffer& out) {
  std::size_t bytes = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t entry = entry_at(i);
    bytes += 4 + static_cast<std::size_t>(values.offsets[entry + 1] - values.offsets[entry]);
  }
  std::uint8_t* to = out.Reserve(bytes);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t entry = entry_at(i);
    const auto length =
        static_cast<std::uint32_t>(values.offsets[entry + 1] - values.offsets[entry]);
    std::memcpy(to, &length, 4);
    CopyText(to + 4, values.data + values.offsets[entry], length);
    to += 4 + length;
  }
  out.Advance(bytes);
}

template <typename EntryAt>
void AppendBits(const LeafValues& values, std::int64_t count, EntryAt entry_at, PageBuffer& out) {
  const auto bytes = static_cast<std::size_t>((count + 7) / 8);
  std::uint8_t* to = out.Reserve(bytes);
  std::memset(to, 0, bytes);
  for (std::int64_t i = 0; i < count; ++i) {
    if (arrow::bit_util::GetBit(values.data, values.bit_offset + entry_at(i))) {
      arrow::bit_util::SetBit(to, i);
    }
  }
  out.Advance(bytes);
}

// Plain encoding of the entries that `entry_at` names.
template <typename EntryAt>
void AppendPlain(const LeafValues& values, std::int64_t count, EntryAt entry_at, PageBuffer& out) {
  if (count == 0) return;
  if (values.physical == Physical::kBytes) return AppendTexts(values, count, entry_at, out);
  if (values.physical == Physical::kBool) return AppendBits(values, count, entry_at, out);
  const auto width = static_cast<std::size_t>(values.width);
  std::uint8_t* to = out.Reserve(width * static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i, to += width) {
    const std::uint8_t* from = values.data + entry_at(i) * values.width;
    if (width == 8)
      std::memcpy(to, from, 8);
    else if (width == 4)
      std::memcpy(to, from, 4);
    else
      std::memcpy(to, from, width);
  }
  out.Advance(width * static_cast<std::size_t>(count));
}

void AppendPlainPage(const LeafValues& values, const LeafPage& page, PageBuffer& out) {
  if (values.indices != nullptr) {
    AppendPlain(
        values, page.count,
        [&](std::int64_t i) { return std::int64_t{values.indices[page.PositionOf(i)]}; }, out);
  } else if (page.positions != nullptr) {
    AppendPlain(
        values, page.count,
        [&](std::int64_t i) { return (*page.positions)[static_cast<std::size_t>(i)]; }, out);
  } else if (values.width > 0) {
    out.Append(values.data + page.first * values.width,
               static_cast<std::size_t>(page.count * values.width));
  } else {
    AppendPlain(values, page.count, [&](std::int64_t i) { return page.first + i; }, out);
  }
}

std::vector<std::int64_t> LongsOf(const LeafValues& values, const LeafPage& page) {
  std::vector<std::int64_t> longs(static_cast<std::size_t>(page.count));
  const auto* v = values.As<std::int64_t>();
  for (std::int64_t i = 0; i < page.count; ++i) {
    longs[static_cast<std::size_t>(i)] = v[page.PositionOf(i)];
  }
  return longs;
}

// Whether differences of neighbours are small, by looking at a few stretches: numbers that jump
// about are smaller plain, where zstd finds repetitions.
bool DeltaPays(const LeafValues& values, const LeafPage& page) {
  constexpr std::int64_t kStretch = 64;
  constexpr std::int64_t kStretches = 8;
  constexpr int kBitsMax = 36;
  const auto* v = values.As<std::int64_t>();
  int bits = 0;
  for (std::int64_t s = 0; s < kStretches; ++s) {
    const std::int64_t from = s * page.count / kStretches;
    const std::int64_t to = std::min(from + kStretch, page.count);
    std::int64_t lowest = std::numeric_limits<std::int64_t>::max();
    std::int64_t highest = std::numeric_limits<std::int64_t>::min();
    for (std::int64_t i = from + 1; i < to; ++i) {
      const auto delta =
          static_cast<std::int64_t>(static_cast<std::uint64_t>(v[page.PositionOf(i)]) -
                                    static_cast<std::uint64_t>(v[page.PositionOf(i - 1)]));
      lowest = std::min(lowest, delta);
      highest = std::max(highest, delta);
    }
    if (lowest < highest) {
      bits += static_cast<int>(
          std::bit_width(static_cast<std::uint64_t>(highest) - static_cast<std::uint64_t>(lowest)));
    }
  }
  return bits <= kBitsMax * kStretches;
}

class ChunkWriter {
 public:
  ChunkWriter(const LeafColumn& column, const ParquetSettings& settings, const ChunkTarget& target,
              ChunkScratch& scratch)
      : column_(column),
        field_(*column.leaf->field),
        settings_(settings),
        mine_(settings.columns[static_cast<std::size_t>(column.leaf->ordinal)]),
        target_(target),
        scratch_(scratch) {}

  Result<WrittenChunk> Write() {
    if (column_.values != nullptr) values_ = LeafValues::Of(field_.type, *column_.values);
    FindRangesAndDictionary();
    written_.range = whole_;
    BuildBloomFilter();
    pager_ = parquet::PageWriter::Open(
        target_.sink, settings_.codec, target_.metadata, target_.row_group,
        static_cast<std::int16_t>(column_.leaf->ordinal), arrow::default_memory_pool(), false,
        nullptr, nullptr, true, target_.column_index, target_.offset_index,
        arrow::util::CodecOptions(settings_.level));
    if (codes_.has_value()) WriteDictionaryPage(*codes_);
    std::int64_t row = 0;
    std::size_t code = 0;
    for (std::size_t p = 0; p < column_.pages.size(); ++p) {
      SIGNALDB_TRY(WritePage(p, row, code));
      row += column_.pages[p].rows;
      code += static_cast<std::size_t>(column_.pages[p].count);
    }
    if (mine_.statistics) target_.metadata->SetStatistics(StatisticsOf(field_, whole_));
    pager_->Close(codes_.has_value(), false);
    return std::move(written_);
  }

 private:
  [[nodiscard]] bool WantsBounds() const {
    return !column_.leaf->repeated &&
           (mine_.statistics || mine_.metrics.kind >= MetricsMode::Kind::kTruncate);
  }

  // Texts with a dictionary have the range of the entries they use; all else is needed first, to
  // choose a dictionary by it.
  void FindRangesAndDictionary() {
    const bool by_entries = values_.indices != nullptr;
    if (!by_entries) FindRanges();
    if (column_.values != nullptr) {
      codes_ = FindDictionary(column_, values_, whole_, mine_.dictionary,
                              settings_.dictionary_bytes_max);
    }
    if (by_entries) FindRanges();
  }

  void FindRanges() {
    std::size_t code = 0;
    for (const LeafPage& page : column_.pages) {
      ValueRange range{.values = page.slots, .nulls = page.slots - page.count};
      if (WantsBounds() && page.count > 0) {
        if (codes_.has_value()) {
          const std::vector<std::int32_t> used = UsedBy(*codes_, code, page.count);
          range = RangeOf(field_.type, values_, page, &used);
        } else {
          range = RangeOf(field_.type, values_, page, nullptr);
        }
      }
      code += static_cast<std::size_t>(page.count);
      whole_.Merge(field_.type, range);
      ranges_.push_back(std::move(range));
    }
  }

  [[nodiscard]] static std::vector<std::int32_t> UsedBy(const DictionaryCodes& codes,
                                                        std::size_t first, std::int64_t count) {
    std::vector<std::uint8_t> seen(codes.entries.size());
    for (std::size_t i = first; i < first + static_cast<std::size_t>(count); ++i) {
      seen[codes.codes[i]] = 1;
    }
    std::vector<std::int32_t> used;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (seen[i] != 0) used.push_back(codes.entries[i]);
    }
    return used;
  }

  void BuildBloomFilter() {
    if (!mine_.bloom_filter) return;
    std::int64_t distinct = 0;
    for (const LeafPage& page : column_.pages) distinct += page.count;
    if (codes_.has_value()) distinct = static_cast<std::int64_t>(codes_->entries.size());
    if (mine_.bloom_ndv > 0) distinct = std::min(distinct, mine_.bloom_ndv);
    const auto bytes = std::min<std::int64_t>(
        parquet::BlockSplitBloomFilter::OptimalNumOfBytes(
            static_cast<std::uint32_t>(std::max<std::int64_t>(distinct, 1)), mine_.bloom_fpp),
        settings_.bloom_bytes_max);
    written_.bloom = std::make_unique<parquet::BlockSplitBloomFilter>();
    written_.bloom->Init(static_cast<std::uint32_t>(bytes));
    if (codes_.has_value()) {
      for (const std::int32_t entry : codes_->entries) InsertIntoBloom(entry);
      return;
    }
    for (const LeafPage& page : column_.pages) {
      for (std::int64_t i = 0; i < page.count; ++i) {
        InsertIntoBloom(values_.EntryOf(page.PositionOf(i)));
      }
    }
  }

  void InsertIntoBloom(std::int64_t entry) {
    parquet::BlockSplitBloomFilter& bloom = *written_.bloom;
    switch (values_.physical) {
      case Physical::kBool:
        return;
      case Physical::kInt32:
        return bloom.InsertHash(bloom.Hash(values_.As<std::int32_t>()[entry]));
      case Physical::kInt64:
        return bloom.InsertHash(bloom.Hash(values_.As<std::int64_t>()[entry]));
      case Physical::kFloat:
        return bloom.InsertHash(bloom.Hash(values_.As<float>()[entry]));
      case Physical::kDouble:
        return bloom.InsertHash(bloom.Hash(values_.As<double>()[entry]));
      case Physical::kBytes: {
        const parquet::ByteArray bytes(values_.Bytes(entry));
        return bloom.InsertHash(bloom.Hash(&bytes));
      }
      case Physical::kFixed: {
        const parquet::FLBA bytes(values_.data + entry * values_.width);
        return bloom.InsertHash(bloom.Hash(&bytes, static_cast<std::uint32_t>(values_.width)));
      }
    }
  }

  void WriteDictionaryPage(const DictionaryCodes& codes) {
    PageBuffer& page = scratch_.page;
    page.Clear();
    const auto count = static_cast<std::int64_t>(codes.entries.size());
    AppendPlain(
        values_, count,
        [&](std::int64_t i) { return std::int64_t{codes.entries[static_cast<std::size_t>(i)]}; },
        page);
    auto buffer =
        std::make_shared<arrow::Buffer>(page.data(), static_cast<std::int64_t>(page.size()));
    pager_->WriteDictionaryPage(parquet::DictionaryPage(buffer, static_cast<std::int32_t>(count),
                                                        parquet::Encoding::PLAIN));
  }

  Status WritePage(std::size_t p, std::int64_t row, std::size_t code) {
    const LeafPage& page = column_.pages[p];
    PageBuffer& out = scratch_.page;
    out.Clear();
    AppendLevels(page.repetitions, 0, page.slots, column_.leaf->repetition_max, out);
    AppendLevels(page.definitions, page.definition, page.slots, column_.leaf->definition_max, out);
    const parquet::Encoding::type encoding = AppendValues(page, code, out);
    constexpr std::size_t kPageBytesMax = std::numeric_limits<std::int32_t>::max();
    if (out.size() > kPageBytesMax || std::cmp_greater(page.slots, kPageBytesMax)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a page of one column is beyond 2 GiB, write fewer rows at once "
                              "column={}",
                              column_.leaf->name));
    }
    SIGNALDB_ASSIGN(auto compressed, scratch_.compressor->Compress(out));
    parquet::EncodedStatistics statistics;
    if (mine_.statistics) statistics = StatisticsOf(field_, ranges_[p]);
    const parquet::DataPageV1 data(compressed, static_cast<std::int32_t>(page.slots), encoding,
                                   parquet::Encoding::RLE, parquet::Encoding::RLE,
                                   static_cast<std::int64_t>(out.size()), statistics, row);
    pager_->WriteDataPage(data);
    return {};
  }

  parquet::Encoding::type AppendValues(const LeafPage& page, std::size_t code, PageBuffer& out) {
    if (codes_.has_value()) {
      const int width = IndexWidth(codes_->entries.size());
      const auto byte = static_cast<std::uint8_t>(width);
      out.Append(&byte, 1);
      AppendHybrid(std::span<const std::uint32_t>(codes_->codes)
                       .subspan(code, static_cast<std::size_t>(page.count)),
                   width, out);
      return parquet::Encoding::RLE_DICTIONARY;
    }
    if (page.count == 0) return parquet::Encoding::PLAIN;
    const bool integers =
        values_.physical == Physical::kInt64 && field_.type.id() != TypeId::kDecimal;
    if (settings_.delta && integers && DeltaPays(values_, page)) {
      auto encoder = parquet::MakeTypedEncoder<parquet::Int64Type>(
          parquet::Encoding::DELTA_BINARY_PACKED, false, target_.metadata->descr());
      if (page.positions == nullptr) {
        encoder->Put(values_.As<std::int64_t>() + page.first, static_cast<int>(page.count));
      } else {
        encoder->Put(LongsOf(values_, page).data(), static_cast<int>(page.count));
      }
      const auto bytes = encoder->FlushValues();
      out.Append(bytes->data(), static_cast<std::size_t>(bytes->size()));
      return parquet::Encoding::DELTA_BINARY_PACKED;
    }
    AppendPlainPage(values_, page, out);
    return parquet::Encoding::PLAIN;
  }

  const LeafColumn& column_;
  const Field& field_;
  const ParquetSettings& settings_;
  const ColumnSettings& mine_;
  const ChunkTarget& target_;
  ChunkScratch& scratch_;
  LeafValues values_;
  std::optional<DictionaryCodes> codes_;
  std::vector<ValueRange> ranges_;
  ValueRange whole_;
  std::unique_ptr<parquet::PageWriter> pager_;
  WrittenChunk written_;
};

}  // namespace

Result<WrittenChunk> WriteColumnChunk(const LeafColumn& column, const ParquetSettings& settings,
                                      const ChunkTarget& target, ChunkScratch& scratch) {
  return ChunkWriter(column, settings, target, scratch).Write();
}

}  // namespace signaldb

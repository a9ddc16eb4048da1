#include "iceberg/data_file/parquet_settings.h"

#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gmock/gmock.h>
#include <parquet/bloom_filter.h>
#include <parquet/bloom_filter_reader.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>

#include "unit/iceberg/data_file_fixture.h"

namespace signaldb {

namespace {

using testing::ArrayOf;
using ::testing::Contains;
using testing::DataFileTest;
using ::testing::ElementsAre;
using testing::IsErrorSaying;
using testing::IsOk;
using ::testing::Not;
using testing::Optional;
using testing::Rows;
using testing::TableOf;

// Every property must change what is in the file.
class ParquetSettingsTest : public DataFileTest {
 protected:
  // 10,000 rows: a text that repeats, one that does not, and a growing long.
  void Write(const Properties& properties, RowOrder order = RowOrder::kUnsorted) {
    io_ = std::make_unique<MemoryFileIo>();
    arrow::StringDictionary32Builder few;
    arrow::StringBuilder many;
    arrow::Int64Builder longs;
    for (int i = 0; i < kRows; ++i) {
      ASSERT_TRUE(few.Append(fmt::format("value-{}", i / 2500)).ok());
      ASSERT_TRUE(many.Append(fmt::format("{:032x}", i * 2654435761U)).ok());
      ASSERT_TRUE(longs.Append(1'764'000'000'000'000 + i * 1000 + i % 7).ok());
    }
    const auto table = TableOf(
        {Optional(1, "few", Type(TypeId::kString)), Optional(2, "many", Type(TypeId::kString)),
         Optional(3, "long", Type(TypeId::kLong))},
        properties, SortOrder{.order_id = 1, .fields = {{.source_id = 1}}});
    file_ = WriteFile(
        table,
        {Rows({{"few", *few.Finish()}, {"many", *many.Finish()}, {"long", *longs.Finish()}})},
        order);
    ASSERT_THAT(file_, IsOk());
    reader_ = OpenParquet();
  }

  std::unique_ptr<parquet::ColumnChunkMetaData> Chunk(int column) {
    return reader_->metadata()->RowGroup(0)->ColumnChunk(column);
  }

  int DataPages(int column) {
    auto pages = reader_->RowGroup(0)->GetColumnPageReader(column);
    int count = 0;
    while (const auto page = pages->NextPage()) {
      count += page->type() == parquet::PageType::DATA_PAGE;
      EXPECT_NE(page->type(), parquet::PageType::DATA_PAGE_V2);
    }
    return count;
  }

  static constexpr int kRows = 10'000;
  static constexpr int kFew = 0;
  static constexpr int kMany = 1;
  static constexpr int kLong = 2;
  Result<DataFile> file_ = DataFile{};
  std::unique_ptr<parquet::ParquetFileReader> reader_;
};

TEST_F(ParquetSettingsTest, ChooseTheCodecAndItsLevel) {
  Write({});
  EXPECT_EQ(Chunk(0)->compression(), parquet::Compression::ZSTD);
  Write({{"write.parquet.compression-codec", "gzip"}});
  EXPECT_EQ(Chunk(0)->compression(), parquet::Compression::GZIP);
  Write({{"write.parquet.compression-codec", "uncompressed"}});
  EXPECT_EQ(Chunk(0)->compression(), parquet::Compression::UNCOMPRESSED);
  Write({{"write.parquet.compression-codec", "snappy"}});
  EXPECT_EQ(Chunk(0)->compression(), parquet::Compression::SNAPPY);
  Write({{"write.parquet.compression-codec", "zstd"}, {"write.parquet.compression-level", "1"}});
  EXPECT_EQ(Chunk(0)->compression(), parquet::Compression::ZSTD);
  const std::int64_t fast = Chunk(kMany)->total_compressed_size();
  Write({{"write.parquet.compression-codec", "zstd"}, {"write.parquet.compression-level", "19"}});
  EXPECT_NE(Chunk(kMany)->total_compressed_size(), fast);
  EXPECT_EQ(ReadBack()->num_rows(), kRows);
}

TEST_F(ParquetSettingsTest, PickEncodingsByColumn) {
  Write({});
  EXPECT_THAT(Chunk(kFew)->encodings(), Contains(parquet::Encoding::RLE_DICTIONARY));
  EXPECT_THAT(Chunk(kMany)->encodings(), Not(Contains(parquet::Encoding::RLE_DICTIONARY)));
  EXPECT_THAT(Chunk(kLong)->encodings(), Contains(parquet::Encoding::DELTA_BINARY_PACKED));
  Write({{"write.parquet.dict-encoding-enabled.column.few", "false"},
         {"signaldb.parquet.delta-encoding-enabled", "false"}});
  EXPECT_THAT(Chunk(kFew)->encodings(), Not(Contains(parquet::Encoding::RLE_DICTIONARY)));
  EXPECT_THAT(Chunk(kLong)->encodings(), Not(Contains(parquet::Encoding::DELTA_BINARY_PACKED)));
  Write({{"write.parquet.dict-size-bytes", "20"}});
  EXPECT_THAT(Chunk(kFew)->encodings(), Not(Contains(parquet::Encoding::RLE_DICTIONARY)));
}

TEST_F(ParquetSettingsTest, LimitPages) {
  Write({});
  EXPECT_EQ(DataPages(kMany), 1);
  Write({{"write.parquet.page-row-limit", "3000"}});
  EXPECT_EQ(DataPages(kMany), 4);
  Write({{"write.parquet.page-size-bytes", "100000"}});
  EXPECT_EQ(DataPages(kMany), 4);
  EXPECT_EQ(ReadBack()->num_rows(), kRows);
}

TEST_F(ParquetSettingsTest, AddBloomFilters) {
  Write({});
  EXPECT_EQ(reader_->GetBloomFilterReader().RowGroup(0)->GetColumnBloomFilter(kMany), nullptr);
  const std::string prefix = "write.parquet.bloom-filter-";
  Write({{prefix + "enabled.column.many", "true"},
         {prefix + "enabled.column.few", "true"},
         {prefix + "enabled.column.long", "true"}});
  const auto filters = reader_->GetBloomFilterReader().RowGroup(0);
  const auto many = filters->GetColumnBloomFilter(kMany);
  int wrong = 0;
  for (int i = 0; i < kRows; ++i) {
    const std::string value = fmt::format("{:032x}", i * 2654435761U);
    const parquet::ByteArray bytes{std::string_view(value)};
    EXPECT_TRUE(many->FindHash(many->Hash(&bytes)));
    const std::string other = fmt::format("{:032x}", i + 1'000'000'000'000);
    const parquet::ByteArray absent{std::string_view(other)};
    wrong += many->FindHash(many->Hash(&absent)) ? 1 : 0;
  }
  EXPECT_LT(wrong, kRows / 50);
  const auto few = filters->GetColumnBloomFilter(kFew);
  const parquet::ByteArray value{std::string_view("value-3")};
  EXPECT_TRUE(few->FindHash(few->Hash(&value)));
  EXPECT_LT(few->GetBitsetSize(), 100U);
  const auto longs = filters->GetColumnBloomFilter(kLong);
  EXPECT_TRUE(longs->FindHash(longs->Hash(std::int64_t{1'764'000'000'000'000})));
  const std::uint32_t loose = many->GetBitsetSize();
  Write({{prefix + "enabled.column.many", "true"}, {prefix + "fpp.column.many", "0.0001"}});
  EXPECT_GT(
      reader_->GetBloomFilterReader().RowGroup(0)->GetColumnBloomFilter(kMany)->GetBitsetSize(),
      loose);
  Write({{prefix + "enabled.column.many", "true"}, {prefix + "ndv.column.many", "100"}});
  EXPECT_LT(
      reader_->GetBloomFilterReader().RowGroup(0)->GetColumnBloomFilter(kMany)->GetBitsetSize(),
      loose);
  Write({{prefix + "enabled.column.many", "true"}, {prefix + "max-bytes", "1024"}});
  EXPECT_EQ(
      reader_->GetBloomFilterReader().RowGroup(0)->GetColumnBloomFilter(kMany)->GetBitsetSize(),
      1024U);
}

TEST_F(ParquetSettingsTest, SayHowRowsAreSorted) {
  Write({}, RowOrder::kSorted);
  EXPECT_THAT(reader_->metadata()->RowGroup(0)->sorting_columns(),
              ElementsAre(parquet::SortingColumn{0, false, true}));
  EXPECT_EQ(file_->sort_order_id, 1);
  EXPECT_EQ(*reader_->metadata()->key_value_metadata()->Get("iceberg.sort-order-id"), "1");
  Write({}, RowOrder::kUnsorted);
  EXPECT_TRUE(reader_->metadata()->RowGroup(0)->sorting_columns().empty());
  EXPECT_EQ(file_->sort_order_id, 0);
  EXPECT_EQ(*reader_->metadata()->key_value_metadata()->Get("iceberg.sort-order-id"), "0");
}

TEST_F(ParquetSettingsTest, SwitchStatisticsOff) {
  Write({});
  EXPECT_TRUE(Chunk(kFew)->is_stats_set());
  EXPECT_TRUE(Chunk(kFew)->GetColumnIndexLocation().has_value());
  EXPECT_TRUE(Chunk(kFew)->GetOffsetIndexLocation().has_value());
  Write({{"write.parquet.stats-enabled.column.few", "false"}});
  EXPECT_FALSE(Chunk(kFew)->is_stats_set());
  EXPECT_FALSE(Chunk(kFew)->GetColumnIndexLocation().has_value());
}

TEST_F(ParquetSettingsTest, IndexPagesByTheirBounds) {
  Write({{"write.parquet.page-row-limit", "2500"}});
  const auto index = reader_->GetPageIndexReader()->RowGroup(0);
  const auto few = index->GetColumnIndex(kFew);
  EXPECT_THAT(few->encoded_min_values(), ElementsAre("value-0", "value-1", "value-2", "value-3"));
  const auto offsets = index->GetOffsetIndex(kFew)->page_locations();
  std::vector<std::int64_t> rows;
  for (const auto& page : offsets) rows.push_back(page.first_row_index);
  EXPECT_THAT(rows, ElementsAre(0, 2500, 5000, 7500));
}

TEST_F(ParquetSettingsTest, PutAChecksumOnEveryPage) {
  Write({{"write.parquet.compression-codec", "uncompressed"}});
  std::string bytes = *io_->Read(testing::kLocation);
  const std::size_t at = bytes.find("value-2");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'X';
  parquet::ReaderProperties properties;
  properties.set_page_checksum_verification(true);
  auto damaged = parquet::ParquetFileReader::Open(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes)), properties);
  EXPECT_THROW(damaged->RowGroup(0)->GetColumnPageReader(kFew)->NextPage(),
               parquet::ParquetException);
}

TEST(ParquetSettings, AreRefusedByNameIfTheyCannotBeFollowed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"write.format.default", "orc"},
      {"write.parquet.page-version", "v2"},
      {"write.parquet.compression-codec", "lzo"},
      {"write.parquet.page-size-bytes", "0"},
      {"write.parquet.page-row-limit", "many"},
      {"write.parquet.dict-size-bytes", "-1"},
      {"write.parquet.bloom-filter-max-bytes", ""},
      {"write.parquet.bloom-filter-enabled.column.v", "yes"},
      {"write.parquet.bloom-filter-fpp.column.v", "1.0"},
      {"write.parquet.bloom-filter-ndv.column.v", "0"},
      {"write.parquet.stats-enabled.column.v", "1"},
      {"write.parquet.dict-encoding-enabled.column.v", "no"},
      {"write.metadata.metrics.default", "truncate(0)"},
      {"write.metadata.metrics.column.v", "some"},
      {"write.metadata.metrics.max-inferred-column-defaults", "x"},
      {"signaldb.parquet.delta-encoding-enabled", "maybe"},
      {"encryption.key-id", "k"},
  };
  for (const auto& [key, value] : cases) {
    EXPECT_THAT(
        DataFileFormat::Make(TableOf({Optional(1, "v", Type(TypeId::kString))}, {{key, value}})),
        IsErrorSaying(ErrorKind::kInvalid, key));
  }
  EXPECT_THAT(DataFileFormat::Make(TableOf({Optional(1, "v", Type(TypeId::kString))},
                                           {{"write.parquet.compression-codec", "zstd"},
                                            {"write.parquet.compression-level", "99"}})),
              IsErrorSaying(ErrorKind::kInvalid, "write.parquet.compression-level"));
}

}  // namespace

}  // namespace signaldb

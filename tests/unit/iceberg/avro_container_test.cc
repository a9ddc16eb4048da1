#include "iceberg/avro/avro_container.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/util/compression.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "iceberg/avro/avro_codec.h"
#include "iceberg/avro/avro_encoding.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using testing::IsOkAnd;

std::string Header() {
  return EncodeAvroHeader(std::vector<std::pair<std::string_view, std::string_view>>{
      {"avro.schema", R"("string")"}, {"key", "value"}});
}

std::string HeaderWithCodec(std::string_view codec) {
  std::string out("Obj\1", 4);
  AvroEncoder encoder(out);
  encoder.WriteLong(1);
  encoder.WriteBytes("avro.codec");
  encoder.WriteBytes(codec);
  encoder.WriteLong(0);
  return out + std::string(kAvroSyncBytes, 's');
}

std::string Block(std::int64_t count, std::string_view packed) {
  std::string out;
  AvroEncoder encoder(out);
  encoder.WriteLong(count);
  encoder.WriteBytes(packed);
  return out + std::string(kAvroSyncBytes, 's');
}

/// Every block's objects put together, and the sum of their counts.
Result<AvroObjects> ReadAll(std::string_view file) {
  SIGNALDB_ASSIGN(AvroContainerReader reader, AvroContainerReader::Open(file));
  AvroObjects all;
  while (true) {
    SIGNALDB_ASSIGN(const auto block, reader.Next());
    if (!block.has_value()) return all;
    SIGNALDB_ASSIGN(const std::string_view bytes, reader.Unpack(*block));
    all.count += block->count;
    all.bytes += bytes;
  }
}

MATCHER_P2(Holds, count, bytes, "holds these objects") {
  return arg.count == count && arg.bytes == bytes;
}

std::string Snappy(std::string_view bytes) {
  auto codec = arrow::util::Codec::Create(arrow::Compression::SNAPPY).ValueOrDie();
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto size = static_cast<std::int64_t>(bytes.size());
  std::string out(static_cast<std::size_t>(codec->MaxCompressedLen(size, data)), '\0');
  const auto packed = codec->Compress(size, data, static_cast<std::int64_t>(out.size()),
                                      reinterpret_cast<std::uint8_t*>(out.data()));
  out.resize(static_cast<std::size_t>(packed.ValueOrDie()));
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(data), static_cast<uInt>(bytes.size()));
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(sum >> shift);
  return out;
}

std::string Zstandard(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 1));
  return out;
}

TEST(AvroContainer, GivesBackHeaderAndBlocks) {
  const std::vector<AvroObjects> blocks = {{2, "one two"}, {1, std::string(100'000, 'x')}};
  const std::string file = EncodeAvroContainer(Header(), blocks);
  const auto reader = AvroContainerReader::Open(file);
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ(reader->header_value("key"), "value");
  EXPECT_EQ(reader->header_value("avro.codec"), "deflate");
  EXPECT_EQ(reader->header_value("absent"), "");
  EXPECT_THAT(ReadAll(file), IsOkAnd(Holds(3, blocks[0].bytes + blocks[1].bytes)));
}

TEST(AvroContainer, WithoutBlocksIsLegal) {
  EXPECT_THAT(ReadAll(EncodeAvroContainer(Header(), {})), IsOkAnd(Holds(0, "")));
}

TEST(AvroContainer, IsTheSameForTheSameContentAndMarkedOtherwiseForOther) {
  const std::vector<AvroObjects> a = {{1, "a"}};
  const std::vector<AvroObjects> b = {{1, "b"}};
  const std::string file = EncodeAvroContainer(Header(), a);
  EXPECT_EQ(file, EncodeAvroContainer(Header(), a));
  EXPECT_NE(AvroContainerReader::Open(file)->sync(),
            AvroContainerReader::Open(EncodeAvroContainer(Header(), b))->sync());
}

TEST(AvroContainer, ReadsEveryCodecAndPassesOverEmptyBlocks) {
  const std::string text = "some text, some more text, some text " + std::string(70'000, 'y');
  const struct {
    std::string_view codec;
    std::string packed;
  } rows[] = {
      {"null", text},
      {"deflate", DeflateRaw(text)},
      {"snappy", Snappy(text)},
      {"zstandard", Zstandard(text)},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.codec);
    const std::string file =
        HeaderWithCodec(row.codec) + Block(3, row.packed) + Block(0, "") + Block(4, row.packed);
    EXPECT_THAT(ReadAll(file), IsOkAnd(Holds(7, text + text)));
  }
}

TEST(AvroContainer, PassesOverTheChecksumThatPyIcebergLeavesBehind) {
  const std::string file = HeaderWithCodec("deflate") + Block(1, DeflateRaw("text") + "123");
  EXPECT_THAT(ReadAll(file), IsOkAnd(Holds(1, "text")));
}

TEST(AvroContainer, WithoutACodecKeyIsNotCompressed) {
  const std::string file =
      std::string("Obj\1\0", 5) + std::string(kAvroSyncBytes, 's') + Block(1, "plain");
  EXPECT_THAT(ReadAll(file), IsOkAnd(Holds(1, "plain")));
}

TEST(AvroContainer, ReadsAHeaderMapInNegativeBlocks) {
  std::string file("Obj\1", 4);
  AvroEncoder encoder(file);
  encoder.WriteLong(-1);
  encoder.WriteLong(4);
  encoder.WriteBytes("k");
  encoder.WriteBytes("v");
  encoder.WriteLong(1);
  encoder.WriteBytes("k2");
  encoder.WriteBytes("v2");
  encoder.WriteLong(0);
  file += std::string(kAvroSyncBytes, 's');
  const auto reader = AvroContainerReader::Open(file);
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ(reader->header_value("k"), "v");
  EXPECT_EQ(reader->header_value("k2"), "v2");
}

TEST(AvroContainer, RefusesWhatIsBroken) {
  const std::string text(1000, 'z');
  const std::string snappy = Snappy(text);
  std::string wrong_sum = snappy;
  wrong_sum.back() = static_cast<char>(wrong_sum.back() + 1);
  std::string claims_much = snappy;
  claims_much.replace(0, 2, "\xFF\xFF\xFF\xFF\x0F");  // 4 GiB
  std::string other_sync = HeaderWithCodec("null") + Block(1, "x");
  other_sync.back() = 't';
  const struct {
    std::string_view name;
    std::string file;
    std::string_view says;
  } rows[] = {
      {"empty", "", "magic"},
      {"other magic", "PAR1", "magic"},
      {"unknown codec", HeaderWithCodec("lzma"), "codec=lzma"},
      {"no sync marker", std::string("Obj\1\0", 5) + "short", "sync marker"},
      {"other sync marker", other_sync, "sync marker"},
      {"negative count", HeaderWithCodec("null") + Block(-1, "x"), "count=-1"},
      {"deflate cut off", HeaderWithCodec("deflate") + Block(1, DeflateRaw(text).substr(0, 4)),
       "codec=deflate"},
      {"bytes after deflate", HeaderWithCodec("deflate") + Block(1, DeflateRaw(text) + "12345"),
       "codec=deflate"},
      {"snappy checksum", HeaderWithCodec("snappy") + Block(1, wrong_sum), "checksum"},
      {"snappy length", HeaderWithCodec("snappy") + Block(1, claims_much), "allowed"},
      {"snappy too short", HeaderWithCodec("snappy") + Block(1, "abc"), "codec=snappy"},
      {"zstandard cut off", HeaderWithCodec("zstandard") + Block(1, Zstandard(text).substr(0, 9)),
       "codec=zstandard"},
      {"bytes after zstandard", HeaderWithCodec("zstandard") + Block(1, Zstandard(text) + "x"),
       "codec=zstandard"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    EXPECT_THAT(ReadAll(row.file), IsErrorSaying(ErrorKind::kCorrupt, std::string(row.says)));
  }
}

TEST(AvroContainer, RefusesEvilLengthsWithoutAllocating) {
  for (const std::int64_t length :
       {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(),
        std::int64_t{-1}, std::int64_t{1} << 40}) {
    SCOPED_TRACE(length);
    std::string header("Obj\1", 4);
    AvroEncoder(header).WriteLong(length);
    EXPECT_THAT(ReadAll(header), IsError(ErrorKind::kCorrupt));
    std::string block = HeaderWithCodec("null");
    AvroEncoder encoder(block);
    encoder.WriteLong(1);
    encoder.WriteLong(length);
    EXPECT_THAT(ReadAll(block), IsError(ErrorKind::kCorrupt));
  }
}

TEST(AvroContainer, BoundsTheEntriesOfItsHeader) {
  const auto with_entries = [](std::size_t count) {
    std::string file("Obj\1", 4);
    AvroEncoder encoder(file);
    encoder.WriteLong(static_cast<std::int64_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
      encoder.WriteBytes(std::to_string(i));
      encoder.WriteBytes("");
    }
    encoder.WriteLong(0);
    return file + std::string(kAvroSyncBytes, 's');
  };
  EXPECT_THAT(ReadAll(with_entries(kAvroHeaderEntriesMax)), IsOk());
  EXPECT_THAT(ReadAll(with_entries(kAvroHeaderEntriesMax + 1)),
              IsErrorSaying(ErrorKind::kCorrupt, "limit=1000"));
}

TEST(AvroContainer, BoundsWhatABlockUnpacksTo) {
  const std::string text(10'000, 'q');
  const struct {
    std::string_view codec;
    std::string packed;
  } rows[] = {
      {kAvroDeflate, DeflateRaw(text)},
      {kAvroSnappy, Snappy(text)},
      {kAvroZstandard, Zstandard(text)},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.codec);
    std::string out;
    EXPECT_THAT(UnpackAvro(row.codec, row.packed, text.size(), out), IsOk());
    EXPECT_EQ(out, text);
    EXPECT_THAT(UnpackAvro(row.codec, row.packed, text.size() - 1, out),
                IsErrorSaying(ErrorKind::kCorrupt, "limit=9999"));
  }
}

TEST(AvroContainer, DeflatesTextsOfEverySize) {
  for (std::size_t size = 0; size < 70'000; size = size * 2 + 1) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>('a' + (i * i) % 23);
    std::string out;
    EXPECT_THAT(UnpackAvro(kAvroDeflate, DeflateRaw(text), size, out), IsOk()) << size;
    EXPECT_EQ(out, text);
  }
}

TEST(AvroNumbers, HaveTheirZigZagForm) {
  const struct {
    std::int64_t value;
    std::string bytes;
  } rows[] = {
      {0, std::string(1, '\0')},
      {-1, "\x01"},
      {1, "\x02"},
      {63, "\x7E"},
      {64, "\x80\x01"},
      {-65, "\x81\x01"},
      {std::numeric_limits<std::int64_t>::max(), "\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"},
      {std::numeric_limits<std::int64_t>::min(), "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"},
  };
  for (const auto& row : rows) {
    std::string out;
    AvroEncoder(out).WriteLong(row.value);
    EXPECT_EQ(out, row.bytes) << row.value;
    AvroDecoder decoder(row.bytes);
    EXPECT_EQ(decoder.ReadLong(), row.value);
    EXPECT_TRUE(decoder.ok());
  }
}

TEST(AvroNumbers, BeyondTheirBitsAreAFault) {
  const std::string too_long = "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02";
  AvroDecoder decoder(too_long);
  EXPECT_EQ(decoder.ReadLong(), 0);
  EXPECT_STREQ(decoder.fault(), "a number has more than 64 bits");
  std::string wide;
  AvroEncoder(wide).WriteLong(std::int64_t{1} << 31);
  AvroDecoder ints(wide);
  EXPECT_EQ(ints.ReadInt(), 0);
  EXPECT_STREQ(ints.fault(), "an int has more than 32 bits");
}

TEST(AvroDecoding, StaysAtItsFirstFault) {
  AvroDecoder decoder(std::string_view("\x0A\x02\x02", 3));
  EXPECT_EQ(decoder.ReadBytes(), "");
  EXPECT_FALSE(decoder.ok());
  EXPECT_EQ(decoder.ReadLong(), 0);
  EXPECT_EQ(decoder.ReadBlockCount(1), 0U);
  EXPECT_STREQ(decoder.fault(), "a length reaches past the end of the bytes");
}

}  // namespace
}  // namespace signaldb

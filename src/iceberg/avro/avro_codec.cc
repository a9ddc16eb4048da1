#include "iceberg/avro/avro_codec.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <memory>

#include <arrow/util/compression.h>
#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

namespace signaldb {
namespace {

constexpr int kRawWindowBitsMax = 15;
constexpr int kRawWindowBitsMin = 9;
// Twice as fast as level 6 and 4 % larger on manifests of telemetry tables (bench/manifest_bench).
constexpr int kDeflateLevel = 1;
/// PyIceberg leaves most of zlib's checksum behind the data.
constexpr uInt kZlibChecksumBytes = 4;
constexpr std::size_t kFirstBufferBytes = 4096;

/// zlib clears tables in proportion to the window; a one-entry manifest needs 512 bytes of it.
int WindowBitsFor(std::size_t size) {
  const int bits = static_cast<int>(std::bit_width(size));
  return std::clamp(bits, kRawWindowBitsMin, kRawWindowBitsMax);
}

Status TooLarge(std::size_t bytes_max) {
  return Fail(ErrorKind::kCorrupt,
              fmt::format("avro block unpacks to more than is allowed limit={}", bytes_max));
}

Status Broken(std::string_view codec) {
  return Fail(ErrorKind::kCorrupt, fmt::format("avro block cannot be unpacked codec={}", codec));
}

/// Makes room after `used` bytes, up to one byte more than the limit, so that going over shows.
std::size_t Grow(std::string& out, std::size_t used, std::size_t packed_size,
                 std::size_t bytes_max) {
  const std::size_t wanted = used == 0 ? std::max(kFirstBufferBytes, packed_size * 4) : used * 2;
  const std::size_t size = std::min(wanted, bytes_max + 1);
  out.resize(size);
  return size - used;
}

Status Inflate(std::string_view packed, std::size_t bytes_max, std::string& out) {
  z_stream stream{};
  SIGNALDB_ASSERT(inflateInit2(&stream, -kRawWindowBitsMax) == Z_OK);
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> ended(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::size_t used = 0;
  int result = Z_OK;
  while (result == Z_OK) {
    const std::size_t room = Grow(out, used, packed.size(), bytes_max);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    stream.avail_out = static_cast<uInt>(room);
    result = inflate(&stream, Z_NO_FLUSH);
    used += room - stream.avail_out;
    if (used > bytes_max) return TooLarge(bytes_max);
    // Room is left but no end came: the input is cut off.
    if (result == Z_OK && stream.avail_out > 0) return Broken(kAvroDeflate);
  }
  if (result != Z_STREAM_END || stream.avail_in > kZlibChecksumBytes) return Broken(kAvroDeflate);
  out.resize(used);
  return {};
}

Status UnpackZstandard(std::string_view packed, std::size_t bytes_max, std::string& out) {
  const std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream(ZSTD_createDStream(),
                                                                          ZSTD_freeDStream);
  SIGNALDB_ASSERT(stream != nullptr);
  ZSTD_inBuffer input{packed.data(), packed.size(), 0};
  std::size_t used = 0;
  std::size_t wanted = 1;
  while (wanted != 0) {
    const std::size_t room = Grow(out, used, packed.size(), bytes_max);
    ZSTD_outBuffer output{out.data() + used, room, 0};
    wanted = ZSTD_decompressStream(stream.get(), &output, &input);
    if (ZSTD_isError(wanted) != 0) return Broken(kAvroZstandard);
    used += output.pos;
    if (used > bytes_max) return TooLarge(bytes_max);
    if (wanted != 0 && output.pos < room) return Broken(kAvroZstandard);
  }
  if (input.pos != input.size) return Broken(kAvroZstandard);
  out.resize(used);
  return {};
}

/// The length that stands before snappy's data; nothing if it is broken.
Result<std::size_t> SnappyLength(std::string_view packed) {
  std::uint64_t length = 0;
  for (unsigned i = 0; i < 5 && i < packed.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(packed[i]);
    length |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) return static_cast<std::size_t>(length);
  }
  return std::unexpected(Broken(kAvroSnappy).error());
}

Status UnpackSnappy(std::string_view packed, std::size_t bytes_max, std::string& out) {
  constexpr std::size_t kChecksumBytes = 4;
  // A copy of three bytes gives at most 64.
  constexpr std::size_t kExpansionMax = 64;
  if (packed.size() <= kChecksumBytes) return Broken(kAvroSnappy);
  const std::string_view data = packed.substr(0, packed.size() - kChecksumBytes);
  SIGNALDB_ASSIGN(const std::size_t length, SnappyLength(data));
  if (length > bytes_max) return TooLarge(bytes_max);
  if (length > data.size() * kExpansionMax) return Broken(kAvroSnappy);
  out.resize(length);
  auto codec = arrow::util::Codec::Create(arrow::Compression::SNAPPY);
  SIGNALDB_ASSERT(codec.ok());
  const auto unpacked = (*codec)->Decompress(
      static_cast<std::int64_t>(data.size()), reinterpret_cast<const std::uint8_t*>(data.data()),
      static_cast<std::int64_t>(length), reinterpret_cast<std::uint8_t*>(out.data()));
  if (!unpacked.ok() || static_cast<std::size_t>(*unpacked) != length) return Broken(kAvroSnappy);
  std::uint32_t checksum = 0;
  for (const char byte : packed.substr(data.size())) {
    checksum = (checksum << 8) | static_cast<std::uint8_t>(byte);
  }
  const auto* bytes = reinterpret_cast<const Bytef*>(out.data());
  if (crc32(0, bytes, static_cast<uInt>(length)) != checksum) {
    return Fail(ErrorKind::kCorrupt, "avro block has a wrong checksum codec=snappy");
  }
  return {};
}

}  // namespace

std::string DeflateRaw(std::string_view bytes) {
  const int window_bits = WindowBitsFor(bytes.size());
  const int memory_level = std::max(1, window_bits - 7);
  z_stream stream{};
  SIGNALDB_ASSERT(deflateInit2(&stream, kDeflateLevel, Z_DEFLATED, -window_bits, memory_level,
                               Z_DEFAULT_STRATEGY) == Z_OK);
  const std::unique_ptr<z_stream, decltype(&deflateEnd)> ended(&stream, deflateEnd);
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  // The bound makes room for everything, so one call always ends the stream.
  SIGNALDB_ASSERT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  return out;
}

Result<std::string_view> KnownAvroCodec(std::string_view name) {
  for (const std::string_view known : {kAvroNoCodec, kAvroDeflate, kAvroSnappy, kAvroZstandard}) {
    if (name == known) return known;
  }
  return Fail(
      ErrorKind::kCorrupt,
      fmt::format("avro codec is not null, deflate, snappy or zstandard codec={:.40}", name));
}

Status UnpackAvro(std::string_view codec, std::string_view packed, std::size_t bytes_max,
                  std::string& out) {
  // zlib counts in 32 bits; a manifest is some megabytes.
  if (packed.size() > std::numeric_limits<uInt>::max()) return TooLarge(bytes_max);
  if (codec == kAvroDeflate) return Inflate(packed, bytes_max, out);
  if (codec == kAvroSnappy) return UnpackSnappy(packed, bytes_max, out);
  SIGNALDB_ASSERT(codec == kAvroZstandard);
  return UnpackZstandard(packed, bytes_max, out);
}

}  // namespace signaldb

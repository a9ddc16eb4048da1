#include "iceberg/metadata/gzip.h"

#include <algorithm>

#include <fmt/format.h>
#include <zlib.h>

namespace signaldb {
namespace {

constexpr int kGzipWindow = 15 + 16;  // The largest window; 16 asks for the gzip frame.
constexpr int kMemoryLevel = 8;       // zlib's default.
// Metadata is written on every commit: level 1 takes less than half the time of level 6 and its
// files are a tenth larger.
constexpr int kLevel = 1;
constexpr std::size_t kFirstOutputBytes = 64U << 10U;

Bytef* Input(std::string_view bytes) {
  // zlib does not write to its input, it only lacks the const.
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // NOLINT
}

}  // namespace

bool IsGzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

Result<std::string> Gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, kLevel, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return Fail(ErrorKind::kInternal, "cannot start compression, out of memory");
  }
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = Input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int code = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (code != Z_STREAM_END) {
    return Fail(ErrorKind::kInternal, fmt::format("compression did not finish code={}", code));
  }
  return packed;
}

Result<std::string> Gunzip(std::string_view bytes, std::size_t bytes_max) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) {
    return Fail(ErrorKind::kInternal, "cannot start decompression, out of memory");
  }
  stream.next_in = Input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string plain;
  int code = Z_OK;
  while (code == Z_OK && plain.size() <= bytes_max) {
    const std::size_t before = plain.size();
    // One byte above the limit is enough to know.
    plain.resize(std::min(bytes_max + 1, std::max(kFirstOutputBytes, before * 2)));
    stream.next_out = reinterpret_cast<Bytef*>(plain.data() + before);
    stream.avail_out = static_cast<uInt>(plain.size() - before);
    code = inflate(&stream, Z_NO_FLUSH);
    plain.resize(plain.size() - stream.avail_out);
  }
  const std::size_t rest = stream.avail_in;
  inflateEnd(&stream);
  if (plain.size() > bytes_max) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("file is larger than allowed when unpacked bytes_max={}", bytes_max));
  }
  if (code != Z_STREAM_END || rest != 0) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("file is not whole gzip code={} bytes_left={}", code, rest));
  }
  return plain;
}

}  // namespace signaldb

#pragma once

#include <string>
#include <string_view>

#include <zlib.h>
#include <zstd.h>

// Bodies as senders compress them. Who includes this links zlib and zstd.

namespace signaldb::testing {

inline std::string Gzip(std::string_view text) {
  constexpr int kGzipWindow = 16 + MAX_WBITS;
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// With a `window_log` the frame does not say its size: else a small one would need no window.
inline std::string Zstd(std::string_view text, int window_log = 0) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  if (window_log > 0) {
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  }
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  ZSTD_outBuffer buffer{out.data(), out.size(), 0};
  if (window_log > 0) ZSTD_compressStream2(context, &buffer, &in, ZSTD_e_flush);
  ZSTD_compressStream2(context, &buffer, &in, ZSTD_e_end);
  out.resize(buffer.pos);
  ZSTD_freeCCtx(context);
  return out;
}

}  // namespace signaldb::testing

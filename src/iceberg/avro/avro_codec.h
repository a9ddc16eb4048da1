#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "signaldb/result.h"

namespace signaldb {

inline constexpr std::string_view kAvroNoCodec = "null";
inline constexpr std::string_view kAvroDeflate = "deflate";
inline constexpr std::string_view kAvroSnappy = "snappy";
inline constexpr std::string_view kAvroZstandard = "zstandard";

/// RFC 1951 without a zlib header or checksum, as the codec "deflate" has it.
[[nodiscard]] std::string DeflateRaw(std::string_view bytes);

/// `name` as one of the constants above. Errors: kCorrupt (we cannot read this codec).
[[nodiscard]] Result<std::string_view> KnownAvroCodec(std::string_view name);

/// Replaces `out` by what `packed`, one block of a container, holds. `codec` is a known one other
/// than "null". Memory grows with what comes out, never with a length that the bytes claim.
/// Errors: kCorrupt (not of this codec, a wrong checksum, more than `bytes_max` came out).
[[nodiscard]] Status UnpackAvro(std::string_view codec, std::string_view packed,
                                std::size_t bytes_max, std::string& out);

}  // namespace signaldb

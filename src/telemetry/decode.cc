#include "telemetry/decode.h"

#include <fmt/format.h>

#include "telemetry/arrow_request.h"
#include "telemetry/decode_protobuf.h"
#include "telemetry/otlp_json.h"

namespace signaldb {
namespace {

/// Far above any receiver's limit; keeps 32-bit offsets of rendered text out of reach.
constexpr std::size_t kBodyBytesMax = std::size_t{256} << 20;

}  // namespace

Result<DecodedRequest> DecodeMessage(Signal signal, MessageEncoding encoding,
                                     std::span<const std::byte> body,
                                     const DecodeOptions& options) {
  if (body.size() > kBodyBytesMax) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("request is too long to decode, send smaller batches bytes={} "
                            "bytes_max={}",
                            body.size(), kBodyBytesMax));
  }
  const std::string_view bytes(reinterpret_cast<const char*>(body.data()), body.size());
  switch (encoding) {
    case MessageEncoding::kProtobuf:
      return DecodeProtobuf(signal, bytes, options);
    case MessageEncoding::kJson: {
      SIGNALDB_ASSIGN(const std::string transcoded, OtlpJsonToProtobuf(signal, bytes));
      return DecodeProtobuf(signal, transcoded, options);
    }
    case MessageEncoding::kArrow:
      return DecodeArrowRequest(signal, body, options);
    case MessageEncoding::kArrowRows:
      return DecodeArrowRows(body, options);
  }
  SIGNALDB_ASSERT(false);
}

}  // namespace signaldb

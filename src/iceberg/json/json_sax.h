#pragma once

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "signaldb/result.h"

namespace signaldb {

/// Runs RapidJSON's reader over the whole of `stream` into `handler`. Doubles are read exactly and
/// strings must be UTF-8, for texts are copied into the next file as they are.
/// Errors: kCorrupt (not JSON, something after it, or the handler refused).
template <typename Handler>
[[nodiscard]] Status RunJsonReader(rapidjson::MemoryStream& stream, std::size_t size,
                                   Handler& handler) {
  constexpr unsigned kFlags =
      rapidjson::kParseFullPrecisionFlag | rapidjson::kParseValidateEncodingFlag;
  rapidjson::Reader reader;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, handler);
  if (result.IsError()) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("text is not the json it should be reason=\"{}\" offset={}",
                            rapidjson::GetParseError_En(result.Code()), result.Offset()));
  }
  // A zero byte looks like the end to the reader.
  if (stream.Tell() != size) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("text goes on after its json offset={}", stream.Tell()));
  }
  return {};
}

}  // namespace signaldb

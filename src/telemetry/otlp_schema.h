#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "telemetry/signal.h"

namespace signaldb {

/// How a field of an OTLP message is encoded.
enum class OtlpType : std::uint8_t {
  kString,
  kHexBytes,
  kBase64Bytes,
  kBool,
  kInt32,
  kUint32,
  kSint32,
  kInt64,
  kUint64,
  kFixed32,
  kFixed64,
  kSfixed64,
  kDouble,
  kEnum,
  kMessage,
};

struct OtlpMessage;

/// One field: its name in OTLP/JSON and its number in protobuf.
struct OtlpField {
  std::string_view json_name;
  std::uint32_t number;
  OtlpType type;
  const OtlpMessage* message = nullptr;  ///< Of kMessage fields.
  bool repeated = false;
};

/// The fields of one message.
struct OtlpMessage {
  std::span<const OtlpField> fields;
};

/// The Export*ServiceRequest of a signal.
[[nodiscard]] const OtlpMessage& RequestMessageOf(Signal signal);

}  // namespace signaldb

#include "adapters/otlp/otlp_response.h"

#include <array>

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace signaldb {
namespace {

constexpr std::size_t kMessageBytesMax = 4096;
constexpr std::string_view kRetryInfoType = "type.googleapis.com/google.rpc.RetryInfo";

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

void Key(JsonWriter& json, std::string_view key) {
  json.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
}
void String(JsonWriter& json, std::string_view text) {
  json.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

std::string_view RejectedField(Signal signal) {
  constexpr std::array<std::string_view, 3> kFields = {"rejectedSpans", "rejectedLogRecords",
                                                       "rejectedDataPoints"};
  return kFields[static_cast<std::size_t>(signal)];
}

}  // namespace

std::string RenderExportResponse(MessageEncoding encoding, Signal signal,
                                 const OtlpAnswer& answer) {
  const bool partial = answer.rejected > 0 || !answer.message.empty();
  if (encoding == MessageEncoding::kProtobuf) {
    std::string bytes;
    if (!partial) return bytes;
    protozero::pbf_writer response(bytes);
    protozero::pbf_writer partial_success(response, 1);  // The same numbers for all three signals.
    if (answer.rejected != 0) partial_success.add_int64(1, answer.rejected);
    const std::string message = SafeMessage(answer.message);
    if (!message.empty()) partial_success.add_string(2, message);
    partial_success.commit();
    return bytes;
  }
  if (!partial) return "{}";
  rapidjson::StringBuffer buffer;
  JsonWriter json(buffer);
  json.StartObject();
  Key(json, "partialSuccess");
  json.StartObject();
  if (answer.rejected != 0) {
    Key(json, RejectedField(signal));
    String(json, fmt::format_int(answer.rejected).str());  // 64-bit integers are strings.
  }
  Key(json, "errorMessage");
  String(json, SafeMessage(answer.message));
  json.EndObject();
  json.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string RenderRpcStatus(MessageEncoding encoding, RpcCode code, const OtlpAnswer& answer) {
  const std::string message = SafeMessage(answer.message);
  const bool retry = answer.retry_after.count() > 0;
  if (encoding == MessageEncoding::kProtobuf) {
    std::string bytes;
    protozero::pbf_writer status(bytes);
    status.add_int32(1, static_cast<int>(code));
    status.add_string(2, message);
    if (retry) {
      std::string info;
      {
        protozero::pbf_writer retry_info(info);
        protozero::pbf_writer delay(retry_info, 1);
        delay.add_int64(1, answer.retry_after.count());
      }
      protozero::pbf_writer detail(status, 3);
      detail.add_string(1, kRetryInfoType.data(), kRetryInfoType.size());
      detail.add_bytes(2, info);
    }
    return bytes;
  }
  rapidjson::StringBuffer buffer;
  JsonWriter json(buffer);
  json.StartObject();
  Key(json, "code");
  json.Int(static_cast<int>(code));
  Key(json, "message");
  String(json, message);
  if (retry) {
    Key(json, "details");
    json.StartArray();
    json.StartObject();
    Key(json, "@type");
    String(json, kRetryInfoType);
    Key(json, "retryDelay");
    String(json, fmt::format("{}s", answer.retry_after.count()));
    json.EndObject();
    json.EndArray();
  }
  json.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string SafeMessage(std::string_view text) {
  std::string safe(text.substr(0, kMessageBytesMax));
  // Our messages are ASCII; anything else came from outside, cut anywhere.
  for (char& c : safe) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  return safe;
}

}  // namespace signaldb

#include "adapters/flight/flight_messages.h"

#include <cstdint>

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

#include "telemetry/wire_reader.h"

namespace signaldb {
namespace {

using enum WireType;

/// A path names tenant, dataset and table; more is a mistake that need not be kept.
constexpr std::size_t kPathPartsMax = 16;

bool ParseDescriptor(std::string_view message, std::vector<std::string_view>& path) {
  WireReader reader(message);
  while (reader.Next()) {
    if (reader.tag() != Tag(3, kLength)) {
      reader.Skip();
      continue;
    }
    if (path.size() == kPathPartsMax) return false;
    path.push_back(reader.Bytes());
  }
  return reader.ok();
}

std::string_view TextOf(std::span<const std::byte> message) {
  return {reinterpret_cast<const char*>(message.data()), message.size()};
}

}  // namespace

Result<FlightData> ParseFlightData(std::span<const std::byte> message) {
  FlightData data;
  bool well_formed = true;
  WireReader reader(TextOf(message));
  while (well_formed && reader.Next()) {
    switch (reader.tag()) {
      case Tag(1, kLength):
        well_formed = ParseDescriptor(reader.Bytes(), data.path);
        break;
      case Tag(2, kLength):
        data.header = reader.Bytes();
        break;
      case Tag(3, kLength):
        data.app_metadata = reader.Bytes();
        break;
      case Tag(1000, kLength):
        data.body = reader.Bytes();
        break;
      default:
        reader.Skip();
    }
  }
  if (well_formed && reader.ok()) return data;
  return Fail(ErrorKind::kInvalid,
              fmt::format("a message is not a FlightData bytes={}", message.size()));
}

Result<std::string> ParseActionType(std::span<const std::byte> message) {
  std::string type;
  WireReader reader(TextOf(message));
  while (reader.Next()) {
    if (reader.tag() == Tag(1, kLength)) {
      type = reader.Bytes();
    } else {
      reader.Skip();
    }
  }
  if (reader.ok()) return type;
  return Fail(ErrorKind::kInvalid,
              fmt::format("the message is not an Action bytes={}", message.size()));
}

std::string RenderActionType(std::string_view type, std::string_view description) {
  std::string bytes;
  protozero::pbf_writer out(bytes);
  out.add_string(1, type.data(), type.size());
  out.add_string(2, description.data(), description.size());
  return bytes;
}

}  // namespace signaldb

#include "adapters/flight/flight_messages.h"

#include <string>

#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsError;
using testing::IsOk;

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(FlightMessages, ReadsWhatAPutCarries) {
  // Descriptor with a path of two parts, header, metadata, an unknown field, body (field 1000).
  const std::string message = std::string("\x0a\x08\x08\x01\x1a\x01\x61\x1a\x01\x62", 10) +
                              "\x12\x02hd" + "\x1a\x02{}" + "\x78\x05" + "\xc2\x3e\x03xyz";
  const auto data = ParseFlightData(AsBytes(message));
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->path, (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(data->header, "hd");
  EXPECT_EQ(data->app_metadata, "{}");
  EXPECT_EQ(data->body, "xyz");
  EXPECT_THAT(ParseFlightData({}), IsOk());
}

TEST(FlightMessages, RefusesWhatIsCutOffOrOutOfProportion) {
  EXPECT_THAT(ParseFlightData(AsBytes("\x12\x05hd")), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(ParseFlightData(AsBytes("\x0a\x02\x1a\x05")), IsError(ErrorKind::kInvalid));
  std::string path;
  for (int i = 0; i < 17; ++i) path += "\x1a\x01x";
  const std::string message = std::string("\x0a") + static_cast<char>(path.size()) + path;
  EXPECT_THAT(ParseFlightData(AsBytes(message)), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(ParseActionType(AsBytes("\x0a\x05x")), IsError(ErrorKind::kInvalid));
}

TEST(FlightMessages, NamesActions) {
  const std::string action = RenderActionType("flush", "writes");
  EXPECT_EQ(action,
            "\x0a\x05"
            "flush"
            "\x12\x06"
            "writes");
  const auto type = ParseActionType(AsBytes(action));
  ASSERT_THAT(type, IsOk());
  EXPECT_EQ(*type, "flush");
}

}  // namespace
}  // namespace signaldb

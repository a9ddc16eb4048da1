#pragma once

#include <string>
#include <string_view>

namespace signaldb {

/// "0.1.0".
[[nodiscard]] std::string_view Version();

/// Name, version, compiler and build type, as a JSON object in one line.
[[nodiscard]] std::string VersionJson();

}  // namespace signaldb

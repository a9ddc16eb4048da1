#pragma once

#include <string>
#include <string_view>

namespace signaldb {

/// What the environment variables of configuration keys begin with: "SIGNALDB__SECTION__KEY".
inline constexpr std::string_view kVariablePrefix = "SIGNALDB__";

/// What stands behind the name of a variable whose value is the path of a file with the value.
inline constexpr std::string_view kFileSuffix = "_FILE";

/// The configuration key that a variable names: "section.key" of "SECTION__KEY", the variable's
/// name behind kVariablePrefix and, where it has one, before kFileSuffix.
[[nodiscard]] std::string KeyOfVariable(std::string_view rest);

}  // namespace signaldb

#pragma once

#include <string>
#include <string_view>

namespace signaldb {

/// Appends `text` as a JSON string with its quotes. Control characters are escaped, so that one
/// line stays one line, and bytes that are not UTF-8 become U+FFFD.
void AppendQuoted(std::string& out, std::string_view text);

/// `text` as AppendQuoted writes it.
[[nodiscard]] std::string Quoted(std::string_view text);

}  // namespace signaldb

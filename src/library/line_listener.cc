#include "library/line_listener.h"

#include <array>

namespace signaldb {

namespace {

constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warn", "error"};

// A line stays one line, whatever a value holds.
void AppendQuoted(std::string_view text, std::string& line) {
  line += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') line += '\\';
    line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  line += '"';
}

}  // namespace

bool LineListener::Wants(std::string_view /*module*/, Severity /*severity*/) const {
  return on_line_ != nullptr;
}

void LineListener::Log(LogEvent event) {
  if (on_line_ == nullptr) return;
  std::string line = "level=";
  line += kLevels[static_cast<std::size_t>(event.severity)];
  line += " module=";
  line += event.module;
  line += " message=";
  AppendQuoted(event.message, line);
  for (const auto& [key, value] : event.fields) {
    line += ' ';
    line += key;
    line += '=';
    if (value.find_first_of(" \"\\\n\t=") == std::string::npos && !value.empty()) {
      line += value;
    } else {
      AppendQuoted(value, line);
    }
  }
  const std::scoped_lock lock(mutex_);
  on_line_(line);
}

}  // namespace signaldb

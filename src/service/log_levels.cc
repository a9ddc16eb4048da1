#include "service/log_levels.h"

#include <array>
#include <optional>

#include <fmt/format.h>

#include "service/value_text.h"

namespace signaldb {
namespace {

// The folders of src/ and src/adapters/: a speaker is named by its folder.
constexpr auto kModules = std::to_array<std::string_view>(
    {"base", "iceberg", "telemetry", "log", "rpc", "writer", "pipeline", "local", "memory",
     "sqlite", "http", "otlp", "flight", "service"});

bool IsModule(std::string_view name) {
  for (const std::string_view module : kModules) {
    if (module == name) return true;
  }
  return false;
}

std::optional<Severity> SeverityNamed(std::string_view name) {
  if (name == "debug" || name == "trace") return Severity::kDebug;
  if (name == "info") return Severity::kInfo;
  if (name == "warn" || name == "warning") return Severity::kWarning;
  if (name == "error" || name == "off") return Severity::kError;
  return std::nullopt;
}

/// The part of `text` before the next comma, taken off it.
std::string_view TakePart(std::string_view& text) {
  const std::size_t comma = text.find(',');
  std::string_view part = text.substr(0, comma);
  text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  while (part.starts_with(' ')) part.remove_prefix(1);
  while (part.ends_with(' ')) part.remove_suffix(1);
  return part;
}

}  // namespace

Severity LogLevels::Of(std::string_view module) const {
  const auto found = modules.find(module);
  return found == modules.end() ? fallback : found->second;
}

Result<LogLevels> ParseLogLevels(std::string_view text) {
  LogLevels levels;
  while (!text.empty()) {
    const std::string_view part = TakePart(text);
    const std::size_t equals = part.find('=');
    const std::string_view module = equals == part.npos ? "" : part.substr(0, equals);
    const std::string_view name = equals == part.npos ? part : part.substr(equals + 1);
    const std::optional<Severity> severity = SeverityNamed(name);
    if (equals != part.npos && !IsModule(module)) {
      Nearest nearest(module);
      for (const std::string_view known : kModules) nearest.Consider(known);
      return Fail(ErrorKind::kInvalid,
                  nearest.best().empty()
                      ? fmt::format("there is no module \"{}\" to log", module)
                      : fmt::format("there is no module \"{}\" to log, did you mean \"{}\"?",
                                    module, nearest.best()));
    }
    if (!severity.has_value()) {
      return Fail(
          ErrorKind::kInvalid,
          "expected error, warn, info or debug, and exceptions such as \"info,writer=debug\"");
    }
    if (equals == part.npos) {
      levels.fallback = *severity;
    } else {
      levels.modules.insert_or_assign(std::string(module), *severity);
    }
  }
  return levels;
}

std::string OwnLogLevels(std::string_view text) {
  std::string own;
  while (!text.empty()) {
    const std::string_view part = TakePart(text);
    const std::size_t equals = part.find('=');
    const bool is_ours = equals == part.npos ? SeverityNamed(part).has_value()
                                             : IsModule(part.substr(0, equals)) &&
                                                   SeverityNamed(part.substr(equals + 1));
    if (!is_ours) continue;
    if (!own.empty()) own += ',';
    own += part;
  }
  return own;
}

}  // namespace signaldb

#include "service/log_line.h"

#include <chrono>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "service/quoted_text.h"

namespace signaldb {
namespace {

std::string_view NameOf(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "debug";
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warn";
    case Severity::kError:
      return "error";
  }
  return "error";
}

/// "2026-11-22T15:00:00.123456789Z".
void AppendTime(std::string& out, Nanos wall) {
  const auto second = std::chrono::floor<std::chrono::seconds>(wall);
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date{std::chrono::sys_days(day)};
  const std::chrono::hh_mm_ss time(second - day);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
                 static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                 static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(),
                 time.seconds().count(), (wall - second).count());
}

/// A value without its passwords, and no longer than a log line can bear.
std::string Presentable(std::string_view value) {
  std::string shown = Redact(value.substr(0, kLogValueBytesMax));
  if (value.size() > kLogValueBytesMax) shown += "...";
  return shown;
}

/// True if a reader can tell where the value ends without quotes around it.
bool IsPlain(std::string_view value) {
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) return false;
  }
  return !value.empty();
}

}  // namespace

std::string FormatLogLine(const LogEvent& event, Nanos wall, LogFormat format) {
  std::string line;
  if (format == LogFormat::kJson) {
    line += R"({"time":")";
    AppendTime(line, wall);
    line += R"(","level":")";
    line += NameOf(event.severity);
    line += R"(","component":)";
    AppendQuoted(line, event.module);
    line += R"(,"msg":)";
    AppendQuoted(line, Presentable(event.message));
    for (const auto& [name, value] : event.fields) {
      line += ',';
      AppendQuoted(line, name);
      line += ':';
      AppendQuoted(line, Presentable(value));
    }
    line += '}';
    return line;
  }
  AppendTime(line, wall);
  fmt::format_to(std::back_inserter(line), " {:<5} {:<8} ", NameOf(event.severity), event.module);
  // The message is ours, but a line break in it must not look like another line.
  const std::string message = Presentable(event.message);
  const std::string quoted = Quoted(message);
  line += std::string_view(quoted).substr(1, quoted.size() - 2);
  for (const auto& [name, value] : event.fields) {
    const std::string shown = Presentable(value);
    fmt::format_to(std::back_inserter(line), " {}={}", name,
                   IsPlain(shown) ? shown : Quoted(shown));
  }
  return line;
}

bool RepeatFilter::Passes(const LogEvent& event, Nanos monotonic) {
  if (event.severity < Severity::kWarning) return true;
  const std::string key =
      fmt::format("{}\n{}\n{}", static_cast<int>(event.severity), event.module, event.message);
  auto found = periods_.find(key);
  if (found == periods_.end()) {
    // Full of messages that are still in their period: let this one through uncounted.
    if (periods_.size() >= kMessagesMax) return true;
    found = periods_
                .emplace(key, Period{.held_back = {.severity = event.severity,
                                                   .module = std::string(event.module),
                                                   .message = event.message},
                                     .began = monotonic})
                .first;
  }
  if (found->second.passed < kLinesMax) {
    ++found->second.passed;
    return true;
  }
  ++found->second.held_back.lines;
  return false;
}

std::vector<RepeatFilter::HeldBack> RepeatFilter::TakeEnded(Nanos monotonic) {
  std::vector<HeldBack> ended;
  if (monotonic < next_look_) return ended;
  next_look_ = monotonic + std::chrono::seconds(1);
  for (auto at = periods_.begin(); at != periods_.end();) {
    if (monotonic - at->second.began < kPeriod) {
      ++at;
      continue;
    }
    if (at->second.held_back.lines > 0) ended.push_back(std::move(at->second.held_back));
    at = periods_.erase(at);
  }
  return ended;
}

std::vector<RepeatFilter::HeldBack> RepeatFilter::TakeAll() {
  std::vector<HeldBack> all;
  for (auto& [key, period] : periods_) {
    if (period.held_back.lines > 0) all.push_back(std::move(period.held_back));
  }
  periods_.clear();
  return all;
}

}  // namespace signaldb

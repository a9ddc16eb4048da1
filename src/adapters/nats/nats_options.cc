#include "adapters/nats/nats_options.h"

#include <algorithm>
#include <string_view>

namespace signaldb {

std::vector<NatsSubject> DefaultNatsSubjects(const std::string& tenant,
                                             const std::string& dataset) {
  std::vector<NatsSubject> subjects;
  const auto add = [&](std::string pattern, Signal signal) {
    subjects.push_back(
        {.pattern = std::move(pattern), .signal = signal, .tenant = tenant, .dataset = dataset});
  };
  add("otel_logs", Signal::kLogs);
  add("otel_metrics", Signal::kMetrics);
  add("otel_traces", Signal::kTraces);
  add("otel.logs", Signal::kLogs);
  add("otel.metrics", Signal::kMetrics);
  add("otel.spans", Signal::kTraces);
  return subjects;
}

bool MatchesSubject(std::string_view pattern, std::string_view subject) {
  while (true) {
    const std::string_view wanted = pattern.substr(0, pattern.find('.'));
    const std::string_view token = subject.substr(0, subject.find('.'));
    if (wanted == ">") return !subject.empty();
    if (wanted != "*" && wanted != token) return false;
    if (wanted == "*" && token.empty()) return false;
    const bool pattern_ends = wanted.size() == pattern.size();
    const bool subject_ends = token.size() == subject.size();
    if (pattern_ends || subject_ends) return pattern_ends && subject_ends;
    pattern.remove_prefix(wanted.size() + 1);
    subject.remove_prefix(token.size() + 1);
  }
}

bool IsValidNatsName(std::string_view name) {
  constexpr std::size_t kNameMax = 128;
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

std::string ShownServer(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::size_t at = url.rfind('@');
  if (at == std::string_view::npos || at < host) return std::string(url);
  return std::string(url.substr(0, host)) + std::string(url.substr(at + 1));
}

}  // namespace signaldb

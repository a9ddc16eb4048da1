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

bool SubjectsOverlap(std::string_view one, std::string_view other) {
  while (true) {
    const std::string_view a = one.substr(0, one.find('.'));
    const std::string_view b = other.substr(0, other.find('.'));
    if (a == ">" || b == ">") return true;
    if (a != b && a != "*" && b != "*") return false;
    const bool one_ends = a.size() == one.size();
    const bool other_ends = b.size() == other.size();
    if (one_ends || other_ends) return one_ends && other_ends;
    one.remove_prefix(a.size() + 1);
    other.remove_prefix(b.size() + 1);
  }
}

bool IsValidNatsPattern(std::string_view pattern) {
  const bool is_printable =
      std::ranges::all_of(pattern, [](unsigned char c) { return c > ' ' && c < 0x7F; });
  if (!is_printable) return false;
  while (true) {
    const std::string_view token = pattern.substr(0, pattern.find('.'));
    const bool is_last = token.size() == pattern.size();
    const bool is_wild = token.contains('*') || token.contains('>');
    if (token.empty() || (is_wild && token.size() > 1) || (token == ">" && !is_last)) return false;
    if (is_last) return true;
    pattern.remove_prefix(token.size() + 1);
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

#include "service/value_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

namespace signaldb {
namespace {

constexpr std::int64_t kMost = INT64_MAX;

/// The digits at the front of `text`, taken off it. Nothing if there are none or too many.
Result<std::int64_t> TakeDigits(std::string_view& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || text.front() == '-') {
    return Fail(ErrorKind::kInvalid, "expected a number");
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// Two digits in [least, most] at `at`.
Result<unsigned> TwoDigits(std::string_view text, std::size_t at, unsigned least, unsigned most) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!is_digit(text[at]) || !is_digit(text[at + 1])) return Fail(ErrorKind::kInvalid, "");
  const auto value = static_cast<unsigned>((text[at] - '0') * 10 + (text[at + 1] - '0'));
  if (value < least || value > most) return Fail(ErrorKind::kInvalid, "");
  return value;
}

Result<Nanos> TakeTimestamp(std::string_view text) {
  const auto wrong = [] { return Fail(ErrorKind::kInvalid, ""); };
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':' || text.back() != 'Z') {
    return wrong();
  }
  SIGNALDB_ASSIGN(const unsigned century, TwoDigits(text, 0, 19, 22));
  SIGNALDB_ASSIGN(const unsigned year, TwoDigits(text, 2, 0, 99));
  SIGNALDB_ASSIGN(const unsigned month, TwoDigits(text, 5, 1, 12));
  SIGNALDB_ASSIGN(const unsigned day, TwoDigits(text, 8, 1, 31));
  SIGNALDB_ASSIGN(const unsigned hour, TwoDigits(text, 11, 0, 23));
  SIGNALDB_ASSIGN(const unsigned minute, TwoDigits(text, 14, 0, 59));
  SIGNALDB_ASSIGN(const unsigned second, TwoDigits(text, 17, 0, 59));
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(century * 100 + year)),
                                         std::chrono::month(month), std::chrono::day(day));
  if (!date.ok()) return wrong();

  std::int64_t fraction = 0;
  std::string_view rest = text.substr(19, text.size() - 20);
  if (!rest.empty()) {
    if (rest.front() != '.' || rest.size() < 2 || rest.size() > 10) return wrong();
    rest.remove_prefix(1);
    std::size_t digits = rest.size();
    SIGNALDB_ASSIGN(fraction, TakeDigits(rest));
    if (!rest.empty()) return wrong();
    for (; digits < 9; ++digits) fraction *= 10;
  }
  // The years above keep this far inside 64 bits: 2262 is the last whole one.
  if (century == 22 && year > 61) return wrong();
  return std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second) + Nanos(fraction);
}

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row.back();
}

}  // namespace

Result<std::int64_t> ParseInteger(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return Fail(ErrorKind::kInvalid, "expected an integer");
  }
  return value;
}

Result<double> ParseNumber(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return Fail(ErrorKind::kInvalid, "expected a number");
  }
  return value;
}

Result<bool> ParseBoolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return Fail(ErrorKind::kInvalid, "expected true or false");
}

Result<std::int64_t> ParseBytes(std::string_view text) {
  constexpr auto kUnits =
      std::to_array<std::pair<std::string_view, std::int64_t>>({{"", 1},
                                                                {"B", 1},
                                                                {"KB", 1'000},
                                                                {"MB", 1'000'000},
                                                                {"GB", 1'000'000'000},
                                                                {"TB", 1'000'000'000'000},
                                                                {"KiB", 1LL << 10},
                                                                {"MiB", 1LL << 20},
                                                                {"GiB", 1LL << 30},
                                                                {"TiB", 1LL << 40}});
  std::string_view unit = text;
  const Result<std::int64_t> count = TakeDigits(unit);
  if (count.has_value()) {
    for (const auto& [name, factor] : kUnits) {
      if (unit == name && *count <= kMost / factor) return *count * factor;
    }
  }
  return Fail(ErrorKind::kInvalid, "expected a size such as \"64MiB\" or a number of bytes");
}

Result<Nanos> ParseDuration(std::string_view text, Nanos bare_unit) {
  const auto units =
      std::to_array<std::pair<std::string_view, Nanos>>({{"", bare_unit},
                                                         {"ns", Nanos(1)},
                                                         {"us", std::chrono::microseconds(1)},
                                                         {"ms", std::chrono::milliseconds(1)},
                                                         {"s", std::chrono::seconds(1)},
                                                         {"m", std::chrono::minutes(1)},
                                                         {"h", std::chrono::hours(1)},
                                                         {"d", std::chrono::hours(24)}});
  std::string_view unit = text;
  const Result<std::int64_t> count = TakeDigits(unit);
  if (count.has_value()) {
    for (const auto& [name, length] : units) {
      if (unit == name && length.count() > 0 && *count <= kMost / length.count()) {
        return *count * length;
      }
    }
  }
  return Fail(ErrorKind::kInvalid,
              bare_unit.count() > 0
                  ? fmt::format("expected a number of {} or a duration such as \"5s\"",
                                bare_unit == std::chrono::seconds(1) ? "seconds" : "milliseconds")
                  : "expected a duration with its unit, such as \"100ms\", \"5s\" or \"24h\"");
}

Result<Nanos> ParseTimestamp(std::string_view text) {
  Result<Nanos> time = TakeTimestamp(text);
  if (time.has_value()) return time;
  return Fail(ErrorKind::kInvalid, "expected a time in UTC such as \"2000-01-01T00:00:00Z\"");
}

Status CheckAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    std::string host(text.substr(0, colon));
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    in6_addr address{};
    const bool is_address = inet_pton(bracketed ? AF_INET6 : AF_INET, host.c_str(), &address) == 1;
    std::string_view port = text.substr(colon + 1);
    const Result<std::int64_t> number = TakeDigits(port);
    if (is_address && number.has_value() && port.empty() && *number <= 65'535) return {};
  }
  return Fail(ErrorKind::kInvalid,
              "expected an IP address and a port, such as \"127.0.0.1:4317\" or \"[::1]:4317\"");
}

void Nearest::Consider(std::string_view known) {
  const std::size_t distance = EditDistance(text_, known);
  const std::size_t close_enough = std::max<std::size_t>(2, known.size() / 4);
  if (distance <= close_enough && distance < best_distance_) {
    best_ = known;
    best_distance_ = distance;
  }
}

}  // namespace signaldb

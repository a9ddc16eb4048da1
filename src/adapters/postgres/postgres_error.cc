#include "adapters/postgres/postgres_error.h"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

namespace signaldb {

namespace {

/// What an SQLSTATE, or every one that begins so, means before COMMIT, and what to do about it.
struct Meaning {
  std::string_view prefix;
  ErrorKind kind;
  std::string_view advice;
};

// The first that fits counts.
constexpr auto kMeanings = std::to_array<Meaning>({
    {"23", ErrorKind::kConflict, "catalog refused the change"},
    {"40", ErrorKind::kConflict, "another transaction of the catalog came first"},
    {"55P03", ErrorKind::kUnavailable, "another transaction held a catalog row for too long"},
    {"55006", ErrorKind::kUnavailable, "the catalog database is in use"},
    {"57014", ErrorKind::kUnavailable, "the catalog took longer than its statement timeout"},
    {"57P", ErrorKind::kUnavailable, "the catalog server is stopping or starting"},
    {"08", ErrorKind::kUnavailable, "the connection to the catalog is lost"},
    {"53", ErrorKind::kUnavailable, "the catalog server is out of connections, memory or disk"},
    {"58", ErrorKind::kUnavailable, "the catalog server met an error of its system"},
    {"25006", ErrorKind::kUnavailable,
     "the catalog server is read-only or a standby; connect to the primary"},
    {"25P03", ErrorKind::kUnavailable, "the catalog ended an idle transaction"},
    // A rotated password or a revoked right must stop commits, not condemn the rows.
    {"28", ErrorKind::kUnavailable, "the catalog server refuses this user; check the credentials"},
    {"3D000", ErrorKind::kUnavailable, "the catalog database does not exist; create it"},
    {"3F000", ErrorKind::kUnavailable, "the search_path of the user names no schema; create one"},
    {"42501", ErrorKind::kUnavailable, "the user lacks rights on the catalog tables; grant them"},
    {"42P01", ErrorKind::kCorrupt, "the catalog tables are gone; restore them"},
    {"42703", ErrorKind::kCorrupt, "the catalog tables lack a column; restore them"},
    {"XX001", ErrorKind::kCorrupt, "the catalog database is damaged; restore it"},
    {"XX002", ErrorKind::kCorrupt, "the catalog database is damaged; restore it"},
    {"22001", ErrorKind::kInvalid, "a name or location is too long for the catalog's columns"},
    {"22021", ErrorKind::kInvalid, "a name is not valid UTF-8"},
    {"22P05", ErrorKind::kInvalid, "a name has characters that the database cannot hold"},
});

bool IsCertainlyRolledBack(std::string_view sqlstate) {
  // 40003 is "statement completion unknown".
  return sqlstate.starts_with("23") || (sqlstate.starts_with("40") && sqlstate != "40003");
}

Meaning MeaningOf(std::string_view sqlstate, PostgresStep step) {
  if (step == PostgresStep::kCommit && !IsCertainlyRolledBack(sqlstate)) {
    return {sqlstate, ErrorKind::kUnknownOutcome,
            "catalog did not say whether it committed; the table will be read again"};
  }
  if (sqlstate.empty()) {
    return {sqlstate, ErrorKind::kUnavailable,
            step == PostgresStep::kConnect ? "the catalog server cannot be reached"
                                           : "the connection to the catalog is lost"};
  }
  const auto* const found = std::ranges::find_if(
      kMeanings, [&](const Meaning& meaning) { return sqlstate.starts_with(meaning.prefix); });
  if (found != kMeanings.end()) return *found;
  return {sqlstate, ErrorKind::kInternal, "catalog call failed"};
}

/// libpq's messages are whole lines, often several.
std::string OneLine(std::string_view message) {
  std::string line;
  for (const char c : message) {
    const bool is_space = static_cast<unsigned char>(c) <= 0x20;
    if (!is_space) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace

Error ErrorFromSqlState(std::string_view sqlstate, PostgresStep step, std::string_view message) {
  const Meaning meaning = MeaningOf(sqlstate, step);
  return Error{meaning.kind, fmt::format("{} sqlstate={} postgres_message=\"{}\"", meaning.advice,
                                         sqlstate.empty() ? "none" : sqlstate, OneLine(message))};
}

}  // namespace signaldb

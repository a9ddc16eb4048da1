#include "adapters/postgres/postgres_uri.h"

#include <algorithm>
#include <array>
#include <memory>

#include <fmt/format.h>
#include <libpq-fe.h>

namespace signaldb {

namespace {

using Option = std::pair<std::string_view, std::string_view>;

// What a URI may change. A peer that is gone without a word is noticed within about half a minute.
constexpr auto kDefaults = std::to_array<Option>({{"fallback_application_name", "signaldb-writer"},
                                                  {"keepalives", "1"},
                                                  {"keepalives_idle", "10"},
                                                  {"keepalives_interval", "5"},
                                                  {"keepalives_count", "3"},
                                                  {"tcp_user_timeout", "20000"}});
// What it may not: names are UTF-8, and a standby's reads may be old.
constexpr auto kAlways =
    std::to_array<Option>({{"client_encoding", "UTF8"}, {"target_session_attrs", "read-write"}});

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

void SetIfAbsent(PostgresTarget& target, const Option& option) {
  const bool is_there = std::ranges::any_of(
      target.options, [&](const auto& has) { return has.first == option.first; });
  if (!is_there) target.options.emplace_back(option);
}

std::string ValueOf(const PostgresTarget& target, std::string_view key,
                    std::string_view otherwise) {
  for (const auto& [name, value] : target.options) {
    if (name == key) return value;
  }
  return std::string(otherwise);
}

}  // namespace

bool IsPostgresUri(std::string_view uri) {
  return uri.starts_with("postgres://") || uri.starts_with("postgresql://");
}

Result<PostgresTarget> ParsePostgresUri(std::string_view uri) {
  if (!IsPostgresUri(uri) || uri.contains('\0')) {
    return Fail(
        ErrorKind::kInvalid,
        "not a postgresql catalog; it looks like postgres://user:password@host:5432/database");
  }
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> parsed(
      PQconninfoParse(std::string(uri).c_str(), &message));
  PQfreemem(message);  // May quote the password.
  if (parsed == nullptr) {
    return Fail(ErrorKind::kInvalid,
                "not a postgresql uri; percent-encode special characters in user and password, and "
                "use only options of libpq, as in "
                "postgres://user:p%40ss@host:5432/database?sslmode=verify-full");
  }
  PostgresTarget target;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const bool is_fixed = std::ranges::any_of(
        kAlways, [&](const Option& fixed) { return fixed.first == option->keyword; });
    if (!is_fixed) target.options.emplace_back(option->keyword, option->val);
  }
  for (const Option& option : kDefaults) SetIfAbsent(target, option);
  for (const Option& option : kAlways) SetIfAbsent(target, option);
  target.display =
      fmt::format("{}:{}/{}", ValueOf(target, "host", "localhost"), ValueOf(target, "port", "5432"),
                  ValueOf(target, "dbname", ValueOf(target, "user", "")));
  return target;
}

std::string PostgresCatalogKey(const PostgresTarget& target, std::string_view catalog_name) {
  return fmt::format("postgres:{}@{}:{}:{}", ValueOf(target, "user", ""), target.display,
                     ValueOf(target, "options", ""), catalog_name);
}

}  // namespace signaldb

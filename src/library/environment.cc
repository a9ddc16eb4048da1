#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <unistd.h>

#include "adapters/local/posix_file_system.h"
#include "adapters/local/text_file.h"
#include "base/variable_name.h"
#include "library/check_config.h"
#include "signaldb/config.h"

namespace signaldb {

namespace {

using C = Configuration;
using std::chrono::milliseconds;

using Variables = std::map<std::string_view, std::string_view>;

struct NamedVariable {
  std::string_view variable;
  std::string_view key;
};
/// Weaker than the SIGNALDB__ forms, as in the service.
constexpr auto kNamedVariables =
    std::to_array<NamedVariable>({{"SIGNALDB_SCHEMA_CATALOG_TYPE", "schema.catalog_type"},
                                  {"SIGNALDB_SCHEMA_CATALOG_URI", "schema.catalog_uri"},
                                  {"SIGNALDB_STORAGE_DSN", "storage.dsn"}});

/// Whole numbers in bytes may have a unit: "64MiB".
struct Bytes {
  std::int64_t& (*field)(C&);
};

using KeyField =
    std::variant<std::string& (*)(C&), std::int64_t& (*)(C&), int& (*)(C&), double& (*)(C&),
                 bool& (*)(C&), milliseconds& (*)(C&), Bytes, MemoryConfig::WhenExhausted& (*)(C&)>;

struct Key {
  std::string_view name;
  KeyField field;
};

const auto kKeys = std::to_array<Key>({
    {"schema.catalog_type", +[](C& c) -> std::string& { return c.schema.catalog_type; }},
    {"schema.catalog_uri", +[](C& c) -> std::string& { return c.schema.catalog_uri; }},
    {"schema.catalog_name", +[](C& c) -> std::string& { return c.schema.catalog_name; }},
    {"storage.dsn", +[](C& c) -> std::string& { return c.storage.dsn; }},
    {"storage.endpoint", +[](C& c) -> std::string& { return c.storage.endpoint; }},
    {"storage.region", +[](C& c) -> std::string& { return c.storage.region; }},
    {"storage.path_style", +[](C& c) -> bool& { return c.storage.path_style; }},
    {"storage.access_key_id", +[](C& c) -> std::string& { return c.storage.access_key_id; }},
    {"storage.secret_access_key",
     +[](C& c) -> std::string& { return c.storage.secret_access_key; }},
    {"storage.journal_folder", +[](C& c) -> std::string& { return c.storage.journal_folder; }},
    {"batch.max_rows_per_batch", +[](C& c) -> std::int64_t& { return c.batch.max_rows_per_batch; }},
    {"batch.max_memory_per_batch_bytes",
     Bytes{[](C& c) -> std::int64_t& { return c.batch.max_memory_per_batch_bytes; }}},
    {"batch.enable_auto_split", +[](C& c) -> bool& { return c.batch.enable_auto_split; }},
    {"batch.target_concurrent_batches",
     +[](C& c) -> int& { return c.batch.target_concurrent_batches; }},
    {"batch.enable_catalog_caching", +[](C& c) -> bool& { return c.batch.enable_catalog_caching; }},
    {"batch.catalog_cache_ttl_seconds",
     +[](C& c) -> std::int64_t& { return c.batch.catalog_cache_ttl_seconds; }},
    {"memory.limit_bytes", Bytes{[](C& c) -> std::int64_t& { return c.memory.limit_bytes; }}},
    {"memory.when_exhausted",
     +[](C& c) -> MemoryConfig::WhenExhausted& { return c.memory.when_exhausted; }},
    {"memory.wait_timeout", +[](C& c) -> milliseconds& { return c.memory.wait_timeout; }},
    {"catalog_pool.min_connections", +[](C& c) -> int& { return c.catalog_pool.min_connections; }},
    {"catalog_pool.max_connections", +[](C& c) -> int& { return c.catalog_pool.max_connections; }},
    {"catalog_pool.connection_timeout_ms",
     +[](C& c) -> std::int64_t& { return c.catalog_pool.connection_timeout_ms; }},
    {"catalog_pool.idle_timeout_seconds",
     +[](C& c) -> std::int64_t& { return c.catalog_pool.idle_timeout_seconds; }},
    {"catalog_pool.max_lifetime_seconds",
     +[](C& c) -> std::int64_t& { return c.catalog_pool.max_lifetime_seconds; }},
    {"retry.max_attempts", +[](C& c) -> int& { return c.retry.max_attempts; }},
    {"retry.initial_delay", +[](C& c) -> milliseconds& { return c.retry.initial_delay; }},
    {"retry.max_delay", +[](C& c) -> milliseconds& { return c.retry.max_delay; }},
    {"retry.backoff_multiplier", +[](C& c) -> double& { return c.retry.backoff_multiplier; }},
    {"transaction_timeout", +[](C& c) -> milliseconds& { return c.transaction_timeout; }},
});

std::unexpected<Error> Expected(std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("expected {}", what));
}

/// A number, and what stands behind it.
template <typename Number>
Result<std::pair<Number, std::string_view>> TakeNumber(std::string_view text,
                                                       std::string_view expected) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return Expected(expected);
  return std::pair(number, text.substr(static_cast<std::size_t>(end - text.data())));
}

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

/// A whole number with one of `units` behind it.
template <std::size_t N>
Result<std::int64_t> WholeOf(std::string_view text, const std::array<Unit, N>& units,
                             std::string_view expected) {
  SIGNALDB_ASSIGN(const auto number, TakeNumber<std::int64_t>(text, expected));
  for (const auto& [name, factor] : units) {
    if (number.second != name) continue;
    const std::int64_t most = std::numeric_limits<std::int64_t>::max() / factor;
    if (number.first > most || number.first < -most) break;
    return number.first * factor;
  }
  return Expected(expected);
}

class SetFrom {
 public:
  SetFrom(std::string_view text, C& into) : text_(text), into_(into) {}

  Status operator()(std::string& (*field)(C&)) const {
    field(into_) = text_;
    return {};
  }
  Status operator()(std::int64_t& (*field)(C&)) const {
    SIGNALDB_ASSIGN(field(into_), WholeOf(text_, kBare, "a whole number"));
    return {};
  }
  Status operator()(int& (*field)(C&)) const {
    SIGNALDB_ASSIGN(const std::int64_t value, WholeOf(text_, kBare, "a whole number"));
    if (!std::in_range<int>(value)) return Expected("a smaller number");
    field(into_) = static_cast<int>(value);
    return {};
  }
  Status operator()(Bytes bytes) const {
    SIGNALDB_ASSIGN(bytes.field(into_), WholeOf(text_, kBytes, "bytes, such as 64MiB"));
    return {};
  }
  Status operator()(milliseconds& (*field)(C&)) const {
    constexpr std::string_view kExpected = "a time with its unit, such as 100ms, 5s, 2m or 1h";
    SIGNALDB_ASSIGN(const std::int64_t value, WholeOf(text_, kTimes, kExpected));
    field(into_) = milliseconds(value);
    return {};
  }
  Status operator()(double& (*field)(C&)) const {
    SIGNALDB_ASSIGN(const auto number, TakeNumber<double>(text_, "a number"));
    if (!number.second.empty() || !std::isfinite(number.first)) return Expected("a number");
    field(into_) = number.first;
    return {};
  }
  Status operator()(bool& (*field)(C&)) const {
    if (text_ != "true" && text_ != "false") return Expected("true or false");
    field(into_) = text_ == "true";
    return {};
  }
  Status operator()(MemoryConfig::WhenExhausted& (*field)(C&)) const {
    if (text_ != "wait" && text_ != "fail") return Expected("wait or fail");
    field(into_) =
        text_ == "wait" ? MemoryConfig::WhenExhausted::kWait : MemoryConfig::WhenExhausted::kFail;
    return {};
  }

 private:
  static constexpr auto kBare = std::to_array<Unit>({{"", 1}});
  static constexpr auto kBytes = std::to_array<Unit>({{"", 1},
                                                      {"B", 1},
                                                      {"KB", 1'000},
                                                      {"MB", 1'000'000},
                                                      {"GB", 1'000'000'000},
                                                      {"KiB", 1 << 10},
                                                      {"MiB", 1 << 20},
                                                      {"GiB", 1 << 30}});
  static constexpr auto kTimes = std::to_array<Unit>(
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}});

  std::string_view text_;
  C& into_;
};

std::unexpected<Error> UnknownKey(std::string_view variable, std::string_view key) {
  const std::string_view section = key.substr(0, key.find('.') + 1);
  std::string known;
  for (const Key& other : kKeys) {
    if (!section.empty() && !other.name.starts_with(section)) continue;
    known += known.empty() ? "" : ", ";
    known += other.name;
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("the library has no such key{}{} key={} variable={}",
                          known.empty() ? ", nor its section" : "; it has ", known, key, variable));
}

const Key* FindKey(std::string_view name) {
  const auto found = std::ranges::find(kKeys, name, &Key::name);
  return found == kKeys.end() ? nullptr : &*found;
}

Status Set(C& config, std::string_view variable, const Key& key, std::string_view text) {
  const Status set = std::visit(SetFrom(text, config), key.field);
  if (set.has_value()) return {};
  return Fail(ErrorKind::kInvalid, fmt::format("{} key={} variable={} value=\"{}\"",
                                               set.error().message, key.name, variable, text));
}

/// As `Set`, with what stands in the file at `path`, which no error repeats.
Status SetFromFile(C& config, std::string_view variable, const Key& key, std::string_view path) {
  std::error_code failed;
  const std::string absolute = std::filesystem::absolute(path, failed).lexically_normal().string();
  PosixFileSystem files;
  Result<std::string> text = ReadTextFile(files, absolute, kSecretFileBytesMax);
  std::string why;
  if (text.has_value()) {
    const Status set = std::visit(SetFrom(WithoutLineEnd(*std::move(text)), config), key.field);
    if (set.has_value()) return {};
    why = set.error().message;
  } else {
    why = text.error().message;
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("{} key={} variable={} file={}", why, key.name, variable, path));
}

Status Apply(C& config, const Variables& variables, std::string_view variable) {
  std::string_view rest = variable.substr(kVariablePrefix.size());
  const std::string name = KeyOfVariable(rest);
  const std::string_view text = variables.at(variable);
  if (const Key* const key = FindKey(name)) return Set(config, variable, *key, text);
  if (!rest.ends_with(kFileSuffix)) return UnknownKey(variable, name);
  rest.remove_suffix(kFileSuffix.size());
  const Key* const key = FindKey(KeyOfVariable(rest));
  if (key == nullptr) return UnknownKey(variable, name);
  const std::string direct = fmt::format("{}{}", kVariablePrefix, rest);
  if (!variables.contains(direct)) return SetFromFile(config, variable, *key, text);
  return Fail(ErrorKind::kInvalid, fmt::format("{} is set too, use one of them key={} variable={}",
                                               direct, key->name, variable));
}

/// That catalog and store are of kinds there are. Neither is repeated: a password may be in it.
Status CheckPlaces(const Configuration& config) {
  const auto begins = [](std::string_view text, std::initializer_list<std::string_view> schemes) {
    return std::ranges::any_of(schemes, [&](auto scheme) { return text.starts_with(scheme); });
  };
  const std::string& type = config.schema.catalog_type;
  if (type != "sql" && type != "memory") {
    return Fail(ErrorKind::kInvalid,
                fmt::format("expected sql or memory key=schema.catalog_type value={}", type));
  }
  if (type == "sql" &&
      !begins(config.schema.catalog_uri, {"sqlite:", "postgres://", "postgresql://"})) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("expected sqlite:///absolute/path.db, sqlite::memory: or "
                            "postgres://user:password@host:5432/database key={}",
                            "schema.catalog_uri"));
  }
  const std::string& dsn = config.storage.dsn;
  if (!dsn.empty() && !begins(dsn, {"file:/", "/", "memory:", "s3:"})) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("expected file:///absolute/folder, memory:// or s3://bucket/prefix "
                            "key={}",
                            "storage.dsn"));
  }
  return {};
}

}  // namespace

Result<Configuration> Configuration::FromEnvironment(const char* const* environment) {
  Variables variables;
  for (const char* const* at = environment == nullptr ? environ : environment; *at != nullptr;
       ++at) {
    const std::string_view line(*at);
    const std::size_t equals = line.find('=');
    if (equals != line.npos) variables.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  Configuration config;
  for (const auto& [variable, key] : kNamedVariables) {
    const auto found = variables.find(variable);
    if (found != variables.end()) SIGNALDB_TRY(Set(config, variable, *FindKey(key), found->second));
  }
  for (const auto& [variable, text] : variables) {
    if (variable.starts_with(kVariablePrefix)) SIGNALDB_TRY(Apply(config, variables, variable));
  }
  SIGNALDB_TRY(CheckConfig(config));
  SIGNALDB_TRY(CheckPlaces(config));
  return config;
}

}  // namespace signaldb

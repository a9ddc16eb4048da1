#include "service/configuration.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <map>
#include <span>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "adapters/postgres/postgres_uri.h"
#include "service/configuration_keys.h"
#include "service/locations.h"
#include "service/log_levels.h"
#include "service/value_text.h"

namespace signaldb {
namespace {

constexpr std::string_view kVariablePrefix = "SIGNALDB__";
constexpr std::string_view kFileSuffix = "_FILE";
constexpr std::string_view kDefaultOrigin = "default";

/// Variables that the documentation names beside the SIGNALDB__ forms; those win over these.
struct NamedVariable {
  std::string_view variable;
  std::string_view key;
};
constexpr auto kNamedVariables = std::to_array<NamedVariable>({
    {"SIGNALDB_SCHEMA_CATALOG_TYPE", "schema.catalog_type"},
    {"SIGNALDB_SCHEMA_CATALOG_URI", "schema.catalog_uri"},
    {"SIGNALDB_STORAGE_DSN", "storage.dsn"},
    {"SIGNALDB_LOG", "logging.level"},
});

/// One value on its way in.
struct Setting {
  std::string key;
  std::string text;
  std::string origin;
};

const ConfigurationKey* FindKey(std::string_view name) {
  const auto keys = ConfigurationKeys();
  const auto found = std::ranges::find(keys, name, &ConfigurationKey::name);
  return found == keys.end() ? nullptr : &*found;
}

/// The dotted form of a SIGNALDB__ variable's rest: "COMMIT__INTERVAL" -> "commit.interval".
std::string KeyOf(std::string_view rest) {
  std::string key;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest.substr(i, 2) == "__") {
      key += '.';
      ++i;
    } else {
      key += static_cast<char>(std::tolower(static_cast<unsigned char>(rest[i])));
    }
  }
  return key;
}

std::unexpected<Error> Wrong(std::string_view origin, std::string_view what, std::string_view key) {
  return Fail(ErrorKind::kInvalid, fmt::format("{}: {} key={}", origin, what, key));
}

std::unexpected<Error> UnknownKey(std::string_view origin, std::string_view key) {
  if (const std::string why = WhyRefused(key); !why.empty()) return Wrong(origin, why, key);
  Nearest nearest(key);
  for (const ConfigurationKey& known : ConfigurationKeys()) nearest.Consider(known.name);
  // Else a right name in a wrong section.
  const std::string_view leaf = key.substr(key.rfind('.') + 1);
  std::string_view meant = nearest.best();
  for (const ConfigurationKey& known : ConfigurationKeys()) {
    if (meant.empty() && known.name.substr(known.name.find('.') + 1) == leaf) meant = known.name;
  }
  return Wrong(origin,
               meant.empty() ? "unknown key, docs/reference/configuration.md has them all"
                             : fmt::format("unknown key, did you mean {}?", meant),
               key);
}

// --- the file

/// A leaf of the TOML document: where it stands, and its node.
struct TomlLeaf {
  std::string key;
  const toml::node* node;
  std::uint32_t line;
};

bool IsSection(std::string_view name) {
  return std::ranges::any_of(ConfigurationKeys(), [&](const ConfigurationKey& key) {
    return key.name.substr(0, key.name.find('.')) == name;
  });
}

void CollectLeaves(const toml::table& table, const std::string& prefix,
                   std::vector<TomlLeaf>& leaves) {
  for (const auto& [name, node] : table) {
    std::string key = prefix + std::string(name.str());
    const toml::table* inner = node.as_table();
    if (inner != nullptr && !inner->empty()) {
      CollectLeaves(*inner, key + ".", leaves);
    } else if (inner == nullptr || !IsSection(key)) {
      leaves.push_back({std::move(key), &node, name.source().begin.line});
    }
  }
}

/// The value as its text, if its TOML type is one that the key's type can have.
Result<std::string> TextOfNode(const toml::node& node, const ConfigurationKey& key) {
  const bool is_bare = key.type == KeyType::kInteger || key.type == KeyType::kNumber ||
                       key.type == KeyType::kBoolean;
  if (const auto* text = node.as_string(); text != nullptr && !is_bare) return text->get();
  if (const auto* integer = node.as_integer()) return fmt::to_string(integer->get());
  if (const auto* number = node.as_floating_point()) return fmt::to_string(number->get());
  if (const auto* boolean = node.as_boolean()) return fmt::to_string(boolean->get());
  const std::string_view expected = key.type == KeyType::kBoolean ? "true or false, unquoted"
                                    : is_bare                     ? "a number, unquoted"
                                                                  : "a text in quotes";
  return Fail(ErrorKind::kInvalid, fmt::format("expected {}", expected));
}

/// A text key given a bare number is a slip: "5" for a path, say.
bool TakesBareNumbers(KeyType type) {
  using enum KeyType;
  return type == kInteger || type == kNumber || type == kBytes || type == kMilliseconds ||
         type == kSeconds || type == kDuration;
}

Result<Setting> SettingOfLeaf(const TomlLeaf& leaf, const std::string& origin) {
  const ConfigurationKey* key = FindKey(leaf.key);
  if (key == nullptr) return UnknownKey(origin, leaf.key);
  Result<std::string> text = TextOfNode(*leaf.node, *key);
  if (!text.has_value()) return Wrong(origin, text.error().message, leaf.key);
  if (leaf.node->is_number() && !TakesBareNumbers(key->type)) {
    return Wrong(origin, "expected a text in quotes, or true or false", leaf.key);
  }
  return Setting{leaf.key, std::move(*text), origin};
}

Result<std::vector<Setting>> SettingsOfFile(const ConfigurationSources::File& file) {
  if (file.text.size() > kConfigurationFileBytesMax) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}: a configuration file has at most 1 MiB bytes={}", file.name,
                            file.text.size()));
  }
  const toml::parse_result parsed = toml::parse(file.text);
  if (!parsed) {
    std::string why(parsed.error().description());
    std::ranges::replace(why, '\n', ' ');
    return Fail(ErrorKind::kInvalid, fmt::format("{}:{}: not TOML: {}", file.name,
                                                 parsed.error().source().begin.line, why));
  }
  std::vector<TomlLeaf> leaves;
  CollectLeaves(parsed.table(), "", leaves);
  std::ranges::stable_sort(leaves, {}, &TomlLeaf::line);

  std::vector<Setting> settings;
  for (const TomlLeaf& leaf : leaves) {
    SIGNALDB_ASSIGN(Setting setting,
                    SettingOfLeaf(leaf, fmt::format("{}:{}", file.name, leaf.line)));
    settings.push_back(std::move(setting));
  }
  return settings;
}

// --- the environment

using Environment = std::map<std::string, std::string, std::less<>>;

Result<std::string> ReadSecret(const ConfigurationSources& sources, const std::string& variable,
                               const std::string& path) {
  Result<std::string> text = sources.read_file(path);
  if (!text.has_value()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("environment {}: {}", variable, text.error().message));
  }
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  return text;
}

/// The setting of one SIGNALDB__ variable, whose key must be known.
Result<Setting> SettingOfVariable(const ConfigurationSources& sources,
                                  const Environment& environment, const std::string& variable,
                                  const std::string& text) {
  const std::string origin = "environment " + variable;
  const std::string key = KeyOf(std::string_view(variable).substr(kVariablePrefix.size()));
  if (FindKey(key) != nullptr) return Setting{key, text, origin};

  if (variable.ends_with(kFileSuffix)) {
    const std::string direct = variable.substr(0, variable.size() - kFileSuffix.size());
    const std::string file_key = KeyOf(std::string_view(direct).substr(kVariablePrefix.size()));
    if (FindKey(file_key) != nullptr) {
      if (environment.contains(direct)) {
        return Wrong(origin, fmt::format("{} is set too, use one of them", direct), file_key);
      }
      SIGNALDB_ASSIGN(std::string secret, ReadSecret(sources, variable, text));
      return Setting{file_key, std::move(secret), origin};
    }
  }
  return UnknownKey(origin, key);
}

Result<std::vector<Setting>> SettingsOfEnvironment(const ConfigurationSources& sources) {
  const Environment environment(sources.environment.begin(), sources.environment.end());
  std::vector<Setting> settings;
  // Weakest first: RUST_LOG, the documented single names, then the double ones.
  if (const auto rust = environment.find("RUST_LOG"); rust != environment.end()) {
    if (std::string own = OwnLogLevels(rust->second); !own.empty()) {
      settings.push_back({"logging.level", std::move(own), "environment RUST_LOG"});
    }
  }
  for (const auto& [variable, key] : kNamedVariables) {
    const auto found = environment.find(variable);
    if (found == environment.end()) continue;
    settings.push_back({std::string(key), found->second, fmt::format("environment {}", variable)});
  }
  for (const auto& [variable, text] : environment) {
    if (!variable.starts_with(kVariablePrefix)) continue;
    SIGNALDB_ASSIGN(Setting setting, SettingOfVariable(sources, environment, variable, text));
    settings.push_back(std::move(setting));
  }
  return settings;
}

// --- the command line

Result<std::vector<Setting>> SettingsOfCommandLine(std::span<const std::string> texts) {
  std::vector<Setting> settings;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) {
      return Wrong("command line", "expected --set key=value", text);
    }
    const std::string key = text.substr(0, equals);
    if (FindKey(key) == nullptr) return UnknownKey("command line", key);
    settings.push_back({key, text.substr(equals + 1), "command line"});
  }
  return settings;
}

// --- all of them

/// Collects settings in the order of their strength, and remembers where each value came from.
class Assembly {
 public:
  [[nodiscard]] Status Apply(const std::vector<Setting>& settings) {
    for (const Setting& setting : settings) {
      const ConfigurationKey& key = *FindKey(setting.key);
      if (const Status set = SetFromText(key, setting.text, values_); !set.has_value()) {
        std::string what = set.error().message;
        if (key.name == "schema.catalog_type" && setting.text == "rest") {
          what += "; the REST catalog is not supported in this build";
        }
        return Wrong(setting.origin, fmt::format("{}, not \"{}\"", what, Redact(setting.text)),
                     key.name);
      }
      in_force_.insert_or_assign(setting.key, setting);
    }
    return {};
  }

  [[nodiscard]] const std::string& OriginOf(const std::string& key) const {
    return in_force_.at(key).origin;
  }
  [[nodiscard]] bool IsDefault(const std::string& key) const {
    return OriginOf(key) == kDefaultOrigin;
  }
  [[nodiscard]] Configuration& values() { return values_; }

  [[nodiscard]] std::vector<ConfigurationValue> Shown() const {
    std::vector<ConfigurationValue> shown;
    for (const ConfigurationKey& key : ConfigurationKeys()) {
      const Setting& setting = in_force_.at(std::string(key.name));
      shown.push_back({key.name, Redact(setting.text), setting.origin});
    }
    return shown;
  }

 private:
  Configuration values_;
  std::map<std::string, Setting> in_force_;
};

/// Turns locations and paths into absolute ones.
Status ResolveLocations(Assembly& assembly, const std::string& cwd) {
  Configuration& c = assembly.values();
  if (c.schema.catalog_type == CatalogType::kSql && IsPostgresUri(c.schema.catalog_uri)) {
    const auto target = ParsePostgresUri(c.schema.catalog_uri);
    if (!target.has_value()) {
      const std::string key = "schema.catalog_uri";
      return Wrong(assembly.OriginOf(key), target.error().message, key);
    }
  } else if (c.schema.catalog_type == CatalogType::kSql) {
    auto path = SqlitePathOf(c.schema.catalog_uri, cwd);
    if (!path.has_value()) {
      const std::string key = "schema.catalog_uri";
      return Wrong(assembly.OriginOf(key), path.error().message, key);
    }
    c.schema.sqlite_path = std::move(*path);
  }
  auto warehouse = WarehouseOf(c.storage.dsn, cwd);
  if (!warehouse.has_value()) {
    return Wrong(assembly.OriginOf("storage.dsn"), warehouse.error().message, "storage.dsn");
  }
  c.storage.warehouse = std::move(*warehouse);

  if (c.log.dir.empty()) return Wrong(assembly.OriginOf("log.dir"), "expected a path", "log.dir");
  c.log.dir = AbsolutePath(c.log.dir, cwd);
  for (std::string* path : {&c.otlp.tls_cert_file, &c.otlp.tls_key_file}) {
    if (!path->empty()) *path = AbsolutePath(*path, cwd);
  }
  return {};
}

/// What must hold between keys.
Status CheckTogether(Assembly& assembly) {
  const Configuration& c = assembly.values();
  const auto wrong = [&](const std::string& key, std::string_view what) {
    return Wrong(assembly.OriginOf(key), what, key);
  };
  if (c.schema.catalog_name.empty()) return wrong("schema.catalog_name", "expected a name");
  if (c.otlp.tls_cert_file.empty() != c.otlp.tls_key_file.empty()) {
    const bool has_cert = !c.otlp.tls_cert_file.empty();
    return wrong(
        has_cert ? "otlp.tls_cert_file" : "otlp.tls_key_file",
        has_cert ? "expected otlp.tls_key_file with it" : "expected otlp.tls_cert_file with it");
  }
  if (c.log.bytes_max < 2 * c.log.segment_bytes) {
    return wrong("log.bytes_max", "expected room for two segments of log.segment_bytes");
  }
  if (c.memory.budget < 2 * c.otlp.max_request_bytes) {
    return wrong("memory.budget", "expected room for two requests of otlp.max_request_bytes");
  }
  if (c.commit.max_uncommitted_bytes > c.memory.budget) {
    return wrong("commit.max_uncommitted_bytes", "expected no more than memory.budget");
  }
  if (c.catalog_pool.min_connections > c.catalog_pool.max_connections) {
    return wrong("catalog_pool.min_connections", "expected no more than max_connections");
  }
  if (c.retry.initial_delay > c.retry.max_delay) {
    return wrong("retry.initial_delay", "expected no more than retry.max_delay");
  }
  return {};
}

std::vector<std::string> Warnings(const Assembly& assembly, const Configuration& c) {
  std::vector<std::string> warnings;
  const bool memory_catalog = c.schema.catalog_type == CatalogType::kMemory;
  if (memory_catalog || c.schema.sqlite_path == ":memory:") {
    warnings.emplace_back("the catalog is in memory: its tables are gone when the process ends");
  }
  if (c.storage.warehouse == "memory://") {
    warnings.emplace_back("storage is in memory: its rows are gone when the process ends");
  }
  if (memory_catalog && !assembly.IsDefault("schema.catalog_uri")) {
    warnings.emplace_back("schema.catalog_uri has no effect with catalog_type=memory");
  }
  return warnings;
}

/// Replaces the part of `text` between `from` and `to` by three stars; returns the end of them.
std::size_t Hide(std::string& text, std::size_t from, std::size_t to) {
  text.replace(from, to - from, "***");
  return from + 3;
}

void RedactUserInfo(std::string& text) {
  std::size_t at = 0;
  while ((at = text.find("://", at)) != std::string::npos) {
    at += 3;
    // The last @ before the path: a password may hold one itself. An unescaped slash in it would
    // end the authority for a URI parser, but must not let the password through here.
    const std::size_t stop = text.find_first_of(" \"'", at);
    const std::size_t end = text.rfind('@', stop);
    if (end == std::string::npos || end < at) continue;
    const std::size_t colon = text.find(':', at);
    if (colon < end) at = Hide(text, colon + 1, end);
  }
}

void RedactOptions(std::string& text) {
  constexpr auto kSecretWords =
      std::to_array<std::string_view>({"password", "passwd", "secret", "token", "credential"});
  for (std::size_t at = 0; (at = text.find('=', at)) != std::string::npos;) {
    const std::size_t before = text.find_last_of("?&; ", at);
    const std::size_t name_at = before == std::string::npos ? 0 : before + 1;
    std::string name = text.substr(name_at, at - name_at);
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    ++at;
    const bool is_secret = std::ranges::any_of(
        kSecretWords, [&](std::string_view word) { return name.contains(word); });
    if (is_secret) at = Hide(text, at, std::min(text.find_first_of("&; ", at), text.size()));
  }
}

}  // namespace

Result<LoadedConfiguration> LoadConfiguration(const ConfigurationSources& sources) {
  Assembly assembly;
  std::vector<Setting> defaults;
  for (const ConfigurationKey& key : ConfigurationKeys()) {
    defaults.push_back(
        {std::string(key.name), std::string(key.default_text), std::string(kDefaultOrigin)});
  }
  SIGNALDB_TRY(assembly.Apply(defaults));
  if (sources.file.has_value()) {
    SIGNALDB_ASSIGN(const auto settings, SettingsOfFile(*sources.file));
    SIGNALDB_TRY(assembly.Apply(settings));
  }
  SIGNALDB_ASSIGN(const auto from_environment, SettingsOfEnvironment(sources));
  SIGNALDB_TRY(assembly.Apply(from_environment));
  SIGNALDB_ASSIGN(const auto from_command_line, SettingsOfCommandLine(sources.settings));
  SIGNALDB_TRY(assembly.Apply(from_command_line));

  SIGNALDB_TRY(ResolveLocations(assembly, sources.working_directory));
  SIGNALDB_TRY(CheckTogether(assembly));
  LoadedConfiguration loaded{assembly.values(), assembly.Shown(), {}};
  loaded.warnings = Warnings(assembly, loaded.values);
  return loaded;
}

std::string ShowAsToml(const std::vector<ConfigurationValue>& shown) {
  std::string out;
  std::string_view section;
  for (const ConfigurationValue& value : shown) {
    const std::size_t dot = value.key.find('.');
    if (value.key.substr(0, dot) != section) {
      section = value.key.substr(0, dot);
      fmt::format_to(std::back_inserter(out), "{}[{}]\n", out.empty() ? "" : "\n", section);
    }
    const KeyType type = FindKey(value.key)->type;
    const bool is_bare = type == KeyType::kInteger || type == KeyType::kNumber ||
                         type == KeyType::kBoolean ||
                         (TakesBareNumbers(type) && ParseInteger(value.text).has_value());
    std::string text = value.text;
    if (!is_bare) {
      std::ostringstream quoted;
      const toml::value<std::string> node(value.text);
      quoted << toml::toml_formatter(node, toml::format_flags::none);
      text = quoted.str();
    }
    fmt::format_to(std::back_inserter(out), "{} = {}  # {}\n", value.key.substr(dot + 1), text,
                   value.origin);
  }
  return out;
}

std::string Redact(std::string_view text) {
  std::string redacted(text);
  RedactUserInfo(redacted);
  RedactOptions(redacted);
  return redacted;
}

}  // namespace signaldb

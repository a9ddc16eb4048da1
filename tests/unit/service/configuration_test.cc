#include "service/configuration.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "service/configuration_assembly.h"
#include "service/configuration_keys.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsErrorSaying;
using testing::IsOk;
using ::testing::Not;

ConfigurationSources Sources() {
  ConfigurationSources sources;
  sources.working_directory = "/srv/signaldb";
  sources.read_file = [](const std::string& path) -> Result<std::string> {
    if (path == "/run/secret") return "sqlite:///from/secret.db\n";
    return Fail(ErrorKind::kNotFound, fmt::format("there is no such file path={}", path));
  };
  return sources;
}

Result<LoadedConfiguration> LoadToml(std::string text) {
  ConfigurationSources sources = Sources();
  sources.file = {"signaldb.toml", std::move(text)};
  return LoadConfiguration(sources);
}

Result<LoadedConfiguration> LoadVariables(
    std::vector<std::pair<std::string, std::string>> variables) {
  ConfigurationSources sources = Sources();
  sources.environment = std::move(variables);
  return LoadConfiguration(sources);
}

Result<LoadedConfiguration> LoadSettings(std::vector<std::string> settings) {
  ConfigurationSources sources = Sources();
  sources.settings = std::move(settings);
  return LoadConfiguration(sources);
}

/// The field of `key` in `values` as text, to compare two configurations key by key.
std::string FieldText(const ConfigurationKey& key, const ServiceConfiguration& values) {
  ServiceConfiguration copy = values;
  return std::visit(
      [&](auto field) -> std::string {
        const auto value = field(copy);
        using Value = std::remove_const_t<decltype(value)>;
        if constexpr (std::is_enum_v<Value>)
          return std::to_string(static_cast<int>(value));
        else if constexpr (std::is_same_v<Value, std::string>)
          return value;
        else if constexpr (std::is_arithmetic_v<Value>)
          return std::to_string(value);
        else
          return std::to_string(value.count());
      },
      key.field);
}

/// A value for each key that differs from its default and is valid beside all other defaults.
const std::map<std::string, std::string, std::less<>>& OtherValues() {
  static const std::map<std::string, std::string, std::less<>> kOther = {
      {"schema.catalog_type", "memory"},
      {"schema.catalog_uri", "sqlite::memory:"},
      {"schema.catalog_name", "other"},
      {"storage.dsn", "file:///var/tables"},
      {"storage.endpoint", "http://127.0.0.1:9000"},
      {"storage.region", "eu-west-1"},
      {"storage.path_style", "false"},
      {"storage.access_key_id", "id"},
      {"storage.secret_access_key", "hunter2"},
      {"log.dir", "/var/log"},
      {"log.segment_bytes", "32MiB"},
      {"log.bytes_max", "1GiB"},
      {"otlp.grpc_listen", "0.0.0.0:1"},
      {"otlp.http_listen", "0.0.0.0:2"},
      {"otlp.max_request_bytes", "4MiB"},
      {"otlp.tls_cert_file", "/etc/cert.pem"},
      {"otlp.tls_key_file", "/etc/key.pem"},
      {"flight.listen", "0.0.0.0:4"},
      {"flight.max_put_bytes", "4MiB"},
      {"flight.tls_cert_file", "/etc/cert.pem"},
      {"flight.tls_key_file", "/etc/key.pem"},
      {"auth.internal_service_key", "hush"},
      {"admin.listen", "[::1]:3"},
      {"commit.interval", "1s"},
      {"commit.max_uncommitted_rows", "100000"},
      {"commit.max_uncommitted_bytes", "64MiB"},
      {"commit.partitions_max", "64"},
      {"commit.datasets_max", "5000"},
      {"commit.metadata_previous_versions_max", "100"},
      {"ingest.timestamp_min", "2010-01-01T00:00:00Z"},
      {"ingest.timestamp_future_max", "1h"},
      {"ingest.records_max", "10"},
      {"ingest.attributes_max", "8"},
      {"ingest.depth_max", "4"},
      {"memory.budget", "256MiB"},
      {"batch.max_rows_per_batch", "100000"},
      {"batch.max_memory_per_batch_bytes", "268435456"},
      {"batch.enable_auto_split", "false"},
      {"batch.target_concurrent_batches", "8"},
      {"batch.enable_catalog_caching", "false"},
      {"batch.catalog_cache_ttl_seconds", "600"},
      {"catalog_pool.min_connections", "5"},
      {"catalog_pool.max_connections", "20"},
      {"catalog_pool.connection_timeout_ms", "3000"},
      {"catalog_pool.idle_timeout_seconds", "600"},
      {"catalog_pool.max_lifetime_seconds", "3600"},
      {"retry.max_attempts", "5"},
      {"retry.initial_delay", "200ms"},
      {"retry.max_delay", "10s"},
      {"retry.backoff_multiplier", "2.5"},
      {"tenants.default_tenant", "acme"},
      {"tenants.default_dataset", "production"},
      {"dead_letters.message_bytes_max", "1MiB"},
      {"dead_letters.bytes_max_per_hour", "1GiB"},
      {"shutdown.deadline", "60s"},
      {"logging.format", "json"},
      {"logging.level", "warn,writer=debug"},
  };
  return kOther;
}

/// `--set` arguments for `key`, and for the key it needs beside it.
std::vector<std::string> SettingsFor(std::string_view key) {
  std::vector<std::string> settings;
  const auto add = [&](std::string_view name) {
    settings.push_back(fmt::format("{}={}", name, OtherValues().find(name)->second));
  };
  add(key);
  constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
      {"otlp.tls_cert_file", "otlp.tls_key_file"},
      {"flight.tls_cert_file", "flight.tls_key_file"},
      {"storage.access_key_id", "storage.secret_access_key"},
  };
  for (const auto& [one, other] : kPairs) {
    if (key == one) add(other);
    if (key == other) add(one);
  }
  return settings;
}

TEST(Configuration, NeedsNoSourceAtAll) {
  const auto loaded = LoadConfiguration(Sources());
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->values.schema.catalog_type, CatalogType::kSql);
  EXPECT_EQ(loaded->values.schema.sqlite_path, "/srv/signaldb/signaldb-data/catalog.db");
  EXPECT_EQ(loaded->values.storage.warehouse, "file:///srv/signaldb/signaldb-data/tables");
  EXPECT_EQ(loaded->values.log.dir, "/srv/signaldb/signaldb-data/log");
  EXPECT_EQ(loaded->values.commit.interval, std::chrono::seconds(5));
  EXPECT_EQ(loaded->values.batch.max_memory_per_batch_bytes, 128LL << 20);
  EXPECT_THAT(loaded->warnings, IsEmpty());
}

TEST(Configuration, EveryKeyChangesItsOwnFieldAndNoOther) {
  const auto defaults = LoadConfiguration(Sources());
  ASSERT_THAT(defaults, IsOk());
  for (const ConfigurationKey& key : ConfigurationKeys()) {
    ASSERT_TRUE(OtherValues().contains(key.name)) << key.name << " has no row";
    const std::vector<std::string> settings = SettingsFor(key.name);
    const auto changed = LoadSettings(settings);
    ASSERT_THAT(changed, IsOk()) << key.name;
    std::size_t differences = 0;
    for (const ConfigurationKey& other : ConfigurationKeys()) {
      const bool differs = FieldText(other, defaults->values) != FieldText(other, changed->values);
      if (differs) ++differences;
      EXPECT_TRUE(differs || other.name != key.name) << key.name;
    }
    EXPECT_EQ(differences, settings.size()) << key.name;
  }
  EXPECT_EQ(OtherValues().size(), ConfigurationKeys().size());
}

/// `number` as the text of a value of `key`, whose range is in milliseconds if it is a duration.
std::string NumberText(const ConfigurationKey& key, double number) {
  using enum KeyType;
  const bool is_duration =
      key.type == kDuration || key.type == kMilliseconds || key.type == kSeconds;
  return fmt::format("{:.0f}{}", number, is_duration ? "ms" : "");
}

TEST(Configuration, EveryNumberIsTakenUpToItsLimitsAndNotBeyond) {
  using enum KeyType;
  for (const ConfigurationKey& key : ConfigurationKeys()) {
    const bool is_number = key.type == kInteger || key.type == kNumber || key.type == kBytes ||
                           key.type == kDuration || key.type == kMilliseconds ||
                           key.type == kSeconds;
    if (!is_number) continue;
    for (const double within : {key.least, key.most}) {
      ServiceConfiguration values;
      EXPECT_THAT(SetFromText(key, NumberText(key, within), values), IsOk()) << key.name;
      // Nanoseconds, milliseconds or the number itself: never cut off by the field's type.
      const double stored = std::stod(FieldText(key, values));
      EXPECT_TRUE(stored == within || stored == within * 1e6) << key.name << " " << stored;
    }
    for (const double beyond : {key.least - 1, key.most + 1}) {
      ServiceConfiguration values;
      EXPECT_THAT(SetFromText(key, NumberText(key, beyond), values),
                  IsErrorSaying(ErrorKind::kInvalid, "expected"))
          << key.name << " " << beyond;
    }
  }
}

TEST(Configuration, EveryKeyCanStandInTheFile) {
  std::string toml;
  std::string section;
  for (const ConfigurationKey& key : ConfigurationKeys()) {
    const std::size_t dot = key.name.find('.');
    if (section != key.name.substr(0, dot)) {
      section = key.name.substr(0, dot);
      toml += fmt::format("[{}]\n", section);
    }
    const std::string& value = OtherValues().find(key.name)->second;
    const bool bare = key.type == KeyType::kBoolean ||
                      (value.find_first_not_of("0123456789.") == std::string::npos);
    const std::string quote = bare ? "" : "\"";
    toml += fmt::format("{} = {}{}{}\n", key.name.substr(dot + 1), quote, value, quote);
  }
  const auto from_file = LoadToml(toml);
  ASSERT_THAT(from_file, IsOk());
  std::vector<std::string> settings;
  for (const auto& [key, value] : OtherValues()) settings.push_back(key + "=" + value);
  const auto from_settings = LoadSettings(settings);
  ASSERT_THAT(from_settings, IsOk());
  for (const ConfigurationKey& key : ConfigurationKeys()) {
    EXPECT_EQ(FieldText(key, from_file->values), FieldText(key, from_settings->values)) << key.name;
  }
}

TEST(Configuration, EveryKeyHasAVariable) {
  for (const ConfigurationKey& key : ConfigurationKeys()) {
    std::vector<std::pair<std::string, std::string>> variables;
    for (const std::string& setting : SettingsFor(key.name)) {
      std::string variable = "SIGNALDB__";
      for (const char c : setting.substr(0, setting.find('='))) {
        if (c == '.')
          variable += "__";
        else
          variable += static_cast<char>(std::toupper(c));
      }
      variables.emplace_back(variable, setting.substr(setting.find('=') + 1));
    }
    const auto by_variable = LoadVariables(variables);
    const auto by_setting = LoadSettings(SettingsFor(key.name));
    ASSERT_THAT(by_variable, IsOk()) << key.name;
    EXPECT_EQ(FieldText(key, by_variable->values), FieldText(key, by_setting->values)) << key.name;
  }
}

TEST(Configuration, TakesTheDocumentedVariables) {
  const auto loaded = LoadVariables({{"SIGNALDB_SCHEMA_CATALOG_TYPE", "memory"},
                                     {"SIGNALDB_SCHEMA_CATALOG_URI", "sqlite://x.db"},
                                     {"SIGNALDB_STORAGE_DSN", "memory://"}});
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->values.schema.catalog_type, CatalogType::kMemory);
  EXPECT_EQ(loaded->values.schema.catalog_uri, "sqlite://x.db");
  EXPECT_EQ(loaded->values.storage.warehouse, "memory://");
}

TEST(Configuration, LaterSourcesWin) {
  ConfigurationSources sources = Sources();
  sources.file = {"f.toml", "[storage]\ndsn = \"file:///from/file\"\n"};
  const auto warehouse = [&] {
    const auto loaded = LoadConfiguration(sources);
    EXPECT_THAT(loaded, IsOk());
    return loaded.has_value() ? loaded->values.storage.warehouse : "";
  };
  EXPECT_EQ(warehouse(), "file:///from/file");
  sources.environment.emplace_back("SIGNALDB_STORAGE_DSN", "file:///from/single");
  EXPECT_EQ(warehouse(), "file:///from/single");
  sources.environment.emplace_back("SIGNALDB__STORAGE__DSN", "file:///from/double");
  EXPECT_EQ(warehouse(), "file:///from/double");
  sources.settings = {"storage.dsn=file:///from/line"};
  EXPECT_EQ(warehouse(), "file:///from/line");
}

TEST(Configuration, TakesLevelsFromTheStrongestVariable) {
  const auto level = [](std::vector<std::pair<std::string, std::string>> variables) {
    const auto loaded = LoadVariables(std::move(variables));
    EXPECT_THAT(loaded, IsOk());
    return loaded.has_value() ? loaded->values.logging.level : "";
  };
  EXPECT_EQ(level({{"RUST_LOG", "writer=debug,datafusion=debug"}}), "writer=debug");
  EXPECT_EQ(level({{"RUST_LOG", "hyper=debug"}}), "info");
  EXPECT_EQ(level({{"RUST_LOG", "debug"}, {"SIGNALDB_LOG", "warn"}}), "warn");
  EXPECT_EQ(level({{"SIGNALDB_LOG", "warn"}, {"SIGNALDB__LOGGING__LEVEL", "error"}}), "error");
}

TEST(Configuration, ReadsASecretFromAFile) {
  const auto loaded = LoadVariables({{"SIGNALDB__SCHEMA__CATALOG_URI_FILE", "/run/secret"}});
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->values.schema.sqlite_path, "/from/secret.db");
  EXPECT_THAT(LoadVariables({{"SIGNALDB__SCHEMA__CATALOG_URI_FILE", "/run/secret"},
                             {"SIGNALDB__SCHEMA__CATALOG_URI", "sqlite::memory:"}}),
              IsErrorSaying(ErrorKind::kInvalid, "SIGNALDB__SCHEMA__CATALOG_URI is set too"));
  EXPECT_THAT(LoadVariables({{"SIGNALDB__SCHEMA__CATALOG_URI_FILE", "/none"}}),
              IsErrorSaying(ErrorKind::kInvalid, "no such file"));
}

TEST(Configuration, KeysThatEndInFileAreNotSecrets) {
  const auto loaded = LoadVariables(
      {{"SIGNALDB__OTLP__TLS_CERT_FILE", "c.pem"}, {"SIGNALDB__OTLP__TLS_KEY_FILE", "/etc/k.pem"}});
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->values.otlp.tls_cert_file, "/srv/signaldb/c.pem");
  EXPECT_EQ(loaded->values.otlp.tls_key_file, "/etc/k.pem");
}

TEST(Configuration, IgnoresVariablesThatKubernetesInjects) {
  EXPECT_THAT(LoadVariables({{"SIGNALDB_WRITER_SERVICE_HOST", "10.0.0.1"},
                             {"SIGNALDB_WRITER_PORT", "tcp://10.0.0.1:4317"},
                             {"SIGNALDB_WRITER_PORT_4317_TCP_PROTO", "tcp"}}),
              IsOk());
}

struct RefusedCase {
  const char* name;
  const char* toml;
  const char* line;
};

TEST(Configuration, RefusesAFileInOneLineThatNamesPlaceKeyAndWhatWasExpected) {
  const RefusedCase cases[] = {
      {"typo", "[commit]\nintervall = \"5s\"\n",
       "signaldb.toml:2: unknown key, did you mean commit.interval? key=commit.intervall"},
      {"typo in section", "[comit]\ninterval = \"5s\"\n",
       "signaldb.toml:2: unknown key, did you mean commit.interval? key=comit.interval"},
      {"right name, wrong section", "[storage]\nfoo = 1\n",
       "signaldb.toml:2: unknown key, docs/reference/configuration.md has them all "
       "key=storage.foo"},
      {"moved key", "[service]\nmax_uncommitted_rows = 1\n",
       "signaldb.toml:2: unknown key, did you mean commit.max_uncommitted_rows? "
       "key=service.max_uncommitted_rows"},
      {"section as value", "schema = 5\n", "signaldb.toml:1: unknown key"},
      {"value as section", "[commit.interval]\nx = 1\n", "signaldb.toml:2: unknown key"},
      {"duration without unit", "[commit]\n\ninterval = 5\n",
       "signaldb.toml:3: expected a duration with its unit, such as \"100ms\", \"5s\" or \"24h\", "
       "not \"5\" key=commit.interval"},
      {"quoted number", "[retry]\nmax_attempts = \"3\"\n",
       "signaldb.toml:2: expected a number, unquoted key=retry.max_attempts"},
      {"quoted boolean", "[batch]\nenable_auto_split = \"true\"\n",
       "signaldb.toml:2: expected true or false, unquoted key=batch.enable_auto_split"},
      {"number for boolean", "[batch]\nenable_auto_split = 1\n", "signaldb.toml:2: expected"},
      {"bare number for text", "[storage]\ndsn = 5\n",
       "signaldb.toml:2: expected a text in quotes"},
      {"boolean for text", "[storage]\ndsn = true\n",
       "signaldb.toml:2: expected a text in quotes key=storage.dsn"},
      {"number for choice", "[logging]\nformat = 5\n",
       "signaldb.toml:2: expected \"text\" or \"json\", in quotes key=logging.format"},
      {"number for address", "[admin]\nlisten = 9464\n",
       "signaldb.toml:2: expected an address in quotes, such as \"127.0.0.1:4317\" "
       "key=admin.listen"},
      {"number for levels", "[logging]\nlevel = 1\n", "expected levels in quotes"},
      {"boolean for duration", "[commit]\ninterval = true\n", "expected a duration in quotes"},
      {"boolean for size", "[memory]\nbudget = false\n", "expected a size in quotes"},
      {"word for duration", "[commit]\ninterval = 5s\n",
       "; expected a duration in quotes, such as \"5s\" key=commit.interval"},
      {"word for choice", "# first\n[ schema ]\n\n  catalog_type = sql\n",
       "; expected \"sql\" or \"memory\", in quotes key=schema.catalog_type"},
      {"word for unknown key", "[commit]\nx = 5s\n", "signaldb.toml:2: not TOML: "},
      {"array", "[storage]\ndsn = [1]\n", "signaldb.toml:2: expected a text in quotes"},
      {"range", "[commit]\npartitions_max = 0\n",
       "signaldb.toml:2: expected 1 to 100000, not \"0\" key=commit.partitions_max"},
      {"wrong choice", "[logging]\nformat = \"xml\"\n",
       "signaldb.toml:2: expected text or json, not \"xml\" key=logging.format"},
      {"bad tenant", "[tenants]\ndefault_tenant = \"a/b\"\n", "expected 1 to 64 of the characters"},
      {"syntax", "[commit]\ninterval = \n", "signaldb.toml:2: not TOML: "},
      {"header that is no key", "[:]\n", "signaldb.toml:1: not TOML: "},
      {"key of letters that want quotes", "\u01a8 = 1\n", "signaldb.toml:1: not TOML: "},
      {"doubled key", "[commit]\ninterval = \"1s\"\ninterval = \"2s\"\n",
       "signaldb.toml:3: not TOML: "},
      {"profiles", "[otlp]\nprofiles_enabled = true\n",
       "not supported in this build key=otlp.profiles_enabled"},
      {"rest", "[schema]\ncatalog_type = \"rest\"\n",
       "the REST catalog is not supported in this build, not \"rest\" key=schema.catalog_type"},
      {"bad postgres uri", "[schema]\ncatalog_uri = \"postgres://u:hunter2%zz@h/d\"\n",
       "signaldb.toml:2: not a postgresql uri; percent-encode special characters"},
      {"postgres option", "[schema]\ncatalog_uri = \"postgres://h/d?hunter2=1\"\n",
       "use only options of libpq"},
      {"rest uri", "[schema]\ncatalog_uri = \"https://u:hunter2@h/d\"\n",
       "signaldb.toml:2: a REST catalog is not supported in this build, use sqlite://path"},
      {"s3", "[storage]\ndsn = \"s3://b/p/\"\n",
       "signaldb.toml:2: expected a bucket of 3 to 63 characters of a-z 0-9 . - bucket=b "
       "key=storage.dsn"},
      {"gs", "[storage]\ndsn = \"gs://b/p/\"\n",
       "signaldb.toml:2: Google Cloud Storage is not supported in this build, use file:///path or "
       "s3://bucket/prefix key=storage.dsn"},
      {"empty unknown section", "[comit]\n", "signaldb.toml:1: unknown key"},
      {"empty foreign section", "[discovery]\n", "do not know of each other key=discovery"},
      {"upstream commit interval", "[writer]\ncommit_interval = \"5s\"\n",
       "signaldb.toml:2: use commit.interval key=writer.commit_interval"},
      {"upstream log", "[wal]\nwal_dir = \".data/wal\"\n", "use log.dir key=wal.wal_dir"},
      {"upstream log sibling", "[wal]\nflush = 1\n", "the durable log has the section log"},
      {"upstream discovery", "[discovery]\nttl = 1\n", "instances do not know of each other"},
      {"cert without key", "[otlp]\ntls_cert_file = \"c\"\n",
       "signaldb.toml:2: expected otlp.tls_key_file with it key=otlp.tls_cert_file"},
      {"flight key without cert", "[flight]\ntls_key_file = \"k\"\n",
       "signaldb.toml:2: expected flight.tls_cert_file with it key=flight.tls_key_file"},
      {"small log", "[log]\nbytes_max = \"100MiB\"\n", "room for two segments"},
      {"request above half of a set budget",
       "[memory]\nbudget = \"64MiB\"\n[otlp]\nmax_request_bytes = \"33MiB\"\n",
       "signaldb.toml:4: expected no more than half of memory.budget, which is 64MiB "
       "(signaldb.toml:2), not 33MiB key=otlp.max_request_bytes"},
      {"request above half of the default", "[otlp]\nmax_request_bytes = \"257MiB\"\n",
       "signaldb.toml:2: expected no more than half of memory.budget, which is 512MiB (default), "
       "not 257MiB key=otlp.max_request_bytes"},
      {"cut above budget", "[commit]\nmax_uncommitted_bytes = \"1GiB\"\n",
       "expected no more than memory.budget, which is 512MiB (default), not 1GiB "
       "key=commit.max_uncommitted_bytes"},
      {"pool bounds", "[catalog_pool]\nmin_connections = 11\n", "no more than max_connections"},
      {"delays", "[retry]\ninitial_delay = \"6s\"\n", "no more than retry.max_delay"},
  };
  for (const RefusedCase& c : cases) {
    const auto loaded = LoadToml(c.toml);
    EXPECT_THAT(loaded, IsErrorSaying(ErrorKind::kInvalid, c.line)) << c.name;
    if (loaded.has_value()) continue;
    EXPECT_THAT(loaded.error().message, Not(HasSubstr("\n"))) << c.name;
    EXPECT_THAT(loaded.error().message, Not(HasSubstr("hunter2"))) << c.name;
  }
}

TEST(Configuration, RefusesWhatNoStoreAndNoCallerCanUse) {
  struct Case {
    std::vector<std::string> settings;
    const char* line;
  };
  const Case cases[] = {
      {{"storage.access_key_id=id"},
       "expected storage.secret_access_key with it key=storage.access_key_id"},
      {{"storage.secret_access_key=hunter2"},
       "expected storage.access_key_id with it key=storage.secret_access_key"},
      {{"storage.access_key_id=i d", "storage.secret_access_key=hunter2"},
       "expected one line of ASCII without blanks key=storage.access_key_id"},
      {{"storage.access_key_id=id", "storage.secret_access_key=hunter2\nhunter2"},
       "expected one line of ASCII without blanks key=storage.secret_access_key"},
      {{"auth.internal_service_key=hunter2 "},
       "expected one line of ASCII without blanks key=auth.internal_service_key"},
      {{"auth.internal_service_key=hunter2\xC3\xA4"},
       "expected one line of ASCII without blanks key=auth.internal_service_key"},
      {{"storage.dsn=s3://bucket/p?endpoint=minio:9000"},
       "expected an endpoint like \"https://host:9000\" endpoint=minio:9000 key=storage.dsn"},
      {{"storage.dsn=s3://bucket/p", "storage.endpoint=http://minio:99999"},
       "endpoint=http://minio:99999 key=storage.endpoint"},
  };
  for (const Case& c : cases) {
    const auto loaded = LoadSettings(c.settings);
    ASSERT_FALSE(loaded.has_value()) << c.line;
    EXPECT_THAT(loaded.error().message, HasSubstr(c.line));
    EXPECT_THAT(loaded.error().message, Not(HasSubstr("hunter2")));
    EXPECT_THAT(loaded.error().message, Not(HasSubstr("\n"))) << "one mistake, one line";
  }
  EXPECT_THAT(LoadSettings({"storage.dsn=s3://bucket/p", "storage.endpoint=http://minio:9000",
                            "storage.access_key_id=id", "storage.secret_access_key=hun/te+r2=",
                            "auth.internal_service_key=~hunter2!"}),
              IsOk());
}

TEST(Configuration, TellsEveryMistakeInTheOrderOfTheSources) {
  ConfigurationSources sources = Sources();
  sources.file = {"f.toml",
                  "[retry]\nx1 = 1\nmax_attempts = 0\n[commit]\nintervall = \"1s\"\n"
                  "[log]\nbytes_max = \"64MiB\"\n"};
  sources.environment = {{"SIGNALDB__X__Y", "1"}};
  sources.settings = {"foo", "storage.dsn=s3://b"};
  const auto loaded = LoadConfiguration(sources);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().message,
            "f.toml:2: unknown key, docs/reference/configuration.md has them all key=retry.x1\n"
            "f.toml:3: expected 1 to 1000, not \"0\" key=retry.max_attempts\n"
            "f.toml:5: unknown key, did you mean commit.interval? key=commit.intervall\n"
            "environment SIGNALDB__X__Y: unknown key, docs/reference/configuration.md has them all "
            "key=x.y\n"
            "command line: expected --set key=value key=foo\n"
            "command line: expected a bucket of 3 to 63 characters of a-z 0-9 . - bucket=b "
            "key=storage.dsn\n"
            "f.toml:7: expected room for two segments of log.segment_bytes key=log.bytes_max");
}

TEST(Configuration, BlamesNoKeyForTheMistakeInAnother) {
  const auto lines = [](const std::vector<std::string>& settings) {
    const auto loaded = LoadSettings(settings);
    return loaded.has_value() ? 0 : 1 + std::ranges::count(loaded.error().message, '\n');
  };
  EXPECT_EQ(lines({"memory.budget=lots", "otlp.max_request_bytes=400MiB"}), 1);
  EXPECT_EQ(lines({"memory.budgett=1GiB", "otlp.max_request_bytes=400MiB"}), 1);
  EXPECT_EQ(lines({"schema.catalog_type=rest", "schema.catalog_uri=https://h"}), 1);
  // Nothing is known of what a file would have set.
  ConfigurationSources sources = Sources();
  sources.file = {"f.toml", "memory\n"};
  sources.settings = {"otlp.max_request_bytes=400MiB"};
  const auto loaded = LoadConfiguration(sources);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_THAT(loaded.error().message, Not(HasSubstr("\n")));
}

TEST(Configuration, ShowsSoManyMistakesAndCountsTheOthers) {
  std::vector<std::string> settings(Mistakes::kShownMax, "x=1");
  auto loaded = LoadSettings(settings);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(std::ranges::count(loaded.error().message, '\n'), Mistakes::kShownMax - 1);
  settings.resize(Mistakes::kShownMax + 3, "x=1");
  loaded = LoadSettings(settings);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(std::ranges::count(loaded.error().message, '\n'), Mistakes::kShownMax);
  EXPECT_TRUE(loaded.error().message.ends_with("\nand 3 more mistakes"));
}

TEST(Configuration, KeepsAMistakeInItsLine) {
  const auto loaded = LoadSettings({"commit.interval=1s\nready\r"});
  EXPECT_THAT(loaded, IsErrorSaying(ErrorKind::kInvalid, "not \"1s ready \" key"));
}

TEST(Configuration, FitsDefaultsIntoASmallBudget) {
  struct Case {
    const char* budget;
    std::int64_t request;
    std::int64_t uncommitted;
  };
  for (const Case& c : {Case{"1MiB", 256 << 10, 512 << 10}, Case{"16MiB", 4 << 20, 8 << 20},
                        Case{"128MiB", 32 << 20, 64 << 20}, Case{"256MiB", 64 << 20, 128 << 20},
                        Case{"8GiB", 64 << 20, 128 << 20}}) {
    const auto loaded = LoadSettings({fmt::format("memory.budget={}", c.budget)});
    ASSERT_THAT(loaded, IsOk()) << c.budget;
    EXPECT_EQ(loaded->values.otlp.max_request_bytes, c.request) << c.budget;
    EXPECT_EQ(loaded->values.flight.max_put_bytes, c.request) << c.budget;
    EXPECT_EQ(loaded->values.commit.max_uncommitted_bytes, c.uncommitted) << c.budget;
  }
  const auto loaded = LoadSettings({"memory.budget=16MiB", "otlp.max_request_bytes=8MiB"});
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->values.otlp.max_request_bytes, 8 << 20);
  EXPECT_THAT(
      ShowAsToml(loaded->shown),
      HasSubstr("max_uncommitted_bytes = \"8MiB\"  # default, made to fit memory.budget\n"));
}

TEST(Configuration, RefusesOneAddressForTwo) {
  EXPECT_THAT(LoadSettings({"otlp.grpc_listen=0.0.0.0:1", "otlp.http_listen=0.0.0.0:1"}),
              IsErrorSaying(ErrorKind::kInvalid,
                            "command line: expected an address of its own, not that of "
                            "otlp.grpc_listen, which is 0.0.0.0:1 (command line) "
                            "key=otlp.http_listen"));
  EXPECT_THAT(LoadSettings({"otlp.grpc_listen=127.0.0.1:9464"}),
              IsErrorSaying(ErrorKind::kInvalid,
                            "not that of admin.listen, which is 127.0.0.1:9464 (default) "
                            "key=otlp.grpc_listen"));
  EXPECT_THAT(LoadSettings(
                  {"otlp.grpc_listen=[::1]:0", "otlp.http_listen=[::1]:0", "admin.listen=[::1]:0"}),
              IsOk());
}

TEST(Configuration, WarnsOfAVariableWithSingleUnderscores) {
  const auto loaded = LoadVariables({{"SIGNALDB_COMMIT_INTERVAL", "1s"},
                                     {"SIGNALDB_STORAGE_DSN", "file:///x"},
                                     {"SIGNALDB_LOG", "warn"},
                                     {"SIGNALDB_WRITER_PORT", "tcp://10.0.0.1:4317"}});
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->values.commit.interval, std::chrono::seconds(5));
  EXPECT_THAT(loaded->warnings,
              ElementsAre("environment variable SIGNALDB_COMMIT_INTERVAL is not read, use "
                          "SIGNALDB__COMMIT__INTERVAL"));
}

TEST(Configuration, RefusesUnknownVariablesAndSettings) {
  EXPECT_THAT(LoadVariables({{"SIGNALDB__FILE", "x"}}),
              IsErrorSaying(ErrorKind::kInvalid, "unknown key"));
  EXPECT_THAT(LoadVariables({{"SIGNALDB__COMMIT__INTERVALL", "5s"}}),
              IsErrorSaying(ErrorKind::kInvalid,
                            "environment SIGNALDB__COMMIT__INTERVALL: unknown key, did you mean "
                            "commit.interval? key=commit.intervall"));
  EXPECT_THAT(LoadVariables({{"SIGNALDB__FLIGHT__LISTEN", "x"}}),
              IsErrorSaying(ErrorKind::kInvalid, "expected an IP address and a port"));
  EXPECT_EQ(LoadVariables({{"SIGNALDB__FLIGHT__LISTEN", ""}})->values.flight.listen, "");
  EXPECT_THAT(LoadSettings({"commit.interval"}),
              IsErrorSaying(ErrorKind::kInvalid, "expected --set key=value"));
  EXPECT_THAT(LoadSettings({"commit.intervals=1s"}),
              IsErrorSaying(ErrorKind::kInvalid, "command line: unknown key, did you mean"));
}

TEST(Configuration, ReadsTheProductionFileOfTheSpecification) {
  const std::string production =
      "# signaldb.toml - Production configuration\n"
      "[schema]\n"
      "catalog_type = \"sql\"\n"
      "catalog_uri = \"postgres://user:password@catalog-db:5432/iceberg\"\n"
      "\n"
      "[storage]\n"
      "dsn = \"s3://my-data-bucket/iceberg-tables/\"\n"
      "\n"
      "# Performance optimizations are automatic but can be tuned via API\n";
  const auto loaded = LoadToml(production);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->values.schema.sqlite_path, "");
  EXPECT_THAT(ShowAsToml(loaded->shown),
              HasSubstr("catalog_uri = \"postgres://user:***@catalog-db:5432/iceberg\""));
}

TEST(Configuration, ReadsAFileUpToItsLargestSize) {
  std::string text = "#";
  text.resize(kConfigurationFileBytesMax, 'x');
  EXPECT_THAT(LoadToml(text), IsOk());
  text += 'x';
  EXPECT_THAT(LoadToml(text), IsErrorSaying(ErrorKind::kInvalid, "at most 1 MiB"));
}

TEST(Configuration, WarnsOfWhatDoesNotSurviveARestart) {
  const auto loaded = LoadSettings({"schema.catalog_type=memory", "storage.dsn=memory://"});
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(loaded->warnings,
              ElementsAre(HasSubstr("catalog is in memory"), HasSubstr("storage is in memory")));
  EXPECT_THAT(LoadSettings({"schema.catalog_uri=sqlite::memory:"})->warnings,
              ElementsAre(HasSubstr("catalog is in memory")));
  EXPECT_THAT(
      LoadSettings({"schema.catalog_type=memory", "schema.catalog_uri=sqlite://x"})->warnings,
      Contains(HasSubstr("no effect")));
}

TEST(Configuration, ShowsEveryValueWithItsOriginAndCanBeReadBack) {
  ConfigurationSources sources = Sources();
  sources.file = {"f.toml", "[schema]\ncatalog_name = \"a\\\"b\\\\c\"\n"};
  sources.settings = {"commit.interval=1s"};
  const auto loaded = LoadConfiguration(sources);
  ASSERT_THAT(loaded, IsOk());
  const std::string shown = ShowAsToml(loaded->shown);
  EXPECT_THAT(shown, HasSubstr("interval = \"1s\"  # command line\n"));
  EXPECT_THAT(shown, HasSubstr("# f.toml:2\n"));
  EXPECT_THAT(shown, HasSubstr("max_attempts = 3  # default\n"));
  const auto again = LoadToml(shown);
  ASSERT_THAT(again, IsOk());
  for (const ConfigurationKey& key : ConfigurationKeys()) {
    EXPECT_EQ(FieldText(key, again->values), FieldText(key, loaded->values)) << key.name;
  }
}

TEST(Configuration, ShowsNoSecret) {
  const std::pair<const char*, const char*> cases[] = {
      {"postgres://user:hunter2@db:5432/x", "postgres://user:***@db:5432/x"},
      {"postgres://user@db/x", "postgres://user@db/x"},
      {"postgres://user:hun@ter2@db/x", "postgres://user:***@db/x"},
      {"postgres://user:hun/ter2@db/x", "postgres://user:***@db/x"},
      {"a://u:hunter2@h b://v:hunter2@h", "a://u:***@h b://v:***@h"},
      {"s3://b/p?session_token=hunter2&region=eu", "s3://b/p?session_token=***&region=eu"},
      {"host=db Password=hunter2 user=u", "host=db Password=*** user=u"},
      {"https://h/x?secret=hunter2", "https://h/x?secret=***"},
      {"sqlite:///var/x.db", "sqlite:///var/x.db"},
      {"http://h:80/x", "http://h:80/x"},
      {"", ""},
  };
  for (const auto& [text, redacted] : cases) EXPECT_EQ(Redact(text), redacted);

  const auto loaded =
      LoadSettings({"schema.catalog_type=memory", "schema.catalog_uri=postgres://u:hunter2@h/d"});
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(ShowAsToml(loaded->shown), Not(HasSubstr("hunter2")));

  const auto with_key = LoadSettings({"auth.internal_service_key=hunter2"});
  ASSERT_THAT(with_key, IsOk());
  EXPECT_EQ(with_key->values.auth.internal_service_key, "hunter2");
  EXPECT_THAT(ShowAsToml(with_key->shown), Not(HasSubstr("hunter2")));
}

TEST(Configuration, ShowsServersWithoutWhoWeAreToThem) {
  const std::pair<const char*, const char*> cases[] = {
      {"nats://h1:4222,nats://h2:4222", "nats://h1:4222,nats://h2:4222"},
      {"nats://hunter2@h:4222", "nats://***@h:4222"},
      {"nats://hunter2@h:4222,nats://u:hunter3@h2:1", "nats://***@h:4222,nats://***@h2:1"},
      {"tls://hunter2@h:4222, nats://hunter3@h2:1", "tls://***@h:4222,nats://***@h2:1"},
      {"u:hunter1@h:4222", "***@h:4222"},
      {"nats://u1:hunter1@h1:4222,nats://u2:p@hunter2@h2", "nats://***@h1:4222,nats://***@h2"},
      {"nats://u:hunter,hunter2@h:1", "nats://***,***@h:1"},
      {"h1:4222,nats://u2:hunter2@h2:4222", "h1:4222,nats://***@h2:4222"},
      {"kafka-1:9092,[::1]:9092", "kafka-1:9092,[::1]:9092"},
      {"", ""},
  };
  for (const auto& [list, shown] : cases) EXPECT_EQ(RedactServers(list), shown) << list;
}

TEST(Configuration, ReferenceIsTheOneInTheDocumentation) {
  std::ifstream file(SIGNALDB_SOURCE_DIR "/docs/reference/configuration.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), ConfigurationReference())
      << "run: signaldb-writer config --reference > docs/reference/configuration.md";
}

}  // namespace
}  // namespace signaldb

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/retry.h"
#include "service/source_blocks.h"
#include "signaldb/result.h"

namespace signaldb {

enum class CatalogType : std::uint8_t { kSql, kMemory };
enum class LogFormat : std::uint8_t { kText, kJson };

/// What the service was told, typed and complete. Field names are those of the keys, whose meaning,
/// unit and default stand in docs/reference/configuration.md (made from configuration_keys.cc).
/// The defaults come from that table too, by LoadConfiguration: there is no second copy here.
struct ServiceConfiguration {
  struct Schema {
    CatalogType catalog_type{};
    std::string catalog_uri;
    std::string catalog_name;
    std::string sqlite_path;  ///< From `catalog_uri`: absolute, or ":memory:". Empty: not SQLite.
  } schema;
  struct Storage {
    std::string dsn;
    /// From `dsn`: "file:///absolute/path", "s3://bucket/prefix" or "memory://", no final slash.
    std::string warehouse;
    std::string endpoint;  ///< These of an object store; options of `dsn` are in them.
    std::string region;
    bool path_style{};
    std::string access_key_id;
    std::string secret_access_key;
  } storage;
  struct Log {
    std::string dir;  ///< Absolute.
    std::int64_t segment_bytes{};
    std::int64_t bytes_max{};
  } log;
  struct Otlp {
    std::string grpc_listen;
    std::string http_listen;
    std::int64_t max_request_bytes{};
    std::string tls_cert_file;  ///< Absolute; empty: no TLS.
    std::string tls_key_file;
  } otlp;
  struct Flight {
    std::string listen;  ///< Empty: no receiver.
    std::int64_t max_put_bytes{};
    std::string tls_cert_file;  ///< Absolute; empty: no TLS.
    std::string tls_key_file;
  } flight;
  struct Auth {
    std::string internal_service_key;  ///< Empty: callers are not asked for one.
  } auth;
  struct Admin {
    std::string listen;
  } admin;
  struct Commit {
    Nanos interval{};
    std::int64_t max_uncommitted_rows{};   ///< 0: no limit.
    std::int64_t max_uncommitted_bytes{};  ///< 0: no limit but the memory budget.
    int partitions_max{};
    int datasets_max{};
    int metadata_previous_versions_max{};
  } commit;
  struct IngestLimits {
    Nanos timestamp_min{};
    Nanos timestamp_future_max{};
    std::int64_t records_max{};
    std::int64_t attributes_max{};
    int depth_max{};
  } ingest;
  struct Memory {
    std::int64_t budget{};  ///< Bytes.
  } memory;
  struct Batch {
    std::int64_t max_rows_per_batch{};
    std::int64_t max_memory_per_batch_bytes{};
    bool enable_auto_split{};
    int target_concurrent_batches{};
    bool enable_catalog_caching{};
    std::chrono::milliseconds catalog_cache_ttl{};
  } batch;
  struct CatalogPool {
    int min_connections{};
    int max_connections{};
    std::chrono::milliseconds connection_timeout{};
    std::chrono::milliseconds idle_timeout{};
    std::chrono::milliseconds max_lifetime{};
  } catalog_pool;
  RetryConfig retry;
  struct Tenants {
    std::string default_tenant;
    std::string default_dataset;
  } tenants;
  struct DeadLetters {
    std::int64_t message_bytes_max{};
    std::int64_t bytes_max_per_hour{};
  } dead_letters;
  struct Shutdown {
    Nanos deadline{};
  } shutdown;
  struct Logging {
    LogFormat format{};
    std::string level;
  } logging;
  std::vector<KafkaBlock> kafka;
  std::vector<NatsBlock> nats;
};

/// One key as it stands in force, fit to be shown: passwords are out of it.
struct ConfigurationValue {
  std::string key;
  std::string text;
  std::string origin;  ///< "default", "signaldb.toml:3", "environment SIGNALDB_STORAGE_DSN", ...
};

/// Everything a configuration is made from, as values: nothing here reads the process's own.
struct ConfigurationSources {
  struct File {
    std::string name;  ///< As the operator wrote it; stands in errors.
    std::string text;
  };
  std::optional<File> file;
  std::vector<std::pair<std::string, std::string>> environment;  ///< All variables, unfiltered.
  std::vector<std::string> settings;  ///< `key=value` of the command line.
  std::string working_directory;      ///< Absolute; base of relative paths.
  /// Reads what a `SIGNALDB__..._FILE` variable points at.
  std::function<Result<std::string>(const std::string& path)> read_file;
};

struct LoadedConfiguration {
  ServiceConfiguration values;
  std::vector<ConfigurationValue> shown;  ///< Every key, in the order of the documentation.
  std::vector<std::string> warnings;      ///< What an operator should hear once at the start.
};

/// Defaults, then the file, then the environment, then the command line; the later one wins.
///
/// Errors: kInvalid, one line for each mistake (of very many the first and their count) that names
/// the place, the key, and what was expected: an unknown key, a value of the wrong type or range, a
/// combination that cannot work, or one that this build does not support. Nothing is ever ignored
/// silently.
[[nodiscard]] Result<LoadedConfiguration> LoadConfiguration(const ConfigurationSources& sources);

/// The size a configuration file may have.
inline constexpr std::size_t kConfigurationFileBytesMax = 1U << 20;

/// The configuration as a TOML file with the origin of each value behind it.
[[nodiscard]] std::string ShowAsToml(const std::vector<ConfigurationValue>& shown);

/// `text` with the password of every URI in it, and every option named like a secret, as `***`.
[[nodiscard]] std::string Redact(std::string_view text);

/// A list of servers, separated by commas, without who we are to them: of each the scheme, host and
/// port; `***` stands for what is none of these.
[[nodiscard]] std::string RedactServers(std::string_view list);

}  // namespace signaldb

#include "service/configuration_keys.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "service/log_levels.h"
#include "service/source_block_keys.h"
#include "service/value_text.h"
#include "telemetry/names.h"

namespace signaldb {
namespace {

using C = ServiceConfiguration;
using enum KeyType;

constexpr double kDay = 86'400'000;  // Durations are bounded in milliseconds.
constexpr double kMiB = 1 << 20;
constexpr double kPiB = 1LL << 50;

// A row per key, as docs/reference/configuration.md shows it. `+[]` makes a plain function of a
// lambda, which names a field of a nested struct where a member pointer cannot.
constexpr auto kKeys = std::to_array<ConfigurationKey>({
    {"schema.catalog_type", kChoice, "sql",
     "Where tables are registered. With `memory` nothing survives a restart.",
     +[](C& c) -> CatalogType& { return c.schema.catalog_type; }, "sql|memory"},
    {"schema.catalog_uri", kText, "sqlite://signaldb-data/catalog.db",
     "The SQL catalog. `sqlite://relative.db`, `sqlite:///absolute.db` (not on a network file "
     "system) "
     "or `sqlite::memory:`; `postgres://user:password@host:5432/database`, percent-encoded, with "
     "options of libpq such as `?sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem`.",
     +[](C& c) -> std::string& { return c.schema.catalog_uri; }},
    {"schema.catalog_name", kText, "signaldb",
     "Name of the catalog inside its database; other tools must use the same one.",
     +[](C& c) -> std::string& { return c.schema.catalog_name; }},
    {"storage.dsn", kText, "file:///./signaldb-data/tables",
     "Where tables live: `file:///absolute/path`, `s3://bucket/prefix` or `memory://`. A first "
     "segment that starts with "
     "a dot is relative to the working directory.",
     +[](C& c) -> std::string& { return c.storage.dsn; }},
    {"storage.endpoint", kText, "",
     "Where the object store answers, such as `https://minio.internal:9000`; empty: AWS, or what "
     "`AWS_ENDPOINT_URL` says. Also as an option of the DSN: `s3://bucket/prefix?endpoint=...`.",
     +[](C& c) -> std::string& { return c.storage.endpoint; }},
    {"storage.region", kText, "",
     "Region of the bucket; empty: what `AWS_REGION` says. Also as an option of the DSN.",
     +[](C& c) -> std::string& { return c.storage.region; }},
    {"storage.path_style", kBoolean, "true",
     "Whether buckets at `storage.endpoint` are addressed by path; `false`: by host name. Also as "
     "an option of the DSN.",
     +[](C& c) -> bool& { return c.storage.path_style; }},
    {"storage.access_key_id", kSecret, "",
     "Key of the object store; empty: the standard AWS variables, files and services.",
     +[](C& c) -> std::string& { return c.storage.access_key_id; }},
    {"storage.secret_access_key", kSecret, "",
     "The secret that belongs to it; best by `SIGNALDB__STORAGE__SECRET_ACCESS_KEY_FILE`.",
     +[](C& c) -> std::string& { return c.storage.secret_access_key; }},
    {"log.dir", kPath, "signaldb-data/log",
     "Folder of the durable log. One process at a time; not on a network file system.",
     +[](C& c) -> std::string& { return c.log.dir; }},
    {"log.segment_bytes",
     kBytes,
     "64MiB",
     "Size at which a segment of the log is sealed; space is given back by whole segments.",
     +[](C& c) -> std::int64_t& { return c.log.segment_bytes; },
     {},
     65'536,
     4'096 * kMiB},
    {"log.bytes_max",
     kBytes,
     "4GiB",
     "Disk space the log may take. When it is full, requests are refused until commits catch up.",
     +[](C& c) -> std::int64_t& { return c.log.bytes_max; },
     {},
     kMiB,
     kPiB},
    {"otlp.grpc_listen", kAddress, "127.0.0.1:4317", "Address for OTLP over gRPC.",
     +[](C& c) -> std::string& { return c.otlp.grpc_listen; }},
    {"otlp.http_listen", kAddress, "127.0.0.1:4318",
     "Address for OTLP over HTTP, protobuf and JSON.",
     +[](C& c) -> std::string& { return c.otlp.http_listen; }},
    {"otlp.max_request_bytes",
     kBytes,
     "64MiB",
     "Largest request taken, compressed and decompressed; at most half of `memory.budget`.",
     +[](C& c) -> std::int64_t& { return c.otlp.max_request_bytes; },
     {},
     1'024,
     1'024 * kMiB},
    {"otlp.tls_cert_file", kPath, "",
     "Certificate chain in PEM. With it both OTLP addresses speak TLS only.",
     +[](C& c) -> std::string& { return c.otlp.tls_cert_file; }},
    {"otlp.tls_key_file", kPath, "", "Private key in PEM that belongs to the certificate.",
     +[](C& c) -> std::string& { return c.otlp.tls_key_file; }},
    {"flight.listen", kAddressOrNone, "127.0.0.1:50061",
     "Address for Arrow Flight. Nothing (`\"\"`): there is no such receiver.",
     +[](C& c) -> std::string& { return c.flight.listen; }},
    {"flight.max_put_bytes",
     kBytes,
     "64MiB",
     "Largest put taken, all its messages together; at most half of `memory.budget`.",
     +[](C& c) -> std::int64_t& { return c.flight.max_put_bytes; },
     {},
     1'024,
     1'024 * kMiB},
    {"flight.tls_cert_file", kPath, "",
     "Certificate chain in PEM. With it the address speaks TLS only. May be the file of "
     "`otlp.tls_cert_file`.",
     +[](C& c) -> std::string& { return c.flight.tls_cert_file; }},
    {"flight.tls_key_file", kPath, "", "Private key in PEM that belongs to the certificate.",
     +[](C& c) -> std::string& { return c.flight.tls_key_file; }},
    {"auth.internal_service_key", kSecret, "",
     "The key that callers of Arrow Flight must send as `authorization: Bearer <key>`; best by "
     "`SIGNALDB__AUTH__INTERNAL_SERVICE_KEY_FILE`. Without one anybody who reaches `flight.listen` "
     "may write, and a warning says so.",
     +[](C& c) -> std::string& { return c.auth.internal_service_key; }},
    {"admin.listen", kAddress, "127.0.0.1:9464",
     "Address for metrics, health and `POST /flush`. It asks for no password: keep it private.",
     +[](C& c) -> std::string& { return c.admin.listen; }},
    {"commit.interval",
     kDuration,
     "5s",
     "Longest time that a row waits before it is committed, and so the freshness of the tables; up "
     "to "
     "four times that while other writers' commits come first again and again.",
     +[](C& c) -> Nanos& { return c.commit.interval; },
     {},
     1,
     kDay},
    {"commit.max_uncommitted_rows",
     kInteger,
     "0",
     "Commits earlier at this many waiting rows; 0: no limit.",
     +[](C& c) -> std::int64_t& { return c.commit.max_uncommitted_rows; },
     {},
     0,
     1e12},
    {"commit.max_uncommitted_bytes",
     kBytes,
     "128MiB",
     "Commits earlier at this many bytes of waiting rows in memory; 0: only the budget counts.",
     +[](C& c) -> std::int64_t& { return c.commit.max_uncommitted_bytes; },
     {},
     0,
     kPiB},
    {"commit.partitions_max",
     kInteger,
     "256",
     "Most partitions of one table in one commit; each costs a file.",
     +[](C& c) -> int& { return c.commit.partitions_max; },
     {},
     1,
     100'000},
    {"commit.datasets_max",
     kInteger,
     "1000",
     "Most datasets that a process takes rows of from its start to its end, since names come from "
     "senders; rows of another are refused as invalid. Each costs a commit an interval.",
     +[](C& c) -> int& { return c.commit.datasets_max; },
     {},
     1,
     1'000'000},
    {"commit.metadata_previous_versions_max",
     kInteger,
     "20",
     "Old metadata files a new table keeps; more of them make every commit dearer.",
     +[](C& c) -> int& { return c.commit.metadata_previous_versions_max; },
     {},
     1,
     10'000},
    {"ingest.timestamp_min", kTimestamp, "2000-01-01T00:00:00Z",
     "Event times before it are replaced by the time of receipt, and counted.",
     +[](C& c) -> Nanos& { return c.ingest.timestamp_min; }},
    {"ingest.timestamp_future_max",
     kDuration,
     "24h",
     "Event times further ahead are replaced by the time of receipt, and counted.",
     +[](C& c) -> Nanos& { return c.ingest.timestamp_future_max; },
     {},
     0,
     3'650 * kDay},
    {"ingest.records_max",
     kInteger,
     "1000000",
     "Most records in a request; more are refused.",
     +[](C& c) -> std::int64_t& { return c.ingest.records_max; },
     {},
     1,
     1e9},
    {"ingest.attributes_max",
     kInteger,
     "1024",
     "Most attributes of a record; a record with more is rejected.",
     +[](C& c) -> std::int64_t& { return c.ingest.attributes_max; },
     {},
     1,
     1e6},
    {"ingest.depth_max",
     kInteger,
     "32",
     "Deepest nesting of an attribute's value; a deeper record is rejected.",
     +[](C& c) -> int& { return c.ingest.depth_max; },
     {},
     1,
     64},
    {"memory.budget",
     kBytes,
     "512MiB",
     "Bytes for everything in flight. When they are used up, requests are refused with "
     "\"retry later\"; nothing is dropped. A small one lowers the defaults of "
     "`otlp.max_request_bytes` and `flight.max_put_bytes` (to a quarter of it) and "
     "`commit.max_uncommitted_bytes` (to half).",
     +[](C& c) -> std::int64_t& { return c.memory.budget; },
     {},
     kMiB,
     kPiB},
    {"batch.max_rows_per_batch",
     kInteger,
     "50000",
     "Rows that are sorted and encoded at once, and become a row group.",
     +[](C& c) -> std::int64_t& { return c.batch.max_rows_per_batch; },
     {},
     1,
     1e9},
    {"batch.max_memory_per_batch_bytes",
     kBytes,
     "134217728",
     "The same in bytes of memory; a single row always fits.",
     +[](C& c) -> std::int64_t& { return c.batch.max_memory_per_batch_bytes; },
     {},
     1,
     kPiB},
    {"batch.enable_auto_split", kBoolean, "true",
     "Split larger batches; all parts land in one snapshot.",
     +[](C& c) -> bool& { return c.batch.enable_auto_split; }},
    {"batch.target_concurrent_batches",
     kInteger,
     "4",
     "Batches that are encoded and written at once.",
     +[](C& c) -> int& { return c.batch.target_concurrent_batches; },
     {},
     1,
     1'024},
    {"batch.enable_catalog_caching", kBoolean, "true",
     "Keep table metadata between reads. Commits never rest on the cache.",
     +[](C& c) -> bool& { return c.batch.enable_catalog_caching; }},
    {"batch.catalog_cache_ttl_seconds",
     kSeconds,
     "300",
     "How long a cached entry is good.",
     +[](C& c) -> std::chrono::milliseconds& { return c.batch.catalog_cache_ttl; },
     {},
     0,
     kDay},
    {"catalog_pool.min_connections",
     kInteger,
     "2",
     "Connections to a PostgreSQL catalog kept open.",
     +[](C& c) -> int& { return c.catalog_pool.min_connections; },
     {},
     0,
     1'000},
    {"catalog_pool.max_connections",
     kInteger,
     "10",
     "Connections at most; SQLite uses one.",
     +[](C& c) -> int& { return c.catalog_pool.max_connections; },
     {},
     1,
     1'000},
    {"catalog_pool.connection_timeout_ms",
     kMilliseconds,
     "5000",
     "Longest wait for a connection, or for the lock of a SQLite database.",
     +[](C& c) -> std::chrono::milliseconds& { return c.catalog_pool.connection_timeout; },
     {},
     1,
     kDay},
    {"catalog_pool.idle_timeout_seconds",
     kSeconds,
     "300",
     "An idle connection above the minimum is closed after it.",
     +[](C& c) -> std::chrono::milliseconds& { return c.catalog_pool.idle_timeout; },
     {},
     1,
     kDay},
    {"catalog_pool.max_lifetime_seconds",
     kSeconds,
     "1800",
     "A connection is replaced at this age.",
     +[](C& c) -> std::chrono::milliseconds& { return c.catalog_pool.max_lifetime; },
     {},
     1,
     kDay},
    {"retry.max_attempts",
     kInteger,
     "3",
     "Attempts of a commit; the first counts.",
     +[](C& c) -> int& { return c.retry.max_attempts; },
     {},
     1,
     1'000},
    {"retry.initial_delay",
     kDuration,
     "100ms",
     "Wait before the second attempt.",
     +[](C& c) -> std::chrono::milliseconds& { return c.retry.initial_delay; },
     {},
     1,
     kDay},
    {"retry.max_delay",
     kDuration,
     "5s",
     "Longest wait between attempts.",
     +[](C& c) -> std::chrono::milliseconds& { return c.retry.max_delay; },
     {},
     1,
     kDay},
    {"retry.backoff_multiplier",
     kNumber,
     "2.0",
     "Growth of the wait from attempt to attempt.",
     +[](C& c) -> double& { return c.retry.backoff_multiplier; },
     {},
     1,
     100},
    {"tenants.default_tenant", kName, "default",
     "Tenant of requests without the header `x-tenant-id`.",
     +[](C& c) -> std::string& { return c.tenants.default_tenant; }},
    {"tenants.default_dataset", kName, "default",
     "Dataset of requests without the header `x-dataset-id`.",
     +[](C& c) -> std::string& { return c.tenants.default_dataset; }},
    {"dead_letters.message_bytes_max",
     kBytes,
     "4MiB",
     "Of a longer message that can never be written only the first bytes are kept, with its length "
     "and checksum; it cannot be replayed.",
     +[](C& c) -> std::int64_t& { return c.dead_letters.message_bytes_max; },
     {},
     1,
     1'024 * kMiB},
    {"dead_letters.bytes_max_per_hour",
     kBytes,
     "64MiB",
     "Most bytes that dead letters of one dataset keep within an hour, 4 KiB added to each. Beyond "
     "it they are counted without their messages, many in one row.",
     +[](C& c) -> std::int64_t& { return c.dead_letters.bytes_max_per_hour; },
     {},
     0,
     kPiB},
    {"shutdown.deadline",
     kDuration,
     "25s",
     "Longest time to drain and commit after SIGTERM; what is left is in the log.",
     +[](C& c) -> Nanos& { return c.shutdown.deadline; },
     {},
     0,
     kDay},
    {"logging.format", kChoice, "text", "Lines for people, or JSON objects.",
     +[](C& c) -> LogFormat& { return c.logging.format; }, "text|json"},
    {"logging.level", kLevels, "info",
     "error, warn, info or debug, and exceptions by module: `info,writer=debug`. Also "
     "`SIGNALDB_LOG`, else `RUST_LOG`.",
     +[](C& c) -> std::string& { return c.logging.level; }},
});

struct RefusedKey {
  std::string_view prefix;  ///< The key itself, or a section.
  std::string_view why;
};

constexpr std::string_view kTablesAreFixed = "the tables of this service have a fixed layout";

constexpr auto kRefused = std::to_array<RefusedKey>({
    // Parts that this build does not have.
    {"schema.evolve", "schema evolution is not supported in this build"},
    {"otlp.profiles_enabled", "the profiles signal is not supported in this build"},
    // Keys of the Rust service's file. They are no aliases, so that nobody runs on a default
    // unawares.
    {"writer.commit_interval", "use commit.interval"},
    {"writer.max_uncommitted_rows", "use commit.max_uncommitted_rows"},
    {"writer.metadata_previous_versions_max", "use commit.metadata_previous_versions_max"},
    {"writer.table_reconcile_interval", kTablesAreFixed},
    {"writer.wal_marker_retention", "watermarks in the tables take the place of markers"},
    {"wal.wal_dir", "use log.dir"},
    {"wal.max_segment_size", "use log.segment_bytes"},
    {"wal", "the durable log has the section log"},
    {"discovery", "instances do not know of each other"},
    {"schema.default_schemas", kTablesAreFixed},
    {"schema.materialized_labels", kTablesAreFixed},
    {"schema.optimization", "use the section batch"},
});

Status OutOfRange(const ConfigurationKey& key) {
  switch (key.type) {
    case kDuration:
    case kMilliseconds:
    case kSeconds:
      return Fail(ErrorKind::kInvalid, fmt::format("expected {}ms to {}ms", key.least, key.most));
    default:
      return Fail(ErrorKind::kInvalid,
                  fmt::format("expected {:.17g} to {:.17g}", key.least, key.most));
  }
}

template <typename Number>
Status StoreNumber(const ConfigurationKey& key, Number value, ServiceConfiguration& into) {
  const auto as_double = static_cast<double>(value);
  if (as_double < key.least || as_double > key.most) return OutOfRange(key);
  std::visit(
      [&](auto field) {
        using Field = std::remove_reference_t<decltype(field(into))>;
        if constexpr (std::is_arithmetic_v<Field>) {
          field(into) = static_cast<Field>(value);
        } else {
          SIGNALDB_ASSERT(false);
        }
      },
      key.field);
  return {};
}

Status StoreDuration(const ConfigurationKey& key, Nanos value, ServiceConfiguration& into) {
  const double millis = std::chrono::duration<double, std::milli>(value).count();
  if (key.type != kTimestamp && (millis < key.least || millis > key.most)) return OutOfRange(key);
  std::visit(
      [&](auto field) {
        using Field = std::remove_reference_t<decltype(field(into))>;
        if constexpr (std::is_same_v<Field, Nanos> ||
                      std::is_same_v<Field, std::chrono::milliseconds>) {
          field(into) = std::chrono::duration_cast<Field>(value);
        } else {
          SIGNALDB_ASSERT(false);
        }
      },
      key.field);
  return {};
}

Status StoreText(const ConfigurationKey& key, std::string_view text, ServiceConfiguration& into) {
  auto* const* const field = std::get_if<std::string& (*)(ServiceConfiguration&)>(&key.field);
  SIGNALDB_ASSERT(field != nullptr);
  (*field)(into) = text;
  return {};
}

std::string JoinedChoices(const ConfigurationKey& key, std::string_view between) {
  std::string choices(key.choices);
  for (std::size_t bar = 0; (bar = choices.find('|', bar)) != std::string::npos;) {
    choices.replace(bar, 1, between);
    bar += between.size();
  }
  return choices;
}

Status StoreChoice(const ConfigurationKey& key, std::string_view text, ServiceConfiguration& into) {
  std::string_view rest = key.choices;
  for (int index = 0; !rest.empty(); ++index) {
    const std::size_t bar = rest.find('|');
    if (rest.substr(0, bar) == text) {
      std::visit(
          [&](auto field) {
            using Field = std::remove_reference_t<decltype(field(into))>;
            if constexpr (std::is_enum_v<Field>) {
              field(into) = static_cast<Field>(index);
            } else if constexpr (std::is_same_v<Field, std::string>) {
              field(into) = text;
            } else {
              SIGNALDB_ASSERT(false);
            }
          },
          key.field);
      return {};
    }
    rest.remove_prefix(bar == std::string_view::npos ? rest.size() : bar + 1);
  }
  return Fail(ErrorKind::kInvalid, "expected " + JoinedChoices(key, " or "));
}

std::string_view DescribeType(KeyType type) {
  switch (type) {
    case kText:
      return "text";
    case kName:
      return "id";
    case kSecret:
    case kPassword:
      return "secret";
    case kPath:
      return "path";
    case kAddress:
      return "address";
    case kAddressOrNone:
      return "address or nothing";
    case kChoice:
      return "choice";
    case kBoolean:
      return "boolean";
    case kInteger:
      return "integer";
    case kNumber:
      return "number";
    case kBytes:
      return "size";
    case kDuration:
      return "duration";
    case kMilliseconds:
      return "milliseconds";
    case kSeconds:
      return "seconds";
    case kTimestamp:
      return "time";
    case kLevels:
      return "levels";
  }
  std::unreachable();
}

}  // namespace

std::span<const ConfigurationKey> ConfigurationKeys() { return kKeys; }

const ConfigurationKey* FindConfigurationKey(std::string_view name) {
  const auto* const found = std::ranges::find(kKeys, name, &ConfigurationKey::name);
  return found == kKeys.end() ? FindBlockKey(name) : found;
}

std::string ExpectedInToml(const ConfigurationKey& key) {
  switch (key.type) {
    case kText:
    case kSecret:
    case kPassword:
      return "a text in quotes";
    case kName:
      return "an id in quotes";
    case kPath:
      return "a path in quotes";
    case kAddress:
    case kAddressOrNone:
      return "an address in quotes, such as \"127.0.0.1:4317\"";
    case kChoice:
      return fmt::format("\"{}\", in quotes", JoinedChoices(key, "\" or \""));
    case kBoolean:
      return "true or false, unquoted";
    case kInteger:
    case kNumber:
      return "a number, unquoted";
    case kBytes:
      return "a size in quotes, such as \"64MiB\", or a number of bytes";
    case kDuration:
      return "a duration in quotes, such as \"5s\"";
    case kMilliseconds:
      return "a number of milliseconds, or a duration in quotes, such as \"100ms\"";
    case kSeconds:
      return "a number of seconds, or a duration in quotes, such as \"5s\"";
    case kTimestamp:
      return "a time in quotes, such as \"2000-01-01T00:00:00Z\"";
    case kLevels:
      return "levels in quotes, such as \"info\" or \"info,writer=debug\"";
  }
  std::unreachable();
}

std::string WhyRefused(std::string_view name) {
  for (const auto& [prefix, why] : kRefused) {
    if (name == prefix || (name.starts_with(prefix) && name[prefix.size()] == '.')) {
      return std::string(why);
    }
  }
  return {};
}

Status SetFromText(const ConfigurationKey& key, std::string_view text, ServiceConfiguration& into) {
  switch (key.type) {
    case kText:
    case kPath:
      return StoreText(key, text, into);
    case kSecret:
      if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; })) {
        return Fail(ErrorKind::kInvalid, "expected one line of ASCII without blanks");
      }
      return StoreText(key, text, into);
    case kPassword:
      if (std::ranges::any_of(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; })) {
        return Fail(ErrorKind::kInvalid, "expected one line");
      }
      return StoreText(key, text, into);
    case kName:
      if (!IsValidTenantOrDataset(text)) {
        return Fail(ErrorKind::kInvalid, "expected 1 to 64 of the characters A-Z a-z 0-9 _ -");
      }
      return StoreText(key, text, into);
    case kAddress:
    case kAddressOrNone:
      if (key.type == kAddress || !text.empty()) SIGNALDB_TRY(CheckAddress(text));
      return StoreText(key, text, into);
    case kLevels:
      SIGNALDB_TRY(ParseLogLevels(text));
      return StoreText(key, text, into);
    case kChoice:
      return StoreChoice(key, text, into);
    case kBoolean: {
      SIGNALDB_ASSIGN(const bool value, ParseBoolean(text));
      std::get<bool& (*)(ServiceConfiguration&)>(key.field)(into) = value;
      return {};
    }
    case kInteger: {
      SIGNALDB_ASSIGN(const std::int64_t value, ParseInteger(text));
      return StoreNumber(key, value, into);
    }
    case kNumber: {
      SIGNALDB_ASSIGN(const double value, ParseNumber(text));
      return StoreNumber(key, value, into);
    }
    case kBytes: {
      SIGNALDB_ASSIGN(const std::int64_t value, ParseBytes(text));
      return StoreNumber(key, value, into);
    }
    case kDuration: {
      SIGNALDB_ASSIGN(const Nanos value, ParseDuration(text, Nanos(0)));
      return StoreDuration(key, value, into);
    }
    case kMilliseconds: {
      SIGNALDB_ASSIGN(const Nanos value, ParseDuration(text, std::chrono::milliseconds(1)));
      return StoreDuration(key, value, into);
    }
    case kSeconds: {
      SIGNALDB_ASSIGN(const Nanos value, ParseDuration(text, std::chrono::seconds(1)));
      return StoreDuration(key, value, into);
    }
    case kTimestamp: {
      SIGNALDB_ASSIGN(const Nanos value, ParseTimestamp(text));
      return StoreDuration(key, value, into);
    }
  }
  std::unreachable();
}

std::string ReferenceRow(const ConfigurationKey& key, std::string_view default_text) {
  const std::string type =
      key.type == kChoice ? JoinedChoices(key, " or ") : std::string(DescribeType(key.type));
  std::string shown = key.default_text.empty() ? "none" : fmt::format("`{}`", key.default_text);
  if (!default_text.empty()) shown = default_text;
  return fmt::format("| `{}` | {} | {} | {} |\n", key.name.substr(key.name.rfind('.') + 1), type,
                     shown, key.help);
}

std::string ConfigurationReference() {
  std::string out =
      "# Configuration reference\n\n"
      "<!-- Made by `signaldb-writer config --reference`; a test compares the two. -->\n\n"
      "Defaults, then a TOML file (`--config FILE`, else `signaldb.toml` where the process "
      "starts),\n"
      "then environment variables, then `--set key=value`: the later one wins. The variable of a "
      "key\n"
      "is `SIGNALDB__SECTION__KEY`, for example `SIGNALDB__COMMIT__INTERVAL=1s`; with `_FILE` "
      "behind\n"
      "it, it names a file that holds the value. `SIGNALDB_SCHEMA_CATALOG_TYPE`,\n"
      "`SIGNALDB_SCHEMA_CATALOG_URI` and `SIGNALDB_STORAGE_DSN` work too; the double form wins.\n"
      "Unknown keys, and `SIGNALDB__` variables that name no key, are errors; the name of any "
      "other "
      "key\n"
      "with single underscores, as in `SIGNALDB_COMMIT_INTERVAL`, is not read, and a warning says "
      "so.\n";
  std::string_view section;
  for (const ConfigurationKey& key : kKeys) {
    const std::size_t dot = key.name.find('.');
    if (key.name.substr(0, dot) != section) {
      section = key.name.substr(0, dot);
      fmt::format_to(std::back_inserter(out),
                     "\n## {}\n\n| key | type | default | meaning |\n|---|---|---|---|\n", section);
    }
    out += ReferenceRow(key);
  }
  return out + BlockReference();
}

}  // namespace signaldb

#include "service/configuration_assembly.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "adapters/object_store/s3_dsn.h"
#include "adapters/object_store/s3_endpoint.h"
#include "adapters/postgres/postgres_uri.h"
#include "service/locations.h"

namespace signaldb {
namespace {

constexpr std::string_view kDefaultOrigin = "default";
constexpr std::string_view kShrunkOrigin = "default, made to fit memory.budget";

// What the defaults take of a small budget: several requests at a time, and one being committed.
constexpr std::int64_t kRequestDivisor = 4;
constexpr std::int64_t kUncommittedDivisor = 2;
// What a request may take of it at most.
constexpr std::int64_t kRequestDivisorLeast = 2;

std::string SizeText(std::int64_t bytes) {
  constexpr std::int64_t kMiB = 1 << 20;
  constexpr std::int64_t kKiB = 1 << 10;
  if (bytes % kMiB == 0) return fmt::format("{}MiB", bytes / kMiB);
  if (bytes % kKiB == 0) return fmt::format("{}KiB", bytes / kKiB);
  return fmt::to_string(bytes);
}

bool SystemPicksPort(std::string_view address) {
  const std::string_view port = address.substr(address.rfind(':') + 1);
  return port.find_first_not_of('0') == std::string_view::npos;
}

}  // namespace

void Mistakes::Add(std::string_view origin, std::string_view what, std::string_view key) {
  AddReady(fmt::format("{}: {} key={}", origin, what, key));
  Doubt(key);
}

void Mistakes::AddOfSource(std::string line) {
  AddReady(std::move(line));
  all_doubtful_ = true;
}

void Mistakes::AddReady(std::string line) {
  ++count_;
  // A value may hold what would end the line.
  std::ranges::replace_if(line, [](unsigned char c) { return c < ' '; }, ' ');
  if (lines_.size() < kShownMax) lines_.push_back(std::move(line));
}

bool Mistakes::Touch(std::initializer_list<std::string_view> keys) const {
  return all_doubtful_ ||
         std::ranges::any_of(keys, [&](std::string_view key) { return doubtful_.contains(key); });
}

bool Mistakes::TouchSection(std::string_view section) const {
  return all_doubtful_ || std::ranges::any_of(doubtful_, [&](std::string_view key) {
           return key == section || (key.starts_with(section) && key[section.size()] == '.');
         });
}

Error Mistakes::ToError() const {
  std::string text;
  for (const std::string& line : lines_) {
    if (!text.empty()) text += '\n';
    text += line;
  }
  if (count_ > lines_.size()) {
    fmt::format_to(std::back_inserter(text), "\nand {} more mistakes", count_ - lines_.size());
  }
  return Fail(ErrorKind::kInvalid, std::move(text)).error();
}

ConfigurationAssembly::ConfigurationAssembly() {
  Mistakes mistakes;
  for (const ConfigurationKey& key : ConfigurationKeys()) {
    Apply({std::string(key.name), std::string(key.default_text), std::string(kDefaultOrigin)},
          mistakes);
  }
  SIGNALDB_ASSERT(mistakes.empty());
}

void ConfigurationAssembly::Apply(Setting setting, Mistakes& mistakes) {
  const ConfigurationKey* key = FindConfigurationKey(setting.key);
  SIGNALDB_ASSERT(key != nullptr);
  const bool in_block = FindBlockKey(setting.key) != nullptr;
  const Status set = in_block ? CheckBlockValue(setting.key, setting.text)
                              : SetFromText(*key, setting.text, values_);
  if (!set.has_value()) {
    std::string what = set.error().message;
    if (key->name == "schema.catalog_type" && setting.text == "rest") {
      what += "; the REST catalog is not supported in this build";
    }
    if (!IsHidden(key->type)) {
      what += fmt::format(", not \"{}\"", in_block ? ShownBlockValue(setting.key, setting.text)
                                                   : Redact(setting.text));
    }
    mistakes.Add(setting.origin, what, setting.key);
    return;
  }
  if (in_block) {
    blocks_[setting.key] = {setting.text, setting.origin};
    return;
  }
  in_force_.insert_or_assign(setting.key, std::move(setting));
}

LoadedConfiguration ConfigurationAssembly::Finish(const std::string& working_directory,
                                                  Mistakes& mistakes) {
  ShrinkDefaults();
  ResolveLocations(working_directory, mistakes);
  BuildBlocksOf(working_directory, mistakes);
  CheckTogether(mistakes);
  CheckMemory(mistakes);
  CheckAddresses(mistakes);
  return {values_, Shown(), Warnings()};
}

/// Who only lowers the budget must not have to know what else is derived from it.
void ConfigurationAssembly::ShrinkDefaults() {
  ShrinkDefault("otlp.max_request_bytes", values_.memory.budget / kRequestDivisor);
  ShrinkDefault("flight.max_put_bytes", values_.memory.budget / kRequestDivisor);
  ShrinkDefault("commit.max_uncommitted_bytes", values_.memory.budget / kUncommittedDivisor);
}

void ConfigurationAssembly::ShrinkDefault(std::string_view key, std::int64_t most) {
  const ConfigurationKey& known = *FindConfigurationKey(key);
  const std::int64_t value =
      std::get<std::int64_t& (*)(ServiceConfiguration&)>(known.field)(values_);
  if (InForce(key).origin != kDefaultOrigin || value <= most) return;
  Mistakes mistakes;
  Apply({std::string(key), SizeText(most), std::string(kShrunkOrigin)}, mistakes);
  SIGNALDB_ASSERT(mistakes.empty());
}

void ConfigurationAssembly::ResolveLocations(const std::string& working_directory,
                                             Mistakes& mistakes) {
  ServiceConfiguration& c = values_;
  const auto wrong = [&](std::string_view key, std::string_view what) {
    if (!mistakes.Touch({key})) mistakes.Add(InForce(key).origin, what, key);
  };
  if (c.schema.catalog_type == CatalogType::kSql && !mistakes.Touch({"schema.catalog_type"})) {
    if (IsPostgresUri(c.schema.catalog_uri)) {
      const auto target = ParsePostgresUri(c.schema.catalog_uri);
      if (!target.has_value()) wrong("schema.catalog_uri", target.error().message);
    } else if (auto path = SqlitePathOf(c.schema.catalog_uri, working_directory)) {
      c.schema.sqlite_path = std::move(*path);
    } else {
      wrong("schema.catalog_uri", path.error().message);
    }
  }
  if (IsS3Dsn(c.storage.dsn)) {
    if (auto dsn = ParseS3Dsn(c.storage.dsn)) {
      c.storage.warehouse = std::move(dsn->warehouse);
      if (dsn->endpoint) c.storage.endpoint = *dsn->endpoint;
      if (dsn->region) c.storage.region = std::move(*dsn->region);
      if (dsn->path_style) c.storage.path_style = *dsn->path_style;
      const Status endpoint = CheckS3Endpoint(c.storage.endpoint);
      if (!endpoint.has_value()) {
        wrong(dsn->endpoint ? "storage.dsn" : "storage.endpoint", endpoint.error().message);
      }
    } else {
      wrong("storage.dsn", dsn.error().message);
    }
  } else if (auto warehouse = WarehouseOf(c.storage.dsn, working_directory)) {
    c.storage.warehouse = std::move(*warehouse);
  } else {
    wrong("storage.dsn", warehouse.error().message);
  }
  if (c.log.dir.empty()) wrong("log.dir", "expected a path");
  c.log.dir = AbsolutePath(c.log.dir, working_directory);
  for (std::string* path : {&c.otlp.tls_cert_file, &c.otlp.tls_key_file, &c.flight.tls_cert_file,
                            &c.flight.tls_key_file}) {
    if (!path->empty()) *path = AbsolutePath(*path, working_directory);
  }
}

void ConfigurationAssembly::BuildBlocksOf(const std::string& working_directory,
                                          Mistakes& mistakes) {
  // What a mistake has kept out of a block would only be missed once more.
  if (mistakes.TouchSection("kafka") || mistakes.TouchSection("nats")) return;
  const Status built = BuildBlocks(blocks_, working_directory, values_, shown_blocks_);
  if (!built.has_value()) mistakes.AddReady(built.error().message);
}

/// What must hold between keys.
void ConfigurationAssembly::CheckTogether(Mistakes& mistakes) const {
  const ServiceConfiguration& c = values_;
  // `key` is blamed, unless a mistake in it or in `other` is already known.
  const auto check = [&](bool holds, std::string_view key, std::string_view other,
                         std::string_view what) {
    if (!holds && !mistakes.Touch({key, other})) mistakes.Add(InForce(key).origin, what, key);
  };
  check(!c.schema.catalog_name.empty(), "schema.catalog_name", "", "expected a name");
  // Each of a pair needs the other one.
  const auto check_pair = [&](const std::string& one, std::string_view key_of_one,
                              const std::string& other, std::string_view key_of_other) {
    check(one.empty() || !other.empty(), key_of_one, key_of_other,
          fmt::format("expected {} with it", key_of_other));
    check(other.empty() || !one.empty(), key_of_other, key_of_one,
          fmt::format("expected {} with it", key_of_one));
  };
  check_pair(c.otlp.tls_cert_file, "otlp.tls_cert_file", c.otlp.tls_key_file, "otlp.tls_key_file");
  check_pair(c.flight.tls_cert_file, "flight.tls_cert_file", c.flight.tls_key_file,
             "flight.tls_key_file");
  check_pair(c.storage.access_key_id, "storage.access_key_id", c.storage.secret_access_key,
             "storage.secret_access_key");
  check(c.log.bytes_max >= 2 * c.log.segment_bytes, "log.bytes_max", "log.segment_bytes",
        "expected room for two segments of log.segment_bytes");
  check(c.catalog_pool.min_connections <= c.catalog_pool.max_connections,
        "catalog_pool.min_connections", "catalog_pool.max_connections",
        "expected no more than max_connections");
  check(c.retry.initial_delay <= c.retry.max_delay, "retry.initial_delay", "retry.max_delay",
        "expected no more than retry.max_delay");
}

void ConfigurationAssembly::CheckMemory(Mistakes& mistakes) const {
  const std::int64_t budget = values_.memory.budget;
  const auto check = [&](std::int64_t bytes, std::int64_t most, std::string_view key,
                         std::string_view share) {
    if (bytes <= most || mistakes.Touch({key, "memory.budget"})) return;
    mistakes.Add(InForce(key).origin,
                 fmt::format("expected no more than {}{}, not {}", share,
                             Described("memory.budget"), InForce(key).text),
                 key);
  };
  check(values_.otlp.max_request_bytes, budget / kRequestDivisorLeast, "otlp.max_request_bytes",
        "half of ");
  check(values_.flight.max_put_bytes, budget / kRequestDivisorLeast, "flight.max_put_bytes",
        "half of ");
  check(values_.commit.max_uncommitted_bytes, budget, "commit.max_uncommitted_bytes", "");
}

void ConfigurationAssembly::CheckAddresses(Mistakes& mistakes) const {
  constexpr auto kKeys = std::to_array<std::string_view>(
      {"otlp.grpc_listen", "otlp.http_listen", "flight.listen", "admin.listen"});
  for (auto later = kKeys.begin(); later != kKeys.end(); ++later) {
    const Setting& setting = InForce(*later);
    if (setting.text.empty() || SystemPicksPort(setting.text)) continue;
    for (auto earlier = kKeys.begin(); earlier != later; ++earlier) {
      if (InForce(*earlier).text != setting.text || mistakes.Touch({*earlier, *later})) continue;
      // The one that was set is to blame, not the default that it meets.
      const bool blame_earlier = setting.origin == kDefaultOrigin;
      const std::string_view blamed = blame_earlier ? *earlier : *later;
      mistakes.Add(InForce(blamed).origin,
                   fmt::format("expected an address of its own, not that of {}",
                               Described(blame_earlier ? *later : *earlier)),
                   blamed);
      break;
    }
  }
}

const Setting& ConfigurationAssembly::InForce(std::string_view key) const {
  const auto found = in_force_.find(key);
  SIGNALDB_ASSERT(found != in_force_.end());
  return found->second;
}

std::string ConfigurationAssembly::Described(std::string_view key) const {
  const Setting& setting = InForce(key);
  return fmt::format("{}, which is {} ({})", key, setting.text, setting.origin);
}

std::vector<ConfigurationValue> ConfigurationAssembly::Shown() const {
  std::vector<ConfigurationValue> shown;
  for (const ConfigurationKey& key : ConfigurationKeys()) {
    const Setting& setting = InForce(key.name);
    const bool hidden = IsHidden(key.type) && !setting.text.empty();
    shown.push_back({std::string(key.name), hidden ? "***" : Redact(setting.text), setting.origin});
  }
  shown.insert(shown.end(), shown_blocks_.begin(), shown_blocks_.end());
  return shown;
}

std::vector<std::string> ConfigurationAssembly::Warnings() const {
  const ServiceConfiguration& c = values_;
  std::vector<std::string> warnings;
  const bool memory_catalog = c.schema.catalog_type == CatalogType::kMemory;
  if (memory_catalog || c.schema.sqlite_path == ":memory:") {
    warnings.emplace_back("the catalog is in memory: its tables are gone when the process ends");
  }
  if (c.storage.warehouse == "memory://") {
    warnings.emplace_back("storage is in memory: its rows are gone when the process ends");
  }
  if (memory_catalog && InForce("schema.catalog_uri").origin != kDefaultOrigin) {
    warnings.emplace_back("schema.catalog_uri has no effect with catalog_type=memory");
  }
  return warnings;
}

}  // namespace signaldb

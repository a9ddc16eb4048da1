#include "adapters/kafka/kafka_configuration.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace signaldb {
namespace {

struct FixedSetting {
  const char* key;
  const char* value;
};

// None of them can be changed from outside: exactly-once or the bound on memory rests on each.
constexpr auto kFixed = std::to_array<FixedSetting>({
    {"client.id", "signaldb-writer"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"},
    {"check.crcs", "true"},
    {"isolation.level", "read_committed"},
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"allow.auto.create.topics", "false"},
    {"enable.partition.eof", "false"},
    {"queued.max.messages.kbytes", "16384"},
    {"fetch.max.bytes", "8388608"},
    // Not for safety: a new topic and a broker that is back are seen soon.
    {"topic.metadata.refresh.interval.ms", "30000"},
    {"reconnect.backoff.max.ms", "2000"},
});

Status Set(rd_kafka_conf_t& configuration, const char* key, const std::string& value) {
  std::array<char, 512> why{};
  if (rd_kafka_conf_set(&configuration, key, value.c_str(), why.data(), why.size()) ==
      RD_KAFKA_CONF_OK) {
    return {};
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("librdkafka refuses a setting: {} setting={}", why.data(), key));
}

std::string Millis(Nanos time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

Status SetConnection(rd_kafka_conf_t& configuration, const KafkaConnection& connection) {
  const std::pair<const char*, const std::string&> settings[] = {
      {"bootstrap.servers", connection.brokers},
      {"security.protocol", connection.security_protocol},
      {"ssl.ca.location", connection.ssl_ca_file},
      {"ssl.certificate.location", connection.ssl_cert_file},
      {"ssl.key.location", connection.ssl_key_file},
  };
  for (const auto& [key, value] : settings) {
    if (!value.empty()) SIGNALDB_TRY(Set(configuration, key, value));
  }
  if (!connection.security_protocol.starts_with("sasl")) return {};
  SIGNALDB_TRY(Set(configuration, "sasl.mechanism", connection.sasl_mechanism));
  SIGNALDB_TRY(Set(configuration, "sasl.username", connection.sasl_username));
  return Set(configuration, "sasl.password", connection.sasl_password);
}

}  // namespace

Status CheckKafkaFeatures(std::string_view features, std::string_view security_protocol) {
  std::vector<std::string_view> needed = {"gzip", "snappy", "lz4", "zstd"};
  if (security_protocol.ends_with("ssl")) needed.emplace_back("ssl");
  if (security_protocol.starts_with("sasl")) {
    needed.emplace_back("sasl_plain");
    needed.emplace_back("sasl_scram");
  }
  std::vector<std::string_view> there;
  while (!features.empty()) {
    const std::size_t comma = features.find(',');
    there.push_back(features.substr(0, comma));
    features.remove_prefix(comma == std::string_view::npos ? features.size() : comma + 1);
  }
  for (const std::string_view feature : needed) {
    if (std::ranges::find(there, feature) != there.end()) continue;
    return Fail(ErrorKind::kInvalid,
                fmt::format("librdkafka was built without something that topics may need; install "
                            "one that has it feature={} version={}",
                            feature, rd_kafka_version_str()));
  }
  return {};
}

std::string_view LoginAdvice(std::string_view sasl_mechanism, int version) {
  constexpr int kMended = 0x02060100;
  if (!sasl_mechanism.starts_with("SCRAM") || version >= kMended) return {};
  return "; if the password is right: librdkafka before 2.6.1 cannot log in to Kafka 4.0 or newer "
         "by "
         "SCRAM, so use PLAIN over TLS or a newer librdkafka";
}

Result<KafkaConfiguration> MakeKafkaConfiguration(const KafkaSourceOptions& options) {
  KafkaConfiguration configuration(rd_kafka_conf_new());
  std::array<char, 512> features{};
  std::size_t size = features.size();
  if (rd_kafka_conf_get(configuration.get(), "builtin.features", features.data(), &size) !=
      RD_KAFKA_CONF_OK) {
    return Fail(ErrorKind::kInvalid, "librdkafka does not say what it was built with");
  }
  SIGNALDB_TRY(CheckKafkaFeatures(features.data(), options.connection.security_protocol));
  for (const auto& [key, value] : kFixed) SIGNALDB_TRY(Set(*configuration, key, value));
  SIGNALDB_TRY(SetConnection(*configuration, options.connection));
  SIGNALDB_TRY(Set(*configuration, "group.id", options.group_id));
  if (!options.group_instance_id.empty()) {
    SIGNALDB_TRY(Set(*configuration, "group.instance.id", options.group_instance_id));
  }
  const Nanos heartbeat = std::min<Nanos>(options.session_timeout / 5, std::chrono::seconds(3));
  SIGNALDB_TRY(Set(*configuration, "session.timeout.ms", Millis(options.session_timeout)));
  SIGNALDB_TRY(Set(*configuration, "heartbeat.interval.ms", Millis(heartbeat)));
  SIGNALDB_TRY(Set(*configuration, "max.poll.interval.ms", Millis(options.max_poll_interval)));
  return configuration;
}

}  // namespace signaldb

#pragma once

#include <memory>
#include <string_view>

#include <librdkafka/rdkafka.h>

#include "adapters/kafka/kafka_source.h"
#include "signaldb/result.h"

namespace signaldb {

struct FreeKafkaConfiguration {
  void operator()(rd_kafka_conf_t* configuration) const { rd_kafka_conf_destroy(configuration); }
};
using KafkaConfiguration = std::unique_ptr<rd_kafka_conf_t, FreeKafkaConfiguration>;

/// Everything that librdkafka is told, but for callbacks. Its own defaults would skip and lose
/// messages: README.md says why each is set.
/// Errors: kInvalid (librdkafka refuses a value, or lacks a compression or a way to log in).
[[nodiscard]] Result<KafkaConfiguration> MakeKafkaConfiguration(const KafkaSourceOptions& options);

/// Whether a list of librdkafka's built-in features has all that is needed to read any topic, and
/// `security_protocol`. Errors: kInvalid (names what is missing).
[[nodiscard]] Status CheckKafkaFeatures(std::string_view features,
                                        std::string_view security_protocol);

/// What to say beside a login that was refused, if the fault may be librdkafka's: up to 2.6.0 it
/// repeats its own nonce in SCRAM, which Kafka 4.0 and newer refuse as they would a wrong password.
/// Empty where that cannot be. `version` is rd_kafka_version()'s.
[[nodiscard]] std::string_view LoginAdvice(std::string_view sasl_mechanism, int version);

}  // namespace signaldb

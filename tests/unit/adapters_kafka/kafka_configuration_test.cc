#include "adapters/kafka/kafka_configuration.h"

#include <array>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsOk;

std::string Get(const KafkaConfiguration& configuration, const char* key) {
  std::array<char, 256> value{};
  std::size_t size = value.size();
  EXPECT_EQ(rd_kafka_conf_get(configuration.get(), key, value.data(), &size), RD_KAFKA_CONF_OK)
      << key;
  return value.data();
}

KafkaSourceOptions Options() {
  return {.connection = {.brokers = "a:1,b:2",
                         .security_protocol = "sasl_ssl",
                         .ssl_ca_file = "/ca.pem",
                         .ssl_cert_file = "/cert.pem",
                         .ssl_key_file = "/key.pem",
                         .sasl_mechanism = "SCRAM-SHA-256",
                         .sasl_username = "me",
                         .sasl_password = "hunter2"},
          .group_id = "g",
          .group_instance_id = "pod-1",
          .session_timeout = std::chrono::seconds(20),
          .max_poll_interval = std::chrono::seconds(60)};
}

TEST(KafkaConfiguration, LeavesNothingThatLosesMessagesAtItsDefault) {
  const auto made = MakeKafkaConfiguration(Options());
  ASSERT_THAT(made, IsOk());
  const std::pair<const char*, const char*> cases[] = {
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},
      {"check.crcs", "true"},
      {"isolation.level", "read_committed"},
      {"partition.assignment.strategy", "cooperative-sticky"},
      {"allow.auto.create.topics", "false"},
      {"queued.max.messages.kbytes", "16384"},
      {"fetch.max.bytes", "8388608"},
  };
  for (const auto& [key, value] : cases) EXPECT_EQ(Get(*made, key), value) << key;
}

TEST(KafkaConfiguration, PassesOnWhatTheOperatorSaid) {
  const auto made = MakeKafkaConfiguration(Options());
  ASSERT_THAT(made, IsOk());
  const std::pair<const char*, const char*> cases[] = {
      {"bootstrap.servers", "a:1,b:2"},
      {"security.protocol", "sasl_ssl"},
      {"ssl.ca.location", "/ca.pem"},
      {"ssl.certificate.location", "/cert.pem"},
      {"ssl.key.location", "/key.pem"},
      {"sasl.mechanism", "SCRAM-SHA-256"},
      {"sasl.username", "me"},
      {"sasl.password", "hunter2"},
      {"group.id", "g"},
      {"group.instance.id", "pod-1"},
      {"session.timeout.ms", "20000"},
      {"heartbeat.interval.ms", "3000"},
      {"max.poll.interval.ms", "60000"},
  };
  for (const auto& [key, value] : cases) EXPECT_EQ(Get(*made, key), value) << key;
}

TEST(LoginAdvice, SuspectsALibraryThatBrokersRefuse) {
  EXPECT_THAT(LoginAdvice("SCRAM-SHA-512", 0x020000ff), ::testing::HasSubstr("2.6.1"));
  EXPECT_THAT(LoginAdvice("SCRAM-SHA-256", 0x020600ff), ::testing::HasSubstr("2.6.1"));
  EXPECT_EQ(LoginAdvice("SCRAM-SHA-512", 0x020601ff), "");
  EXPECT_EQ(LoginAdvice("PLAIN", 0x020000ff), "");
}

}  // namespace
}  // namespace signaldb

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

namespace signaldb::testing {

/// librdkafka's own fake cluster, on ports of this machine, and a producer that writes to it. It
/// has groups, offsets and errors to order, but no transactions and no retention.
class MockKafka {
 public:
  explicit MockKafka(int brokers = 1) {
    rd_kafka_conf_t* const configuration = rd_kafka_conf_new();
    std::array<char, 256> why{};
    const std::string count = std::to_string(brokers);
    for (const auto& [key, value] :
         {std::pair<const char*, const char*>{"test.mock.num.brokers", count.c_str()},
          {"linger.ms", "0"}}) {
      EXPECT_EQ(rd_kafka_conf_set(configuration, key, value, why.data(), why.size()),
                RD_KAFKA_CONF_OK)
          << why.data();
    }
    producer_ = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, why.data(), why.size());
    EXPECT_NE(producer_, nullptr) << why.data();
    cluster_ = rd_kafka_handle_mock_cluster(producer_);
  }
  ~MockKafka() { rd_kafka_destroy(producer_); }
  MockKafka(const MockKafka&) = delete;
  MockKafka& operator=(const MockKafka&) = delete;

  [[nodiscard]] std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  [[nodiscard]] rd_kafka_mock_cluster_t* cluster() { return cluster_; }

  void CreateTopic(const char* topic, int partitions) {
    EXPECT_EQ(rd_kafka_mock_topic_create(cluster_, topic, partitions, 1),
              RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  /// Writes one message and waits until it is there.
  void Produce(const char* topic, int partition, std::string_view value) {
    EXPECT_EQ(rd_kafka_producev(producer_, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                                RD_KAFKA_V_END),
              RD_KAFKA_RESP_ERR_NO_ERROR);
    EXPECT_EQ(rd_kafka_flush(producer_, 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  /// Sets the offset of partition 0 for a group that never had a member.
  void CommitOffset(const char* group, const char* topic, std::int64_t offset) {
    rd_kafka_conf_t* const configuration = rd_kafka_conf_new();
    std::array<char, 256> why{};
    EXPECT_EQ(rd_kafka_conf_set(configuration, "bootstrap.servers", brokers().c_str(), why.data(),
                                why.size()),
              RD_KAFKA_CONF_OK);
    EXPECT_EQ(rd_kafka_conf_set(configuration, "group.id", group, why.data(), why.size()),
              RD_KAFKA_CONF_OK);
    rd_kafka_t* const client =
        rd_kafka_new(RD_KAFKA_CONSUMER, configuration, why.data(), why.size());
    rd_kafka_topic_partition_list_t* const list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    EXPECT_EQ(rd_kafka_commit(client, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
  }

 private:
  rd_kafka_t* producer_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

}  // namespace signaldb::testing

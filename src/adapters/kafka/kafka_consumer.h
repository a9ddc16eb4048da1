#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <librdkafka/rdkafka.h>

#include "adapters/kafka/kafka_configuration.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "signaldb/result.h"

namespace signaldb {

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;

  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

/// `offset` is that of the next message; kNoOffset where the group has none.
struct PartitionOffset {
  static constexpr std::int64_t kNoOffset = -1;

  TopicPartition at;
  std::int64_t offset = kNoOffset;
};

/// The first offset that a partition still has, and the one that its next message will get.
struct OffsetRange {
  std::int64_t low = 0;
  std::int64_t high = 0;
};

struct FreeKafkaMessage {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using KafkaMessage = std::unique_ptr<rd_kafka_message_t, FreeKafkaMessage>;

/// What a consumer tells whoever polls it, from inside Poll, Leave and WaitForCommit.
class KafkaConsumerListener {
 public:
  virtual ~KafkaConsumerListener() = default;

  /// Partitions are ours. Returns where to read; those left out are ours, but not read.
  [[nodiscard]] virtual std::vector<PartitionOffset> OnAssigned(
      const std::vector<TopicPartition>& partitions) = 0;
  /// Partitions go to others once this returns: the last moment to commit their offsets.
  virtual void OnRevoked(const std::vector<TopicPartition>& partitions) = 0;
  /// Partitions may be another's already: nothing can be committed any more.
  virtual void OnLost(const std::vector<TopicPartition>& partitions) = 0;
  /// How a commit ended.
  virtual void OnCommitted(const Status& status, const std::vector<PartitionOffset>& offsets) = 0;
  /// Something is wrong with the connection or the client.
  virtual void OnError(rd_kafka_resp_err_t code, std::string_view text) = 0;
};

/// A member of a consumer group: librdkafka's handle, as far as it is used here.
///
/// Lifetime: borrows listener and events. Messages have to be gone before it is.
/// Threads:  confined to the one that polls.
class KafkaConsumer {
 public:
  /// Joins the group. Errors: kInvalid (librdkafka refuses the configuration).
  [[nodiscard]] static Result<std::unique_ptr<KafkaConsumer>> Make(
      KafkaConfiguration configuration, const std::vector<std::string>& topics,
      KafkaConsumerListener& listener, EventListener& events);
  ~KafkaConsumer();
  KafkaConsumer(const KafkaConsumer&) = delete;
  KafkaConsumer& operator=(const KafkaConsumer&) = delete;

  /// The next message or error; null if there was none in time.
  [[nodiscard]] KafkaMessage Poll(Nanos wait);

  // Each asks the brokers. Errors: kUnavailable (not in time).
  [[nodiscard]] Result<std::string> ClusterId(Nanos wait);
  [[nodiscard]] Result<std::vector<PartitionOffset>> Committed(
      const std::vector<TopicPartition>& partitions, Nanos wait);
  [[nodiscard]] Result<OffsetRange> Offsets(const TopicPartition& partition, Nanos wait);
  /// Those of the topics that the cluster does not have or does not show, and why, by their names.
  [[nodiscard]] Result<std::map<std::string, std::string>> Probe(Nanos wait);

  /// The highest offset that the last fetch saw, without asking; -1 before the first.
  [[nodiscard]] std::int64_t HighOffset(const TopicPartition& partition) const;

  void Pause(const TopicPartition& partition);
  void Resume(const TopicPartition& partition);

  /// Begins to commit; OnCommitted tells the end. One at a time.
  void Commit(const std::vector<PartitionOffset>& offsets);
  [[nodiscard]] bool committing() const { return committing_; }
  /// Waits for the commit that was begun; false if it does not end in time.
  [[nodiscard]] bool WaitForCommit(Nanos wait);

  /// Leaves the group: OnRevoked, and a note to the coordinator. False if that takes longer; call
  /// it again then, or give the client up: destroyed before it has left, librdkafka would wait for
  /// brokers without a limit, so its handle is abandoned with its threads.
  [[nodiscard]] bool Leave(Nanos deadline, const Clock& clock);

  /// The process is about to end: the destructor leaves the client's threads to that, where
  /// destroying the client could abort the process instead. It does so without being asked if
  /// nothing was ever assigned.
  void Abandon();

 private:
  /// What librdkafka's own threads see of this object, and may see after it is gone.
  struct Link {
    std::mutex mutex;
    KafkaConsumer* consumer = nullptr;
  };

  KafkaConsumer(KafkaConsumerListener& listener, EventListener& events)
      : listener_(listener), events_(events) {
    link_->consumer = this;
  }

  static void HandleRebalance(rd_kafka_t* client, rd_kafka_resp_err_t code,
                              rd_kafka_topic_partition_list_t* partitions, void* opaque);
  static void HandleCommit(rd_kafka_t* client, rd_kafka_resp_err_t code,
                           rd_kafka_topic_partition_list_t* offsets, void* opaque);
  static void HandleError(rd_kafka_t* client, int code, const char* reason, void* opaque);
  static void HandleLog(const rd_kafka_t* client, int level, const char* facility,
                        const char* text);

  void Assign(const std::vector<TopicPartition>& partitions);
  void Unassign(const std::vector<TopicPartition>& partitions);

  KafkaConsumerListener& listener_;
  EventListener& events_;
  std::unique_ptr<Link> link_ = std::make_unique<Link>();
  rd_kafka_t* client_ = nullptr;
  rd_kafka_queue_t* commits_ = nullptr;
  std::vector<TopicPartition> read_;  ///< What is assigned to the client, so what may be taken off.
  bool committing_ = false;
  bool was_assigned_ = false;  ///< Perhaps no partition at all.
  bool leaving_ = false;
  bool abandoned_ = false;
};

}  // namespace signaldb

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "adapters/kafka/assigned_partition.h"
#include "adapters/kafka/kafka_consumer.h"
#include "adapters/kafka/kafka_source.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "signaldb/result.h"
#include "telemetry/source.h"

namespace signaldb {

/// The thread behind KafkaSource.
///
///   until closed:
///     no consumer?       join the group
///     lanes' progress    commit it, one commit at a time
///     messages held      try again, with pace; when all are in: resume
///     poll 100 ms        assigned: find where to read, open lanes
///                        revoked:  flush, commit, close lanes;   lost: close lanes
///                        message:  deliver; no room: pause and hold
///                        offset gone: stop the partition, or leave and join anew
///     each second        metrics, Trouble
///   leave: commit what is known, leave the group, by the deadline
///
/// Lifetime: borrows clock and listener; `intake` outlives it. Threads: as Source.
class KafkaReader final : public KafkaConsumerListener {
 public:
  KafkaReader(KafkaSourceOptions options, Clock& clock, EventListener& events)
      : options_(std::move(options)), clock_(clock), events_(events) {}
  ~KafkaReader() override;

  [[nodiscard]] Status Start(SourceIntake& intake);
  void StopDelivering();
  [[nodiscard]] Status Close(Nanos deadline);
  [[nodiscard]] std::string Trouble() const;
  [[nodiscard]] const std::string& name() const { return options_.name; }

  [[nodiscard]] std::vector<PartitionOffset> OnAssigned(
      const std::vector<TopicPartition>& partitions) override;
  void OnRevoked(const std::vector<TopicPartition>& partitions) override;
  void OnLost(const std::vector<TopicPartition>& partitions) override;
  void OnCommitted(const Status& status, const std::vector<PartitionOffset>& offsets) override;
  void OnError(rd_kafka_resp_err_t code, std::string_view text) override;

 private:
  using Partitions = std::map<TopicPartition, AssignedPartition>;

  void Run();
  void RunOnce();
  [[nodiscard]] Status Join();
  void JoinAgain();
  [[nodiscard]] bool LeaveGroup(Nanos deadline);

  // --- partitions that come
  [[nodiscard]] Status LearnOffsets(const std::vector<TopicPartition>& partitions,
                                    std::vector<PartitionOffset>& committed);
  [[nodiscard]] Result<std::int64_t> WhereToRead(const PartitionOffset& committed,
                                                 AssignedPartition& partition);
  [[nodiscard]] std::int64_t OutsideOf(const OffsetRange& range, const PartitionOffset& committed,
                                       AssignedPartition& partition);
  static void SkipTo(std::int64_t offset, AssignedPartition& partition);
  void OpenLane(const TopicPartition& at, AssignedPartition& partition);
  void Forget(const TopicPartition& at);

  // --- messages
  void Take(KafkaMessage message);
  void TakeError(const rd_kafka_message_t& message);
  [[nodiscard]] Status Deliver(const TopicPartition& at, AssignedPartition& partition,
                               const rd_kafka_message_t& message);
  [[nodiscard]] Status CheckCovered(const TopicPartition& at, AssignedPartition& partition,
                                    const SourceMessage& message);
  void Hold(const TopicPartition& at, AssignedPartition& partition, KafkaMessage message);
  void RetryHeld();
  void StopPartition(const TopicPartition& at, AssignedPartition& partition, std::string why);

  // --- acknowledgements
  [[nodiscard]] std::vector<PartitionOffset> DueCommits() const;
  void CommitWhatIsDue();
  void CommitBefore(Nanos deadline);

  void Report();
  void ShowTrouble(std::string trouble);
  void ReportLag(const TopicPartition& at, std::int64_t messages);
  void Say(Severity severity, std::string message, std::string error = {},
           const TopicPartition* at = nullptr);

  const KafkaSourceOptions options_;
  Clock& clock_;
  EventListener& events_;
  SourceIntake* intake_ = nullptr;

  // Confined to the thread.
  std::unique_ptr<KafkaConsumer> consumer_;
  std::string cluster_id_;
  Partitions partitions_;
  std::string connection_trouble_ = "not connected yet";
  bool advised_ = false;  ///< On a login that was refused.
  std::string fatal_;
  std::map<std::string, std::string> topic_troubles_;
  /// Those that the cluster does not have, by the last probe. librdkafka itself waits for half a
  /// minute before it says so.
  std::map<std::string, std::string> missing_topics_;
  bool join_again_ = false;
  Nanos report_at_{0};
  Nanos probe_at_{0};   ///< Sooner while there is trouble.
  Nanos commit_at_{0};  ///< Not before, after one that failed.

  std::atomic<bool> stopping_ = false;  ///< Delivers nothing any more.
  std::mutex delivering_;               ///< Held during a delivery.
  std::atomic<bool> closing_ = false;
  std::atomic<std::int64_t> close_deadline_ = 0;  ///< Set before `closing_`.
  std::atomic<bool> all_acknowledged_ = true;

  mutable std::mutex trouble_mutex_;
  std::string trouble_ = "not connected yet";

  std::jthread thread_;
};

}  // namespace signaldb

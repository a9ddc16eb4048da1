#include "adapters/kafka/kafka_consumer.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace signaldb {
namespace {

constexpr std::string_view kModule = "kafka";
constexpr Nanos kLeavePoll = std::chrono::milliseconds(100);

struct FreeList {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, FreeList>;

int Millis(Nanos wait) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(wait).count());
}

PartitionList ListOf(const std::vector<TopicPartition>& partitions) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const auto& [topic, partition] : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
  }
  return list;
}

PartitionList ListOf(const std::vector<PartitionOffset>& offsets) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [at, offset] : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), at.topic.c_str(), at.partition)->offset = offset;
  }
  return list;
}

std::vector<PartitionOffset> OffsetsOf(const rd_kafka_topic_partition_list_t& list) {
  std::vector<PartitionOffset> offsets;
  for (int i = 0; i < list.cnt; ++i) {
    const rd_kafka_topic_partition_t& element = list.elems[i];
    offsets.push_back({{element.topic, element.partition},
                       element.offset < 0 ? PartitionOffset::kNoOffset : element.offset});
  }
  return offsets;
}

std::vector<TopicPartition> PartitionsOf(const rd_kafka_topic_partition_list_t& list) {
  std::vector<TopicPartition> partitions;
  partitions.reserve(static_cast<std::size_t>(list.cnt));
  for (int i = 0; i < list.cnt; ++i) {
    partitions.push_back({list.elems[i].topic, list.elems[i].partition});
  }
  return partitions;
}

/// Whether destroying a client ends the process if it leads its group and has assigned nothing yet,
/// as it may whenever the one that led has just left: librdkafka's issue 4312, mended in 2.3.0.
/// From outside it is not to be seen, but what the assignor needs to be destroyed stays from the
/// first assignment on.
bool DestroyingMayAbort() {
  constexpr int kMended = 0x02030000;
  return rd_kafka_version() < kMended;
}

/// Whatever a broker or the client answers to a question: asking again later may help.
Status Answer(rd_kafka_resp_err_t code, std::string_view doing) {
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return Fail(
      ErrorKind::kUnavailable,
      fmt::format("{} failed: {} code={}", doing, rd_kafka_err2str(code), rd_kafka_err2name(code)));
}

}  // namespace

Result<std::unique_ptr<KafkaConsumer>> KafkaConsumer::Make(KafkaConfiguration configuration,
                                                           const std::vector<std::string>& topics,
                                                           KafkaConsumerListener& listener,
                                                           EventListener& events) {
  std::unique_ptr<KafkaConsumer> consumer(new KafkaConsumer(listener, events));
  rd_kafka_conf_set_opaque(configuration.get(), consumer->link_.get());
  rd_kafka_conf_set_rebalance_cb(configuration.get(), HandleRebalance);
  rd_kafka_conf_set_error_cb(configuration.get(), HandleError);
  rd_kafka_conf_set_log_cb(configuration.get(), HandleLog);
  std::array<char, 512> why{};
  consumer->client_ = rd_kafka_new(RD_KAFKA_CONSUMER, configuration.get(), why.data(), why.size());
  if (consumer->client_ == nullptr) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("librdkafka refuses its configuration: {}", why.data()));
  }
  (void)configuration.release();  // The client owns it by now.
  rd_kafka_poll_set_consumer(consumer->client_);
  consumer->commits_ = rd_kafka_queue_new(consumer->client_);

  std::vector<TopicPartition> wanted;
  wanted.reserve(topics.size());
  for (const std::string& topic : topics) wanted.push_back({topic, RD_KAFKA_PARTITION_UA});
  const rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->client_, ListOf(wanted).get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("cannot subscribe to the topics: {}", rd_kafka_err2str(code)));
  }
  return consumer;
}

KafkaConsumer::~KafkaConsumer() {
  {
    const std::scoped_lock lock(link_->mutex);
    link_->consumer = nullptr;
  }
  if (client_ == nullptr) return;
  const bool closed = !leaving_ || rd_kafka_consumer_closed(client_) != 0;
  if (closed) rd_kafka_queue_destroy(commits_);
  const bool may_abort = DestroyingMayAbort() && (abandoned_ || !was_assigned_);
  if (!closed || may_abort) {
    (void)link_.release();  // The abandoned client still knows it.
    return;
  }
  rd_kafka_destroy_flags(client_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

KafkaMessage KafkaConsumer::Poll(Nanos wait) {
  (void)rd_kafka_queue_poll_callback(commits_, 0);
  return KafkaMessage(rd_kafka_consumer_poll(client_, Millis(wait)));
}

Result<std::string> KafkaConsumer::ClusterId(Nanos wait) {
  char* const id = rd_kafka_clusterid(client_, Millis(wait));
  if (id == nullptr) {
    return Fail(ErrorKind::kUnavailable, "no broker told the id of the cluster in time");
  }
  std::string text(id);
  rd_kafka_mem_free(client_, id);
  // Source keys are lists of key=value to whoever reads them.
  std::ranges::replace_if(text, [](char c) { return c == ' ' || c == '='; }, '_');
  return text;
}

Result<std::vector<PartitionOffset>> KafkaConsumer::Committed(
    const std::vector<TopicPartition>& partitions, Nanos wait) {
  const PartitionList list = ListOf(partitions);
  SIGNALDB_TRY(Answer(rd_kafka_committed(client_, list.get(), Millis(wait)),
                      "reading the offsets of the group"));
  for (int i = 0; i < list->cnt; ++i) {
    SIGNALDB_TRY(Answer(list->elems[i].err, "reading the offset of the group"));
  }
  return OffsetsOf(*list);
}

Result<OffsetRange> KafkaConsumer::Offsets(const TopicPartition& partition, Nanos wait) {
  OffsetRange range;
  SIGNALDB_TRY(
      Answer(rd_kafka_query_watermark_offsets(client_, partition.topic.c_str(), partition.partition,
                                              &range.low, &range.high, Millis(wait)),
             "reading the first and the last offset of a partition"));
  return range;
}

Result<std::map<std::string, std::string>> KafkaConsumer::Probe(Nanos wait) {
  const struct rd_kafka_metadata* metadata = nullptr;
  SIGNALDB_TRY(Answer(rd_kafka_metadata(client_, 0, nullptr, &metadata, Millis(wait)),
                      "asking the brokers"));
  std::map<std::string, std::string> missing;
  for (const auto& topic :
       std::span(metadata->topics, static_cast<std::size_t>(metadata->topic_cnt))) {
    if (topic.err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    missing[topic.topic] = fmt::format("{} topic={}", rd_kafka_err2str(topic.err), topic.topic);
  }
  rd_kafka_metadata_destroy(metadata);
  return missing;
}

std::int64_t KafkaConsumer::HighOffset(const TopicPartition& partition) const {
  std::int64_t low = -1;
  std::int64_t high = -1;
  const rd_kafka_resp_err_t code = rd_kafka_get_watermark_offsets(client_, partition.topic.c_str(),
                                                                  partition.partition, &low, &high);
  return code == RD_KAFKA_RESP_ERR_NO_ERROR ? high : -1;
}

void KafkaConsumer::Pause(const TopicPartition& partition) {
  // Fails only for partitions that are not ours any more, which need no pause.
  (void)rd_kafka_pause_partitions(client_, ListOf(std::vector{partition}).get());
}

void KafkaConsumer::Resume(const TopicPartition& partition) {
  (void)rd_kafka_resume_partitions(client_, ListOf(std::vector{partition}).get());
}

void KafkaConsumer::Commit(const std::vector<PartitionOffset>& offsets) {
  SIGNALDB_ASSERT(!committing_);
  committing_ = true;
  const rd_kafka_resp_err_t code =
      rd_kafka_commit_queue(client_, ListOf(offsets).get(), commits_, HandleCommit, link_.get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    committing_ = false;
    listener_.OnCommitted(Answer(code, "committing the offsets of the group"), offsets);
  }
}

bool KafkaConsumer::WaitForCommit(Nanos wait) {
  if (committing_) (void)rd_kafka_queue_poll_callback(commits_, std::max(0, Millis(wait)));
  return !committing_;
}

bool KafkaConsumer::Leave(Nanos deadline, const Clock& clock) {
  if (!std::exchange(leaving_, true)) {
    rd_kafka_queue_t* const queue = rd_kafka_queue_get_consumer(client_);
    rd_kafka_error_t* const error = rd_kafka_consumer_close_queue(client_, queue);
    rd_kafka_queue_destroy(queue);
    if (error != nullptr) {  // A fatal error has closed it already.
      rd_kafka_error_destroy(error);
      leaving_ = false;
      return true;
    }
  }
  while (rd_kafka_consumer_closed(client_) == 0) {
    if (clock.MonotonicNow() >= deadline) return false;
    (void)rd_kafka_queue_poll_callback(commits_, 0);
    (void)KafkaMessage(rd_kafka_consumer_poll(client_, Millis(kLeavePoll)));
  }
  return true;
}

void KafkaConsumer::Abandon() { abandoned_ = true; }

void KafkaConsumer::Assign(const std::vector<TopicPartition>& partitions) {
  const std::vector<PartitionOffset> from = listener_.OnAssigned(partitions);
  rd_kafka_error_t* const error = rd_kafka_incremental_assign(client_, ListOf(from).get());
  if (error == nullptr) {
    for (const PartitionOffset& offset : from) read_.push_back(offset.at);
    return;
  }
  listener_.OnError(rd_kafka_error_code(error), rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
}

void KafkaConsumer::Unassign(const std::vector<TopicPartition>& partitions) {
  std::vector<TopicPartition> mine;
  for (const TopicPartition& partition : partitions) {
    if (std::erase(read_, partition) > 0) mine.push_back(partition);
  }
  rd_kafka_error_t* const error = rd_kafka_incremental_unassign(client_, ListOf(mine).get());
  if (error == nullptr) return;
  listener_.OnError(rd_kafka_error_code(error), rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
}

void KafkaConsumer::HandleRebalance(rd_kafka_t* client, rd_kafka_resp_err_t code,
                                    rd_kafka_topic_partition_list_t* partitions, void* opaque) {
  KafkaConsumer& self = *static_cast<Link*>(opaque)->consumer;
  const std::vector<TopicPartition> affected = PartitionsOf(*partitions);
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    self.was_assigned_ = true;
    self.Assign(affected);
    return;
  }
  if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS && rd_kafka_assignment_lost(client) == 0) {
    self.listener_.OnRevoked(affected);
  } else {
    self.listener_.OnLost(affected);
  }
  self.Unassign(affected);
}

void KafkaConsumer::HandleCommit(rd_kafka_t*, rd_kafka_resp_err_t code,
                                 rd_kafka_topic_partition_list_t* offsets, void* opaque) {
  KafkaConsumer& self = *static_cast<Link*>(opaque)->consumer;
  self.committing_ = false;
  if (offsets == nullptr) return;
  Status status = Answer(code, "committing the offsets of the group");
  for (int i = 0; status && i < offsets->cnt; ++i) {
    status = Answer(offsets->elems[i].err, "committing the offset of the group");
  }
  self.listener_.OnCommitted(status, OffsetsOf(*offsets));
}

void KafkaConsumer::HandleError(rd_kafka_t*, int code, const char* reason, void* opaque) {
  static_cast<Link*>(opaque)->consumer->listener_.OnError(static_cast<rd_kafka_resp_err_t>(code),
                                                          reason);
}

void KafkaConsumer::HandleLog(const rd_kafka_t* client, int level, const char* facility,
                              const char* text) {
  constexpr int kSyslogError = 3;
  constexpr int kSyslogWarning = 4;
  // Null while rd_kafka_new runs, whose failure says the same. Comes from any thread.
  auto* const link = static_cast<Link*>(rd_kafka_opaque(client));
  if (link == nullptr) return;
  const std::scoped_lock lock(link->mutex);
  const KafkaConsumer* const self = link->consumer;
  if (self == nullptr) return;
  // What is an error to the client is a state to us: the reader reports those that last.
  const Severity severity = level <= kSyslogError     ? Severity::kWarning
                            : level <= kSyslogWarning ? Severity::kInfo
                                                      : Severity::kDebug;
  if (!self->events_.Wants(kModule, severity)) return;
  self->events_.Log({.severity = severity,
                     .module = kModule,
                     .message = "librdkafka says",
                     .fields = {{"facility", facility}, {"text", text}}});
}

}  // namespace signaldb

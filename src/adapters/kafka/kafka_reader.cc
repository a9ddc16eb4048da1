#include "adapters/kafka/kafka_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace signaldb {
namespace {

constexpr std::string_view kModule = "kafka";

constexpr Nanos kPoll = std::chrono::milliseconds(100);
constexpr Nanos kAsk = std::chrono::seconds(5);
constexpr Nanos kProbe = std::chrono::milliseconds(500);
constexpr Nanos kProbeEvery = std::chrono::seconds(5);
constexpr Nanos kReport = std::chrono::seconds(1);
constexpr Nanos kRetryMin = std::chrono::milliseconds(20);
constexpr Nanos kRetryMax = std::chrono::seconds(1);
constexpr Nanos kCommitPause = std::chrono::seconds(1);
constexpr Nanos kFlushMax = std::chrono::seconds(60);
constexpr Nanos kLeaveMin = std::chrono::seconds(3);
/// Message times from producers whose clocks are this far off are not believed.
constexpr Nanos kTimestampMin = std::chrono::hours(24 * 365 * 30);  // 1999-12-25.
constexpr Nanos kTimestampFutureMax = std::chrono::hours(24);
constexpr std::size_t kCheckedMax = 10'000;

std::string NameOf(const TopicPartition& at) {
  return fmt::format("topic={} partition={}", at.topic, at.partition);
}

/// A record of `message`, whose value is copied: it may outlive the consumer.
KafkaRecord RecordOf(const rd_kafka_message_t& message, Nanos now) {
  KafkaRecord record{.offset = message.offset, .received_at = now};
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const Nanos at = std::chrono::milliseconds(rd_kafka_message_timestamp(&message, &type));
  // The queue's own time, so that a message that comes twice gives the same rows.
  if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && at >= kTimestampMin &&
      at <= now + kTimestampFutureMax) {
    record.received_at = at;
  }
  if (message.key != nullptr) {
    record.key = {static_cast<const char*>(message.key), message.key_len};
  }
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      record.headers.emplace_back(
          name, value == nullptr ? std::string_view()
                                 : std::string_view(static_cast<const char*>(value), size));
    }
  }
  const auto* const begin = static_cast<const std::byte*>(message.payload);
  const auto copy = std::make_shared<const std::vector<std::byte>>(
      begin, begin == nullptr ? begin : begin + message.len);
  record.value = *copy;
  record.owner = copy;
  return record;
}

}  // namespace

KafkaReader::~KafkaReader() {
  if (thread_.joinable()) (void)Close(clock_.MonotonicNow());
}

Status KafkaReader::Start(SourceIntake& intake) {
  intake_ = &intake;
  SIGNALDB_TRY(Join());
  thread_ = std::jthread([this] { Run(); });
  return {};
}

Status KafkaReader::Join() {
  SIGNALDB_ASSIGN(KafkaConfiguration configuration, MakeKafkaConfiguration(options_));
  std::vector<std::string> topics;
  topics.reserve(options_.topics.size());
  for (const KafkaTopic& topic : options_.topics) topics.push_back(topic.topic);
  SIGNALDB_ASSIGN(consumer_, KafkaConsumer::Make(std::move(configuration), topics, *this, events_));
  return {};
}

void KafkaReader::StopDelivering() {
  stopping_ = true;
  const std::scoped_lock wait_for_the_one_in_flight(delivering_);
}

Status KafkaReader::Close(Nanos deadline) {
  StopDelivering();
  if (thread_.joinable()) {
    close_deadline_ = deadline.count();
    closing_ = true;
    thread_.join();
  }
  if (all_acknowledged_) return {};
  return Fail(ErrorKind::kUnavailable,
              fmt::format("some offsets of the group were not committed in time; their messages "
                          "come again and are recognised source={}",
                          options_.name));
}

std::string KafkaReader::Trouble() const {
  const std::scoped_lock lock(trouble_mutex_);
  return trouble_;
}

void KafkaReader::Run() {
  while (!closing_) RunOnce();
  const Nanos deadline{close_deadline_};
  if (consumer_ == nullptr) return;
  CommitBefore(deadline);
  all_acknowledged_ = DueCommits().empty();
  if (!LeaveGroup(std::max(deadline, clock_.MonotonicNow() + kLeaveMin))) {
    Say(Severity::kWarning,
        "the brokers do not answer: left the group without a word, it notices by the session "
        "timeout");
  }
  partitions_.clear();
  consumer_->Abandon();
  consumer_.reset();
}

void KafkaReader::RunOnce() {
  if (join_again_) JoinAgain();
  if (closing_) return;
  if (consumer_ == nullptr) {
    (void)clock_.SleepFor(kPoll, thread_.get_stop_token());
    return;
  }
  CommitWhatIsDue();
  RetryHeld();
  if (clock_.MonotonicNow() >= report_at_) Report();
  if (KafkaMessage message = consumer_->Poll(kPoll)) {
    message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? Take(std::move(message)) : TakeError(*message);
  }
}

void KafkaReader::JoinAgain() {
  ShowTrouble(connection_trouble_);
  // Brokers that are away may take their time; a stop may come meanwhile. Beyond the session they
  // have let us go, so the client that does not come to an end is left behind.
  const Nanos deadline = clock_.MonotonicNow() + options_.session_timeout;
  while (!LeaveGroup(clock_.MonotonicNow() + kPoll)) {
    if (closing_) return;
    if (clock_.MonotonicNow() < deadline) continue;
    Say(Severity::kWarning, "cannot leave the group in order; joining it again beside");
    break;
  }
  partitions_.clear();
  consumer_.reset();
  join_again_ = false;
  const Status joined = Join();
  if (joined.has_value()) return;
  fatal_ = joined.error().message;  // It was accepted before, so this is not expected to happen.
  Say(Severity::kError, "cannot join the group again", fatal_);
  ShowTrouble(fatal_);
}

bool KafkaReader::LeaveGroup(Nanos deadline) {
  // Held messages belong to the client that goes.
  for (auto& [at, partition] : partitions_) partition.held.clear();
  return consumer_->Leave(deadline, clock_);
}

// --- partitions that come and go

std::vector<PartitionOffset> KafkaReader::OnAssigned(
    const std::vector<TopicPartition>& partitions) {
  events_.Count("signaldb_writer_kafka_rebalances_total", 1,
                {{"source", options_.name}, {"kind", "assigned"}});
  std::vector<PartitionOffset> read_from;
  std::vector<PartitionOffset> committed;
  const Status learned = LearnOffsets(partitions, committed);
  if (!learned.has_value()) {
    connection_trouble_ = learned.error().message;
    Say(Severity::kWarning, "cannot learn where to read; joining the group again",
        learned.error().message);
    join_again_ = true;
    return read_from;
  }
  for (const PartitionOffset& offset : committed) {
    AssignedPartition partition;
    partition.topic = &*std::ranges::find(options_.topics, offset.at.topic, &KafkaTopic::topic);
    partition.key = fmt::format("kafka/{}/{}/{}/{}", cluster_id_, offset.at.topic,
                                offset.at.partition, partition.topic->incarnation);
    const Result<std::int64_t> from = WhereToRead(offset, partition);
    if (!from.has_value()) {
      join_again_ = true;
      connection_trouble_ = from.error().message;
      break;
    }
    partition.next_offset = *from;
    partition.committed = std::max<std::int64_t>(offset.offset, 0);
    if (partition.stopped.empty()) SkipTo(*from, partition);
    topic_troubles_.erase(offset.at.topic);
    OpenLane(offset.at, partition);
    if (partition.stopped.empty()) read_from.push_back({offset.at, *from});
    partitions_.insert_or_assign(offset.at, std::move(partition));
  }
  if (!join_again_) connection_trouble_.clear();
  report_at_ = Nanos(0);
  return read_from;
}

Status KafkaReader::LearnOffsets(const std::vector<TopicPartition>& partitions,
                                 std::vector<PartitionOffset>& committed) {
  // Blocks the poll: beyond half of the interval the group would take us for dead.
  const Nanos deadline = clock_.MonotonicNow() + options_.max_poll_interval / 2;
  Status status;
  while (!closing_) {
    const Nanos wait = std::min<Nanos>(kAsk, deadline - clock_.MonotonicNow());
    if (wait <= Nanos(0)) return status;
    Result<std::string> cluster = consumer_->ClusterId(wait);
    if (!cluster.has_value()) {
      status = std::unexpected(cluster.error());
      continue;
    }
    cluster_id_ = std::move(*cluster);
    auto offsets = consumer_->Committed(partitions, wait);
    if (offsets.has_value()) {
      committed = std::move(*offsets);
      return {};
    }
    status = std::unexpected(offsets.error());
    (void)clock_.SleepFor(kPoll, thread_.get_stop_token());
  }
  return Fail(ErrorKind::kCancelled, "closing");
}

Result<std::int64_t> KafkaReader::WhereToRead(const PartitionOffset& committed,
                                              AssignedPartition& partition) {
  SIGNALDB_ASSIGN(const OffsetRange range, consumer_->Offsets(committed.at, kAsk));
  if (committed.offset == PartitionOffset::kNoOffset) {
    Say(Severity::kInfo,
        "the group has no offset for the partition; reading it from its first, rows that are in "
        "the tables are skipped",
        {}, &committed.at);
    return range.low;
  }
  if (committed.offset >= range.low && committed.offset <= range.high) return committed.offset;
  return OutsideOf(range, committed, partition);
}

std::int64_t KafkaReader::OutsideOf(const OffsetRange& range, const PartitionOffset& committed,
                                    AssignedPartition& partition) {
  const bool is_gap = committed.offset < range.low;
  const std::string where =
      fmt::format("{} offset={} first_offset={} end_offset={}", NameOf(committed.at),
                  committed.offset, range.low, range.high);
  if (options_.on_out_of_range == OutOfRange::kStop) {
    partition.stopped = fmt::format(
        "{}; the partition is not read {}",
        is_gap ? "messages were deleted from the topic before they were read: raise its retention, "
                 "then set on_out_of_range=earliest or the group's offset to go on without them"
               : "the topic ends before the group's offset, so it was made anew or lost messages: "
                 "set its incarnation to something new if it was made anew, and the group's offset "
                 "to its first",
        where);
    Say(Severity::kError, "stopped reading a partition", partition.stopped);
    return range.low;
  }
  if (is_gap) {
    events_.Count("signaldb_writer_kafka_gap_messages_total",
                  static_cast<double>(range.low - committed.offset), {{"source", options_.name}});
  }
  Say(Severity::kError,
      is_gap ? "messages were deleted from the topic before they were read; going on at its first"
             : "the topic ends before the group's offset; going on at its first",
      where);
  return range.low;
}

void KafkaReader::SkipTo(std::int64_t offset, AssignedPartition& partition) {
  // What was skipped is settled: committed at once, even if no message ever comes, so that the next
  // one to read it does not find the same gap. The group's offset may have to go back for it.
  if (partition.committed > offset) partition.committed = PartitionOffset::kNoOffset;
  partition.progress->Put(static_cast<SourcePosition>(offset));
}

void KafkaReader::OpenLane(const TopicPartition& at, AssignedPartition& partition) {
  auto lane = intake_->OpenLane(
      {.key = partition.key,
       .order = LaneOrder::kInOrder,
       .on_progress = [box = partition.progress](const LaneProgress& progress) -> Status {
         box->Put(progress.through);
         return {};
       }});
  if (lane.has_value()) {
    partition.lane = std::move(*lane);
    return;
  }
  partition.stopped =
      fmt::format("{}; the partition is not read {}", lane.error().message, NameOf(at));
  Say(Severity::kError, "stopped reading a partition", partition.stopped);
}

void KafkaReader::OnRevoked(const std::vector<TopicPartition>& partitions) {
  events_.Count("signaldb_writer_kafka_rebalances_total", 1,
                {{"source", options_.name}, {"kind", "revoked"}});
  Nanos deadline =
      clock_.MonotonicNow() + std::min<Nanos>(options_.max_poll_interval / 2, kFlushMax);
  if (closing_) deadline = Nanos{close_deadline_};
  for (const TopicPartition& at : partitions) {
    const auto found = partitions_.find(at);
    if (found == partitions_.end()) continue;
    AssignedPartition& partition = found->second;
    if (partition.lane == nullptr ||
        static_cast<SourcePosition>(partition.next_offset) <= partition.progress->through()) {
      continue;
    }
    const Status flushed = partition.lane->Flush(deadline);
    if (flushed.has_value()) continue;
    // Nothing is lost: whoever reads it next begins at the group's offset.
    Say(Severity::kInfo, "a partition goes before all of it was committed", flushed.error().message,
        &at);
  }
  CommitBefore(deadline);
  for (const TopicPartition& at : partitions) Forget(at);
  report_at_ = Nanos(0);
}

void KafkaReader::OnLost(const std::vector<TopicPartition>& partitions) {
  events_.Count("signaldb_writer_kafka_rebalances_total", 1,
                {{"source", options_.name}, {"kind", "lost"}});
  for (const TopicPartition& at : partitions) {
    Say(Severity::kWarning, "lost a partition: the group took this writer for dead", {}, &at);
    Forget(at);
  }
  report_at_ = Nanos(0);
}

void KafkaReader::Forget(const TopicPartition& at) {
  partitions_.erase(at);
  // What others read of it, they report.
  ReportLag(at, 0);
}

// --- messages

void KafkaReader::Take(KafkaMessage message) {
  const TopicPartition at{rd_kafka_topic_name(message->rkt), message->partition};
  const auto found = partitions_.find(at);
  if (found == partitions_.end() || !found->second.stopped.empty() || stopping_) return;
  AssignedPartition& partition = found->second;
  if (message->offset < partition.next_offset) {
    // librdkafka before 2.4 gives out again what was on its way when a partition was paused.
    events_.Count("signaldb_writer_kafka_stale_messages_total", 1, {{"source", options_.name}});
    return;
  }
  partition.next_offset = message->offset + 1;
  if (!partition.held.empty()) {
    partition.held.push_back(std::move(message));
    return;
  }
  if (!Deliver(at, partition, *message).has_value()) Hold(at, partition, std::move(message));
}

Status KafkaReader::Deliver(const TopicPartition& at, AssignedPartition& partition,
                            const rd_kafka_message_t& message) {
  const KafkaRecord record = RecordOf(message, clock_.WallNow());
  const SourceMessage delivery = ToSourceMessage(*partition.topic, record);
  SIGNALDB_TRY(CheckCovered(at, partition, delivery));
  if (!partition.stopped.empty()) return {};
  const std::scoped_lock lock(delivering_);
  if (stopping_) return {};  // Never acknowledged, so it comes again.
  SIGNALDB_TRY(partition.lane->Deliver(delivery));
  const MetricLabels labels = {{"source", options_.name}, {"topic", at.topic}};
  events_.Count("signaldb_writer_kafka_messages_total", 1, labels);
  events_.Count("signaldb_writer_kafka_message_bytes_total", static_cast<double>(message.len),
                labels);
  return {};
}

Status KafkaReader::CheckCovered(const TopicPartition& at, AssignedPartition& partition,
                                 const SourceMessage& message) {
  if (!options_.highest_covered) return {};
  for (const SourceMessage::Part& part : message.parts) {
    if (partition.checked.size() == kCheckedMax) partition.checked.clear();
    const std::pair dataset(part.tenant, part.dataset);
    if (partition.checked.contains(dataset)) continue;
    SIGNALDB_ASSIGN(const SourcePosition covered,
                    options_.highest_covered(partition.key, part.tenant, part.dataset));
    if (covered > message.position) {
      SIGNALDB_ASSIGN(const OffsetRange range, consumer_->Offsets(at, kAsk));
      if (covered > static_cast<SourcePosition>(range.high)) {
        StopPartition(at, partition,
                      fmt::format("the tables hold rows of positions beyond the end of the topic, "
                                  "so it was made anew or lost messages: set its incarnation to "
                                  "something new; the partition is not read {} tenant={} "
                                  "dataset={} position={} end_offset={}",
                                  NameOf(at), part.tenant, part.dataset, covered, range.high));
        return {};
      }
    }
    partition.checked.insert(dataset);
  }
  return {};
}

void KafkaReader::Hold(const TopicPartition& at, AssignedPartition& partition,
                       KafkaMessage message) {
  consumer_->Pause(at);
  partition.held.push_back(std::move(message));
  partition.retry_wait = kRetryMin;
  partition.retry_at = clock_.MonotonicNow() + kRetryMin;
}

void KafkaReader::RetryHeld() {
  const Nanos now = clock_.MonotonicNow();
  for (auto& [at, partition] : partitions_) {
    if (partition.held.empty() || partition.retry_at > now) continue;
    if (stopping_ || !partition.stopped.empty()) {
      partition.held.clear();
      continue;
    }
    while (!partition.held.empty() && partition.stopped.empty()) {
      if (!Deliver(at, partition, *partition.held.front()).has_value()) break;
      partition.held.pop_front();
    }
    if (partition.held.empty()) {
      consumer_->Resume(at);
      continue;
    }
    partition.retry_wait = std::min(partition.retry_wait * 2, kRetryMax);
    partition.retry_at = now + partition.retry_wait;
  }
}

void KafkaReader::StopPartition(const TopicPartition& at, AssignedPartition& partition,
                                std::string why) {
  consumer_->Pause(at);
  Say(Severity::kError, "stopped reading a partition", why);
  partition.stopped = std::move(why);
  report_at_ = Nanos(0);
}

void KafkaReader::TakeError(const rd_kafka_message_t& message) {
  const std::string text = rd_kafka_message_errstr(&message);
  const std::string topic = message.rkt == nullptr ? "" : rd_kafka_topic_name(message.rkt);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      // The offset went while we were reading. Joining anew finds out what there is, and decides.
      Say(Severity::kWarning, "an offset is out of range; joining the group again", text);
      join_again_ = true;
      return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      Say(Severity::kError, "a topic cannot be read", text);
      topic_troubles_[topic] = fmt::format("{} topic={}", text, topic);
      return;
    default:
      OnError(message.err, text);
  }
}

void KafkaReader::OnError(rd_kafka_resp_err_t code, std::string_view text) {
  if (code == RD_KAFKA_RESP_ERR__FATAL) {
    // Such as another process with our group_instance_id: joining again would throw it out.
    fatal_ = fmt::format("librdkafka gave up: {}; restart this writer once that is mended", text);
    Say(Severity::kError, "stopped reading for good", fatal_);
    return;
  }
  // That all are away follows upon the reason, and must not take its place.
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !connection_trouble_.empty()) return;
  const std::string_view advice =
      code == RD_KAFKA_RESP_ERR__AUTHENTICATION
          ? LoginAdvice(options_.connection.sasl_mechanism, rd_kafka_version())
          : std::string_view();
  const std::string trouble = fmt::format("{} code={}{}", text, rd_kafka_err2name(code), advice);
  const bool is_first_advice = !advice.empty() && !std::exchange(advised_, true);
  if (connection_trouble_.empty() || is_first_advice) {
    Say(Severity::kWarning, "trouble with the cluster; trying on", trouble);
  }
  connection_trouble_ = trouble;
}

// --- acknowledgements

std::vector<PartitionOffset> KafkaReader::DueCommits() const {
  std::vector<PartitionOffset> due;
  for (const auto& [at, partition] : partitions_) {
    const auto through = static_cast<std::int64_t>(partition.progress->through());
    if (through > partition.committed) due.push_back({at, through});
  }
  return due;
}

void KafkaReader::CommitWhatIsDue() {
  if (consumer_->committing() || clock_.MonotonicNow() < commit_at_) return;
  const std::vector<PartitionOffset> due = DueCommits();
  if (!due.empty()) consumer_->Commit(due);
}

void KafkaReader::CommitBefore(Nanos deadline) {
  while (true) {
    const Nanos left = deadline - clock_.MonotonicNow();
    if (!consumer_->WaitForCommit(std::max(left, Nanos(0)))) return;
    const std::vector<PartitionOffset> due = DueCommits();
    if (due.empty() || left <= Nanos(0)) return;
    // A failed one is tried again, not at once.
    if (clock_.MonotonicNow() < commit_at_) {
      (void)clock_.SleepFor(kPoll, thread_.get_stop_token());
      continue;
    }
    consumer_->Commit(due);
  }
}

void KafkaReader::OnCommitted(const Status& status, const std::vector<PartitionOffset>& offsets) {
  if (!status.has_value()) {
    commit_at_ = clock_.MonotonicNow() + kCommitPause;
    events_.Count("signaldb_writer_kafka_commit_failures_total", 1, {{"source", options_.name}});
    Say(Severity::kWarning, "the group's offsets were not committed; trying again",
        status.error().message);
    return;
  }
  for (const auto& [at, offset] : offsets) {
    const auto found = partitions_.find(at);
    if (found == partitions_.end()) continue;
    found->second.committed = std::max(found->second.committed, offset);
  }
}

// --- what people see

void KafkaReader::Report() {
  report_at_ = clock_.MonotonicNow() + kReport;
  if (!connection_trouble_.empty() || !missing_topics_.empty() || report_at_ >= probe_at_) {
    probe_at_ = report_at_ + kProbeEvery;
    if (auto missing = consumer_->Probe(kProbe)) {
      missing_topics_ = std::move(*missing);
      connection_trouble_.clear();
    }
  }
  std::string trouble = !fatal_.empty() ? fatal_ : connection_trouble_;
  const auto add = [&](const std::string& text) {
    if (!text.empty()) trouble += (trouble.empty() ? "" : "; ") + text;
  };
  for (const auto& [topic, text] : topic_troubles_) add(text);
  for (const auto& [topic, text] : missing_topics_) {
    if (!topic_troubles_.contains(topic)) add(text);
  }
  double paused = 0;
  for (const auto& [at, partition] : partitions_) {
    add(partition.stopped);
    if (!partition.held.empty() || !partition.stopped.empty()) ++paused;
    const std::int64_t read =
        std::max(partition.committed, static_cast<std::int64_t>(partition.progress->through()));
    const std::int64_t high = consumer_->HighOffset(at);
    if (high < 0) continue;
    ReportLag(at, std::max<std::int64_t>(0, high - read));
  }
  events_.Gauge("signaldb_writer_kafka_partitions", static_cast<double>(partitions_.size()),
                {{"source", options_.name}});
  events_.Gauge("signaldb_writer_kafka_paused_partitions", paused, {{"source", options_.name}});
  ShowTrouble(std::move(trouble));
}

void KafkaReader::ShowTrouble(std::string trouble) {
  const std::scoped_lock lock(trouble_mutex_);
  trouble_ = std::move(trouble);
}

void KafkaReader::ReportLag(const TopicPartition& at, std::int64_t messages) {
  events_.Gauge("signaldb_writer_kafka_lag_messages", static_cast<double>(messages),
                {{"source", options_.name},
                 {"topic", at.topic},
                 {"partition", std::to_string(at.partition)}});
}

void KafkaReader::Say(Severity severity, std::string message, std::string error,
                      const TopicPartition* at) {
  if (!events_.Wants(kModule, severity)) return;
  LogEvent event{.severity = severity, .module = kModule, .message = std::move(message)};
  event.fields.emplace_back("source", options_.name);
  if (at != nullptr) {
    event.fields.emplace_back("topic", at->topic);
    event.fields.emplace_back("partition", std::to_string(at->partition));
  }
  if (!error.empty()) event.fields.emplace_back("error", std::move(error));
  events_.Log(std::move(event));
}

}  // namespace signaldb

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace signaldb {

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };

/// One metric of ours: the name that Prometheus shows, what it means, and the kind of its buckets.
struct MetricDefinition {
  std::string_view name;
  MetricType type;
  std::string_view help;
};

/// Upper bounds of histograms that end in `_seconds`: from half a millisecond (an fsync) to a
/// minute (a commit that is retried).
inline constexpr auto kLatencyBuckets = std::to_array<double>(
    {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60});
/// Of all others: powers of four from 1 to 4 Gi, for rows, bytes and requests alike.
inline constexpr auto kSizeBuckets = [] {
  std::array<double, 17> buckets{};
  double bound = 1;
  for (double& bucket : buckets) {
    bucket = bound;
    bound *= 4;
  }
  return buckets;
}();

/// Every metric there is.
inline constexpr auto kMetrics = std::to_array<MetricDefinition>({
    {"signaldb_writer_requests_total", MetricType::kCounter,
     "Requests answered, by source (otlp_grpc, otlp_http, flight), signal and outcome."},
    {"signaldb_writer_request_duration_seconds", MetricType::kHistogram,
     "Time from the last byte of a request to its answer, by source."},
    {"signaldb_writer_records_total", MetricType::kCounter,
     "Records taken in, by signal and outcome (accepted, rejected)."},
    {"signaldb_writer_rejected_records_total", MetricType::kCounter,
     "Records rejected while decoding, by signal and reason."},
    {"signaldb_writer_clamped_timestamps_total", MetricType::kCounter,
     "Event times replaced by the receive time, by signal and reason (zero, past, future)."},
    {"signaldb_writer_decode_notes_total", MetricType::kCounter,
     "Oddities stored as sent, by signal and kind (zero_id, duplicate_attribute_key, "
     "unmapped_field, ...)."},
    {"signaldb_writer_memory_budget_bytes", MetricType::kGauge,
     "Bytes that messages in flight may hold: half of memory.budget."},
    {"signaldb_writer_memory_used_bytes", MetricType::kGauge,
     "Bytes that messages in flight hold."},
    {"signaldb_writer_encoding_bytes", MetricType::kGauge,
     "Bytes of the slices that the library is encoding, of those under a memory limit."},
    {"signaldb_writer_encoding_waits_total", MetricType::kCounter,
     "Slices that found no room under the memory limit, by outcome (waited, refused)."},
    {"signaldb_writer_log_append_duration_seconds", MetricType::kHistogram,
     "Time a request waits for its bytes to be durable."},
    {"signaldb_writer_log_fsync_duration_seconds", MetricType::kHistogram,
     "Time of one fsync of the durable log."},
    {"signaldb_writer_log_group_requests", MetricType::kHistogram,
     "Requests made durable by one fsync."},
    {"signaldb_writer_log_bytes", MetricType::kGauge, "Bytes the durable log holds on disk."},
    {"signaldb_writer_log_bytes_max", MetricType::kGauge,
     "Bytes the durable log may hold before it refuses requests."},
    {"signaldb_writer_log_append_errors_total", MetricType::kCounter,
     "Appends that failed, by reason."},
    {"signaldb_writer_log_quarantined_bytes_total", MetricType::kCounter,
     "Bytes of the durable log found damaged and set aside."},
    {"signaldb_writer_buffer_bytes", MetricType::kGauge,
     "Bytes of decoded rows waiting for a commit."},
    {"signaldb_writer_buffer_rows", MetricType::kGauge, "Decoded rows waiting for a commit."},
    {"signaldb_writer_cuts_total", MetricType::kCounter,
     "Cuts made, by reason (bytes, rows, age, memory, partitions, flush, shutdown)."},
    {"signaldb_writer_batch_rows", MetricType::kHistogram,
     "Rows of one table in one cut, or in one write of the library."},
    {"signaldb_writer_batch_bytes", MetricType::kHistogram,
     "Bytes of one table in one cut, or in one write of the library, in memory."},
    {"signaldb_writer_batch_splits_total", MetricType::kCounter,
     "Batches split into slices, by reason (rows, bytes)."},
    {"signaldb_writer_data_file_bytes", MetricType::kHistogram, "Size of the data files written."},
    {"signaldb_writer_encode_duration_seconds", MetricType::kHistogram,
     "Time to sort, encode and store the data files of one cut or write."},
    {"signaldb_writer_commits_total", MetricType::kCounter,
     "Commits, by outcome (applied, conflict, unknown, failed)."},
    {"signaldb_writer_commit_duration_seconds", MetricType::kHistogram,
     "Time of one commit over all its tables, retries included."},
    {"signaldb_writer_commit_retries_total", MetricType::kCounter,
     "Commit attempts after the first, by reason."},
    {"signaldb_writer_write_retries_total", MetricType::kCounter,
     "Attempts to write a batch's files after the first, by reason."},
    {"signaldb_writer_commit_reconciled_total", MetricType::kCounter,
     "Unknown outcomes resolved by re-reading, by result (applied, rejected)."},
    {"signaldb_writer_transactions_total", MetricType::kCounter,
     "Transactions, by outcome (committed, rolled_back, failed)."},
    {"signaldb_writer_transaction_duration_seconds", MetricType::kHistogram,
     "Time from begin to the end of a transaction."},
    {"signaldb_writer_rollbacks_total", MetricType::kCounter,
     "Transactions rolled back, by cause."},
    {"signaldb_writer_retry_backoff_seconds", MetricType::kHistogram,
     "Time waited between attempts."},
    {"signaldb_writer_retry_success_total", MetricType::kCounter,
     "Operations that succeeded after at least one retry."},
    {"signaldb_writer_dedupe_hits_total", MetricType::kCounter,
     "Messages skipped because they are stored already, by their position or their wal_entry_id."},
    {"signaldb_writer_poison_messages_total", MetricType::kCounter,
     "Messages set aside because they can never be written, by reason."},
    {"signaldb_writer_dead_letters_total", MetricType::kCounter,
     "Messages of queues kept as dead letters, whole or for some of their records, by signal."},
    {"signaldb_writer_dead_letters_shortened_total", MetricType::kCounter,
     "Dead letters that hold only the start of their message, or none of it, by content."},
    {"signaldb_writer_end_to_end_delay_seconds", MetricType::kHistogram,
     "Time from receipt of the oldest message of a cut until its rows are visible."},
    {"signaldb_writer_last_commit_timestamp_seconds", MetricType::kGauge,
     "Wall-clock time of the last commit, by table."},
    {"signaldb_writer_stalled_datasets", MetricType::kGauge,
     "Datasets whose commits fail and are being retried."},
    {"signaldb_writer_catalog_cache_hits_total", MetricType::kCounter,
     "Table metadata found in the cache."},
    {"signaldb_writer_catalog_cache_misses_total", MetricType::kCounter,
     "Table metadata read and parsed."},
    {"signaldb_writer_catalog_pool_connections", MetricType::kGauge,
     "Connections to a PostgreSQL catalog, by state (idle, in_use)."},
    {"signaldb_writer_catalog_pool_connections_max", MetricType::kGauge,
     "Connections to a PostgreSQL catalog that may be open at once."},
    {"signaldb_writer_catalog_pool_waiting", MetricType::kGauge,
     "Threads waiting for a connection to the catalog."},
    {"signaldb_writer_catalog_pool_waits_total", MetricType::kCounter,
     "Times that no connection to the catalog was free at once."},
    {"signaldb_writer_catalog_pool_acquire_duration_seconds", MetricType::kHistogram,
     "Time until a connection to the catalog was free."},
    {"signaldb_writer_catalog_pool_created_total", MetricType::kCounter,
     "Connections to the catalog opened."},
    {"signaldb_writer_catalog_pool_closed_total", MetricType::kCounter,
     "Connections to the catalog closed, by reason (idle, lifetime, resized, unhealthy, broken, "
     "shutdown)."},
    {"signaldb_writer_catalog_pool_timeouts_total", MetricType::kCounter,
     "Times that no connection to the catalog became free in time."},
    {"signaldb_writer_nats_connected", MetricType::kGauge,
     "1 while a consumer is read, by source."},
    {"signaldb_writer_nats_reconnects_total", MetricType::kCounter,
     "Times that reading broke off and everything was made anew, by source."},
    {"signaldb_writer_nats_messages_total", MetricType::kCounter,
     "Messages delivered by JetStream, redeliveries included, by source."},
    {"signaldb_writer_nats_bytes_total", MetricType::kCounter,
     "Bytes of the messages delivered by JetStream, by source."},
    {"signaldb_writer_nats_redelivered_messages_total", MetricType::kCounter,
     "Messages delivered that had been delivered before, by source."},
    {"signaldb_writer_nats_acks_total", MetricType::kCounter,
     "Acknowledgements sent, by source and outcome (confirmed, unconfirmed)."},
    {"signaldb_writer_nats_gap_messages_total", MetricType::kCounter,
     "Messages that a stream dropped before they were delivered, by source."},
    {"signaldb_writer_nats_pending_messages", MetricType::kGauge,
     "Messages of a stream that were not delivered yet, by source."},
    {"signaldb_writer_nats_ack_pending_messages", MetricType::kGauge,
     "Messages delivered to any writer and not acknowledged, by source."},
    {"signaldb_writer_nats_held_messages", MetricType::kGauge,
     "Messages delivered to this writer and not in the tables yet, by source."},
    {"signaldb_writer_kafka_messages_total", MetricType::kCounter,
     "Messages taken from Kafka, by source and topic."},
    {"signaldb_writer_kafka_message_bytes_total", MetricType::kCounter,
     "Bytes of messages taken from Kafka, by source and topic."},
    {"signaldb_writer_kafka_lag_messages", MetricType::kGauge,
     "Messages of a partition that are not in the tables yet, by source, topic and partition."},
    {"signaldb_writer_kafka_partitions", MetricType::kGauge,
     "Partitions that this writer reads, by source."},
    {"signaldb_writer_kafka_paused_partitions", MetricType::kGauge,
     "Partitions that wait for memory or for commits, or were stopped, by source."},
    {"signaldb_writer_kafka_rebalances_total", MetricType::kCounter,
     "Times that partitions came or went, by source and kind (assigned, revoked, lost)."},
    {"signaldb_writer_kafka_commit_failures_total", MetricType::kCounter,
     "Commits of offsets that failed and were tried again, by source."},
    {"signaldb_writer_kafka_gap_messages_total", MetricType::kCounter,
     "Messages that a topic deleted before they were read, by source."},
    {"signaldb_writer_kafka_stale_messages_total", MetricType::kCounter,
     "Messages that came again without need and were dropped, by source."},
    {"signaldb_writer_dropped_log_lines_total", MetricType::kCounter,
     "Log lines lost because nobody read them in time."},
    {"signaldb_writer_build_info", MetricType::kGauge, "Always 1; the version is a label."},
    {"signaldb_writer_ready", MetricType::kGauge, "1 if /readyz answers 200."},
});

}  // namespace signaldb

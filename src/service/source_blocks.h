#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "telemetry/signal.h"

namespace signaldb {

// The `[[kafka]]` and `[[nats]]` blocks of a configuration. Field names are those of the keys,
// whose meaning and default stand in docs/reference/configuration.md (made from
// source_block_keys.cc).

/// How many blocks of one kind, and how many topics or subjects in one block, there may be.
inline constexpr std::size_t kSourceBlocksMax = 16;
inline constexpr std::size_t kSourceRoutesMax = 64;

/// The server must not hand a message out again while its commit is under way, and tried again.
inline constexpr int kCommitIntervalsPerAckWait = 4;

/// What the messages of a topic or subject are, and whose. The texts are checked.
struct SourceRoute {
  std::string from;  ///< The topic or subject.
  Signal signal{};
  std::string encoding;      ///< "auto", "otlp_proto" or "otlp_json".
  std::string tenant_from;   ///< "fixed", "header:<name>", ...
  std::string tenant;        ///< Empty: tenants.default_tenant.
  std::string dataset_from;  ///< As `tenant_from`.
  std::string dataset;       ///< Empty: tenants.default_dataset.
  std::string incarnation;   ///< Of a topic; unused for subjects.
};

struct KafkaBlock {
  std::string name;  ///< Unique among all blocks.
  std::string brokers;
  std::string group_id;
  std::string group_instance_id;
  std::string on_out_of_range;  ///< "stop" or "earliest".
  Nanos session_timeout{};
  Nanos max_poll_interval{};
  std::string security_protocol;  ///< "plaintext", "ssl", "sasl_plaintext" or "sasl_ssl".
  std::string ssl_ca_file;        ///< Absolute, as the other files; empty: the system's.
  std::string ssl_cert_file;
  std::string ssl_key_file;
  std::string sasl_mechanism;  ///< "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512".
  std::string sasl_username;
  std::string sasl_password;
  std::vector<SourceRoute> topics;
};

struct NatsBlock {
  std::string name;  ///< Unique among all blocks.
  std::string url;
  std::string stream;
  std::string durable;
  bool create{};
  std::string accept_new_incarnation;
  Nanos ack_wait{};
  int max_ack_pending{};
  std::string user;
  std::string password;
  std::string token;
  std::string credentials_file;  ///< Absolute, as the other files.
  std::string tls_ca_file;
  std::string tls_cert_file;
  std::string tls_key_file;
  std::vector<SourceRoute> subjects;
};

}  // namespace signaldb

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/nats/nats_link.h"
#include "adapters/nats/nats_options.h"
#include "base/source_position.h"

namespace signaldb {

/// What a server says of a stream.
struct StreamState {
  std::string created;  ///< As the server writes it; names the incarnation.
  SourcePosition first_sequence = 0;
  SourcePosition last_sequence = 0;
  std::uint64_t messages = 0;
};

/// What a server says of a consumer.
struct ConsumerState {
  std::string created;
  std::string durable_name;     ///< Empty: it goes when nobody asks it for a while.
  std::string deliver_subject;  ///< Not empty: it pushes.
  std::string ack_policy;       ///< "explicit", "all", "none".
  Nanos ack_wait{0};            ///< The shortest: a backoff overrides ack_wait.
  std::int64_t max_deliver = -1;
  std::int64_t max_ack_pending = 0;
  std::int64_t max_batch = 0;        ///< Of one request; 0: any.
  std::int64_t max_bytes = 0;        ///< Of one request; 0: any.
  Nanos max_expires{0};              ///< Of one request; 0: any.
  std::vector<std::string> filters;  ///< Sorted; empty: all of the stream.
  SourcePosition delivered = 0;      ///< Sequence in the stream.
  SourcePosition ack_floor = 0;      ///< Sequence in the stream.
  std::uint64_t ack_pending = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t pending = 0;  ///< Not delivered yet.
};

/// Questions to a JetStream server. Each blocks for an answer, at most `timeout`.
///
/// Asked in JSON and not through cnats' own functions, because version 3.4.1 knows one filter for a
/// consumer where servers since 2.10 have many.
///
/// Errors of all: kUnavailable (no answer, JetStream not enabled, no leader), kNotFound, kInvalid
/// (the server refuses; its words are in the message), kCorrupt (the answer is not one).
[[nodiscard]] Result<StreamState> AskForStream(NatsLink& link, const std::string& stream,
                                               Nanos timeout);
[[nodiscard]] Result<ConsumerState> AskForConsumer(NatsLink& link, const std::string& stream,
                                                   const std::string& consumer, Nanos timeout);

/// Creates the stream of `options` with its subjects, in files, else as the server has it.
[[nodiscard]] Status CreateStream(NatsLink& link, const NatsSourceOptions& options);
/// Creates the durable consumer of `options`: pull, explicit acknowledgement, from the first
/// message on, delivered until acknowledged.
[[nodiscard]] Status CreateConsumer(NatsLink& link, const NatsSourceOptions& options);

/// The body of a pull request.
struct PullRequest {
  std::int64_t messages = 1;
  std::int64_t bytes = 0;  ///< 0: any.
  Nanos expires{0};
  Nanos heartbeat{0};
};
[[nodiscard]] std::string ToJson(const PullRequest& request);
[[nodiscard]] std::string PullSubject(const std::string& stream, const std::string& consumer);

/// The parts of the answers, for AskFor... and for tests.
[[nodiscard]] Result<StreamState> ReadStreamState(std::string_view json);
[[nodiscard]] Result<ConsumerState> ReadConsumerState(std::string_view json);

}  // namespace signaldb

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "telemetry/ingest.h"
#include "telemetry/signal.h"

namespace signaldb {

/// What the messages of a subject carry, and for whom.
struct NatsSubject {
  std::string pattern;  ///< As NATS has them: `*` for one token, `>` for all that follow.
  Signal signal = Signal::kLogs;
  std::string tenant;   ///< For messages whose headers name none; validated.
  std::string dataset;  ///< The same.
  /// Name tenant and dataset; empty: no header does. With "x-tenant-id" goes X-Scope-OrgID.
  std::string tenant_header = "x-tenant-id";
  std::string dataset_header = "x-dataset-id";
  /// Attributes of the resource that name them, ahead of headers; empty: none does. A message with
  /// resources of several is taken apart.
  std::string tenant_attribute = {};
  std::string dataset_attribute = {};
  std::optional<MessageEncoding> encoding;  ///< Whatever a message says. Nothing: it says.
};

/// How to get in. At most one of credentials file, token and user is set.
struct NatsAccess {
  std::string credentials_file;  ///< JWT and seed, as `nsc` writes them.
  std::string token;
  std::string user;
  std::string password;
  bool tls = false;     ///< Also implied by a `tls://` URL.
  std::string ca_file;  ///< PEM; empty: those of the system.
  std::string cert_file;
  std::string key_file;
};

/// Whether a stream and consumer that are missing are created.
enum class NatsCreate : std::uint8_t { kNever, kIfMissing };

struct NatsSourceOptions {
  std::string name;                  ///< In logs, metrics and /readyz.
  std::vector<std::string> servers;  ///< URLs, tried in turn.
  std::string stream;
  std::string consumer;  ///< Durable name.
  std::vector<NatsSubject> subjects;
  NatsAccess access;
  NatsCreate create = NatsCreate::kNever;
  std::string accept_new_incarnation;  ///< What a refusal asked to be set; see stream_identity.h.
  std::string state_file;  ///< Absolute; remembers the stream between processes. Empty: nowhere.

  /// Of a consumer that is created. A shorter one that exists is reported: a cut that takes longer
  /// makes the server deliver everything again.
  Nanos ack_wait = std::chrono::seconds(120);
  std::int64_t max_ack_pending = 50'000;  ///< Of a consumer that is created.
  Nanos least_ack_wait{0};                ///< Below: a warning.

  std::int64_t fetch_messages = 500;           ///< Of one request.
  std::int64_t fetch_bytes = 8 << 20;          ///< Of one request; bounds what waits here.
  std::int64_t held_messages_max = 50'000;     ///< Not acknowledged yet, of this process.
  std::uint64_t message_bytes_max = 64 << 20;  ///< Decompressed.
  std::uint64_t decompression_ratio_max = 0;   ///< 0: any.

  Nanos request_expires = std::chrono::seconds(30);
  Nanos heartbeat = std::chrono::seconds(5);
  Nanos poll_interval = std::chrono::seconds(2);
  Nanos request_timeout = std::chrono::seconds(5);  ///< Of a question to the server.
  Nanos retry_delay_min = std::chrono::milliseconds(50);
  Nanos retry_delay_max = std::chrono::seconds(2);
};

/// The subjects of the two ways OTLP is put into NATS: `otel_logs` and `otel.logs`, and so on.
[[nodiscard]] std::vector<NatsSubject> DefaultNatsSubjects(const std::string& tenant,
                                                           const std::string& dataset);

/// Whether `subject` is one of those that `pattern` means.
[[nodiscard]] bool MatchesSubject(std::string_view pattern, std::string_view subject);

/// Whether there is a subject that both patterns mean.
[[nodiscard]] bool SubjectsOverlap(std::string_view one, std::string_view other);

/// Whether a server takes `pattern`: tokens between dots, none empty, `*` and `>` alone in theirs,
/// `>` the last one, nothing that cannot be printed.
[[nodiscard]] bool IsValidNatsPattern(std::string_view pattern);

/// Whether a server takes `name` for a stream or a consumer, and a file may be called so.
[[nodiscard]] bool IsValidNatsName(std::string_view name);

/// `url` without user and password, for people to read.
[[nodiscard]] std::string ShownServer(std::string_view url);

}  // namespace signaldb

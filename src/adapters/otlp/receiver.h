#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/event_listener.h"
#include "base/memory_budget.h"
#include "base/random.h"
#include "signaldb/result.h"
#include "telemetry/ingest.h"

namespace signaldb {

struct OtlpReceiverOptions {
  std::string default_tenant = "default";  ///< For requests that name none.
  std::string default_dataset = "default";
  std::uint64_t request_bytes_max = 64ULL
                                    << 20;  ///< Of the compressed and of the decompressed body.
  /// Decompressed over compressed size that is refused once 1 MiB has come out; 0: any. Repetitive
  /// telemetry reaches thousands with zstd, and `request_bytes_max` bounds the memory anyway.
  std::uint64_t decompression_ratio_max = 0;
  std::chrono::seconds retry_after{1};  ///< What a client is told that we cannot serve now.
};

/// The transport of a request, as the metric label `source`.
enum class OtlpTransport : std::uint8_t { kGrpc, kHttp };

/// How a request ends, whatever the transport. ToString gives the metric label `outcome`.
enum class OtlpOutcome : std::uint8_t {
  kAccepted,     ///< Durable; maybe with a partial success.
  kInvalid,      ///< Malformed; never retry.
  kTooLarge,     ///< Over the request limit; never retry as it is.
  kUnsupported,  ///< A content type, encoding or method that we do not speak.
  kUnavailable,  ///< Nothing stored; retry later.
  kInternal,     ///< Our fault, and a retry will not help.
};
[[nodiscard]] std::string_view ToString(OtlpOutcome outcome);

/// Codes of google.rpc.Code, which gRPC and error bodies of OTLP/HTTP share.
enum class RpcCode : std::uint8_t {
  kOk = 0,
  kInvalidArgument = 3,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};
[[nodiscard]] RpcCode RpcCodeOf(OtlpOutcome outcome);

/// What the transports render in their own way.
struct OtlpAnswer {
  OtlpOutcome outcome = OtlpOutcome::kAccepted;
  std::string message;                  ///< Of an error, or of a partial success.
  std::int64_t rejected = 0;            ///< Of a partial success.
  std::chrono::seconds retry_after{0};  ///< With kUnavailable.
};
[[nodiscard]] OtlpAnswer AnswerOf(IngestAnswer answer);
[[nodiscard]] OtlpAnswer AnswerOf(Error error, std::chrono::seconds retry_after);

/// Where the rows of a request go.
struct OtlpRoute {
  std::string tenant;
  std::string dataset;
};

/// Picks the headers or metadata that name a tenant or a dataset out of all of them.
class OtlpRouteHeaders {
 public:
  /// Ignores every other name, and blank values. Names compare without regard to case. Keeps views.
  void Add(std::string_view name, std::string_view value);

  [[nodiscard]] std::string_view tenant() const { return tenant_; }
  [[nodiscard]] std::string_view dataset() const { return dataset_; }
  /// Two headers gave different names for the same thing.
  [[nodiscard]] bool contradicts_itself() const { return contradicts_itself_; }

 private:
  void Set(std::string_view& slot, std::string_view value);
  std::string_view tenant_;
  std::string_view dataset_;
  bool contradicts_itself_ = false;
};

/// One request on its way, from its last byte (or its refusal) to its answer.
struct OtlpCall {
  OtlpTransport transport;
  Signal signal;
  std::string request_id;
  Nanos started;
};

/// What both transports share: routes, request ids, limits, the way into the Ingest, and metrics.
///
/// Lifetime: borrows all collaborators; they outlive this object and every answer.
/// Threads:  thread-safe.
class OtlpReceiver {
 public:
  using Reply = std::move_only_function<void(OtlpAnswer)>;

  OtlpReceiver(Ingest& ingest, MemoryBudget& budget, Clock& clock, Random& random,
               EventListener& events, OtlpReceiverOptions options);

  /// Errors: kInvalid (a name outside telemetry/names.h, or two headers that differ).
  [[nodiscard]] Result<OtlpRoute> Route(const OtlpRouteHeaders& headers) const;

  /// Starts the time of a request and gives it an id.
  [[nodiscard]] OtlpCall Begin(OtlpTransport transport, Signal signal);

  /// Hands a request to the Ingest; ends `call`. `reply` is called exactly once, from any thread.
  /// Fills in `signal`, `received_at` and `request_id`.
  void Submit(OtlpCall call, IngestRequest request, Reply reply);

  /// Counts and logs the end of a call that never reached the Ingest.
  void End(const OtlpCall& call, const OtlpAnswer& answer);

  /// From now on every request is answered with kUnavailable. Irrevocable.
  void Drain() { draining_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool draining() const { return draining_.load(std::memory_order_relaxed); }

  [[nodiscard]] OtlpAnswer Unavailable(std::string_view why) const;
  [[nodiscard]] OtlpAnswer TooLarge() const;

  [[nodiscard]] const OtlpReceiverOptions& options() const { return options_; }
  [[nodiscard]] MemoryBudget& budget() { return budget_; }

 private:
  Ingest& ingest_;
  MemoryBudget& budget_;
  Clock& clock_;
  Random& random_;
  EventListener& events_;
  const OtlpReceiverOptions options_;
  std::atomic<bool> draining_{false};
};

}  // namespace signaldb

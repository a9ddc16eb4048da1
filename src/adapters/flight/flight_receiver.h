#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/flight/entry_window.h"
#include "base/budgeted_buffer.h"
#include "base/clock.h"
#include "base/event_listener.h"
#include "base/memory_budget.h"
#include "base/random.h"
#include "signaldb/result.h"
#include "telemetry/ingest.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// How a call ends. The numbers are gRPC's; ToString gives the metric label `outcome`.
enum class FlightCode : std::uint8_t {
  kOk = 0,
  kInvalidArgument = 3,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kUnauthenticated = 16,
};
[[nodiscard]] std::string_view ToString(FlightCode code);

struct FlightAnswer {
  FlightCode code = FlightCode::kOk;
  std::string message{};
};

struct FlightReceiverOptions {
  std::string default_tenant = "default";  ///< For puts that name none.
  std::string default_dataset = "default";
  std::uint64_t put_bytes_max = 64ULL << 20;  ///< Of all messages of one put.
  std::string service_key;                    ///< Callers must send it; empty: anyone may call.
};

/// One put on its way: its messages, collected into the body of a request.
struct FlightPut {
  Nanos started{0};
  std::string request_id;
  BudgetedBuffer body;  ///< The Arrow IPC stream so far.
  std::string metadata;
  std::string entry;  ///< In the window of entries; empty if the sender names none.
  std::vector<std::string> path;
  bool has_schema = false;
  bool has_batch = false;
};

/// What calls mean, whatever carries them: framing of puts, metadata, authentication, the way into
/// the Ingest, and metrics.
///
/// Lifetime: borrows all collaborators; they outlive this object and every answer.
/// Threads:  thread-safe; one put is used by one thread at a time.
class FlightReceiver {
 public:
  using Reply = std::move_only_function<void(FlightAnswer)>;
  using FlushDone = std::move_only_function<void(Status)>;
  /// Commits everything that is pending of the tenant, or of one dataset of it if that is not
  /// empty; answers within `wait`.
  using Flush = std::function<void(std::string_view tenant, std::string_view dataset, Nanos wait,
                                   FlushDone done)>;
  /// Whether rows fit into a table as it is now. Errors: kNotFound (no such table), kInvalid (names
  /// the column), others (the catalog is away).
  using CheckRows = std::function<Status(const IngestRequest& target, const std::string& table,
                                         const std::shared_ptr<arrow::RecordBatch>& rows)>;

  FlightReceiver(Ingest& ingest, Flush flush, CheckRows check_rows, MemoryBudget& budget,
                 EntryWindow& entries, Clock& clock, Random& random, EventListener& events,
                 FlightReceiverOptions options);

  /// Nothing if the caller may go on. `authorization` is the header's value, empty if not sent.
  [[nodiscard]] std::optional<FlightAnswer> Authorize(std::string_view authorization) const;

  [[nodiscard]] FlightPut BeginPut();
  /// Nothing if the put may begin.
  [[nodiscard]] std::optional<FlightAnswer> AdmitPut() const;
  /// Adds one FlightData message. An answer ends the put.
  [[nodiscard]] std::optional<FlightAnswer> Add(FlightPut& put, std::span<const std::byte> message);
  /// The sender has sent everything. `reply` is called exactly once, from any thread.
  void Submit(FlightPut put, Reply reply);
  /// Why a message found no room.
  [[nodiscard]] FlightAnswer RefusalOf(BufferRefusal refusal) const;
  /// Counts and logs the end of a put that is never submitted.
  void End(const FlightPut& put, std::string_view signal, const FlightAnswer& answer);

  /// The action "flush" for the scope that the call's metadata names.
  void FlushScope(std::string_view tenant, std::string_view dataset, Reply reply);

  /// From now on every put is answered with kUnavailable. Irrevocable.
  void Drain() { draining_.store(true, std::memory_order_relaxed); }

  [[nodiscard]] const FlightReceiverOptions& options() const { return options_; }
  [[nodiscard]] MemoryBudget& budget() { return budget_; }

 private:
  struct Target;

  [[nodiscard]] Result<Target> TargetOf(const FlightPut& put) const;
  [[nodiscard]] Result<IngestRequest> RowsRequest(FlightPut& put);
  void SubmitRows(FlightPut put, Reply reply);
  [[nodiscard]] static std::optional<BufferRefusal> EndStream(FlightPut& put,
                                                              std::string_view metadata);
  void Accept(FlightPut put, std::string_view signal, IngestRequest request, Reply reply);
  [[nodiscard]] std::optional<FlightAnswer> AddToStream(FlightPut& put, std::string_view header,
                                                        std::string_view body);

  Ingest& ingest_;
  const Flush flush_;
  const CheckRows check_rows_;
  MemoryBudget& budget_;
  EntryWindow& entries_;
  Clock& clock_;
  Random& random_;
  EventListener& events_;
  const FlightReceiverOptions options_;
  std::atomic<bool> draining_{false};
};

}  // namespace signaldb

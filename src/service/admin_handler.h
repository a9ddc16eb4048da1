#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/http.h"
#include "signaldb/result.h"

namespace signaldb {

/// One condition of being ready.
struct ReadinessCheck {
  std::string name;    ///< "log", "catalog", "startup", ...
  bool passes = true;  ///< False: the service should get no traffic now.
  std::string detail;  ///< Why it does not pass, or what there is to see.
};

/// Port: what the admin endpoints ask of the running service.
///
/// Implementation contract: thread-safe. `CheckReadiness` and `MetricsText` answer from memory,
/// within milliseconds: probes run on the thread of the HTTP server. `Flush` returns at once.
class ServiceState {
 public:
  using FlushDone = std::move_only_function<void(Status)>;

  virtual ~ServiceState() = default;

  /// Every condition, passing or not. Ready means that all pass.
  [[nodiscard]] virtual std::vector<ReadinessCheck> CheckReadiness() = 0;

  /// Commits everything accepted so far. `done` is called exactly once, from any thread: with
  /// success when all of it is visible in the tables, else with
  /// kUnavailable (not within `wait`, or the catalog or the store is away; nothing is lost) or
  /// kCancelled (the service is stopping).
  virtual void Flush(Nanos wait, FlushDone done) = 0;

  /// The metrics in the text format of Prometheus.
  [[nodiscard]] virtual std::string MetricsText() = 0;

  /// The configuration as TOML, without secrets.
  [[nodiscard]] virtual std::string ConfigurationText() = 0;
};

/// Answers /livez, /readyz, /healthz (the old name of /readyz), /metrics, /version, /config and
/// POST /flush. README.md lists what each says.
///
/// Lifetime: borrows `state`, which outlives this object and every flush begun through it.
/// Threads:  thread-safe.
class AdminHandler final : public HttpHandler {
 public:
  static constexpr std::chrono::seconds kFlushWaitDefault{30};
  static constexpr std::chrono::seconds kFlushWaitMax{300};
  /// No endpoint reads a body; this much is tolerated.
  static constexpr std::uint64_t kBodyBytesMax = 1'024;

  explicit AdminHandler(ServiceState& state) : state_(state) {}

  [[nodiscard]] std::expected<HttpAdmission, HttpResponse> Admit(
      const HttpRequestHead& head) override;
  void Handle(HttpRequest request, Done done) override;
  [[nodiscard]] HttpResponse Refuse(const HttpRequestHead& head, BufferRefusal why) override;

 private:
  [[nodiscard]] HttpResponse Get(const HttpRequestHead& head);
  void Flush(std::string_view query, Done done);

  ServiceState& state_;
};

}  // namespace signaldb

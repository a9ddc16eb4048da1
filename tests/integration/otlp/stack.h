#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "adapters/http/http_server.h"
#include "adapters/otlp/otlp_grpc_server.h"
#include "adapters/otlp/otlp_http_handler.h"
#include "adapters/otlp/receiver.h"
#include "integration/otlp/fake_ingest.h"
#include "integration/otlp/raw_client.h"
#include "testing/matchers.h"

namespace signaldb::testing {

/// Counts requests by "source/signal/outcome".
class CountingListener final : public EventListener {
 public:
  [[nodiscard]] bool Wants(std::string_view, Severity) const override { return false; }
  void Log(LogEvent) override {}
  void Count(std::string_view metric, double by, MetricLabels labels) override {
    std::string key;
    for (const auto& [name, value] : labels) {
      if (!key.empty()) key += '/';
      key += value;
    }
    const std::scoped_lock lock(mutex_);
    if (metric == "signaldb_writer_requests_total") requests_[key] += by;
  }
  void Gauge(std::string_view, double, MetricLabels) override {}
  void Observe(std::string_view, double, MetricLabels) override {}

  [[nodiscard]] double requests(const std::string& key) const {
    const std::scoped_lock lock(mutex_);
    const auto found = requests_.find(key);
    return found == requests_.end() ? 0 : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, double> requests_;
};

/// Both receivers on free ports of 127.0.0.1 over a FakeIngest.
class Stack {
 public:
  struct Settings {
    std::int64_t budget_bytes = 256 << 20;
    OtlpReceiverOptions receiver{};
    HttpServerOptions http{};
    GrpcServerOptions grpc{};
  };

  explicit Stack(Settings settings)
      : budget(settings.budget_bytes),
        receiver(ingest, budget, clock, random, events, settings.receiver),
        handler(receiver) {
    settings.grpc.listen = "127.0.0.1:0";
    auto http_result = HttpServer::Start(handler, clock, events, settings.http);
    EXPECT_THAT(http_result, IsOk());
    if (http_result) http = *std::move(http_result);
    auto grpc_result = StartOtlpGrpcServer(receiver, settings.grpc);
    EXPECT_THAT(grpc_result, IsOk());
    if (grpc_result) grpc = *std::move(grpc_result);
  }
  Stack() : Stack(Settings{}) {}
  ~Stack() {
    ingest.ReleaseHeld();
    http.reset();
    grpc.reset();
    EXPECT_EQ(budget.used(), 0) << "a request kept its share of the budget";
  }

  [[nodiscard]] RawClient Connect() const { return RawClient(http->port()); }

  FakeIngest ingest;
  MemoryBudget budget;
  SystemClock clock;
  SystemRandom random;
  CountingListener events;
  OtlpReceiver receiver;
  OtlpHttpHandler handler;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<GrpcServer> grpc;
};

}  // namespace signaldb::testing

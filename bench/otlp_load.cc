// Replays pre-encoded OTLP requests over gRPC, or the same records as Arrow Flight puts, and prints
// what came of it, as one JSON object.
//
//   otlp_load --target 127.0.0.1:4317 --signal logs --requests 1000 --in-flight 4 [--rate 500]
//   otlp_load --target 127.0.0.1:50061 --flight ...
//
// Without --rate as fast as answers come; with it, requests start at fixed times, and the latency
// counts from the time a request should have started, so that a stalled server cannot hide behind a
// waiting client.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "base/clock.h"
#include "telemetry/signal.h"
#include "testing/otlp_samples.h"
#include "testing/wire_samples.h"

namespace signaldb {
namespace {

struct Plan {
  std::string target = "127.0.0.1:4317";
  std::string signal = "logs";
  bool flight = false;  // Puts instead of requests.
  std::int64_t requests = 1'000;
  int records = 1'000;
  int in_flight = 4;
  double rate = 0;     // Requests a second; 0: no limit.
  int variants = 256;  // Different bodies, sent in turn.
};

Signal SignalOf(const std::string& name) {
  return name == "traces" ? Signal::kTraces : name == "metrics" ? Signal::kMetrics : Signal::kLogs;
}

std::string MethodOf(Signal signal) {
  const char* service = signal == Signal::kTraces    ? "trace.v1.Trace"
                        : signal == Signal::kMetrics ? "metrics.v1.Metrics"
                                                     : "logs.v1.Logs";
  return std::string("/opentelemetry.proto.collector.") + service + "Service/Export";
}

// The messages of one request: a single one, or those of a put.
using Messages = std::vector<grpc::ByteBuffer>;

std::vector<Messages> MakeBodies(const Plan& plan, Clock& clock) {
  const Signal signal = SignalOf(plan.signal);
  std::vector<Messages> bodies;
  for (int i = 0; i < plan.variants; ++i) {
    const testing::OtlpSampleOptions what{
        .seed = static_cast<std::uint64_t>(i + 1),
        .records = plan.records,
        .first_time_unix_nano = static_cast<std::uint64_t>(
            (clock.WallNow() - std::chrono::seconds(plan.variants - i)).count()),
        .first_sequence = static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(plan.records)};
    std::vector<std::string> texts;
    if (plan.flight) {
      const std::string metadata =
          R"({"schema_version":"v1","signal_type":")" + plan.signal + "\"}";
      texts = testing::FlightMessages(testing::MakeWireStream(signal, what), metadata);
    } else {
      texts.push_back(testing::MakeOtlpRequest(signal, what));
    }
    Messages& messages = bodies.emplace_back();
    for (const std::string& text : texts) {
      const grpc::Slice slice(text);
      messages.emplace_back(&slice, 1);
    }
  }
  return bodies;
}

// One DoPut: all messages, then its end, then what comes back.
class Put final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit Put(const Messages& messages) : messages_(messages) {}

  grpc::Status Run(grpc::GenericStub& stub) {
    stub.PrepareBidiStreamingCall(&context_, "/arrow.flight.protocol.FlightService/DoPut",
                                  grpc::StubOptions(), this);
    StartRead(&reply_);
    Next();
    StartCall();
    done_.acquire();
    return status_;
  }

  void OnWriteDone(bool ok) override {
    if (ok && sent_ < messages_.size()) Next();
  }
  void OnReadDone(bool ok) override {
    if (ok) StartRead(&reply_);
  }
  void OnDone(const grpc::Status& status) override {
    status_ = status;
    done_.release();
  }

 private:
  void Next() {
    message_ = messages_[sent_++];
    if (sent_ == messages_.size()) {
      StartWriteLast(&message_, grpc::WriteOptions());
    } else {
      StartWrite(&message_);
    }
  }

  const Messages& messages_;
  std::size_t sent_ = 0;
  grpc::ClientContext context_;
  grpc::ByteBuffer message_;
  grpc::ByteBuffer reply_;
  grpc::Status status_;
  std::binary_semaphore done_{0};
};

// Sends its share of the requests, one at a time.
class Sender {
 public:
  Sender(const Plan& plan, const std::vector<Messages>& bodies, std::atomic<std::int64_t>& next,
         Clock& clock, Nanos begin)
      : plan_(plan),
        bodies_(bodies),
        next_(next),
        clock_(clock),
        begin_(begin),
        stub_(grpc::CreateCustomChannel(plan.target, grpc::InsecureChannelCredentials(),
                                        OwnConnection())) {}

  void Run() {
    const std::string method = MethodOf(SignalOf(plan_.signal));
    for (std::int64_t i = next_++; i < plan_.requests; i = next_++) {
      Nanos due = clock_.MonotonicNow();
      if (plan_.rate > 0) {
        due = begin_ + Nanos(static_cast<std::int64_t>(static_cast<double>(i) / plan_.rate * 1e9));
        const Nanos wait = due - clock_.MonotonicNow();
        if (wait > Nanos(0)) clock_.SleepFor(wait, {});
      }
      Send(method, bodies_[static_cast<std::size_t>(i) % bodies_.size()]);
      latencies.push_back(clock_.MonotonicNow() - due);
    }
  }

  std::vector<Nanos> latencies;
  std::map<int, std::int64_t> codes;

 private:
  // Every sender has a connection of its own, as separate clients have.
  static grpc::ChannelArguments OwnConnection() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return arguments;
  }

  void Send(const std::string& method, const Messages& messages) {
    if (plan_.flight) {
      ++codes[Put(messages).Run(stub_).error_code()];
      return;
    }
    grpc::ByteBuffer body = messages.front();
    grpc::ClientContext context;
    grpc::ByteBuffer reply;
    std::binary_semaphore answered(0);
    grpc::Status status;
    stub_.UnaryCall(&context, method, grpc::StubOptions(), &body, &reply, [&](grpc::Status s) {
      status = std::move(s);
      answered.release();
    });
    answered.acquire();
    ++codes[status.error_code()];
  }

  const Plan& plan_;
  const std::vector<Messages>& bodies_;
  std::atomic<std::int64_t>& next_;
  Clock& clock_;
  const Nanos begin_;
  grpc::GenericStub stub_;
};

double Millis(Nanos t) { return std::chrono::duration<double, std::milli>(t).count(); }

void Print(const Plan& plan, std::vector<Sender>& senders, Nanos took) {
  std::vector<Nanos> all;
  std::map<int, std::int64_t> codes;
  for (const Sender& sender : senders) {
    all.insert(all.end(), sender.latencies.begin(), sender.latencies.end());
    for (const auto& [code, count] : sender.codes) codes[code] += count;
  }
  std::ranges::sort(all);
  const auto at = [&](double share) {
    return all.empty()
               ? 0
               : Millis(all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))]);
  };
  std::printf(
      "{\"signal\":\"%s\",\"accepted_records\":%lld,\"accepted\":%lld,\"refused\":%lld,\"seconds\":"
      "%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
      plan.signal.c_str(), static_cast<long long>(codes[0] * plan.records),
      static_cast<long long>(codes[0]),
      static_cast<long long>(static_cast<std::int64_t>(all.size()) - codes[0]), Millis(took) / 1e3,
      at(0.5), at(0.99), at(1));
}

}  // namespace
}  // namespace signaldb

int main(int argc, char** argv) {
  using namespace signaldb;
  Plan plan;
  CLI::App app("Replays pre-encoded OTLP requests or Arrow Flight puts");
  app.add_option("--target", plan.target, "host:port");
  app.add_option("--signal", plan.signal, "logs, traces or metrics");
  app.add_flag("--flight", plan.flight, "puts of Arrow Flight instead of OTLP");
  app.add_option("--requests", plan.requests, "how many");
  app.add_option("--records", plan.records, "records a request");
  app.add_option("--in-flight", plan.in_flight, "connections, each with one request at a time");
  app.add_option("--rate", plan.rate, "requests a second; 0: as fast as answers come");
  CLI11_PARSE(app, argc, argv);
  SystemClock clock;
  const std::vector<Messages> bodies = MakeBodies(plan, clock);
  std::atomic<std::int64_t> next = 0;
  const Nanos begin = clock.MonotonicNow();
  std::vector<Sender> senders;
  senders.reserve(static_cast<std::size_t>(plan.in_flight));
  for (int i = 0; i < plan.in_flight; ++i) senders.emplace_back(plan, bodies, next, clock, begin);
  {
    std::vector<std::jthread> threads;
    for (Sender& sender : senders) threads.emplace_back([&sender] { sender.Run(); });
  }
  Print(plan, senders, clock.MonotonicNow() - begin);
  return 0;
}

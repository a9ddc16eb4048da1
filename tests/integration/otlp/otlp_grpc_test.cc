#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "integration/otlp/grpc_client.h"
#include "integration/otlp/stack.h"

namespace signaldb::testing {
namespace {

using ::testing::HasSubstr;

/// The most memory this process had since ResetPeak.
std::int64_t PeakKilobytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::int64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes;
  }
  ADD_FAILURE() << "no VmHWM";
  return 0;
}
void ResetPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

std::string GzipOfZeros(std::size_t size) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(size / 900 + 1000, '\0');
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  std::string zeros(1 << 20, '\0');
  for (std::size_t at = 0; at < size; at += zeros.size()) {
    stream.next_in = reinterpret_cast<Bytef*>(zeros.data());
    stream.avail_in = static_cast<uInt>(zeros.size());
    deflate(&stream, Z_NO_FLUSH);
  }
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(OtlpGrpc, HandsOverEverySignalPlainAndGzipped) {
  struct Case {
    const char* method;
    Signal signal;
  };
  static constexpr Case kCases[] = {
      {kGrpcTraces, Signal::kTraces}, {kGrpcLogs, Signal::kLogs}, {kGrpcMetrics, Signal::kMetrics}};
  Stack stack;
  GrpcClient client(stack.grpc->port());
  for (const Case& c : kCases) {
    for (const auto compression : {GRPC_COMPRESS_NONE, GRPC_COMPRESS_GZIP}) {
      for (const std::size_t size : {0UL, 1UL, 100UL, 300'000UL}) {
        SCOPED_TRACE(c.method + std::to_string(compression) + " " + std::to_string(size));
        const std::string body(size, 'x');
        const GrpcOutcome outcome =
            client.Call({.method = c.method, .body = body, .compression = compression});
        EXPECT_TRUE(outcome.status.ok()) << outcome.status.error_message();
        EXPECT_EQ(outcome.body, "");
        const auto seen = stack.ingest.seen();
        ASSERT_FALSE(seen.empty());
        EXPECT_EQ(seen.back().signal, c.signal);
        EXPECT_EQ(seen.back().tenant, "default");
        EXPECT_EQ(seen.back().request_id.size(), 36U);
        EXPECT_EQ(seen.back().request_id, outcome.request_id);
        EXPECT_TRUE(seen.back().body == body);
        EXPECT_EQ(seen.back().held, static_cast<std::int64_t>(size));
      }
    }
  }
}

TEST(OtlpGrpc, KnowsNoOtherMethods) {
  Stack stack;
  GrpcClient client(stack.grpc->port());
  for (const char* method :
       {"/opentelemetry.proto.collector.logs.v1.LogsService/Import",
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export2",
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export", "/a/b",
        "/grpc.health.v1.Health/Check"}) {
    EXPECT_EQ(client.Call({.method = method, .body = "x"}).status.error_code(),
              grpc::StatusCode::UNIMPLEMENTED)
        << method;
  }
  EXPECT_TRUE(stack.ingest.seen().empty());
}

TEST(OtlpGrpc, TakesTheRouteFromTheMetadata) {
  Stack stack;
  GrpcClient client(stack.grpc->port());
  EXPECT_TRUE(
      client.Call({.body = "x", .metadata = {{"x-tenant-id", "Acme"}, {"x-dataset-id", "prod"}}})
          .status.ok());
  EXPECT_EQ(stack.ingest.seen().back().tenant, "Acme");
  EXPECT_EQ(stack.ingest.seen().back().dataset, "prod");
  EXPECT_TRUE(client.Call({.body = "x", .metadata = {{"x-scope-orgid", "b"}}}).status.ok());
  EXPECT_EQ(stack.ingest.seen().back().tenant, "b");
  const std::string evil[] = {".", "..", "../../etc", "a/b", "a.b", "a b", std::string(65, 'a')};
  for (const std::string& name : evil) {
    for (const char* key : {"x-tenant-id", "x-dataset-id", "x-scope-orgid"}) {
      EXPECT_EQ(client.Call({.body = "x", .metadata = {{key, name}}}).status.error_code(),
                grpc::StatusCode::INVALID_ARGUMENT)
          << key << "=" << name;
    }
  }
  EXPECT_EQ(client.Call({.body = "x", .metadata = {{"x-tenant-id", "a"}, {"x-scope-orgid", "b"}}})
                .status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(stack.ingest.seen().size(), 2U);
}

TEST(OtlpGrpc, TakesMessagesExactlyUpToTheLimit) {
  Stack::Settings settings;
  settings.receiver.request_bytes_max = 100'000;
  Stack stack(settings);
  GrpcClient client(stack.grpc->port());
  struct Case {
    std::size_t size;
    grpc::StatusCode code;
  };
  static constexpr Case kCases[] = {{99'999, grpc::StatusCode::OK},
                                    {100'000, grpc::StatusCode::OK},
                                    {100'001, grpc::StatusCode::RESOURCE_EXHAUSTED},
                                    {10'000'000, grpc::StatusCode::RESOURCE_EXHAUSTED}};
  for (const Case& c : kCases) {
    for (const auto compression : {GRPC_COMPRESS_NONE, GRPC_COMPRESS_GZIP}) {
      SCOPED_TRACE(std::to_string(c.size) + " " + std::to_string(compression));
      const GrpcOutcome outcome =
          client.Call({.body = std::string(c.size, 'x'), .compression = compression});
      EXPECT_EQ(outcome.status.error_code(), c.code) << outcome.status.error_message();
      EXPECT_EQ(outcome.status.error_details(), "") << "a RetryInfo would invite a retry";
    }
  }
}

TEST(OtlpGrpc, TakesTheDefaultLimitOf64MebibytesExactly) {
  Stack stack;
  GrpcClient client(stack.grpc->port());
  constexpr std::size_t kLimit = 64 << 20;
  for (const std::size_t size : {kLimit - 1, kLimit, kLimit + 1}) {
    SCOPED_TRACE(size);
    EXPECT_EQ(client.Call({.body = std::string(size, 'x')}).status.error_code(),
              size > kLimit ? grpc::StatusCode::RESOURCE_EXHAUSTED : grpc::StatusCode::OK);
  }
}

/// One HTTP/2 frame on stream 1 (or 0 for SETTINGS).
std::string Frame(char type, char flags, const std::string& payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame += static_cast<char>(payload.size() >> shift);
  frame += type;
  frame += flags;
  return frame + std::string(3, '\0') + static_cast<char>(type == 4 ? 0 : 1) + payload;
}

/// A gRPC call written by hand, so that this process does not hold what the bomb inflates to.
std::string CallWithCompressedMessage(const std::string& gzip) {
  std::string headers;
  const auto add = [&](const std::string& name, const std::string& value) {
    headers += '\0';  // A literal, not indexed.
    headers += static_cast<char>(name.size()) + name;
    headers += static_cast<char>(value.size()) + value;
  };
  add(":method", "POST");
  add(":scheme", "http");
  add(":path", kGrpcLogs);
  add(":authority", "x");
  add("content-type", "application/grpc");
  add("te", "trailers");
  add("grpc-encoding", "gzip");
  std::string message("\1", 1);
  for (const int shift : {24, 16, 8, 0}) message += static_cast<char>(gzip.size() >> shift);
  message += gzip;
  std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, "") + Frame(1, 4, headers);
  for (std::size_t at = 0; at < message.size(); at += 16'000) {
    const bool last = at + 16'000 >= message.size();
    bytes += Frame(0, last ? 1 : 0, message.substr(at, 16'000));
  }
  return bytes;
}

TEST(OtlpGrpc, RefusesBombsWithoutInflatingThem) {
  Stack::Settings settings;
  settings.receiver.request_bytes_max = 1 << 20;
  Stack stack(settings);
  // 60 kB, as much as fits into the first window, that would become 60 MiB.
  const std::string bomb = GzipOfZeros(60 << 20);
  ASSERT_LT(bomb.size(), 65'000U);
  RawClient client(stack.grpc->port());
  ResetPeak();
  const std::int64_t before = PeakKilobytes();
  client.Send(CallWithCompressedMessage(bomb));
  for (int i = 0; i < 1000 && stack.events.requests("otlp_grpc/logs/too_large") == 0; ++i) {
    stack.clock.SleepFor(std::chrono::milliseconds(10), {});
  }
  EXPECT_EQ(stack.events.requests("otlp_grpc/logs/too_large"), 1);
  EXPECT_LT(PeakKilobytes() - before, 10 << 10);
  RawClient honest(stack.grpc->port());
  honest.Send(CallWithCompressedMessage(GzipOfZeros(1 << 20)));
  ASSERT_TRUE(stack.ingest.WaitForRequests(1));
  EXPECT_EQ(stack.ingest.seen().back().body.size(), 1U << 20);
}

TEST(OtlpGrpc, RefusesOtherCompression) {
  Stack stack;
  GrpcClient client(stack.grpc->port());
  EXPECT_EQ(client.Call({.body = std::string(1000, 'x'), .compression = GRPC_COMPRESS_DEFLATE})
                .status.error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST(OtlpGrpc, PushesBackWithRetryInfoWhenTheBudgetIsExhausted) {
  Stack stack;
  GrpcClient client(stack.grpc->port());
  auto all = stack.budget.TryTake(stack.budget.bytes_max());
  GrpcOutcome outcome = client.Call({.body = "x"});
  EXPECT_EQ(outcome.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(outcome.status.error_details(), HasSubstr("google.rpc.RetryInfo"));
  all.Resize(all.bytes() - 1000);
  outcome = client.Call({.body = std::string(2000, 'x')});
  EXPECT_EQ(outcome.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(stack.budget.used(), all.bytes());
  all.Release();
  EXPECT_TRUE(client.Call({.body = "x"}).status.ok());
}

TEST(OtlpGrpc, RendersWhatTheIngestAnswers) {
  struct Case {
    ErrorKind kind;
    grpc::StatusCode code;
    bool retry_info;
  };
  static constexpr Case kCases[] = {
      {ErrorKind::kInvalid, grpc::StatusCode::INVALID_ARGUMENT, false},
      {ErrorKind::kUnavailable, grpc::StatusCode::UNAVAILABLE, true},
      {ErrorKind::kCancelled, grpc::StatusCode::UNAVAILABLE, true},
      {ErrorKind::kInternal, grpc::StatusCode::INTERNAL, false},
  };
  Stack stack;
  GrpcClient client(stack.grpc->port());
  for (const Case& c : kCases) {
    SCOPED_TRACE(ToString(c.kind));
    IngestAnswer answer;
    answer.error = Error{c.kind, "the reason"};
    stack.ingest.AnswerWith(answer);
    const GrpcOutcome outcome = client.Call({.method = kGrpcTraces, .body = "x"});
    EXPECT_EQ(outcome.status.error_code(), c.code);
    EXPECT_EQ(outcome.status.error_message(), "the reason");
    EXPECT_EQ(outcome.status.error_details().find("RetryInfo") != std::string::npos, c.retry_info);
    EXPECT_EQ(outcome.request_id, stack.ingest.seen().back().request_id);
  }
  IngestAnswer partial;
  partial.rejected = 3;
  partial.rejection_message = "bad";
  stack.ingest.AnswerWith(partial);
  const GrpcOutcome outcome = client.Call({.method = kGrpcTraces, .body = "x"});
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_EQ(outcome.body,
            "\x0a\x07\x08\x03\x12\x03"
            "bad");
  EXPECT_EQ(stack.events.requests("otlp_grpc/traces/accepted"), 1);
  EXPECT_EQ(stack.events.requests("otlp_grpc/traces/unavailable"), 2);
}

TEST(OtlpGrpc, CallsBrokenGzipMalformed) {
  Stack stack;
  GrpcClient client(stack.grpc->port());
  // No protobuf message starts with these bytes, so they are read as gzip wherever they come from.
  EXPECT_EQ(client.Call({.body = "\x1f\x8b\x08 broken"}).status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(OtlpGrpc, DropsAnswersThatComeAfterTheDeadline) {
  Stack stack;
  stack.ingest.SetMode(FakeIngest::Mode::kHoldBack);
  GrpcClient client(stack.grpc->port());
  for (int i = 0; i < 5; ++i) {
    const GrpcOutcome outcome =
        client.Call({.body = "x", .timeout = std::chrono::milliseconds(100)});
    EXPECT_EQ(outcome.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  ASSERT_TRUE(stack.ingest.WaitForRequests(5));
  stack.ingest.ReleaseHeld();
  stack.ingest.SetMode(FakeIngest::Mode::kAnswerAtOnce);
  EXPECT_TRUE(client.Call({.body = "x"}).status.ok());
}

TEST(OtlpGrpc, StopLetsCallsEndWithinTheGrace) {
  Stack stack;
  stack.ingest.SetMode(FakeIngest::Mode::kHoldBack);
  GrpcClient client(stack.grpc->port());
  auto call = std::async(std::launch::async, [&] { return client.Call({.body = "x"}); });
  ASSERT_TRUE(stack.ingest.WaitForRequests(1));
  std::jthread stopper([&] { stack.grpc->Stop(std::chrono::seconds(20)); });
  stack.clock.SleepFor(std::chrono::milliseconds(50), {});
  stack.ingest.ReleaseHeld();
  EXPECT_TRUE(call.get().status.ok());
}

TEST(OtlpGrpc, StopCancelsCallsAfterTheGraceAndDropsTheirAnswers) {
  Stack stack;
  stack.ingest.SetMode(FakeIngest::Mode::kHoldBack);
  GrpcClient client(stack.grpc->port());
  auto call = std::async(std::launch::async, [&] { return client.Call({.body = "x"}); });
  ASSERT_TRUE(stack.ingest.WaitForRequests(1));
  const auto begun = stack.clock.MonotonicNow();
  stack.grpc->Stop(std::chrono::milliseconds(100));
  EXPECT_LT(stack.clock.MonotonicNow() - begun, std::chrono::seconds(5));
  EXPECT_FALSE(call.get().status.ok());
  stack.ingest.ReleaseHeld();
}

TEST(OtlpGrpc, RefusesCallsWhileDraining) {
  Stack stack;
  stack.receiver.Drain();
  GrpcClient client(stack.grpc->port());
  const GrpcOutcome outcome = client.Call({.body = "x"});
  EXPECT_EQ(outcome.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(outcome.status.error_details(), HasSubstr("RetryInfo"));
}

TEST(OtlpGrpc, DoesNotShareItsPort) {
  Stack stack;
  GrpcServerOptions options;
  options.listen = stack.grpc->address();
  EXPECT_THAT(StartOtlpGrpcServer(stack.receiver, options),
              IsErrorSaying(ErrorKind::kUnavailable, "address=127.0.0.1:"));
}

TEST(OtlpGrpc, SurvivesClientsThatSpeakSomethingElse) {
  Stack stack;
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string("\x16\x03\x01", 3),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(1000, '\xff')}) {
    RawClient raw(stack.grpc->port());
    raw.Send(bytes);
    EXPECT_TRUE(raw.WaitForClose(std::chrono::seconds(10)) || bytes.size() == 3);
  }
  GrpcClient client(stack.grpc->port());
  EXPECT_TRUE(client.Call({.body = "x"}).status.ok());
}

TEST(OtlpGrpc, ServesManyClientsAtOnce) {
  Stack stack;
  std::vector<std::jthread> threads;
  std::atomic<int> served = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      GrpcClient client(stack.grpc->port());
      for (int i = 0; i < 100; ++i) {
        if (client.Call({.body = std::string(10'000, 'x')}).status.ok()) ++served;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(served, 800);
}

}  // namespace
}  // namespace signaldb::testing

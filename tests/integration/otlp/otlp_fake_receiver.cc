// Both receivers over an Ingest that prints what it gets and answers as the dataset says; for
// clients in other languages. Says its ports first, ends with standard input. See
// otlp_clients_test.py.
//
//   otlp_fake_receiver [CERTIFICATE_PEM KEY_PEM]

#include <cstdio>
#include <fstream>
#include <iostream>
#include <mutex>
#include <set>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "adapters/http/http_server.h"
#include "adapters/otlp/otlp_grpc_server.h"
#include "adapters/otlp/otlp_http_handler.h"

namespace signaldb {
namespace {

class PrintingIngest final : public Ingest {
 public:
  void Accept(IngestRequest request, Done done) override {
    const std::scoped_lock lock(mutex_);
    std::string hex;
    for (const std::byte byte : request.body) {
      hex += fmt::format("{:02x}", std::to_integer<int>(byte));
    }
    fmt::print(R"({{"tenant":"{}","dataset":"{}","signal":"{}","json":{},"id":"{}","body":"{}"}})",
               request.tenant, request.dataset, ToString(request.signal),
               request.encoding == MessageEncoding::kJson, request.request_id, hex);
    fmt::print("\n");
    std::fflush(stdout);
    done(AnswerFor(request.dataset));
  }

 private:
  IngestAnswer AnswerFor(const std::string& dataset) {
    IngestAnswer answer;
    if (dataset == "invalid") {
      answer.error = Error{ErrorKind::kInvalid, "malformed on request"};
    } else if (dataset == "internal") {
      answer.error = Error{ErrorKind::kInternal, "broken on request"};
    } else if (dataset == "unavailable") {
      answer.error = Error{ErrorKind::kUnavailable, "full on request"};
      answer.retry_after = std::chrono::seconds(3);
    } else if (dataset.starts_with("once-") && refused_.insert(dataset).second) {
      answer.error = Error{ErrorKind::kUnavailable, "full this once"};
    } else if (dataset == "partial") {
      answer.rejected = 2;
      answer.rejection_message = "two were bad";
    }
    return answer;
  }

  std::mutex mutex_;
  std::set<std::string> refused_;
};

std::string Contents(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

int Serve(int count, char** arguments) {
  PrintingIngest ingest;
  MemoryBudget budget(256 << 20);
  SystemClock clock;
  SystemRandom random;
  NullEventListener events;
  OtlpReceiver receiver(ingest, budget, clock, random, events, {});
  OtlpHttpHandler handler(receiver);
  HttpServerOptions http_options;
  GrpcServerOptions grpc_options;
  grpc_options.listen = "127.0.0.1:0";
  if (count == 3) {
    http_options.tls = {.certificate_pem = Contents(arguments[1]),
                        .key_pem = Contents(arguments[2])};
    grpc_options.certificate_pem = http_options.tls.certificate_pem;
    grpc_options.key_pem = http_options.tls.key_pem;
  }
  const auto http = HttpServer::Start(handler, clock, events, http_options);
  const auto grpc = StartOtlpGrpcServer(receiver, grpc_options);
  if (!http || !grpc) {
    std::cerr << (http ? grpc.error().message : http.error().message) << "\n";
    return 1;
  }
  fmt::print("{} {}\n", (*http)->port(), (*grpc)->port());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) continue;
  (*http)->Stop(std::chrono::seconds(1));
  (*grpc)->Stop(std::chrono::seconds(1));
  return budget.used() == 0 ? 0 : 3;
}

}  // namespace
}  // namespace signaldb

int main(int count, char** arguments) { return signaldb::Serve(count, arguments); }

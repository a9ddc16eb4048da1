#pragma once

#include "adapters/otlp/receiver.h"
#include "base/http.h"

namespace signaldb {

/// OTLP/HTTP: POST /v1/{traces,logs,metrics} in protobuf or JSON, plain, gzip or zstd.
///
/// Lifetime: borrows `receiver`, which outlives this object and every answer.
/// Threads:  thread-safe.
class OtlpHttpHandler final : public HttpHandler {
 public:
  explicit OtlpHttpHandler(OtlpReceiver& receiver) : receiver_(receiver) {}

  [[nodiscard]] std::expected<HttpAdmission, HttpResponse> Admit(
      const HttpRequestHead& head) override;
  void Handle(HttpRequest request, Done done) override;
  [[nodiscard]] HttpResponse Refuse(const HttpRequestHead& head, BufferRefusal why) override;

 private:
  OtlpReceiver& receiver_;
};

}  // namespace signaldb

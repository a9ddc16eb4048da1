#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/ingest.h"

namespace signaldb::testing {

/// What an Ingest was given, with the body copied.
struct SeenRequest {
  std::string tenant;
  std::string dataset;
  Signal signal;
  MessageEncoding encoding;
  std::string body;
  std::string request_id;
  std::int64_t held;
};

/// An Ingest that remembers requests, and answers at once or when told to.
class FakeIngest final : public Ingest {
 public:
  enum class Mode { kAnswerAtOnce, kHoldBack };

  void Accept(IngestRequest request, Done done) override {
    IngestAnswer answer;
    {
      const std::scoped_lock lock(mutex_);
      seen_.push_back(
          {request.tenant, request.dataset, request.signal, request.encoding,
           std::string(reinterpret_cast<const char*>(request.body.data()), request.body.size()),
           request.request_id, request.hold.bytes()});
      arrived_.notify_all();
      if (mode_ == Mode::kHoldBack) {
        held_.emplace_back(std::move(request), std::move(done));
        return;
      }
      answer = answer_;
    }
    {
      const IngestRequest gone = std::move(request);
    }
    done(std::move(answer));
  }

  void AnswerWith(IngestAnswer answer) {
    const std::scoped_lock lock(mutex_);
    answer_ = std::move(answer);
  }
  void SetMode(Mode mode) {
    const std::scoped_lock lock(mutex_);
    mode_ = mode;
  }

  /// Answers everything held back.
  void ReleaseHeld() {
    std::vector<std::pair<IngestRequest, Done>> held;
    {
      const std::scoped_lock lock(mutex_);
      held = std::exchange(held_, {});
    }
    for (auto& [request, done] : held) {
      {
        const IngestRequest gone = std::move(request);
      }
      done(answer_);
    }
  }

  [[nodiscard]] bool WaitForRequests(std::size_t count) {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, std::chrono::seconds(20), [&] { return seen_.size() >= count; });
  }
  [[nodiscard]] std::vector<SeenRequest> seen() const {
    const std::scoped_lock lock(mutex_);
    return seen_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  Mode mode_ = Mode::kAnswerAtOnce;
  IngestAnswer answer_;
  std::vector<SeenRequest> seen_;
  std::vector<std::pair<IngestRequest, Done>> held_;
};

}  // namespace signaldb::testing

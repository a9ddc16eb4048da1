#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/budgeted_buffer.h"
#include "base/memory_budget.h"

namespace signaldb {

/// Header fields in the order they came. Names compare without regard to case.
class HttpHeaders {
 public:
  void Add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }

  /// The first value of `name`, or nothing. Valid until the next Add.
  [[nodiscard]] std::optional<std::string_view> Find(std::string_view name) const {
    for (const auto& [field, value] : fields_) {
      if (SameName(field, name)) return value;
    }
    return std::nullopt;
  }

  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& fields() const {
    return fields_;
  }

  [[nodiscard]] static bool SameName(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (Lower(a[i]) != Lower(b[i])) return false;
    }
    return true;
  }

 private:
  [[nodiscard]] static char Lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }

  std::vector<std::pair<std::string, std::string>> fields_;
};

/// What is known of a request before its body.
struct HttpRequestHead {
  std::string method;  ///< "GET", "POST", ... as sent.
  std::string
      path;  ///< Without the query; as sent, percent escapes kept; never used as a file path.
  std::string query;  ///< After the '?', as sent; "" if there is none.
  HttpHeaders headers;
  std::optional<std::uint64_t> content_length;  ///< Nothing if the body is chunked.
};

/// A whole request.
struct HttpRequest {
  HttpRequestHead head;
  std::span<const std::byte> body;
  std::shared_ptr<const void> body_owner;  ///< Keeps `body` alive; may be null if it is empty.
  MemoryBudget::Hold hold;                 ///< Covers `body`, if its admission named a budget.
};

struct HttpResponse {
  int status = 200;
  std::string content_type;  ///< Left out if empty.
  HttpHeaders headers;       ///< Beside Content-Type, Content-Length, Connection and Date.
  std::string body;
};

/// How much of a body may be read, and who pays for it.
struct HttpAdmission {
  std::uint64_t body_bytes_max = 0;
  MemoryBudget* budget =
      nullptr;  ///< Bytes are taken from it as the body arrives. Outlives the server.
};

/// Port: what answers requests behind an HTTP server.
///
/// Implementation contract: thread-safe; nothing throws. `Admit` and `Refuse` must not block.
/// The server calls, per request: `Admit`; then, if that admits, either `Handle`, once the body is
/// complete, or `Refuse`; or nothing at all, if the client went away before.
class HttpHandler {
 public:
  using Done = std::move_only_function<void(HttpResponse)>;

  virtual ~HttpHandler() = default;

  /// Decides by the head alone, before any of the body is kept. The unexpected value is the answer.
  [[nodiscard]] virtual std::expected<HttpAdmission, HttpResponse> Admit(
      const HttpRequestHead& head) = 0;

  /// Answers a request through `done`: exactly once, from any thread, possibly before it returns.
  /// `done` may be called after the server has stopped; nothing happens then.
  virtual void Handle(HttpRequest request, Done done) = 0;

  /// The answer to an admitted request whose body was not kept.
  [[nodiscard]] virtual HttpResponse Refuse(const HttpRequestHead& head, BufferRefusal why) = 0;
};

}  // namespace signaldb

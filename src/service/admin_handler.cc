#include "service/admin_handler.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "service/quoted_text.h"
#include "service/value_text.h"
#include "service/version.h"

namespace signaldb {
namespace {

constexpr std::string_view kPlainText = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json";

struct Endpoint {
  std::string_view path;
  std::string_view method;
};
constexpr auto kEndpoints = std::to_array<Endpoint>({{"/livez", "GET"},
                                                     {"/readyz", "GET"},
                                                     {"/healthz", "GET"},
                                                     {"/metrics", "GET"},
                                                     {"/version", "GET"},
                                                     {"/config", "GET"},
                                                     {"/flush", "POST"}});

HttpResponse Respond(int status, std::string_view content_type, std::string body) {
  HttpResponse response{.status = status,
                        .content_type = std::string(content_type),
                        .headers = {},
                        .body = std::move(body)};
  // What these endpoints say is true now and not later.
  response.headers.Add("Cache-Control", "no-store");
  return response;
}

HttpResponse RespondError(int status, std::string_view what) {
  return Respond(status, kJson, fmt::format("{{\"error\":{}}}\n", Quoted(what)));
}

/// The value of `name` in a query; "" where it stands without one.
std::optional<std::string_view> QueryValue(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    const std::size_t equals = std::min(part.find('='), part.size());
    if (part.substr(0, equals) == name) {
      return equals == part.size() ? std::string_view() : part.substr(equals + 1);
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return std::nullopt;
}

HttpResponse Readiness(const std::vector<ReadinessCheck>& checks, bool verbose) {
  const bool ready = std::ranges::all_of(checks, &ReadinessCheck::passes);
  std::string body(ready ? "ready\n" : "not ready\n");
  for (const ReadinessCheck& check : checks) {
    if (check.passes && !verbose) continue;
    fmt::format_to(std::back_inserter(body), "[{}] {}{}{}\n", check.passes ? '+' : '-', check.name,
                   check.detail.empty() ? "" : ": ", check.detail);
  }
  return Respond(ready ? 200 : 503, kPlainText, std::move(body));
}

HttpResponse FlushAnswer(const Status& outcome) {
  if (outcome.has_value()) return Respond(200, kJson, "{\"status\":\"visible\"}\n");
  switch (outcome.error().kind) {
    case ErrorKind::kUnavailable:
    case ErrorKind::kCancelled:
    case ErrorKind::kConflict:
    case ErrorKind::kUnknownOutcome:
      return RespondError(503, outcome.error().message);
    default:
      return RespondError(500, outcome.error().message);
  }
}

}  // namespace

std::expected<HttpAdmission, HttpResponse> AdminHandler::Admit(const HttpRequestHead& head) {
  const auto* const endpoint = std::ranges::find(kEndpoints, head.path, &Endpoint::path);
  if (endpoint == kEndpoints.end()) {
    std::string known;
    for (const auto& [path, method] : kEndpoints) {
      fmt::format_to(std::back_inserter(known), "{}{} {}", known.empty() ? "" : ", ", method, path);
    }
    return std::unexpected(RespondError(404, "there is only " + known));
  }
  const bool is_head = head.method == "HEAD" && endpoint->method == "GET";
  if (head.method != endpoint->method && !is_head) {
    HttpResponse response =
        RespondError(405, fmt::format("use {} {}", endpoint->method, endpoint->path));
    response.headers.Add("Allow", endpoint->method == "GET" ? "GET, HEAD" : endpoint->method);
    return std::unexpected(std::move(response));
  }
  return HttpAdmission{.body_bytes_max = kBodyBytesMax, .budget = nullptr};
}

void AdminHandler::Handle(HttpRequest request, Done done) {
  if (request.head.path == "/flush") {
    Flush(request.head.query, std::move(done));
  } else {
    done(Get(request.head));
  }
}

HttpResponse AdminHandler::Refuse(const HttpRequestHead& /*head*/, BufferRefusal /*why*/) {
  return RespondError(413, "no endpoint reads a body");
}

HttpResponse AdminHandler::Get(const HttpRequestHead& head) {
  if (head.path == "/livez") return Respond(200, kPlainText, "alive\n");
  if (head.path == "/readyz" || head.path == "/healthz") {
    return Readiness(state_.CheckReadiness(), QueryValue(head.query, "verbose").has_value());
  }
  if (head.path == "/metrics") {
    return Respond(200, "text/plain; version=0.0.4; charset=utf-8", state_.MetricsText());
  }
  if (head.path == "/version") return Respond(200, kJson, VersionJson() + "\n");
  SIGNALDB_ASSERT(head.path == "/config");  // Admit let nothing else through.
  return Respond(200, "application/toml; charset=utf-8", state_.ConfigurationText());
}

void AdminHandler::Flush(std::string_view query, Done done) {
  Nanos wait = kFlushWaitDefault;
  if (const auto text = QueryValue(query, "timeout")) {
    const Result<Nanos> asked = ParseDuration(*text, Nanos(0));
    if (!asked.has_value() || *asked > kFlushWaitMax) {
      done(RespondError(400, fmt::format("timeout: expected a duration such as \"10s\", up to {}s",
                                         kFlushWaitMax.count())));
      return;
    }
    wait = *asked;
  }
  state_.Flush(wait,
               [done = std::move(done)](Status outcome) mutable { done(FlushAnswer(outcome)); });
}

}  // namespace signaldb

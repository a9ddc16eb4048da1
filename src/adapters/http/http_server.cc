#include "adapters/http/http_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/http/listen_socket.h"

namespace signaldb {
namespace {

// Life of a request on its connection's thread, as libmicrohttpd calls:
//
//   OnUri        a request line is there: a new Exchange
//   OnRequest 1  the head is there: Admit, or a refusal (answered at once, or after draining the
//   body) OnRequest n  a part of the body: appended, or drained OnRequest    the body is complete:
//   Handle; no answer yet: suspend, and `done` resumes OnCompleted  the answer is sent, or the
//   connection is gone

constexpr int kBacklog = 512;
constexpr Nanos kReapInterval = std::chrono::seconds(1);
constexpr Nanos kForcedAnswersGrace = std::chrono::seconds(1);
constexpr std::uint64_t kFirstBytesMax = 1 << 20;  // Allocated for an announced length.
constexpr Nanos kNever = Nanos::max();

HttpResponse PlainText(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  return response;
}

/// One request and its answer. Shared by the connection and by `done`, which may outlive it.
class Exchange {
 public:
  explicit Exchange(MHD_Connection* connection, std::string_view uri) : connection_(connection) {
    const std::size_t mark = uri.find('?');
    head.path = uri.substr(0, mark);
    if (mark != std::string_view::npos) head.query = uri.substr(mark + 1);
  }

  /// Called by whoever has the answer; only the first call counts.
  void Answer(HttpResponse response) {
    const std::scoped_lock lock(mutex_);
    if (answered_) return;
    answered_ = true;
    response_ = std::move(response);
    if (std::exchange(suspended_, false)) MHD_resume_connection(connection_);
  }

  /// The answer; or nothing, and then the connection is suspended until there is one.
  std::optional<HttpResponse> TakeAnswerOrSuspend(const std::atomic<bool>& may_not_wait) {
    const std::scoped_lock lock(mutex_);
    if (!answered_ && may_not_wait.load()) {
      answered_ = true;
      response_ = PlainText(503, "the server is stopping\n");
    }
    if (answered_) return std::move(response_);
    suspended_ = true;
    MHD_suspend_connection(connection_);
    return std::nullopt;
  }

  /// The connection is about to go: later answers are dropped.
  void Abandon() {
    const std::scoped_lock lock(mutex_);
    answered_ = true;
    response_.reset();
  }

  // Confined to the connection's thread.
  HttpRequestHead head;
  BudgetedBuffer body;
  bool begun = false;                   // The head was seen.
  std::optional<HttpResponse> refusal;  // The answer once the rest of the body is drained.
  std::uint64_t body_bytes = 0;
  Nanos body_started{0};
  std::atomic<bool> handed_over{false};  // Handle was called. Read by Stop too.

 private:
  MHD_Connection* const connection_;
  std::mutex mutex_;
  bool answered_ = false;
  bool suspended_ = false;
  std::optional<HttpResponse> response_;
};

/// What we know of a TCP connection: enough to end it when it dawdles.
struct Connection {
  int fd = -1;
  Nanos head_deadline = kNever;        // The next head must be complete by then.
  std::shared_ptr<Exchange> exchange;  // The request in progress.
  bool ended = false;                  // At the last look the client had sent its last byte.
};

/// The client has closed its side, and all it sent has been taken from the socket.
bool HasEnded(int fd) {
  char byte = 0;
  // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): MSG_DONTWAIT does not block.
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

class MicrohttpdServer final : public HttpServer {
 public:
  MicrohttpdServer(HttpHandler& handler, Clock& clock, EventListener& events,
                   HttpServerOptions options)
      : handler_(handler), clock_(clock), events_(events), options_(std::move(options)) {}
  ~MicrohttpdServer() override { Stop(Nanos(0)); }

  [[nodiscard]] Status Open();

  [[nodiscard]] std::uint16_t port() const override { return socket_.port; }
  [[nodiscard]] std::string address() const override { return socket_.address; }
  [[nodiscard]] std::size_t requests_in_flight() const override {
    const std::scoped_lock lock(mutex_);
    return in_flight_;
  }
  void Stop(Nanos grace) override;

 private:
  // What libmicrohttpd calls; `self` is the server.
  static void* OnUri(void* self, const char* uri, MHD_Connection* connection);
  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char* version, const char* data,
                              std::size_t* data_size, void** context);
  static void OnCompleted(void* self, MHD_Connection* connection, void** context,
                          MHD_RequestTerminationCode why);
  static void OnConnection(void* self, MHD_Connection* connection, void** context,
                           MHD_ConnectionNotificationCode what);
  static void OnLog(void* self, const char* format, va_list arguments);
  // Paths are compared as sent; libmicrohttpd's own decoding would cut them at a %00.
  static std::size_t KeepEscapes(void*, MHD_Connection*, char* text) {
    return std::char_traits<char>::length(text);
  }

  MHD_Result Begin(MHD_Connection* connection, const std::shared_ptr<Exchange>& exchange);
  MHD_Result TakeBody(Exchange& exchange, std::span<const char> data);
  MHD_Result Complete(MHD_Connection* connection, const std::shared_ptr<Exchange>& exchange);
  MHD_Result RefuseBeforeBody(MHD_Connection* connection, Exchange& exchange,
                              HttpResponse response);
  MHD_Result Send(MHD_Connection* connection, const HttpResponse& response);
  std::optional<HttpResponse> CheckFraming(MHD_Connection* connection, Exchange& exchange) const;
  void Reap(std::stop_token stop);
  static Connection* ConnectionOf(MHD_Connection* connection);
  Nanos NextHeadDeadline() const {
    return clock_.MonotonicNow() + options_.idle_timeout + options_.header_timeout;
  }

  HttpHandler& handler_;
  Clock& clock_;
  EventListener& events_;
  const HttpServerOptions options_;
  ListenSocket socket_;
  MHD_Daemon* daemon_ = nullptr;
  std::atomic<bool> closing_{false};       // Every answer closes its connection.
  std::atomic<bool> may_not_wait_{false};  // Nobody may suspend any more.

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t in_flight_ = 0;
  std::unordered_set<Connection*> connections_;
  bool stopped_ = false;
  std::jthread reaper_;
};

Status MicrohttpdServer::Open() {
  SIGNALDB_ASSIGN(socket_, Listen(options_.listen, kBacklog));
  std::vector<MHD_OptionItem> items;
  const auto number = [&](MHD_OPTION option, std::size_t value) {
    items.push_back({option, static_cast<std::intptr_t>(value), nullptr});
  };
  const auto text = [&](MHD_OPTION option, const char* value) {
    items.push_back({option, 0, const_cast<char*>(value)});
  };
  number(MHD_OPTION_LISTEN_SOCKET, static_cast<std::size_t>(socket_.fd));
  number(MHD_OPTION_CONNECTION_LIMIT, options_.connections_max);
  number(MHD_OPTION_PER_IP_CONNECTION_LIMIT, options_.connections_per_ip_max);
  number(MHD_OPTION_CONNECTION_TIMEOUT, static_cast<std::size_t>(options_.idle_timeout.count()));
  number(MHD_OPTION_CONNECTION_MEMORY_LIMIT, options_.header_bytes_max);
  number(MHD_OPTION_CONNECTION_MEMORY_INCREMENT, options_.header_bytes_max / 4);
  number(MHD_OPTION_STRICT_FOR_CLIENT, 1);
  if (options_.threads > 1) number(MHD_OPTION_THREAD_POOL_SIZE, options_.threads);
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  if (socket_.ipv6) flags |= MHD_USE_IPv6;
  if (!options_.tls.certificate_pem.empty()) {
    flags |= MHD_USE_TLS;
    text(MHD_OPTION_HTTPS_MEM_CERT, options_.tls.certificate_pem.c_str());
    text(MHD_OPTION_HTTPS_MEM_KEY, options_.tls.key_pem.c_str());
    text(MHD_OPTION_HTTPS_PRIORITIES, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2");
  }
  items.push_back({MHD_OPTION_END, 0, nullptr});

  daemon_ = MHD_start_daemon(flags, 0, nullptr, nullptr, &OnRequest, this,  //
                             MHD_OPTION_EXTERNAL_LOGGER, &OnLog, this,      //
                             MHD_OPTION_URI_LOG_CALLBACK, &OnUri, this,     //
                             MHD_OPTION_UNESCAPE_CALLBACK, &KeepEscapes, this,
                             MHD_OPTION_NOTIFY_COMPLETED, &OnCompleted, this,
                             MHD_OPTION_NOTIFY_CONNECTION, &OnConnection, this,  //
                             MHD_OPTION_ARRAY, items.data(), MHD_OPTION_END);
  if (daemon_ == nullptr) {
    const bool tls = !options_.tls.certificate_pem.empty();
    return Fail(tls ? ErrorKind::kInvalid : ErrorKind::kUnavailable,
                fmt::format("cannot start the http server: {}, address={}",
                            tls ? "the certificate or its key cannot be used"
                                : "no thread or no epoll instance was to be had",
                            options_.listen));
  }
  reaper_ = std::jthread([this](std::stop_token stop) { Reap(std::move(stop)); });
  return {};
}

void MicrohttpdServer::Stop(Nanos grace) {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  if (daemon_ == nullptr) return;
  closing_.store(true);
  const int listening = MHD_quiesce_daemon(daemon_);
  // Its threads may use the socket a moment longer, so the number is given up only after they are
  // joined; but from here on the kernel turns new clients away.
  if (listening >= 0) shutdown(listening, SHUT_RDWR);
  {
    std::unique_lock lock(mutex_);
    idle_.wait_for(lock, grace, [&] { return in_flight_ == 0; });
    may_not_wait_.store(true);
    // libmicrohttpd ends the process if it is stopped with a suspended connection.
    std::vector<std::shared_ptr<Exchange>> waiting;
    for (const Connection* connection : connections_) {
      if (connection->exchange != nullptr) waiting.push_back(connection->exchange);
    }
    lock.unlock();
    for (const auto& exchange : waiting) {
      if (exchange->handed_over.load()) {
        exchange->Answer(PlainText(503, "the server is stopping\n"));
      }
    }
    lock.lock();
    idle_.wait_for(lock, kForcedAnswersGrace, [&] { return in_flight_ == 0; });
  }
  reaper_.request_stop();
  reaper_.join();
  MHD_stop_daemon(std::exchange(daemon_, nullptr));
  if (listening >= 0) close(listening);
}

Connection* MicrohttpdServer::ConnectionOf(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  SIGNALDB_ASSERT(info != nullptr && info->socket_context != nullptr);
  return static_cast<Connection*>(info->socket_context);
}

void MicrohttpdServer::OnConnection(void* self, MHD_Connection* connection, void** context,
                                    MHD_ConnectionNotificationCode what) {
  auto* server = static_cast<MicrohttpdServer*>(self);
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    auto record = std::make_unique<Connection>();
    record->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    record->head_deadline = server->NextHeadDeadline();
    const std::scoped_lock lock(server->mutex_);
    server->connections_.insert(record.get());
    *context = record.release();
    return;
  }
  // Still before the socket is closed: after this the reaper cannot touch a number used anew.
  const std::unique_ptr<Connection> record(static_cast<Connection*>(*context));
  const std::scoped_lock lock(server->mutex_);
  server->connections_.erase(record.get());
}

void* MicrohttpdServer::OnUri(void*, const char* uri, MHD_Connection* connection) {
  return new std::shared_ptr<Exchange>(std::make_shared<Exchange>(connection, uri));
}

// NOLINTNEXTLINE(readability-function-size): the signature is libmicrohttpd's.
MHD_Result MicrohttpdServer::OnRequest(void* self, MHD_Connection* connection, const char*,
                                       const char* method, const char*, const char* data,
                                       std::size_t* data_size, void** context) {
  auto* server = static_cast<MicrohttpdServer*>(self);
  const auto& exchange = *static_cast<std::shared_ptr<Exchange>*>(*context);
  if (!exchange->begun) {
    exchange->begun = true;
    exchange->head.method = method;
    return server->Begin(connection, exchange);
  }
  if (*data_size > 0) {
    return server->TakeBody(*exchange, {data, std::exchange(*data_size, 0)});
  }
  return server->Complete(connection, exchange);
}

void MicrohttpdServer::OnCompleted(void* self, MHD_Connection* connection, void** context,
                                   MHD_RequestTerminationCode) {
  auto* server = static_cast<MicrohttpdServer*>(self);
  const std::unique_ptr<std::shared_ptr<Exchange>> exchange(
      static_cast<std::shared_ptr<Exchange>*>(std::exchange(*context, nullptr)));
  if (exchange == nullptr) return;
  (*exchange)->Abandon();
  if (!(*exchange)->begun) return;
  Connection* record = ConnectionOf(connection);
  const Nanos deadline = server->NextHeadDeadline();
  const std::scoped_lock lock(server->mutex_);
  record->exchange.reset();
  record->head_deadline = deadline;
  if (--server->in_flight_ == 0) server->idle_.notify_all();
}

void MicrohttpdServer::OnLog(void* self, const char* format, va_list arguments) {
  auto* server = static_cast<MicrohttpdServer*>(self);
  if (!server->events_.Wants("http", Severity::kDebug)) return;
  std::array<char, 512> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  server->events_.Log({.severity = Severity::kDebug,
                       .module = "http",
                       .message = "libmicrohttpd says",
                       .fields = {{"text", text.data()}}});
}

// Refuses what two parsers could read in two ways (request smuggling), and too many headers.
std::optional<HttpResponse> MicrohttpdServer::CheckFraming(MHD_Connection* connection,
                                                           Exchange& exchange) const {
  MHD_get_connection_values(
      connection, MHD_HEADER_KIND,
      [](void* headers, MHD_ValueKind, const char* name, const char* value) {
        static_cast<HttpHeaders*>(headers)->Add(name, value == nullptr ? "" : value);
        return MHD_YES;
      },
      &exchange.head.headers);
  unsigned lengths = 0;
  unsigned codings = 0;
  for (const auto& [name, value] : exchange.head.headers.fields()) {
    if (HttpHeaders::SameName(name, "content-length")) {
      ++lengths;
      std::uint64_t length = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
      if (error != std::errc() || end != value.data() + value.size()) {
        return PlainText(400, "content-length is not a number\n");
      }
      exchange.head.content_length = length;
    } else if (HttpHeaders::SameName(name, "transfer-encoding")) {
      ++codings;
      if (!HttpHeaders::SameName(value, "chunked")) {
        return PlainText(501, "the only transfer-encoding understood is chunked\n");
      }
    }
  }
  if (lengths > 1 || codings > 1 || (lengths > 0 && codings > 0)) {
    return PlainText(400, "the length of the body is ambiguous\n");
  }
  if (lengths == 0 && codings == 0) exchange.head.content_length = 0;
  if (exchange.head.headers.fields().size() > options_.headers_max) {
    return PlainText(431, "too many headers\n");
  }
  return std::nullopt;
}

MHD_Result MicrohttpdServer::Begin(MHD_Connection* connection,
                                   const std::shared_ptr<Exchange>& exchange) {
  exchange->body_started = clock_.MonotonicNow();
  {
    Connection* record = ConnectionOf(connection);
    const std::scoped_lock lock(mutex_);
    ++in_flight_;
    record->head_deadline = kNever;
    record->exchange = exchange;
  }
  if (auto refusal = CheckFraming(connection, *exchange)) {
    // The rest of the connection cannot be trusted: no draining, libmicrohttpd closes it.
    refusal->headers.Add("Connection", "close");
    return Send(connection, *refusal);
  }
  auto admission = handler_.Admit(exchange->head);
  if (!admission) {
    return RefuseBeforeBody(connection, *exchange, std::move(admission).error());
  }
  exchange->body = BudgetedBuffer(admission->budget, admission->body_bytes_max);
  // Room for the first part now, so that a refusal comes before the body. Chunked: when it comes.
  const std::uint64_t length = exchange->head.content_length.value_or(0);
  auto refusal = length > admission->body_bytes_max
                     ? std::optional(BufferRefusal::kTooLarge)
                     : exchange->body.Reserve(std::min(length, kFirstBytesMax));
  if (refusal) {
    exchange->body = BudgetedBuffer();
    return RefuseBeforeBody(connection, *exchange, handler_.Refuse(exchange->head, *refusal));
  }
  return MHD_YES;
}

MHD_Result MicrohttpdServer::RefuseBeforeBody(MHD_Connection* connection, Exchange& exchange,
                                              HttpResponse response) {
  // Closing a socket with unread bytes resets it, and the client may never see the answer. So the
  // body is drained first, unless the client waits for our word or there is too much of it.
  const std::uint64_t length = exchange.head.content_length.value_or(1);
  const bool waits = exchange.head.headers.Find("expect").has_value();
  if (length == 0 || waits || length > options_.drain_bytes_max) {
    return Send(connection, response);
  }
  exchange.refusal = std::move(response);
  return MHD_YES;
}

MHD_Result MicrohttpdServer::TakeBody(Exchange& exchange, std::span<const char> data) {
  exchange.body_bytes += data.size();
  const Nanos elapsed = clock_.MonotonicNow() - exchange.body_started;
  if (elapsed > options_.header_timeout) {
    const auto seconds = static_cast<std::uint64_t>(elapsed / std::chrono::seconds(1));
    if (exchange.body_bytes < seconds * options_.body_bytes_per_second_min) return MHD_NO;
  }
  if (exchange.refusal) {
    return exchange.body_bytes > options_.drain_bytes_max ? MHD_NO : MHD_YES;
  }
  if (const auto refusal = exchange.body.Append(std::as_bytes(data))) {
    exchange.body = BudgetedBuffer();
    exchange.refusal = handler_.Refuse(exchange.head, *refusal);
  }
  return MHD_YES;
}

MHD_Result MicrohttpdServer::Complete(MHD_Connection* connection,
                                      const std::shared_ptr<Exchange>& exchange) {
  if (const auto& refusal = exchange->refusal) return Send(connection, *refusal);
  if (!exchange->handed_over.exchange(true)) {
    HttpRequest request;
    request.head = std::move(exchange->head);
    auto contents = std::move(exchange->body).Finish();
    request.body = contents.bytes;
    request.body_owner = std::move(contents.owner);
    request.hold = std::move(contents.hold);
    handler_.Handle(std::move(request),
                    [exchange](HttpResponse response) { exchange->Answer(std::move(response)); });
  }
  const auto answer = exchange->TakeAnswerOrSuspend(may_not_wait_);
  return answer ? Send(connection, *answer) : MHD_YES;
}

MHD_Result MicrohttpdServer::Send(MHD_Connection* connection, const HttpResponse& response) {
  // libmicrohttpd copies; it does not write to what it is given.
  MHD_Response* raw = MHD_create_response_from_buffer(
      response.body.size(), const_cast<char*>(response.body.data()), MHD_RESPMEM_MUST_COPY);
  if (raw == nullptr) return MHD_NO;
  const auto add = [&](const std::string& name, const std::string& value) {
    // Refused only if it could split the response; then the header is better left out.
    static_cast<void>(MHD_add_response_header(raw, name.c_str(), value.c_str()));
  };
  if (!response.content_type.empty()) add("Content-Type", response.content_type);
  bool closes = false;
  for (const auto& [name, value] : response.headers.fields()) {
    closes = closes || HttpHeaders::SameName(name, "connection");
    add(name, value);
  }
  if (closing_.load() && !closes) add("Connection", "close");
  const MHD_Result queued =
      MHD_queue_response(connection, static_cast<unsigned>(response.status), raw);
  MHD_destroy_response(raw);
  return queued;
}

// Ends clients that libmicrohttpd would keep too long. Its timeout starts anew with every byte, so
// one that sends a byte now and then could hold its connection for ever. And an end that arrives
// together with the last bytes goes unnoticed (the event is edge-triggered, the read was short), so
// that half a body would keep its share of the budget until the idle timeout. Two looks, one
// interval apart, since at the first one a complete request may be just about to be handed over.
void MicrohttpdServer::Reap(std::stop_token stop) {
  while (clock_.SleepFor(kReapInterval, stop)) {
    const Nanos now = clock_.MonotonicNow();
    const std::scoped_lock lock(mutex_);
    for (Connection* connection : connections_) {
      const Exchange* exchange = connection->exchange.get();
      const bool waits = exchange != nullptr && exchange->handed_over.load();
      const bool ended = !waits && HasEnded(connection->fd);
      const bool leaves = std::exchange(connection->ended, ended) && ended;
      if (!leaves && now < connection->head_deadline) continue;
      shutdown(connection->fd, SHUT_RDWR);
      connection->head_deadline = kNever;
    }
  }
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpHandler& handler, Clock& clock,
                                                      EventListener& events,
                                                      HttpServerOptions options) {
  auto server = std::make_unique<MicrohttpdServer>(handler, clock, events, std::move(options));
  SIGNALDB_TRY(server->Open());
  return server;
}

}  // namespace signaldb

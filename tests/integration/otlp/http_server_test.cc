#include "adapters/http/http_server.h"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/otlp/raw_client.h"
#include "testing/matchers.h"

namespace signaldb::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

/// Answers with what it was sent; holds back the paths under /later.
class EchoHandler final : public HttpHandler {
 public:
  [[nodiscard]] std::expected<HttpAdmission, HttpResponse> Admit(
      const HttpRequestHead& head) override {
    ++admitted;
    if (head.path == "/refused") return std::unexpected(Text(403, "refused"));
    return HttpAdmission{.body_bytes_max = body_bytes_max, .budget = budget};
  }
  void Handle(HttpRequest request, Done done) override {
    std::string text =
        request.head.method + " " + request.head.path + " " + request.head.query + " " +
        std::string(request.head.headers.Find("X-Echo").value_or("")) + " " +
        std::string(reinterpret_cast<const char*>(request.body.data()), request.body.size());
    request.hold.Release();
    if (request.head.path.starts_with("/later")) {
      const std::scoped_lock lock(mutex_);
      waiting_.emplace_back(std::move(text), std::move(done));
      return;
    }
    done(Text(200, std::move(text)));
  }
  [[nodiscard]] HttpResponse Refuse(const HttpRequestHead&, BufferRefusal why) override {
    return why == BufferRefusal::kTooLarge ? Text(413, "too large") : Text(503, "no memory");
  }

  void ReleaseWaiting() {
    std::vector<std::pair<std::string, Done>> waiting;
    {
      const std::scoped_lock lock(mutex_);
      waiting = std::exchange(waiting_, {});
    }
    for (auto& [text, done] : waiting) done(Text(200, std::move(text)));
  }
  [[nodiscard]] bool WaitForWaiting(std::size_t count) {
    for (int i = 0; i < 2000; ++i) {
      {
        const std::scoped_lock lock(mutex_);
        if (waiting_.size() >= count) return true;
      }
      std::this_thread::yield();
      SystemClock().SleepFor(milliseconds(5), {});
    }
    return false;
  }

  std::uint64_t body_bytes_max = 1000;
  MemoryBudget* budget = nullptr;
  std::atomic<int> admitted = 0;

 private:
  static HttpResponse Text(int status, std::string text) {
    HttpResponse response;
    response.status = status;
    response.content_type = "text/plain";
    response.body = std::move(text);
    return response;
  }

  std::mutex mutex_;
  std::vector<std::pair<std::string, Done>> waiting_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  ~HttpServerTest() override {
    handler_.ReleaseWaiting();
    server_.reset();
  }

  RawClient Serve(HttpServerOptions options = {}) {
    auto server = HttpServer::Start(handler_, clock_, events_, std::move(options));
    EXPECT_THAT(server, IsOk());
    server_ = *std::move(server);
    return RawClient(server_->port());
  }
  [[nodiscard]] RawClient Again() const { return RawClient(server_->port()); }

  /// The status of the answer to `bytes`; 0 if the connection was closed without one.
  int StatusOf(std::string_view bytes) {
    RawClient client = Again();
    client.Send(bytes);
    const auto response = client.Receive(seconds(5));
    return response ? response->status : 0;
  }

  /// The count falls a moment after a client has its answer.
  bool WaitForInFlight(std::size_t count) {
    for (int i = 0; i < 500 && server_->requests_in_flight() != count; ++i) {
      clock_.SleepFor(milliseconds(10), {});
    }
    return server_->requests_in_flight() == count;
  }

  EchoHandler handler_;
  SystemClock clock_;
  NullEventListener events_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, EchoesAThousandRequestsOnOneConnection) {
  RawClient client = Serve();
  for (int i = 0; i < 1000; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_TRUE(client.Send(Post("/a?b=%2f&c", n, "x-echo: e\r\n")));
    const auto response = client.Receive();
    ASSERT_TRUE(response.has_value()) << i;
    ASSERT_EQ(response->status, 200);
    ASSERT_EQ(response->body, "POST /a b=%2f&c e " + n);
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  RawClient client = Serve();
  client.Send(Post("/1", "") + Post("/2", "body") + "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.Receive()->body, "POST /1   ");
  EXPECT_EQ(client.Receive()->body, "POST /2   body");
  EXPECT_EQ(client.Receive()->body, "GET /3   ");
}

TEST_F(HttpServerTest, PutsChunksTogether) {
  RawClient client = Serve();
  client.Send("POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.Send("3\r\nabc\r\n");
  client.Send("a;ext=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n");
  const auto response = client.Receive();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->body, "POST /c   abc0123456789");
}

TEST_F(HttpServerTest, SendsContinueOnlyIfTheBodyIsWanted) {
  RawClient client = Serve();
  client.Send("POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  client.Send("abc");
  EXPECT_EQ(client.Receive()->body, "POST /c   abc");
  client.Send(
      "POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n");
  const auto refused = client.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 413);
}

TEST_F(HttpServerTest, TakesBodiesExactlyUpToTheLimit) {
  RawClient first = Serve();
  struct Case {
    std::size_t size;
    int status;
  };
  static constexpr Case kCases[] = {
      {0, 200}, {999, 200}, {1000, 200}, {1001, 413}, {1'000'000, 413}};
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.size);
    const std::string body(c.size, 'x');
    EXPECT_EQ(StatusOf(Post("/", body)), c.status);
    std::string chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < c.size; at += 100) {
      const std::string part = body.substr(at, 100);
      char size[16];
      std::snprintf(size, sizeof(size), "%zx\r\n", part.size());
      chunked += size + part + "\r\n";
    }
    EXPECT_EQ(StatusOf(chunked + "0\r\n\r\n"), c.status);
  }
}

TEST_F(HttpServerTest, KeepsTheConnectionAfterARefusalThatItDrained) {
  RawClient client = Serve();
  client.Send(Post("/", std::string(5000, 'x')));
  EXPECT_EQ(client.Receive()->status, 413);
  client.Send(Post("/refused", "abc"));
  EXPECT_EQ(client.Receive()->status, 403);
  client.Send(Post("/", "abc"));
  EXPECT_EQ(client.Receive()->status, 200);
}

TEST_F(HttpServerTest, DrainsNoMoreThanItsLimit) {
  HttpServerOptions options;
  options.drain_bytes_max = 10'000;
  RawClient client = Serve(options);
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 100; ++i) client.Send("400\r\n" + std::string(1024, 'x') + "\r\n");
  EXPECT_FALSE(client.Receive().has_value());
  RawClient announced = Again();
  announced.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10001\r\n\r\n");
  EXPECT_EQ(announced.Receive()->status, 413);
  EXPECT_TRUE(announced.WaitForClose(seconds(5)));
}

TEST_F(HttpServerTest, RefusesAmbiguousFraming) {
  RawClient first = Serve();
  const std::string start = "POST / HTTP/1.1\r\nHost: x\r\n";
  struct Case {
    std::string_view name;
    std::string bytes;
    int status;
  };
  const Case cases[] = {
      {"both lengths", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"both, other order", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
       400},
      {"two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400},
      {"same length twice", "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
      {"length list", "Content-Length: 3, 3\r\n\r\nabc", 400},
      {"negative length", "Content-Length: -1\r\n\r\n", 400},
      {"plus sign", "Content-Length: +3\r\n\r\nabc", 400},
      {"hex length", "Content-Length: 0x3\r\n\r\nabc", 400},
      {"gzip coding", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"hidden coding", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
      {"two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    RawClient client = Again();
    client.Send(start + c.bytes);
    const auto response = client.Receive(seconds(5));
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, c.status);
    EXPECT_TRUE(client.WaitForClose(seconds(5)));
  }
  EXPECT_EQ(handler_.admitted, 0);
}

TEST_F(HttpServerTest, SurvivesGarbage) {
  RawClient first = Serve();
  const std::string garbage[] = {
      "\r\n\r\n\r\n",
      std::string(100, '\0'),
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET /" + std::string(200'000, 'a')};
  for (const std::string& bytes : garbage) {
    RawClient client = Again();
    client.Send(bytes);
    client.HalfClose();
    static_cast<void>(client.Receive(milliseconds(200)));
  }
  EXPECT_EQ(StatusOf(Post("/", "still here")), 200);
}

TEST_F(HttpServerTest, LimitsHeadersInBytesAndNumber) {
  RawClient first = Serve();
  const auto with = [](int count) {
    std::string headers;
    for (int i = 0; i < count; ++i) headers += "x-" + std::to_string(i) + ": y\r\n";
    return Post("/", "", headers);
  };
  EXPECT_EQ(StatusOf(with(98)), 200) << "with Host and Content-Length: 100";
  EXPECT_EQ(StatusOf(with(99)), 431);
  EXPECT_EQ(StatusOf(Post("/", "", "x: " + std::string(30'000, 'y') + "\r\n")), 200);
  EXPECT_THAT(StatusOf(Post("/", "", "x: " + std::string(65'536, 'y') + "\r\n")),
              ::testing::AnyOf(413, 431, 0));
  EXPECT_THAT(StatusOf("GET /" + std::string(65'536, 'y') + " HTTP/1.1\r\nHost: x\r\n\r\n"),
              ::testing::AnyOf(414, 0));
}

TEST_F(HttpServerTest, LimitsConnectionsInAllAndPerAddress) {
  for (const bool per_ip : {false, true}) {
    HttpServerOptions options;
    if (per_ip) {
      options.connections_per_ip_max = 4;
    } else {
      options.connections_max = 4;
    }
    std::vector<RawClient> clients;
    clients.push_back(Serve(options));
    while (clients.size() < 4) clients.push_back(Again());
    for (RawClient& client : clients) {
      client.Send(Post("/", ""));
      EXPECT_EQ(client.Receive()->status, 200);
    }
    RawClient fifth = Again();
    fifth.Send(Post("/", ""));
    EXPECT_FALSE(fifth.Receive(milliseconds(500)).has_value());
    fifth.Close();
    clients.pop_back();
    bool served = false;
    for (int i = 0; i < 50 && !served; ++i) {
      RawClient next = Again();
      next.Send(Post("/", ""));
      served = next.Receive(milliseconds(200)).has_value();
    }
    EXPECT_TRUE(served) << "a closed connection gives its place back";
  }
}

TEST_F(HttpServerTest, ClosesIdleConnections) {
  HttpServerOptions options;
  options.idle_timeout = seconds(1);
  RawClient client = Serve(options);
  EXPECT_TRUE(client.WaitForClose(seconds(5)));
}

TEST_F(HttpServerTest, EndsClientsThatDawdleOverTheHead) {
  HttpServerOptions options;
  options.idle_timeout = seconds(2);
  options.header_timeout = seconds(0);
  RawClient client = Serve(options);
  const auto begun = std::chrono::steady_clock::now();
  bool open = client.Send("POST / HTTP/1.1\r\nHost: x\r\nx: ");
  while (open && std::chrono::steady_clock::now() - begun < seconds(10)) {
    clock_.SleepFor(milliseconds(100), {});
    open = client.Send("y");
  }
  EXPECT_FALSE(open);
}

TEST_F(HttpServerTest, EndsClientsThatDawdleOverTheBody) {
  HttpServerOptions options;
  options.header_timeout = seconds(1);
  RawClient client = Serve(options);
  bool open = client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
  for (int i = 0; i < 100 && open; ++i) {
    clock_.SleepFor(milliseconds(100), {});
    open = client.Send("y");
  }
  EXPECT_FALSE(open);
  EXPECT_TRUE(WaitForInFlight(0));
}

TEST_F(HttpServerTest, AnswersFromAnotherThreadWhileOthersAreServed) {
  RawClient client = Serve();
  client.Send(Post("/later", "1"));
  ASSERT_TRUE(handler_.WaitForWaiting(1));
  EXPECT_EQ(StatusOf(Post("/", "")), 200);
  EXPECT_TRUE(WaitForInFlight(1));
  std::jthread([&] { handler_.ReleaseWaiting(); }).join();
  EXPECT_EQ(client.Receive()->body, "POST /later   1");
}

TEST_F(HttpServerTest, AnswersHalfClosedClients) {
  RawClient client = Serve();
  client.Send(Post("/later", "1"));
  client.HalfClose();
  ASSERT_TRUE(handler_.WaitForWaiting(1));
  handler_.ReleaseWaiting();
  const auto response = client.Receive();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->body, "POST /later   1");
}

TEST_F(HttpServerTest, ForgetsClientsThatLeave) {
  MemoryBudget budget(1 << 20);
  handler_.budget = &budget;
  {
    RawClient waiting = Serve();
    waiting.Send(Post("/later", "1"));
    ASSERT_TRUE(handler_.WaitForWaiting(1));
    // Many, so that for some the end arrives together with the last bytes.
    for (int i = 0; i < 50; ++i) {
      RawClient in_body = Again();
      in_body.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nabc");
    }
  }
  handler_.ReleaseWaiting();
  EXPECT_TRUE(WaitForInFlight(0));
  EXPECT_EQ(budget.used(), 0);
}

TEST_F(HttpServerTest, TakesFromTheBudgetWhatArrivesAndNotWhatIsAnnounced) {
  MemoryBudget budget(4 << 20);
  handler_.budget = &budget;
  handler_.body_bytes_max = 64 << 20;
  RawClient client = Serve();
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 67108864\r\n\r\nabc");
  for (int i = 0; i < 500 && budget.used() == 0; ++i) clock_.SleepFor(milliseconds(10), {});
  EXPECT_EQ(budget.used(), 1 << 20);
  // A large body outgrows what is there and is refused, after being read.
  EXPECT_EQ(StatusOf(Post("/", std::string(8 << 20, 'x'))), 503);
  const auto rest = budget.TryTake(budget.bytes_max() - budget.used());
  EXPECT_EQ(StatusOf(Post("/", "abc")), 503);
  client.Close();
  for (int i = 0; i < 500 && budget.used() > rest.bytes(); ++i) {
    clock_.SleepFor(milliseconds(10), {});
  }
  EXPECT_EQ(budget.used(), rest.bytes());
}

TEST_F(HttpServerTest, StopLetsRequestsInFlightEnd) {
  RawClient idle = Serve();
  RawClient waiting = Again();
  waiting.Send(Post("/later", "1"));
  ASSERT_TRUE(handler_.WaitForWaiting(1));
  std::jthread stopper([&] { server_->Stop(seconds(20)); });
  for (int i = 0; i < 500 && RawClient(server_->port()).connected(); ++i) {
    clock_.SleepFor(milliseconds(10), {});
  }
  EXPECT_FALSE(RawClient(server_->port()).connected()) << "nobody new is let in";
  handler_.ReleaseWaiting();
  const auto response = waiting.Receive();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->headers.at("connection"), "close");
  stopper.join();
}

TEST_F(HttpServerTest, StopAnswersForThoseWhoWaitTooLong) {
  RawClient waiting = Serve();
  waiting.Send(Post("/later", "1"));
  RawClient in_body = Again();
  in_body.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nabc");
  ASSERT_TRUE(handler_.WaitForWaiting(1));
  const auto begun = std::chrono::steady_clock::now();
  server_->Stop(milliseconds(100));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(5));
  EXPECT_EQ(waiting.Receive()->status, 503);
  EXPECT_FALSE(in_body.Receive().has_value());
  server_.reset();
  handler_.ReleaseWaiting();  // Too late, and nobody is hurt.
}

TEST_F(HttpServerTest, SaysWhyItCannotStart) {
  RawClient first = Serve();
  HttpServerOptions taken;
  taken.listen = server_->address();
  EXPECT_THAT(HttpServer::Start(handler_, clock_, events_, taken),
              IsErrorSaying(ErrorKind::kUnavailable, "Address already in use"));
  for (const std::string_view address :
       {"", "localhost:1", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:x", "::1:80", ":80"}) {
    HttpServerOptions wrong;
    wrong.listen = address;
    EXPECT_THAT(HttpServer::Start(handler_, clock_, events_, wrong),
                IsErrorSaying(ErrorKind::kInvalid, "cannot listen"))
        << address;
  }
  HttpServerOptions tls;
  tls.tls = {.certificate_pem = "not a certificate", .key_pem = "no key"};
  EXPECT_THAT(HttpServer::Start(handler_, clock_, events_, tls),
              IsErrorSaying(ErrorKind::kInvalid, "certificate"));
}

TEST_F(HttpServerTest, ServesManyConnectionsOnSeveralThreads) {
  HttpServerOptions options;
  options.threads = 2;
  RawClient first = Serve(options);
  std::vector<std::jthread> threads;
  std::atomic<int> served = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      RawClient client = Again();
      for (int i = 0; i < 200; ++i) {
        client.Send(Post(i % 2 == 0 ? "/" : "/later", std::string(500, 'x')));
        if (i % 2 == 1) handler_.ReleaseWaiting();
        auto response = client.Receive(milliseconds(i % 2 == 1 ? 20 : 20'000));
        while (!response && i % 2 == 1) {
          handler_.ReleaseWaiting();
          response = client.Receive(milliseconds(20));
        }
        if (response && response->status == 200) ++served;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(served, 1600);
}

}  // namespace
}  // namespace signaldb::testing

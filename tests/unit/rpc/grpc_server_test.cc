#include "rpc/grpc_server.h"

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "base/memory_budget.h"
#include "rpc/message_bytes.h"
#include "rpc/rpc_call.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::IsError;
using testing::IsErrorSaying;
using testing::IsOk;
using ::testing::StartsWith;

constexpr std::chrono::seconds kPatience{60};

/// What tests keep of the calls of "/hold": the right to answer them, or not.
struct Held {
  std::mutex mutex;
  std::condition_variable came;
  std::optional<AnswerTicket> ticket;

  AnswerTicket Wait() {
    std::unique_lock lock(mutex);
    came.wait(lock, [this] { return ticket.has_value(); });
    return *ticket;
  }
};

/// "/echo" answers with its message, "/hold" not at all.
class TestCall final : public RpcCall {
 public:
  TestCall(std::string method, Held& held, MemoryBudget& budget)
      : method_(std::move(method)), held_(held), budget_(budget) {
    Read();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Answer({grpc::StatusCode::INVALID_ARGUMENT, "no message"});
    if (method_ == "/hold") {
      const std::scoped_lock lock(held_.mutex);
      held_.ticket = ticket();
      held_.came.notify_all();
      return;
    }
    const auto bytes = TakeMessageBytes(message(), 1 << 20, budget_);
    if (!bytes) return Answer({grpc::StatusCode::INTERNAL, "no bytes"});
    if (ticket().Take())
      FinishWith({reinterpret_cast<const char*>(bytes->bytes.data()), bytes->bytes.size()});
  }

 private:
  const std::string method_;
  Held& held_;
  MemoryBudget& budget_;
};

class TestService final : public grpc::CallbackGenericService {
 public:
  TestService(Held& held, MemoryBudget& budget) : held_(held), budget_(budget) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new TestCall(context->method(), held_, budget_);
  }

 private:
  Held& held_;
  MemoryBudget& budget_;
};

class GrpcServerTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<GrpcServer>> Start(GrpcServerOptions options = {}) {
    options.name = "test/grpc";
    if (options.listen.empty()) options.listen = "127.0.0.1:0";
    return GrpcServer::Start(std::make_unique<TestService>(held, budget), std::move(options));
  }

  struct Reply {
    grpc::Status status;
    std::string text;
  };
  static Reply Call(const GrpcServer& server, const std::string& method, const std::string& text,
                    const std::shared_ptr<grpc::ChannelCredentials>& credentials =
                        grpc::InsecureChannelCredentials()) {
    grpc::GenericStub stub(grpc::CreateChannel(server.address(), credentials));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    const grpc::Slice slice(text);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, method, grpc::StubOptions(), &request, &response,
                   [&](grpc::Status status) { done.set_value(std::move(status)); });
    Reply reply{done.get_future().get(), {}};
    grpc::Slice bytes;
    if (response.Valid() && response.DumpToSingleSlice(&bytes).ok())
      reply.text.assign(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
    return reply;
  }

  Held held;
  MemoryBudget budget{1 << 20};
};

TEST_F(GrpcServerTest, ServesOnTheAddressItTells) {
  const auto server = Start();
  ASSERT_THAT(server, IsOk());
  EXPECT_NE((*server)->port(), 0);
  EXPECT_EQ((*server)->address(), "127.0.0.1:" + std::to_string((*server)->port()));
  const Reply reply = Call(**server, "/echo", "hello");
  EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.text, "hello");
}

TEST_F(GrpcServerTest, SaysWhatCannotListenAndWhere) {
  const auto first = Start();
  ASSERT_THAT(first, IsOk());
  const auto second = Start({.listen = (*first)->address()});
  ASSERT_THAT(second, IsError(ErrorKind::kUnavailable));
  EXPECT_THAT(second.error().message, StartsWith("cannot listen for test/grpc: "));
  EXPECT_THAT(second.error().message, ::testing::EndsWith("address=" + (*first)->address()));
  EXPECT_THAT(Start({.certificate_pem = "no certificate", .key_pem = "no key"}),
              IsErrorSaying(ErrorKind::kUnavailable, "certificate"));
}

TEST_F(GrpcServerTest, RefusesLongerMessagesThanItsLimit) {
  const auto server = Start({.message_bytes_max = 100});
  ASSERT_THAT(server, IsOk());
  EXPECT_TRUE(Call(**server, "/echo", std::string(100, 'x')).status.ok());
  EXPECT_EQ(Call(**server, "/echo", std::string(101, 'x')).status.error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcServerTest, StopsTwiceAndTakesTheRightToAnswerFromCallsThatWait) {
  auto server = Start();
  ASSERT_THAT(server, IsOk());
  Reply reply;
  std::jthread client([&] { reply = Call(**server, "/hold", "hello"); });
  const AnswerTicket ticket = held.Wait();
  (*server)->Stop(std::chrono::nanoseconds(0));
  EXPECT_FALSE(ticket.Take()) << "the call is gone";
  (*server)->Stop(kPatience);
  client.join();
  EXPECT_FALSE(reply.status.ok());
}

TEST(AnswerTicket, IsTakenOnceByWhicheverCopy) {
  const AnswerTicket ticket;
  const AnswerTicket copy = ticket;
  EXPECT_TRUE(copy.Take());
  EXPECT_FALSE(ticket.Take());
  EXPECT_FALSE(copy.Take());
  EXPECT_TRUE(AnswerTicket().Take());
}

}  // namespace
}  // namespace signaldb

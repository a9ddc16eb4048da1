#pragma once

#include <atomic>
#include <memory>
#include <string_view>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

namespace signaldb {

/// The right to answer a call, which may be gone by the time its answer comes: whoever takes it
/// first finishes the call, and everybody else does nothing. Copies are the same right.
///
/// Threads: thread-safe.
class AnswerTicket {
 public:
  /// True once. Until then the call is alive, and afterwards as long as its taker has not finished
  /// it.
  [[nodiscard]] bool Take() const { return !taken_->exchange(true); }

 private:
  std::shared_ptr<std::atomic<bool>> taken_ = std::make_shared<std::atomic<bool>>(false);
};

/// One call that is answered once, with at most one message. Deletes itself in OnDone, which gRPC
/// calls after Finish and nothing else.
///
/// Lifetime: on the heap; who answers later keeps the ticket, and may use the call if and only if
/// it gets the right to. Threads:  gRPC's own, one at a time but for OnCancel, and that of whoever
/// answers.
class RpcCall : public grpc::ServerGenericBidiReactor {
 public:
  void OnCancel() final;
  void OnDone() final { delete this; }

 protected:
  ~RpcCall() override = default;

  [[nodiscard]] const AnswerTicket& ticket() const { return ticket_; }
  /// The message that was read last.
  [[nodiscard]] grpc::ByteBuffer& message() { return message_; }
  /// OnReadDone follows.
  void Read() { StartRead(&message_); }

  /// Finishes the call unless somebody else did or will.
  void Answer(const grpc::Status& status);
  /// Finishes the call, whose ticket was taken, with one message.
  void FinishWith(std::string_view message);

 private:
  const AnswerTicket ticket_;
  grpc::ByteBuffer message_;
  grpc::ByteBuffer response_;
};

}  // namespace signaldb
